//! docs/chassis/testing.md

use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::routing::get;
use gwanmun_chassis::identity::{RequireRole, RequireScope};
use gwanmun_chassis::testing::{Passports, TestService};
use gwanmun_chassis::{App, Service};
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct OrdersConfig {
    max_items: u32,
}

fn service() -> Service<OrdersConfig> {
    let routes: Router<App<OrdersConfig>> = Router::new()
        .route("/orders/{id}", get(async || "an order"))
        .route_layer(RequireScope::any(["orders.read"]))
        .route_layer(RequireRole::any(["support"]));
    Service::new("orders").config().routes(routes)
}

fn menu_stub() -> Service {
    Service::new("menu").public_routes(Router::new().route("/dishes", get(async || "[]")))
}

#[tokio::test]
async fn orders_are_shown_to_those_who_may_read_them() {
    let passports = Passports::new();
    let service = TestService::start(service(), &passports.settings()).await;
    assert_eq!(service.get("/orders/7").send().await.status(), 401);
    let ann = passports.user("ann").roles(["support"]).scopes(["orders.read"]);
    assert_eq!(service.get("/orders/7").passport(&ann).send().await.status(), 200);
    assert_eq!(service.get("/orders/7").passport(&ann.expired()).send().await.status(), 401);
}

#[tokio::test]
async fn what_a_service_stands_on_comes_by_its_settings() {
    let passports = Passports::new();
    let menu = TestService::start(menu_stub(), "").await;
    let settings = format!(
        "{}database: {{url: 'sqlite::memory:'}}\nclients: {{menu: {{url: 'http://{}'}}}}\norders: {{max-items: 2}}\n",
        passports.settings(),
        menu.running().address(),
    );
    let service = TestService::start(service(), &settings).await;
    assert_eq!(service.running().app().config().max_items, 2);
    // Once the database has been looked at.
    let ready = async || (service.manage("/health/readiness").send().await.status() == 200).then_some(());
    gwanmun_testkit::eventually("readiness", ready).await;
}
