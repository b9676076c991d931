//! What every store does alike.

use gwanmun_testkit::Redis;

use super::*;
use crate::{MAX_KEY, MAX_MEMBERS, MAX_VALUE};

const BRIEF: Duration = Duration::from_millis(60);

#[tokio::test]
async fn memory_does_what_a_store_does() {
    let (store, clock) = memory();
    conforms(&store, async |time| clock.advance(time)).await;
}

#[tokio::test]
async fn redis_does_what_a_store_does() {
    let server = Redis::start().await;
    let store = redis(&format!("redis://{}/0", server.place()));
    conforms(&store, async |time| tokio::time::sleep(time).await).await;
}

/// `pass` lets time pass, for Redis by waiting: its clock is its own.
pub(super) async fn conforms(store: &Store, pass: impl AsyncFn(Duration)) {
    let space = store.space("conformance", OnStoreError::Deny);
    values(&space).await;
    times(&space, &pass).await;
    atomicity(&space).await;
    locks(&space, &pass).await;
    sets(&space, &pass).await;
    types(&space).await;
    bounds(&space).await;
    let other = store.space("other", OnStoreError::Deny);
    space.put("mine", text("a"), MINUTE).await.unwrap();
    assert_eq!(other.get("mine").await.unwrap(), None, "spaces are apart");
    let same = store.space("conformance", OnStoreError::Allow);
    assert_eq!(same.get("mine").await.unwrap(), Some(text("a")));
}

async fn values(space: &Space) {
    let binary = Bytes::from_static(b"\0\r\n\xff");
    assert_eq!(space.get("v").await.unwrap(), None);
    space.put("v", binary.clone(), MINUTE).await.unwrap();
    assert_eq!(space.get("v").await.unwrap(), Some(binary.clone()));
    space.put("v", text(""), MINUTE).await.unwrap();
    assert_eq!(space.get("v").await.unwrap(), Some(text("")), "an empty value is a value");
    space.put("v", binary.clone(), MINUTE).await.unwrap();
    assert_eq!(space.take("v").await.unwrap(), Some(binary));
    assert_eq!(space.take("v").await.unwrap(), None);
    space.put("v", text("x"), MINUTE).await.unwrap();
    space.remove("v").await.unwrap();
    space.remove("v").await.unwrap();
    assert_eq!(space.get("v").await.unwrap(), None);
    assert!(space.put_if_absent("v", text("first"), MINUTE).await.unwrap());
    assert!(!space.put_if_absent("v", text("second"), MINUTE).await.unwrap());
    assert_eq!(space.get("v").await.unwrap(), Some(text("first")));
    assert!(!space.compare_and_swap("v", text("second"), text("third"), MINUTE).await.unwrap());
    assert!(space.compare_and_swap("v", text("first"), text("third"), MINUTE).await.unwrap());
    assert_eq!(space.get("v").await.unwrap(), Some(text("third")));
    assert!(!space.remove_if("v", text("second")).await.unwrap());
    assert!(space.remove_if("v", text("third")).await.unwrap());
    assert_eq!(space.get("v").await.unwrap(), None);
    assert!(!space.remove_if("v", text("third")).await.unwrap());
    assert!(!space.compare_and_swap("absent", text(""), text("x"), MINUTE).await.unwrap());
}

async fn times(space: &Space, pass: &impl AsyncFn(Duration)) {
    for key in ["put", "touched", "absent", "swapped"] {
        space.put(key, text("x"), if key == "swapped" { MINUTE } else { BRIEF }).await.unwrap();
    }
    assert!(space.touch("touched", MINUTE).await.unwrap());
    assert!(!space.touch("nothing", MINUTE).await.unwrap());
    assert!(space.compare_and_swap("swapped", text("x"), text("y"), BRIEF).await.unwrap());
    pass(BRIEF * 2).await;
    assert_eq!(space.get("put").await.unwrap(), None);
    assert_eq!(space.get("swapped").await.unwrap(), None);
    assert_eq!(space.get("touched").await.unwrap(), Some(text("x")));
    assert!(space.put_if_absent("absent", text("y"), Duration::ZERO).await.unwrap(), "its time is over");
    space.put("touched", text("x"), Duration::MAX).await.unwrap();
    assert!(space.touch("touched", Duration::ZERO).await.unwrap(), "at least a millisecond");
    pass(Duration::from_millis(5)).await;
    assert_eq!(space.get("touched").await.unwrap(), None);
}

/// Many at once: one succeeds.
async fn atomicity(space: &Space) {
    let many = |key: &'static str, taking: bool| {
        let tasks = (0..20).map(|_| {
            let space = space.clone();
            tokio::spawn(async move {
                match taking {
                    true => space.take(key).await.unwrap().is_some(),
                    false => space.put_if_absent(key, text("x"), MINUTE).await.unwrap(),
                }
            })
        });
        tasks.collect::<Vec<_>>()
    };
    for taking in [false, true] {
        let mut succeeded = 0;
        for task in many("contested", taking) {
            succeeded += usize::from(task.await.unwrap());
        }
        assert_eq!(succeeded, 1);
    }
}

