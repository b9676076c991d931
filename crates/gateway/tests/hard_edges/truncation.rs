//! Requests that break off after every single byte: no whole request comes of a part of one.

use gwanmun_testkit::PATIENCE;

use crate::Place;
use crate::client::Pieces;
use crate::form::{End, raw};
use crate::outcome;

const REQUESTS: [&str; 4] = [
    "GET /form?a=b HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nConnection: close\r\n\r\n",
    "POST /form HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    "POST /form HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-A: 1\r\n\r\n",
    "GET http://a.test/form HTTP/1.0\r\n\r\n",
];

#[tokio::test]
async fn a_request_cut_at_any_byte_never_becomes_a_whole_one() {
    let place = Place::open().await;
    for request in REQUESTS {
        for end in 0..request.len() {
            let form = raw("cut", "", &request[..end]).finishing().ends(End::Gone);
            let (heard, received) = place.send(&form, Pieces::Whole, PATIENCE).await;
            if let Err(why) = outcome::judge(&form, &heard, &received) {
                panic!("{:?}: {why}\n{heard:?}\n{received:?}", &request[..end]);
            }
        }
    }
}
