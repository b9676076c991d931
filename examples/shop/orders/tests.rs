//! Orders as its callers meet it, between consumers and a kitchen that the tests stand in for.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "whatever goes wrong in a test is a failed test")]

use gwanmun_chassis::Service;
use gwanmun_chassis::axum::http::StatusCode;
use gwanmun_chassis::axum::routing::{get, post};
use gwanmun_chassis::axum::{Json, Router};
use gwanmun_chassis::testing::{PassportFor, Passports, TestAnswer, TestService};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{OrdersConfig, service};

struct Scene {
    passports: Passports,
    orders: TestService<OrdersConfig>,
    folder: TempDir,
    _others: [TestService; 2],
}

impl Scene {
    /// Everything at work; the kitchen answers tickets with `kitchen`.
    async fn with(kitchen: StatusCode) -> Self {
        let address = get(async || Json(json!({"address": "12 Bukchon-ro"})));
        let consumers = Service::new("consumers").public_routes(Router::new().route("/consumers/{name}", address));
        let kitchen = Router::new().route("/tickets", post(async move || kitchen));
        let others = [
            TestService::start(consumers, "").await,
            TestService::start(Service::new("kitchen").public_routes(kitchen), "").await,
        ];
        let (passports, folder) = (Passports::new(), tempfile::tempdir().unwrap());
        let settings = format!(
            "{}database: {{url: 'sqlite::memory:'}}\naudit: {{file: '{}'}}\n\
             clients: {{consumers: {{url: 'http://{}'}}, kitchen: {{url: 'http://{}'}}}}\n",
            passports.settings(),
            folder.path().join("audit.jsonl").display(),
            others[0].running().address(),
            others[1].running().address(),
        );
        let orders = TestService::start(service(), &settings).await;
        Self { passports, orders, folder, _others: others }
    }

    fn who(&self, name: &str) -> PassportFor<'_> {
        self.passports.user(name).scopes(["orders.read", "orders.write"])
    }

    async fn place(&self, who: &PassportFor<'_>, wish: Value) -> TestAnswer {
        self.orders.post("/orders").passport(who).json(&wish).send().await
    }

    async fn orders_of(&self, who: &PassportFor<'_>) -> Value {
        self.orders.get("/orders").passport(who).send().await.json()
    }

    fn audit(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("audit.jsonl")).unwrap()
    }
}

#[tokio::test]
async fn an_order_is_kept_cooked_and_recorded() {
    let scene = Scene::with(StatusCode::NO_CONTENT).await;
    let ann = scene.who("ann");
    let placed = scene.place(&ann, json!({"dish": "bibimbap", "quantity": 2})).await;
    assert_eq!(placed.status(), 201, "{}", placed.text());
    assert_eq!(scene.orders_of(&ann).await, json!([placed.json::<Value>()]));
    assert!(scene.audit().contains("order.placed"));
    assert_eq!(scene.place(&ann, json!({"dish": "bibimbap", "quantity": 11})).await.status(), 422);
}

#[tokio::test]
async fn what_nobody_cooks_is_not_waited_for() {
    let scene = Scene::with(StatusCode::INTERNAL_SERVER_ERROR).await;
    let ann = scene.who("ann");
    let placed = scene.place(&ann, json!({"dish": "bibimbap", "quantity": 2})).await;
    assert_eq!(placed.status(), 502, "{}", placed.text());
    assert_eq!(scene.orders_of(&ann).await[0]["cancelled"], true);
    assert!(scene.audit().contains("order.cancelled"));
}

#[tokio::test]
async fn orders_of_others_are_neither_seen_nor_cancelled_nor_recorded_as_if() {
    let scene = Scene::with(StatusCode::NO_CONTENT).await;
    let (ann, bob) = (scene.who("ann"), scene.who("bob"));
    let id = scene.place(&ann, json!({"dish": "bibimbap", "quantity": 2})).await.json::<Value>()["id"].clone();
    assert_eq!(scene.orders.get(&format!("/orders/{id}")).passport(&bob).send().await.status(), 404);
    let cancel = format!("/orders/{id}/cancellation");
    assert_eq!(scene.orders.post(&cancel).passport(&bob).send().await.status(), 404);
    assert!(!scene.audit().contains("order.cancelled"));
    assert_eq!(scene.orders.post(&cancel).passport(&ann).send().await.status(), 200);
    assert!(scene.audit().contains("order.cancelled"));
}

#[tokio::test]
async fn without_the_scope_nobody_orders() {
    let scene = Scene::with(StatusCode::NO_CONTENT).await;
    let carl = scene.passports.user("carl").scopes(["orders.read"]);
    assert_eq!(scene.place(&carl, json!({"dish": "bibimbap", "quantity": 2})).await.status(), 403);
    assert_eq!(scene.orders.post("/orders").json(&json!({})).send().await.status(), 401);
}
