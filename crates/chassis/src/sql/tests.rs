//! Databases as services meet them: real ones, which go and come back.

use std::time::Duration;

use axum::response::IntoResponse;
use gwanmun_config::{Environment, MergeRules, decode, load_texts};
use gwanmun_core::SystemClock;
use gwanmun_telemetry::exceptions::Exceptions;
use gwanmun_telemetry::health::{Audience, Process};
use gwanmun_testkit::{Postgres, eventually};
use sqlx::Row;
use tempfile::TempDir;

use super::*;
use crate::problem::Problem;

const MIGRATIONS: &[Migration] = &[
    Migration::new(
        "migrations/0001_items.sqlite.sql",
        "CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, count BIGINT NOT NULL)",
    ),
    Migration::new(
        "migrations/0001_items.postgres.sql",
        "CREATE TABLE items (id BIGSERIAL PRIMARY KEY, name TEXT NOT NULL, count BIGINT NOT NULL)",
    ),
    Migration::new("migrations/0002_names.sql", "CREATE UNIQUE INDEX names ON items (name)"),
];

/// What is read from `database: …`, and all mistakes.
fn read(text: &str) -> (Option<Database>, String) {
    let file = ("application.yaml".to_owned(), text.to_owned());
    let mut loaded = load_texts(&[file], &Environment::default(), &MergeRules::default());
    let spec: Option<DatabaseSpec> = decode(&loaded.document, &mut loaded.diagnostics);
    let database = spec.and_then(|spec| Database::of(&spec, &mut loaded.diagnostics));
    let shown = loaded.diagnostics.render(&loaded.sources, gwanmun_config::Style::Plain);
    (database, shown)
}

fn opened(text: &str) -> Sql {
    let (database, mistakes) = read(text);
    assert_eq!(mistakes, "", "{text}");
    database.unwrap().pool()
}

/// Writes and reads, in one code for every database.
async fn works(sql: &Sql, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO items (name, count) VALUES ($1, $2)").bind(name).bind(7_i64).execute(sql.pool()).await?;
    let row = sqlx::query("SELECT name, count FROM items WHERE name = $1 AND count > $2")
        .bind(name)
        .bind(1_i64)
        .fetch_one(sql.pool())
        .await?;
    assert_eq!((row.try_get::<String, _>(0)?, row.try_get::<i64, _>(1)?), (name.to_owned(), 7));
    Ok(())
}

fn health(sql: &Sql) -> Health {
    let health = Health::new(tokio::runtime::Handle::current(), Arc::new(SystemClock), Exceptions::default());
    sql.watch(&health);
    health.set_process(Process::Ready);
    health
}

async fn until_readiness(health: &Health, wanted: u16) {
    eventually(&format!("readiness of {wanted}"), async || {
        let (code, _) = health.page("/health/readiness", Audience::Platform).unwrap();
        (code == wanted).then_some(())
    })
    .await;
    assert_eq!(health.page("/health/liveness", Audience::Platform).unwrap().0, 200);
}

#[test]
fn what_is_no_database_is_told() {
    for (text, words) in [
        ("url: mysql://host/x", "no database of this kind is built in"),
        ("url: orders.db", "wanted sqlite://orders.db or postgres://"),
        ("url: 'postgres://host:port/x'", "the database's URL cannot be read"),
        ("{url: 'sqlite::memory:', username: ann}", "no place for a user"),
        ("{url: 'sqlite://a.db', max-connections: 0}", "wanted 1 or more"),
        ("{max-connections: 1}", "missing key 'url'"),
    ] {
        let (_, shown) = read(text);
        assert!(shown.contains(words), "{text}: {shown}");
    }
}

#[test]
fn passwords_are_put_into_the_url_and_may_have_any_letter() {
    let (database, _) = read("{url: 'postgres://host/x', username: ann, password: 'p@ss/w:rd'}");
    assert_eq!(database.unwrap().options.database_url.as_str(), "postgres://ann:p%40ss%2Fw%3Ard@host/x");
}

#[tokio::test]
async fn memory_is_one_database_for_all_who_ask() {
    let sql = opened("url: 'sqlite::memory:'");
    sql.start(MIGRATIONS).await.unwrap();
    works(&sql, "a").await.unwrap();
    works(&sql, "b").await.unwrap();
    until_readiness(&health(&sql), 200).await;
}