async fn locks(space: &Space, pass: &impl AsyncFn(Duration)) {
    space.put("l", text("a value"), MINUTE).await.unwrap();
    let lock = space.lock("l", MINUTE).await.unwrap().expect("nobody has it");
    assert!(space.lock("l", MINUTE).await.unwrap().is_none());
    assert!(space.unlock(lock).await.unwrap());
    assert_eq!(space.get("l").await.unwrap(), Some(text("a value")));
    let late = space.lock("l", BRIEF).await.unwrap().expect("it was given back");
    assert!(space.renew(&late, BRIEF).await.unwrap());
    pass(BRIEF * 2).await;
    let held = space.lock("l", MINUTE).await.unwrap().expect("its time is over");
    assert!(!space.renew(&late, MINUTE).await.unwrap());
    assert!(!space.unlock(late).await.unwrap());
    assert!(space.lock("l", MINUTE).await.unwrap().is_none(), "who was late unlocked nothing");
    assert!(space.unlock(held).await.unwrap());
}

async fn sets(space: &Space, pass: &impl AsyncFn(Duration)) {
    let members = async |key: &str| {
        let mut members = space.members(key).await.unwrap();
        members.sort();
        members
    };
    assert_eq!(members("s").await, Vec::<Bytes>::new());
    space.add_to_set("s", text("long"), MINUTE).await.unwrap();
    space.add_to_set("s", text("brief"), BRIEF).await.unwrap();
    space.add_to_set("s", text("gone"), MINUTE).await.unwrap();
    space.add_to_set("s", text("long"), MINUTE).await.unwrap();
    assert_eq!(members("s").await, [text("brief"), text("gone"), text("long")]);
    space.remove_from_set("s", text("gone")).await.unwrap();
    space.remove_from_set("s", text("never there")).await.unwrap();
    pass(BRIEF * 2).await;
    assert_eq!(members("s").await, [text("long")], "members have times of their own");
    space.remove("s").await.unwrap();
    assert_eq!(members("s").await, Vec::<Bytes>::new());
    space.add_to_set("s", text("last"), MINUTE).await.unwrap();
    space.remove_from_set("s", text("last")).await.unwrap();
    assert!(space.put_if_absent("s", text("x"), MINUTE).await.unwrap(), "an empty set is none");
}

async fn types(space: &Space) {
    space.put("value", text("x"), MINUTE).await.unwrap();
    space.add_to_set("set", text("x"), MINUTE).await.unwrap();
    let wrong = StoreError::WrongType;
    assert_eq!(space.get("set").await.unwrap_err(), wrong);
    assert_eq!(space.take("set").await.unwrap_err(), wrong);
    assert_eq!(space.compare_and_swap("set", text("x"), text("y"), MINUTE).await.unwrap_err(), wrong);
    assert_eq!(space.members("value").await.unwrap_err(), wrong);
    assert_eq!(space.add_to_set("value", text("x"), MINUTE).await.unwrap_err(), wrong);
    assert_eq!(space.remove_from_set("value", text("x")).await.unwrap_err(), wrong);
    assert!(!space.put_if_absent("set", text("x"), MINUTE).await.unwrap());
    space.put("set", text("y"), MINUTE).await.unwrap();
    assert_eq!(space.get("set").await.unwrap(), Some(text("y")), "putting replaces whatever there is");
}

async fn bounds(space: &Space) {
    let (key, value) = ("k".repeat(MAX_KEY), Bytes::from(vec![7; MAX_VALUE]));
    space.put(&key, value.clone(), MINUTE).await.unwrap();
    assert_eq!(space.get(&key).await.unwrap().map(|value| value.len()), Some(MAX_VALUE));
    let (longer, larger) = ("k".repeat(MAX_KEY + 1), Bytes::from(vec![7; MAX_VALUE + 1]));
    assert_eq!(space.get(&longer).await.unwrap_err().name(), "too-large");
    assert_eq!(space.put("k", larger, MINUTE).await.unwrap_err().name(), "too-large");
    let members =
        (0..MAX_MEMBERS).map(|number| space.add_to_set("many", text(&number.to_string()), MINUTE).into_future());
    for member in members {
        member.await.unwrap();
    }
    let full = StoreError::TooLarge { what: "set", found: MAX_MEMBERS + 1, allowed: MAX_MEMBERS };
    assert_eq!(space.add_to_set("many", text("one more"), MINUTE).await.unwrap_err(), full);
    space.add_to_set("many", text("7"), MINUTE).await.unwrap();
    assert_eq!(space.members("many").await.unwrap().len(), MAX_MEMBERS);
}
