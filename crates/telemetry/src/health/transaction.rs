//! A synthetic transaction: requests made one after the other as a user would make them, each with the answer it must get.
//! It tells of what no single dependency shows, and how long the whole takes.

use std::pin::Pin;
use std::time::{Duration, Instant};

use gwanmun_client::{Client, Outbound};
use serde_json::{Value, json};

use super::check::Check;
use super::outcome::Outcome;
use super::probe::{self, Probe};

/// Makes requests one after the other, until one is not answered as it should be.
#[derive(Debug)]
pub struct TransactionCheck {
    client: Client,
    steps: Vec<Probe>,
}

impl TransactionCheck {
    /// A check for the component `name`, each of whose steps gives up after `timeout`.
    pub fn new(outbound: &Outbound, name: &str, timeout: Duration, steps: Vec<Probe>) -> Self {
        Self { client: probe::client(outbound, name, timeout), steps }
    }
}

impl Check for TransactionCheck {
    fn check(&self) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin(async {
            let begin = Instant::now();
            let mut outcome = Outcome::up();
            let mut shown = Vec::new();
            for (number, step) in (1..).zip(&self.steps) {
                let begin = Instant::now();
                let (status, verdict) = step.ask(&self.client).await;
                shown.push(json!({"url": step.place(), "answer": status, "took-ms": millis(begin)}));
                if let Err(error) = verdict {
                    outcome = Outcome::down(&format!("step {number}: {error}"));
                    break;
                }
            }
            outcome.with("steps", shown).with("took-ms", millis(begin))
        })
    }
}

fn millis(begin: Instant) -> Value {
    u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX).into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use gwanmun_core::{SystemClock, Tallies};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::runtime::Builder;

    use super::*;
    use crate::health::{HttpCheck, Status};

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Answers requests in turn: connection by connection, and counts them.
    async fn server(answers: &'static [&'static str]) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            for answer in answers.iter().cycle() {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
                if answer.is_empty() {
                    // Accepted, and never answered.
                    std::mem::forget(stream);
                }
            }
        });
        (url, asked)
    }

    fn outbound() -> Outbound {
        Outbound::new(Arc::new(SystemClock), Tallies::default())
    }

    fn get(url: &str, path: &str) -> Probe {
        Probe::get(format!("{url}{path}").parse().unwrap())
    }

    fn alone<T>(test: impl Future<Output = T>) -> T {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    #[test]
    fn steps_are_made_in_order_until_one_is_not_as_wanted() {
        const CREATED: &str = "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n";
        const LIST: &str = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n[{\"a\":1}";
        alone(async {
            let (url, asked) = server(&[CREATED, LIST]).await;
            let steps = |text: &str| {
                let list = Probe { contains: Some(text.to_owned()), ..get(&url, "/orders") };
                vec![Probe { statuses: vec![201], ..get(&url, "/login?secret=1") }, list, get(&url, "/end")]
            };
            let outcome = TransactionCheck::new(&outbound(), "order", PATIENCE, steps("\"a\"")).check().await;
            assert_eq!((outcome.status, asked.load(Ordering::SeqCst)), (Status::Up, 3), "{outcome:?}");
            assert_eq!(outcome.details["steps"][1]["answer"], 200);
            assert!(outcome.details["took-ms"].is_u64() && !format!("{outcome:?}").contains("secret"));
            // The third of before has taken the first answer.
            let (url, asked) = server(&[CREATED, LIST]).await;
            let steps = vec![
                Probe { statuses: vec![201], ..get(&url, "/login") },
                Probe { contains: Some("\"b\"".to_owned()), ..get(&url, "/orders") },
                get(&url, "/end"),
            ];
            let outcome = TransactionCheck::new(&outbound(), "order", PATIENCE, steps).check().await;
            assert_eq!((outcome.status, asked.load(Ordering::SeqCst)), (Status::Down, 2));
            assert_eq!(outcome.error(), "step 2: the answer does not have the text that is wanted");
        });
    }

    #[test]
    fn a_status_that_is_not_wanted_is_down() {
        const MOVED: &str = "HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: /\r\n\r\n";
        alone(async {
            let (url, _) = server(&[MOVED]).await;
            let outcome = HttpCheck::new(&outbound(), "a", PATIENCE, get(&url, "/ready?token=x")).check().await;
            assert_eq!(outcome.error(), "found status 302, wanted 200 to 299");
            assert_eq!(outcome.details["url"], format!("{url}/ready"));
            let moved = Probe { statuses: vec![301, 302], ..get(&url, "/") };
            assert_eq!(HttpCheck::new(&outbound(), "a", PATIENCE, moved).check().await.status, Status::Up);
            let other = Probe { statuses: vec![301, 303], ..get(&url, "/") };
            let outcome = HttpCheck::new(&outbound(), "a", PATIENCE, other).check().await;
            assert_eq!(outcome.error(), "found status 302, wanted 301 or 303");
        });
    }

    #[test]
    fn one_that_never_answers_is_given_up_and_one_that_refuses_is_asked_for_ever() {
        alone(async {
            let (url, _) = server(&[""]).await;
            let check = HttpCheck::new(&outbound(), "a", Duration::from_millis(30), get(&url, "/"));
            assert_eq!(check.check().await.error(), "timed out after 30ms");
            let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let check = HttpCheck::new(&outbound(), "a", PATIENCE, get(&format!("http://{closed}"), "/"));
            for _ in 0..300 {
                assert_eq!(check.check().await.error(), "connection refused");
            }
        });
    }

    #[test]
    fn every_look_is_made_on_a_connection_of_its_own() {
        const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        alone(async {
            let (url, asked) = server(&[FINE]).await;
            let check = HttpCheck::new(&outbound(), "a", PATIENCE, get(&url, "/"));
            for _ in 0..3 {
                assert_eq!(check.check().await.status, Status::Up);
            }
            assert_eq!(asked.load(Ordering::SeqCst), 3);
        });
    }
}
