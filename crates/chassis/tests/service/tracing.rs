//! The trace of a request, and its line in the access log.

use gwanmun_chassis::App;
use gwanmun_chassis::axum::Router;
use gwanmun_testkit::Connection;

use crate::program::Program;
use crate::scene::{connect, serve};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[tokio::test]
async fn a_request_goes_on_with_the_trace_of_its_caller() {
    let routes: Router<App> = Router::new();
    let running = serve(routes, "telemetry: {traces: {propagate: [w3c, b3]}}").await;
    let mut client = connect(&running).await;
    for caller in
        [format!("traceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n"), format!("b3: {TRACE}-b7ad6b7169203331-1\r\n")]
    {
        let problem = client.ask("GET", "/nowhere", &caller).await.json();
        assert_eq!(problem["trace_id"], TRACE);
    }
    let first = client.get("/nowhere").await.json();
    assert_ne!(first["trace_id"], client.get("/nowhere").await.json()["trace_id"]);
    running.stop().await;
}

#[tokio::test]
async fn each_request_is_a_line_in_the_access_log() {
    let program = Program::start("", "", &[]);
    let (address, _) = program.ready().await;
    let mut client = Connection::tcp(address).await;
    let trace = format!("traceparent: 00-{TRACE}-b7ad6b7169203331-01\r\nUser-Agent: test\r\n");
    client.ask("GET", "/", &trace).await;
    client.post("/echo", "hello").await;
    client.get("/nowhere?a=b").await;
    let line = program.output.line(|line| line["path"] == "/").await;
    assert_eq!((&line["trace_id"], &line["route"], &line["status"]), (&TRACE.into(), &"/".into(), &200.into()));
    assert_eq!((&line["user_agent"], &line["host"]), (&"test".into(), &"gateway.test".into()));
    let line = program.output.line(|line| line["path"] == "/echo").await;
    assert_eq!((&line["bytes_in"], &line["bytes_out"], &line["method"]), (&5.into(), &5.into(), &"POST".into()));
    let line = program.output.line(|line| line["path"] == "/nowhere").await;
    assert_eq!((&line["route"], &line["fault"]), (&serde_json::Value::Null, &"no-route".into()));
}
