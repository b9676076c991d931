//! `gwanmun demo`: two small services and the gateway in front of them, on free ports, with the lines to try.

mod service;

use std::io;
use std::time::Duration;

use gwanmun_filters::Registry;
use gwanmun_proxy::Server;
use gwanmun_telemetry::access::{AccessLog, Sink};
use gwanmun_telemetry::metrics::Metrics;
use tokio::runtime::{Builder, LocalOptions};

use crate::cli::Outcome;
use crate::command::run::Signals;
use crate::load::from_text;
use crate::terminal::{complain, say};

/// How long running requests may take once Ctrl-C was pressed.
const DRAIN: Duration = Duration::from_secs(2);

/// The demo's configuration; the two ports are the services'.
const CONFIGURATION: &str = include_str!("demo/gateway.yaml");

/// Runs until Ctrl-C.
pub(crate) fn run(registry: &Registry) -> Outcome {
    let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => return could_not_start(&error),
    };
    runtime.block_on(async {
        match start(registry).await {
            Err(error) => could_not_start(&error),
            Ok((server, mut signals)) => {
                signals.stop().await;
                say("\nstopping");
                let _ = tokio::task::spawn_blocking(move || server.drain(DRAIN)).await;
                Outcome::Good
            }
        }
    })
}

async fn start(registry: &Registry) -> io::Result<(Server, Signals)> {
    let signals = Signals::listen()?;
    let orders = service::start("orders").await?;
    let kitchen = service::start("kitchen").await?;
    let text = CONFIGURATION
        .replace("ORDERS_PORT", &orders.port().to_string())
        .replace("KITCHEN_PORT", &kitchen.port().to_string());
    let configuration = from_text(registry, "demo.yaml", &text);
    configuration.complain();
    let plan = configuration.plan.ok_or_else(|| io::Error::other("the demo's own configuration has a mistake"))?;
    let access_log = AccessLog::open(Sink::Stdout)?;
    let server = Server::start(plan, 1, Metrics::new(), access_log).map_err(io::Error::other)?;
    let listening = server.listening();
    let (_, gateway) = listening.first().ok_or_else(|| io::Error::other("the demo has no listener"))?;
    say(format_args!(
        "The gateway is at http://{gateway}, in front of two services:\n\
         \x20 orders   http://{orders}\n\
         \x20 kitchen  http://{kitchen}\n\n\
         Try, in another terminal:\n\
         \x20 curl -i http://{gateway}/orders/7            # path and a header made of it\n\
         \x20 curl -i http://{gateway}/kitchen/menu        # prefix stripped, response header added\n\
         \x20 curl -i http://{gateway}/old/orders          # redirected\n\
         \x20 curl -i http://{gateway}/hello/you           # answered by the gateway itself\n\
         \x20 curl -i -X DELETE http://{gateway}/orders/7  # no route takes it: 404\n\
         \x20 curl -i --http2-prior-knowledge http://{gateway}/orders/7\n\n\
         Each request leaves a line of the access log below. Ctrl-C stops.\n"
    ));
    Ok((server, signals))
}

fn could_not_start(error: &io::Error) -> Outcome {
    complain(format_args!("error: the demo cannot start: {error}"));
    Outcome::CouldNotStart
}
