//! Sentinels and clusters.

use gwanmun_core::Secret;
use gwanmun_testkit::{RedisCluster, RedisSentinels};

use super::*;
use crate::Credentials;

#[tokio::test]
#[ignore = "takes seconds: cargo xtask test --full"]
async fn a_master_that_is_killed_is_replaced() {
    let mut servers = RedisSentinels::start().await;
    let space = redis(&servers.url()).space("s", OnStoreError::Deny);
    space.put("k", text("x"), MINUTE).await.unwrap();
    servers.master.until(&["WAIT", "1", "1000"], &["1"]).await;
    servers.replica.until(&["GET", "gwanmun:s:k"], &["x"]).await;
    servers.master.kill();
    let took = recovered(&space).await;
    println!("failover: {took:?}");
    assert_eq!(space.get("k").await.unwrap(), Some(text("x")));
    assert!(servers.replica.command(&["ROLE"]).starts_with("master"));
}

#[tokio::test]
#[ignore = "takes seconds: cargo xtask test --full"]
async fn a_master_that_stands_still_is_replaced_and_not_used_when_it_wakes() {
    let servers = RedisSentinels::start().await;
    let space = redis(&servers.url()).space("s", OnStoreError::Deny);
    space.put("k", text("x"), MINUTE).await.unwrap();
    servers.master.pause();
    let took = recovered(&space).await;
    println!("failover: {took:?}");
    servers.master.resume();
    for number in 0..50 {
        let value = text(&number.to_string());
        space.put("k", value.clone(), MINUTE).await.unwrap();
        assert_eq!(servers.replica.command(&["GET", "gwanmun:s:k"]), number.to_string());
    }
}

#[tokio::test]
#[ignore = "takes seconds: cargo xtask test --full"]
async fn who_is_told_to_be_a_replica_is_left() {
    let servers = RedisSentinels::start().await;
    let space = redis(&servers.url()).space("s", OnStoreError::Deny);
    space.put("k", text("x"), MINUTE).await.unwrap();
    assert_eq!(servers.sentinels[0].command(&["SENTINEL", "FAILOVER", "mymaster"]), "OK");
    servers.master.until(&["ROLE"], &["slave"]).await;
    let took = recovered(&space).await;
    println!("failover: {took:?}");
    assert!(servers.replica.command(&["ROLE"]).starts_with("master"));
}

#[tokio::test]
#[ignore = "takes seconds: cargo xtask test --full"]
async fn one_sentinel_is_enough_and_an_unknown_service_is_named() {
    let mut servers = RedisSentinels::start().await;
    let url = servers.url();
    servers.sentinels[0].kill();
    let space = redis(&url).space("s", OnStoreError::Deny);
    space.put("k", text("x"), MINUTE).await.unwrap();
    let space = redis(&url.replace("mymaster", "another")).space("s", OnStoreError::Deny);
    let error = space.get("k").await.unwrap_err();
    assert!(error.to_string().contains("knows no service `another`"), "{error}");
}

#[tokio::test]
#[ignore = "takes seconds: cargo xtask test --full"]
async fn a_sentinel_may_want_to_know_who_asks() {
    let servers = RedisSentinels::start().await;
    assert_eq!(servers.sentinels[0].command(&["ACL", "SETUSER", "default", "resetpass", ">hunter2"]), "OK");
    let url = format!("redis-sentinel://{}/mymaster", servers.sentinels[0].place());
    let known = Credentials { user: None, password: Some(Secret::new("hunter2".to_owned())) };
    for (sentinel, wanted) in [(Credentials::default(), Err("refused")), (known, Ok(()))] {
        let space = redis_with(&url, |settings| settings.sentinel = sentinel).space("s", OnStoreError::Deny);
        assert_eq!(timed(space.put("k", text("x"), MINUTE)).await.0, wanted);
    }
}

#[tokio::test]
#[ignore = "takes seconds: cargo xtask test --full"]
async fn a_cluster_does_what_a_store_does() {
    let cluster = RedisCluster::start().await;
    let store = redis(&cluster.url());
    super::conformance::conforms(&store, async |time| tokio::time::sleep(time).await).await;
    let space = store.space("spread", OnStoreError::Deny);
    for number in 0..100 {
        space.put(&number.to_string(), text("x"), MINUTE).await.unwrap();
    }
    for node in &cluster.nodes {
        assert!(node.command(&["DBSIZE"]).parse::<u32>().unwrap() > 10);
    }
}

