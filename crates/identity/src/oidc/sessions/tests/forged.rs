//! What stands in the store and is no session, or another one.

use bytes::Bytes;
use proptest::prelude::*;

use super::record::Record;
use super::*;

const LIFETIME: Duration = Duration::from_secs(8 * 60 * 60);

fn name(sessions: &Sessions, session: &str) -> Name {
    sessions.0.shelf.name(Id::read(session).unwrap())
}

fn record() -> Record {
    let world = World::new();
    let Granted { tokens, who } = world.granted("ann", Some("s1"));
    let begun = world.now();
    Record {
        mark: "gwanmun".to_owned(),
        origin: HERE.to_owned(),
        subject: who.subject,
        sid: who.sid,
        principal: Arc::new(record::holding(who.principal, &tokens, begun, LIFETIME)),
        tokens,
        begun,
        issued: who.issued,
        renewed: begun,
        version: 7,
    }
}

#[test]
fn a_record_is_read_as_it_was_written() {
    for (sid, until, refresh) in [(None, true, false), (Some("s"), false, true), (Some(""), true, true)] {
        let mut written = record();
        written.sid = sid.map(str::to_owned);
        written.tokens.access_until = written.tokens.access_until.filter(|_| until);
        written.tokens.refresh = written.tokens.refresh.filter(|_| refresh);
        let read = Record::read(&written.write(), "session:staff", LIFETIME).unwrap();
        assert_eq!(format!("{read:?}"), format!("{written:?}"));
        assert_eq!(read.write(), written.write());
        assert_eq!(read.principal.token, Some(read.tokens.access));
    }
}

#[test]
fn what_lacks_something_or_has_more_is_no_session() {
    let written: serde_json::Map<_, _> = serde_json::from_slice(&record().write()).unwrap();
    let read = |fields: &serde_json::Map<String, serde_json::Value>| {
        let text = serde_json::to_vec(fields).unwrap();
        Record::read(&text, "session:staff", LIFETIME).is_some()
    };
    assert!(read(&written));
    for (field, _) in &written {
        let mut lacking = written.clone();
        lacking.remove(field);
        assert!(!read(&lacking), "{field}");
        let mut wrong = written.clone();
        wrong.insert(field.clone(), serde_json::json!({"other": -1.5}));
        assert_eq!(read(&wrong), field == "claims", "{field}");
    }
    let mut more = written.clone();
    more.insert("more".to_owned(), serde_json::Value::Null);
    assert!(!read(&more));
    let mut newer = written;
    newer.insert("form".to_owned(), serde_json::json!(2));
    assert!(!read(&newer));
}

#[tokio::test]
async fn a_record_under_another_name_or_of_another_provider_is_no_session() {
    let world = World::new();
    let sessions = world.replica();
    let (anns, bobs) = (world.opened(&sessions, "ann", None).await, world.opened(&sessions, "bob", None).await);
    let space = world.space(OnStoreError::Deny);
    let key = |session: &str| format!("session:{}", crate::seal::hex(&name(&sessions, session)));
    let sealed = space.get(&key(&anns)).await.unwrap().unwrap();
    space.put(&key(&bobs), sealed, MINUTE).await.unwrap();
    let other = world.replica();
    assert_eq!(reason(other.find(&bobs, HERE)).await, Reason::SessionUnknown);
    assert_eq!(world.count("unreadable"), 1);
    assert_eq!(other.find(&anns, HERE).await.unwrap().subject, "ann");
    let stranger = Seal::new("gwanmun session", "https://idp.example", "gw", "other").unwrap();
    let outbound = Outbound::new(Arc::clone(&world.clock), world.tallies.clone());
    let stranger = Sessions::new(&settings(), stranger, Arc::clone(&world.provider) as _, space, &outbound);
    assert_eq!(reason(stranger.find(&anns, HERE)).await, Reason::SessionUnknown);
}

