//! Lines against receivers that work, go away, stall and talk back.

use std::io::BufReader;
use std::net::TcpListener;

use super::*;

fn receiver(address: &str) -> Receiver {
    Receiver { address: address.into(), header: Header::new(16, "host", "test", 1) }
}

fn syslog(address: &str, stall: Duration) -> Syslog {
    Syslog::with(receiver(address), Duration::from_millis(1), stall).unwrap()
}

fn line(number: usize) -> Vec<u8> {
    format!("{{\"level\":\"info\",\"message\":\"{number}\"}}\n").into_bytes()
}

/// One frame, without its length.
fn frame(stream: &mut impl io::Read) -> String {
    let mut length = 0;
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        match byte[0] {
            b' ' => break,
            digit => length = length * 10 + usize::from(digit - b'0'),
        }
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).unwrap();
    String::from_utf8(message).unwrap()
}

fn accept(listener: &TcpListener) -> BufReader<TcpStream> {
    BufReader::new(listener.accept().unwrap().0)
}

fn bind(address: &str) -> TcpListener {
    TcpListener::bind(address).unwrap()
}

fn end(syslog: &Syslog) {
    syslog.hurry();
    syslog.writer().close();
}

#[test]
fn lines_arrive_in_their_order() {
    let listener = bind("127.0.0.1:0");
    let address = listener.local_addr().unwrap().to_string();
    let syslog = syslog(&address, STALL);
    (0..100).for_each(|number| syslog.send(line(number)));
    let mut stream = accept(&listener);
    for number in 0..100 {
        let frame = frame(&mut stream);
        assert!(frame.starts_with("<134>1 - host test 1 - - \u{feff}{"), "{frame}");
        assert!(frame.ends_with(&format!("\"{number}\"}}")), "{frame}");
    }
    end(&syslog);
    let collector = syslog.collector();
    assert_eq!((collector.signal, &*collector.target), ("logs", &*format!("tcp://{address}")));
    assert_eq!((collector.state.sent, collector.state.dropped, collector.state.queued), (100, 0, 0));
    assert!(collector.state.last_success.is_some() && collector.state.last_failure.is_none());
}

#[test]
fn what_was_said_while_the_receiver_was_away_arrives_when_it_comes() {
    let listener = bind("127.0.0.1:0");
    let address = listener.local_addr().unwrap().to_string();
    let syslog = syslog(&address, STALL);
    syslog.send(line(0));
    let mut stream = accept(&listener);
    frame(&mut stream);
    drop((stream, listener));
    (1..4).for_each(|number| syslog.send(line(number)));
    while syslog.collector().state.last_failure.is_none() {
        std::thread::yield_now();
    }
    assert_eq!(syslog.collector().state.queued, 3);
    let listener = bind(&address);
    let mut stream = accept(&listener);
    for number in 1..4 {
        assert!(frame(&mut stream).contains(&format!("\"{number}\"")));
    }
    end(&syslog);
    assert_eq!((syslog.collector().state.sent, syslog.writer().dropped()), (4, 0));
}

#[test]
fn a_receiver_that_takes_nothing_costs_what_does_not_fit_and_holds_up_nobody() {
    let listener = bind("127.0.0.1:0");
    let syslog = syslog(&listener.local_addr().unwrap().to_string(), Duration::from_millis(20));
    let long = format!("{{\"message\":\"{}\"}}\n", "x".repeat(64 * 1024)).into_bytes();
    let begin = std::time::Instant::now();
    (0..2000).for_each(|_| syslog.send(long.clone()));
    assert!(begin.elapsed() < Duration::from_secs(5));
    let state = syslog.collector().state;
    assert!(state.dropped > 1000 && state.queued < 1000, "{state:?}");
    end(&syslog);
    assert_eq!(syslog.collector().state.queued, 0);
}

#[test]
fn a_torn_frame_is_sent_again_as_a_whole() {
    let listener = bind("127.0.0.1:0");
    let syslog = syslog(&listener.local_addr().unwrap().to_string(), Duration::from_millis(50));
    // More than the kernel takes for a reader that does not read.
    let long = format!("{{\"message\":\"{}\"}}\n", "x".repeat(7 * 1024 * 1024)).into_bytes();
    syslog.send(long.clone());
    let first = accept(&listener);
    let mut second = accept(&listener);
    drop(first);
    assert!(frame(&mut second).ends_with(std::str::from_utf8(long.trim_ascii_end()).unwrap()));
    end(&syslog);
}

#[test]
fn what_a_receiver_says_is_thrown_away() {
    let listener = bind("127.0.0.1:0");
    let syslog = syslog(&listener.local_addr().unwrap().to_string(), STALL);
    syslog.send(line(0));
    let mut stream = accept(&listener);
    frame(&mut stream);
    stream.get_mut().write_all(&[b'x'; 10_000]).unwrap();
    for number in 1..50 {
        syslog.send(line(number));
        assert!(frame(&mut stream).contains(&format!("\"{number}\"")));
    }
    end(&syslog);
}

#[test]
fn at_the_end_lines_for_nobody_are_given_up_and_counted() {
    let address = bind("127.0.0.1:0").local_addr().unwrap().to_string();
    let syslog = Syslog::with(receiver(&address), Duration::from_secs(3600), STALL).unwrap();
    (0..5).for_each(|number| syslog.send(line(number)));
    end(&syslog);
    assert_eq!((syslog.writer().dropped(), syslog.collector().state.queued), (5, 0));
}

#[test]
fn addresses_are_of_tcp() {
    for (url, wanted) in [
        ("tcp://127.0.0.1:6514", Some("127.0.0.1:6514")),
        ("tcp://logs.internal:601/", Some("logs.internal:601")),
        ("tcp://[::1]:601", Some("[::1]:601")),
        ("tcp://logs.internal", None),
        ("tcp://logs.internal:0", None),
        ("tcp://:601", None),
        ("tcp://a b:601", None),
        ("tcp://user@host:601", None),
        ("tls://127.0.0.1:6514", None),
        ("udp://127.0.0.1:514", None),
        ("127.0.0.1:514", None),
        ("", None),
    ] {
        assert_eq!(address(url).ok(), wanted, "{url}");
    }
    assert!(address("tls://a:1").unwrap_err().contains("plain TCP"));
}