#[tokio::test]
#[ignore = "takes seconds: cargo xtask test --full"]
async fn a_slot_that_moves_is_followed() {
    let cluster = RedisCluster::start().await;
    let space = redis(&cluster.url()).space("s", OnStoreError::Deny);
    space.put("old", text("x"), MINUTE).await.unwrap();
    let node = &cluster.nodes[0];
    let slot: u16 = node.command(&["CLUSTER", "KEYSLOT", "gwanmun:s:old"]).parse().unwrap();
    let from = &cluster.nodes[cluster.owner(slot)];
    let to = cluster.nodes.iter().find(|node| node.port() != from.port()).unwrap();
    let (slot, from_id, to_id) =
        (slot.to_string(), from.command(&["CLUSTER", "MYID"]), to.command(&["CLUSTER", "MYID"]));
    assert_eq!(to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]), "OK");
    assert_eq!(from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]), "OK");
    // What is there is answered there; what is not is asked for at the new node.
    assert_eq!(space.get("old").await.unwrap(), Some(text("x")));
    let port = to.port().to_string();
    assert_eq!(from.command(&["MIGRATE", "127.0.0.1", &port, "gwanmun:s:old", "0", "1000"]), "OK");
    assert_eq!(space.get("old").await.unwrap(), Some(text("x")), "sent on by ASK");
    assert!(space.compare_and_swap("old", text("x"), text("y"), MINUTE).await.unwrap());
    for node in &cluster.nodes {
        node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
    }
    assert!(from.command(&["GET", "gwanmun:s:old"]).starts_with("MOVED"));
    assert_eq!(space.get("old").await.unwrap(), Some(text("y")), "sent on by MOVED");
    assert_eq!(space.take("old").await.unwrap(), Some(text("y")));
}

#[tokio::test]
#[ignore = "takes seconds: cargo xtask test --full"]
async fn a_node_that_is_killed_is_replaced() {
    let mut cluster = RedisCluster::start_with_replicas(1).await;
    let space = redis(&cluster.url()).space("s", OnStoreError::Deny);
    space.put("back", text("x"), MINUTE).await.unwrap();
    let slot = cluster.nodes[0].command(&["CLUSTER", "KEYSLOT", "gwanmun:s:back"]).parse().unwrap();
    let owner = cluster.owner(slot);
    cluster.nodes[owner].kill();
    let (outcome, took) = timed(space.get("back")).await;
    assert!(outcome.is_err() && took < Duration::from_millis(750), "{outcome:?} {took:?}");
    let took = recovered(&space).await;
    println!("failover: {took:?}");
}

#[tokio::test]
#[ignore = "takes seconds: cargo xtask test --full"]
async fn a_node_that_stands_still_costs_the_others_nothing() {
    let cluster = RedisCluster::start().await;
    // Or the others would stop as well.
    for node in &cluster.nodes {
        assert_eq!(node.command(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]), "OK");
    }
    let space = redis(&cluster.url()).space("s", OnStoreError::Deny);
    let still = &cluster.nodes[0];
    let (mut there, mut elsewhere) = (Vec::new(), Vec::new());
    for number in 0..60 {
        let key = number.to_string();
        space.put(&key, text("x"), MINUTE).await.unwrap();
        let held = still.command(&["GET", &format!("gwanmun:s:{key}")]) == "x";
        if held { there.push(key) } else { elsewhere.push(key) }
    }
    still.pause();
    for key in &there[..3] {
        assert_eq!(timed(space.get(key)).await.0, Err("timeout"));
    }
    for key in &there[3..] {
        let (outcome, took) = timed(space.get(key)).await;
        assert!(outcome.is_err() && took < Duration::from_millis(250), "{outcome:?} {took:?}");
    }
    for key in &elsewhere {
        let (outcome, took) = timed(space.get(key)).await;
        assert!(outcome.is_ok() && took < Duration::from_millis(250), "{outcome:?} {took:?}");
    }
    still.resume();
    gwanmun_testkit::eventually("the node to be back", async || space.get(&there[0]).await.ok()).await;
}
