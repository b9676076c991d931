//! A large log is verified in seconds.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "whatever goes wrong in a test is a failed test")]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gwanmun_audit::{AuditLog, Decision, Event, Record, Settings, verify};
use gwanmun_core::{Code, SystemClock, Tallies};

const RECORDS: u64 = 1_000_000;
const TOGETHER: u64 = 1000;
const BOUND: Duration = Duration::from_secs(10);

#[test]
#[ignore = "writes a million records: cargo xtask test --full"]
fn a_million_records_are_verified_in_ten_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let mut settings = Settings::new(&file);
    // What is measured is the reading.
    settings.patience = Duration::from_secs(60);
    let log = AuditLog::open(settings, Arc::new(SystemClock), &Tallies::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let began = Instant::now();
    for round in 0..RECORDS / TOGETHER {
        let path = format!("/orders/{round}");
        let record = Record::new(Event::Authorize, Decision::Deny)
            .actor("u1")
            .credential("jwt:corp")
            .client(IpAddr::from([203, 0, 113, 7]))
            .action("GET")
            .resource("orders.example", &path)
            .route("orders")
            .rule("scope orders.read")
            .fault(Code::NoRoute)
            .trace_id("4bf92f3577b34da6a3ce929d0e0e4736");
        let records: Vec<_> = (0..TOGETHER).map(|_| log.record(&record)).collect();
        runtime.block_on(async {
            for record in records {
                record.await.unwrap();
            }
        });
    }
    log.close();
    let written = began.elapsed();
    let bytes = file.metadata().unwrap().len();
    let began = Instant::now();
    let summary = verify(&[file], &[], |_| ()).unwrap();
    let verified = began.elapsed();
    eprintln!("{bytes} bytes written in {written:?}, verified in {verified:?}");
    assert_eq!((summary.lines - summary.heads, summary.heads, summary.unsigned_tail), (RECORDS, 1002, 0));
    assert!(verified < BOUND, "{verified:?}");
}