#[tokio::test]
async fn a_file_is_made_and_brought_up_to_date_once() {
    let folder = TempDir::new().unwrap();
    let text = format!("url: 'sqlite://{}/orders.db'", folder.path().display());
    for name in ["a", "b"] {
        let sql = opened(&text);
        sql.start(MIGRATIONS).await.unwrap();
        works(&sql, name).await.unwrap();
        sql.close().await;
    }
    let sql = opened(&text);
    let changed = [MIGRATIONS[0], MIGRATIONS[1], Migration::new("0002_names.sql", "SELECT 1")];
    let error = sql.start(&changed).await.unwrap_err().to_string();
    assert!(error.contains("the database cannot be brought up to date"), "{error}");
}

#[tokio::test]
async fn readiness_follows_a_file_that_goes_and_comes_back() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("orders.db");
    let sql = opened(&format!("{{url: 'sqlite://{}', check-every: 20ms}}", file.display()));
    sql.start(MIGRATIONS).await.unwrap();
    sql.close().await;
    let health = health(&sql);
    until_readiness(&health, 200).await;
    let away = folder.path().join("away");
    std::fs::rename(&file, &away).unwrap();
    until_readiness(&health, 503).await;
    assert!(!file.exists(), "who looks for it does not make it");
    std::fs::rename(&away, &file).unwrap();
    until_readiness(&health, 200).await;
}

#[tokio::test]
async fn a_pool_that_is_used_up_is_a_503_in_time_and_the_database_is_up() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}/a.db", folder.path().display());
    let sql = opened(&format!("{{url: '{url}', max-connections: 1, acquire-timeout: 50ms, check-every: 20ms}}"));
    sql.start(MIGRATIONS).await.unwrap();
    let _held = sql.pool().acquire().await.unwrap();
    let answer = Problem::from(works(&sql, "a").await.unwrap_err()).into_response();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    let numbers = format!("{:?}", sql.numbers()());
    assert!(numbers.contains("sql_connections_max"), "{numbers}");
    until_readiness(&health(&sql), 200).await;
}

#[tokio::test]
async fn a_mistake_in_a_query_is_a_500() {
    let sql = opened("url: 'sqlite::memory:'");
    let error = sqlx::query("SELECT nothing FROM nowhere").execute(sql.pool()).await.unwrap_err();
    assert_eq!(Problem::from(error).into_response().status(), 500);
}

#[tokio::test]
async fn a_database_that_is_not_there_ends_the_start_in_time() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sql = opened(&format!("{{url: 'postgres://ann@{free}/x', acquire-timeout: 50ms, start-timeout: 100ms}}"));
    let error = sql.start(MIGRATIONS).await.unwrap_err().to_string();
    assert!(error.contains("the database cannot be reached"), "{error}");
}

#[tokio::test]
#[ignore = "slow: a real PostgreSQL"]
async fn readiness_follows_a_server_that_is_killed_or_stalled_and_requests_do_not_hang() {
    let mut server = Postgres::start().await;
    let sql = opened(&format!(
        "{{url: '{}', password: '{}', check-every: 100ms, check-timeout: 200ms, acquire-timeout: 300ms}}",
        server.url(),
        server.password()
    ));
    sql.start(MIGRATIONS).await.unwrap();
    works(&sql, "at first").await.unwrap();
    let health = health(&sql);
    until_readiness(&health, 200).await;

    server.kill();
    until_readiness(&health, 503).await;
    let limit = Duration::from_secs(2);
    let error = tokio::time::timeout(limit, works(&sql, "killed")).await.expect("it does not hang").unwrap_err();
    assert_eq!(Problem::from(error).into_response().status(), 503);
    server.restart().await;
    until_readiness(&health, 200).await;
    works(&sql, "restarted").await.unwrap();

    server.pause();
    until_readiness(&health, 503).await;
    let error = tokio::time::timeout(limit, works(&sql, "stalled")).await.expect("it does not hang").unwrap_err();
    assert_eq!(Problem::from(error).into_response().status(), 503);
    server.resume();
    until_readiness(&health, 200).await;
    works(&sql, "resumed").await.unwrap();
    sql.start(MIGRATIONS).await.unwrap();
}
