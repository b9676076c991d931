//! Roles at work: what nobody wrote is in force, is shown, and cannot be taken away from a gateway that runs.

use gwanmun_testkit::{Gateway, Issuer, Jws, Speaks, Upstream, eventually};
use serde_json::{Value, json};

use crate::start;

fn issuers(issuer: &Issuer) -> String {
    let (name, jwks) = (issuer.url(), issuer.endpoint("jwks"));
    format!("issuers: {{corp: {{issuer: '{name}', jwks: '{jwks}', audiences: [gateway]}}}}")
}

fn decisions(gateway: &Gateway) -> Vec<Value> {
    let text = std::fs::read_to_string(gateway.folder().join("audit.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] != "head").collect()
}

#[tokio::test]
async fn a_public_gateway_asks_for_a_token_where_nobody_wrote_it_and_tells_services_that_it_is_public() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let gateway = start(&format!(
        "role: public\n\
         trusted-proxies: [10.0.0.1]\n\
         identity: {{{}}}\n\
         passport: {{trust-domain: a.internal, issuer: 'https://gw.a.internal'}}\n\
         routes: [{{id: all, filters: [passport], upstream: '{}'}}]\n",
        issuers(&issuer),
        upstream.url()
    ))
    .await;
    let nobody = gateway.get("/orders/7").await;
    assert_eq!((nobody.status(), nobody.header("x-content-type-options").as_deref()), (401, Some("nosniff")));
    assert_eq!(upstream.requests(), 0);

    let fields = format!("Authorization: Bearer {}\r\n", issuer.token(json!({})));
    assert_eq!(gateway.connect().await.ask("GET", "/orders/7", &fields).await.status(), 200);
    let received = upstream.received(0).await;
    assert_eq!(received.header("authorization"), None);
    assert_eq!(Jws::read(&received.header("txn-token").unwrap()).claims()["rctx"]["role"], "public");
    assert_eq!(gateway.page("/info").await.json()["role"], "public");
    assert_eq!(gateway.page("/routes").await.json()["routes"][0]["filters"], json!(["authenticate", "passport"]));
}

#[tokio::test]
async fn an_internal_gateway_knows_sessions_only_and_records_what_it_decides_beside_its_file() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let gateway = start(&format!(
        "role: internal\n\
         identity:\n  {}\n  oidc: {{staff: {{issuer: '{}', client-id: gateway, client-secret: an-example}}}}\n\
         routes: [{{id: tool, upstream: '{}'}}]\n",
        issuers(&issuer),
        issuer.url(),
        upstream.url()
    ))
    .await;
    let fields = format!("Authorization: Bearer {}\r\nX-Forwarded-User: root\r\n", issuer.token(json!({})));
    let refused = gateway.connect().await.ask("GET", "/users", &fields).await;
    assert_eq!(refused.status(), 401);
    assert!(refused.header("www-authenticate").unwrap().starts_with("Cookie "));
    assert_eq!(upstream.requests(), 0);
    let records = decisions(&gateway);
    let [record] = records.as_slice() else { panic!("{records:#?}") };
    assert_eq!((&record["event"], &record["decision"]), (&json!("authenticate"), &json!("deny")));

    let evil = "Sec-Fetch-Site: cross-site\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\n";
    assert_eq!(gateway.connect().await.ask("POST", "/users", evil).await.status(), 403);
}

#[tokio::test]
async fn a_reload_that_contradicts_the_role_changes_nothing() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let with = |filters: &str| {
        let (identity, url) = (issuers(&issuer), upstream.url());
        format!(
            "role: public\ntrusted-proxies: [10.0.0.1]\nidentity: {{{identity}}}\nroutes: [{{id: all, filters: [{filters}], upstream: '{url}'}}]\n"
        )
    };
    let gateway = start(&with("")).await;
    assert_eq!(gateway.get("/").await.status(), 401);
    gateway.rewrite(&with("respond, authenticate: {any: [{jwt: corp}]}"));
    eventually("the failure", async || (gateway.count("reload-failed") == 1).then_some(())).await;
    assert_eq!(gateway.get("/").await.status(), 401);
    // Who may be anonymous here is written.
    gateway.reconfigure(&with("authenticate: {any: [{jwt: corp}], anonymous: true}")).await;
    assert_eq!(gateway.get("/").await.status(), 200);
}
