//! Where the application log goes besides standard error.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;

use gwanmun_testkit::{Connection, eventually};

use crate::program::Program;

async fn until_in(path: &Path, words: &str) {
    eventually(words, async || std::fs::read_to_string(path).ok().filter(|text| text.contains(words))).await;
}

#[tokio::test]
async fn lines_go_to_a_file_and_to_another_one_after_a_reload() {
    let mut program = Program::start("", "telemetry: {logs: {file: first.log}}", &[]);
    program.ready().await;
    until_in(&program.path("first.log"), r#""event":"ready""#).await;
    std::fs::write(program.path("application.yaml"), "telemetry: {logs: {file: second.log}}").unwrap();
    until_in(&program.path("second.log"), r#""event":"reloaded""#).await;
    std::fs::write(program.path("application.yaml"), "telemetry: {logs: {file: nowhere/third.log}}").unwrap();
    until_in(&program.path("second.log"), r#""event":"log-output-kept""#).await;
    program.signal("TERM");
    assert_eq!(program.ended().await, 0);
    until_in(&program.path("second.log"), r#""event":"stopped""#).await;
    assert!(!std::fs::read_to_string(program.path("first.log")).unwrap().contains("stopped"));
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_told_at_the_start() {
    let mut program = Program::start("", "telemetry: {logs: {file: nowhere/a.log}}", &[]);
    assert_eq!(program.ended().await, 3);
    program.log.ended().await;
    assert!(program.log.text().contains("telemetry.logs: the file cannot be opened"), "{}", program.log.text());
}

#[tokio::test]
async fn lines_go_to_a_syslog_receiver_under_the_services_name() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = format!("telemetry: {{logs: {{syslog: 'tcp://{}'}}}}", receiver.local_addr().unwrap());
    let received = tokio::task::spawn_blocking(move || {
        let (stream, _) = receiver.accept().unwrap();
        let lines = BufReader::new(stream).split(b'}').map(|line| String::from_utf8(line.unwrap()).unwrap());
        lines.into_iter().find(|line| line.contains(r#""event":"ready""#)).unwrap()
    });
    let program = Program::start("", &settings, &[]);
    let (_, management) = program.ready().await;
    let line = received.await.unwrap();
    assert!(line.contains(" orders "), "{line}");
    let health = Connection::tcp(management).await.get("/health").await.text();
    assert!(health.contains("collectors"), "{health}");
}
