//! A service with a database, from its configuration to its answers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "whatever goes wrong in a test is a failed test")]

use std::process::ExitCode;

use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::extract::{Path, State};
use gwanmun_chassis::axum::routing::{get, post};
use gwanmun_chassis::sql::{Migration, sqlx};
use gwanmun_chassis::testing::TestService;
use gwanmun_chassis::{App, Problem, Service, migrations};
use gwanmun_testkit::{Postgres, eventually};
use serde_json::Value;
use sqlx::Row;

const MIGRATIONS: &[Migration] = migrations!["migrations/0001_items.sqlite.sql", "migrations/0001_items.postgres.sql"];

async fn add(State(app): State<App>, Path(name): Path<String>) -> Result<String, Problem> {
    let insert = sqlx::query("INSERT INTO items (name) VALUES ($1) RETURNING id").bind(name);
    Ok(insert.fetch_one(app.sql()?).await?.try_get::<i64, _>(0)?.to_string())
}

async fn show(State(app): State<App>, Path(id): Path<i64>) -> Result<String, Problem> {
    let row = sqlx::query("SELECT name FROM items WHERE id = $1").bind(id).fetch_one(app.sql()?).await?;
    Ok(row.try_get(0)?)
}

fn service() -> Service {
    let routes = Router::new().route("/items/{name}", post(add)).route("/items/{name}", get(show));
    Service::new("orders").migrations(MIGRATIONS).public_routes(routes)
}

#[tokio::test]
async fn a_service_writes_and_reads_and_tells_of_its_database() {
    let service = TestService::start(service(), "database: {url: 'sqlite::memory:'}").await;
    let id = service.post("/items/soup").send().await.text().to_owned();
    assert_eq!(service.get(&format!("/items/{id}")).send().await.text(), "soup");
    let metrics = service.manage("/metrics").send().await.text().to_owned();
    assert!(metrics.contains("\nsql_connections_max 1\n"), "{metrics}");
    eventually("the database to be up", async || {
        let health: Value = service.manage("/health").send().await.json();
        (health["components"]["database"]["status"] == "UP").then_some(())
    })
    .await;
    service.stop().await;
}

#[test]
fn who_only_looks_is_told_of_migrations_without_a_database() {
    let arguments = |more: &[&str]| ["--check"].iter().chain(more).map(Into::into).collect::<Vec<_>>();
    assert!(service().run_with(arguments(&[])) == ExitCode::from(1));
    assert!(service().run_with(arguments(&["--database.url=sqlite::memory:"])) == ExitCode::SUCCESS);
}

#[tokio::test]
async fn a_service_with_migrations_and_no_database_does_not_start() {
    let error = service().start("").await.unwrap_err();
    assert!(error.to_string().contains("migrations, and no 'database'"), "{error}");
    assert_eq!(error.exit_code(), 1);
}

#[tokio::test]
#[ignore = "slow: a real PostgreSQL"]
async fn one_code_runs_on_postgresql_and_answers_503_while_it_is_away() {
    let mut server = Postgres::start().await;
    let settings = format!(
        "database: {{url: '{}', password: '{}', acquire-timeout: 300ms, check-every: 100ms, check-timeout: 300ms}}",
        server.url(),
        server.password()
    );
    let service = TestService::start(service(), &settings).await;
    let id = service.post("/items/soup").send().await.text().to_owned();
    assert_eq!(service.get(&format!("/items/{id}")).send().await.text(), "soup");
    let readiness = async |wanted: u16| {
        eventually(&format!("readiness of {wanted}"), async || {
            (service.manage("/health/readiness").send().await.status() == wanted).then_some(())
        })
        .await;
        assert_eq!(service.manage("/health/liveness").send().await.status(), 200);
    };
    readiness(200).await;
    server.kill();
    readiness(503).await;
    let answer = service.get(&format!("/items/{id}")).send().await;
    assert_eq!((answer.status().as_u16(), answer.header("retry-after")), (503, Some("1")));
    assert!(!answer.text().contains("postgres"), "{}", answer.text());
    server.restart().await;
    readiness(200).await;
    assert_eq!(service.get(&format!("/items/{id}")).send().await.text(), "soup");
}