#[tokio::test]
async fn a_session_is_none_at_another_provider_with_the_same_client_but_ends_with_its_own() {
    let world = World::new();
    let sessions = world.replica();
    let other = world.replica_with(|settings| settings.mark = "admins".to_owned(), OnStoreError::Deny);
    let (anns, there) = (world.opened(&sessions, "ann", None).await, world.opened(&other, "ann", None).await);
    assert_eq!(reason(other.find(&anns, HERE)).await, Reason::SessionUnknown);
    assert!(other.recall(&anns, HERE).is_none());
    assert_eq!(other.save(&anns, HERE).await.unwrap_err().reason(), Reason::SessionUnknown);
    assert_eq!(reason(sessions.find(&there, HERE)).await, Reason::SessionUnknown);
    assert!(sessions.find(&anns, HERE).await.is_ok() && other.find(&there, HERE).await.is_ok());
    let all = Whose { subject: Some("sub-ann"), sid: None, since: world.now() };
    assert_eq!(sessions.end_all(&all).await.unwrap().len(), 2);
    assert_eq!(world.count("unreadable"), 0);
}

#[tokio::test]
async fn who_reads_the_store_learns_neither_ids_nor_tokens_nor_who_it_is() {
    let server = gwanmun_testkit::Redis::start().await;
    let world = World::redis(&server.place());
    let sessions = world.replica();
    let session = world.opened(&sessions, "ann", Some("the-sid")).await;
    sessions.end_all(&Whose { subject: Some("sub-bob"), sid: Some("the-sid"), since: world.now() }).await.unwrap();
    sessions.first_time("login", "the-state", MINUTE).await.unwrap();
    let keys = server.command(&["KEYS", "*"]);
    let keys: Vec<_> = keys.lines().collect();
    assert_eq!(keys.len(), 5, "{keys:?}");
    let mut all = keys.concat();
    for key in keys {
        all += &server.command(&["DUMP", key]);
    }
    for secret in [&*session, "access-0", "refresh-0", "id-0", "ann", "the-sid", "the-state", "tool.example"] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn whatever_stands_in_the_store_is_a_session_or_none() {
    let world = World::new();
    let sessions = world.replica();
    let session = Id::random().unwrap();
    let name = name(&sessions, session.expose());
    let space = world.space(OnStoreError::Deny);
    let key = format!("session:{}", crate::seal::hex(&name));
    space.add_to_set(&key, Bytes::from_static(b"a set"), MINUTE).await.unwrap();
    assert_eq!(reason(sessions.find(session.expose(), HERE)).await, Reason::SessionUnknown);
    assert!(sessions.end(session.expose(), HERE).await.is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
        let world = World::new();
        let sessions = world.replica();
        let name = name(&sessions, Id::random().unwrap().expose());
        let now = world.now();
        prop_assert!(sessions.0.unseal(&name, Bytes::from(bytes.clone()), now).is_none());
        // Also where somebody has the secret.
        for inner in [bytes, text.into_bytes()] {
            let sealed = sessions.0.shelf.close(&name, &inner).unwrap();
            prop_assert!(sessions.0.unseal(&name, sealed, now).is_none());
        }
    }

    #[test]
    fn no_times_make_it_panic(
        begun: u64, issued: u64, renewed: u64, until: Option<u64>, refresh: bool, now in 0u64..u64::MAX / 1_000_000,
    ) {
        let mut fields: serde_json::Map<_, _> = serde_json::from_slice(&record().write()).unwrap();
        fields.insert("begun".to_owned(), begun.into());
        fields.insert("issued".to_owned(), issued.into());
        fields.insert("renewed".to_owned(), renewed.into());
        fields.insert("access_until".to_owned(), until.into());
        if !refresh {
            fields.insert("refresh".to_owned(), serde_json::Value::Null);
        }
        if let Some(record) = Record::read(&serde_json::to_vec(&fields).unwrap(), "session:staff", LIFETIME) {
            let settings = settings().session;
            let now = std::time::UNIX_EPOCH + Duration::from_millis(now);
            let session = Session::new(record, Bytes::new(), now, Arc::default());
            let _ = (session.is_due(now, &settings), session.principal(now), session.is_in_grace(now, &settings));
            let _ = (session.is_usable(now, &settings), session.kept_for(now, &settings));
            prop_assert!(session.look_again(now, &settings) <= now + settings.cache);
        }
    }
}
