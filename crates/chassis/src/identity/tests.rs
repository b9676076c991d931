//! What needs the inside of a service to be seen.

use std::time::Instant;

use axum::body::Body;
use axum::routing::get;
use http::{Request, StatusCode};
use tower::{Layer, Service as _};

use super::layer::PassportLayer;
use super::*;
use crate::service::Service;
use crate::testing::{Passports, TestService};

#[tokio::test]
async fn what_must_be_recorded_and_cannot_be_does_not_happen() {
    let (passports, folder) = (Passports::new(), tempfile::tempdir().unwrap());
    let record = |audit: Audit| async move {
        match audit.record("order.cancelled").await {
            Ok(()) => StatusCode::OK,
            Err(fault) => fault.code().status(),
        }
    };
    for (on_sink_error, refused, recorded) in [("deny", 503, 503), ("allow", 401, 200)] {
        let file = folder.path().join(on_sink_error).display().to_string();
        let settings = format!("{}audit: {{file: {file}, on-sink-error: {on_sink_error}}}\n", passports.settings());
        let routes = Router::new().route("/record", get(record));
        let service = TestService::start(Service::new("orders").routes(routes), &settings).await;
        assert_eq!(service.get("/record").send().await.status(), 401);
        assert_eq!(service.get("/record").passport(&passports.user("ann")).send().await.status(), 200);
        // The sink is gone.
        service.running().app().identity().close();
        assert_eq!(service.get("/record").send().await.status(), refused, "{on_sink_error}");
        let answer = service.get("/record").passport(&passports.user("ann")).send().await;
        assert_eq!(answer.status(), recorded, "{on_sink_error}");
        service.stop().await;
    }
}

#[tokio::test]
async fn who_only_looks_at_a_configuration_leaves_the_audit_log_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let written = AuditSpec {
        file: file.display().to_string().into(),
        sign_every: None,
        key: None,
        on_sink_error: audit::OnSinkErrorSpec::Deny,
        max_bytes: None,
    };
    let written = Spanned::from(written);
    let specs = IdentitySpecs { passport: None, authorization: None, audit: Some(&written) };
    for (sink, is_there) in [(Sink::Untouched, false), (Sink::Opened, true)] {
        let clock: Arc<dyn Clock> = Arc::new(gwanmun_core::SystemClock);
        let mut ground = Ground {
            clock: &clock,
            tallies: &gwanmun_core::Tallies::default(),
            runtime: &tokio::runtime::Handle::current(),
            sources: &gwanmun_config::Sources::default(),
            files: &mut gwanmun_config::Files::default(),
            diagnostics: &mut gwanmun_config::Diagnostics::new(),
        };
        let identity = Identity::build(specs, sink, &mut ground).unwrap();
        assert_eq!(file.exists(), is_there, "{sink:?}");
        identity.close();
    }
}

/// Prints what proving costs, from memory and anew:
/// `cargo test -p gwanmun-chassis --release -- --ignored --nocapture cost_of_proving`.
#[tokio::test]
#[ignore = "measures"]
async fn cost_of_proving() {
    const TIMES: u32 = 20_000;
    let passports = Passports::new();
    let service = TestService::start(Service::new("orders"), &passports.settings()).await;
    let identity = service.running().app().identity().clone();
    let bare = tower::service_fn(|_: Request<Body>| async { Ok(axum::response::Response::new(Body::empty())) });
    let mut guarded = PassportLayer::required(identity).layer(bare);
    let token = passports.user("ann").roles(["ops"]).scopes(["orders.read"]).token();
    let others: Vec<_> = (0..2_000).map(|_| passports.user("ann").token()).collect();
    let request = |token: &str| Request::builder().uri("/").header("txn-token", token).body(Body::empty()).unwrap();
    let before = Instant::now();
    for _ in 0..TIMES {
        drop(request(&token));
    }
    let making = before.elapsed() / TIMES;
    for _ in 0..2 {
        let before = Instant::now();
        for _ in 0..TIMES {
            assert_eq!(guarded.call(request(&token)).await.unwrap().status(), StatusCode::OK);
        }
        println!("known: {:?} a request, {making:?} of it for making the request", before.elapsed() / TIMES);
    }
    let before = Instant::now();
    for token in &others {
        assert_eq!(guarded.call(request(token)).await.unwrap().status(), StatusCode::OK);
    }
    println!("new: {:?} a request", before.elapsed() / 2_000);
    service.stop().await;
}
