//! Looks on while the engine carries a request, and keeps what it saw.

use std::fmt::Write;

use gwanmun_core::Fault;
use gwanmun_proxy::handle::Watch;
use gwanmun_proxy::plan::PlannedFilter;
use gwanmun_proxy::route::Outcome;
use gwanmun_proxy::{Exchange, Plan, Response};
use gwanmun_telemetry::sanitized::What;

use super::change::{Change, RequestLook, ResponseLook};

/// What was seen of one request.
pub(crate) struct Journey<'p> {
    plan: &'p Plan,
    /// The request in a line.
    pub(super) title: String,
    /// What was done to the request at the door.
    pub(super) sanitized: Vec<&'static str>,
    request: Option<RequestLook>,
    response: Option<ResponseLook>,
    /// How each route's predicates turned out, in the order they are asked; `None` if no route was looked for.
    pub(super) routing: Option<Routing>,
    /// The filters that saw the request, in their order.
    pub(super) forth: Vec<Step>,
    /// The filters that changed the response, in their order.
    pub(super) back: Vec<Step>,
    /// Whether any filter saw the response.
    pub(super) came_back: bool,
    /// Why the gateway answered by itself.
    pub(super) fault: Option<Fault>,
    /// What the route's predicates captured.
    pub(super) variables: Vec<(String, String)>,
}

/// What the router decided.
pub(super) struct Routing {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) route: Option<usize>,
    /// The path it decided on.
    pub(super) path: String,
}

/// What one filter did.
pub(super) struct Step {
    /// The filter as written.
    pub(super) filter: String,
    /// Whether it stands at the door, before routing.
    pub(super) is_at_door: bool,
    /// Whether it acts on the way back: it has changed the response, or its name says so.
    pub(super) is_for_response: bool,
    pub(super) changes: Vec<Change>,
    /// What it weighed, and what held.
    pub(super) weighed: Vec<Outcome>,
    pub(super) end: End,
}

/// Where the request went after a filter.
pub(super) enum End {
    GoesOn,
    /// Back to the client, with this status.
    Answered(http::StatusCode, Option<String>),
    Failed(Fault),
}

impl<'p> Journey<'p> {
    /// A journey through `plan`, not yet begun.
    pub(crate) fn new(plan: &'p Plan, title: String) -> Self {
        Self {
            plan,
            title,
            sanitized: Vec::new(),
            request: None,
            response: None,
            routing: None,
            forth: Vec::new(),
            back: Vec::new(),
            came_back: false,
            fault: None,
            variables: Vec::new(),
        }
    }

    fn arrived(&mut self, exchange: &Exchange) {
        self.title.push_str(&circumstances(exchange));
        self.sanitized = exchange.record.sanitized.iter().map(What::name).collect();
    }
}

impl Watch for Journey<'_> {
    fn begins(&mut self, exchange: &Exchange) {
        self.arrived(exchange);
        self.request = Some(RequestLook::at(exchange));
    }

    fn routed(&mut self, exchange: &Exchange, route: Option<usize>) {
        let path = exchange.request.path().to_owned();
        self.routing = Some(Routing { outcomes: self.plan.router.outcomes(exchange), route, path });
    }

    fn after_request(
        &mut self,
        filter: &PlannedFilter,
        exchange: &Exchange,
        outcome: &Result<Option<Response>, Fault>,
    ) {
        let now = RequestLook::at(exchange);
        let changes = self.request.as_ref().map(|before| now.since(before)).unwrap_or_default();
        let end = match outcome {
            Ok(None) => End::GoesOn,
            Ok(Some(response)) => {
                let location = response.headers().get(http::header::LOCATION);
                End::Answered(
                    response.status(),
                    location.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
                )
            }
            Err(fault) => End::Failed(fault.clone()),
        };
        self.forth.push(Step {
            filter: as_written(filter),
            is_at_door: self.routing.is_none(),
            is_for_response: filter.name.contains("-response-"),
            changes,
            weighed: filter.filter.weighed(exchange),
            end,
        });
        self.request = Some(now);
    }

    fn answered(&mut self, exchange: &Exchange, response: &Response, fault: Option<&Fault>) {
        // A request that is refused at once begins no journey.
        if self.request.is_none() {
            self.arrived(exchange);
        }
        self.variables = exchange.variables.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.response = Some(ResponseLook::at(response));
        self.fault = fault.cloned();
    }

    fn after_response(&mut self, filter: &PlannedFilter, _: &Exchange, response: &Response) {
        let now = ResponseLook::at(response);
        let changes = self.response.as_ref().map(|before| now.since(before)).unwrap_or_default();
        if !changes.is_empty() {
            let step = Step {
                filter: as_written(filter),
                is_at_door: false,
                is_for_response: true,
                changes,
                weighed: Vec::new(),
                end: End::GoesOn,
            };
            self.forth
                .iter_mut()
                .filter(|forth| forth.filter == step.filter)
                .for_each(|forth| forth.is_for_response = true);
            self.back.push(step);
        }
        self.response = Some(now);
        self.came_back = true;
    }
}

/// Where the request came from.
fn circumstances(exchange: &Exchange) -> String {
    let mut words = String::new();
    if let Some(host) = &exchange.host {
        let _ = write!(words, " for {}", String::from_utf8_lossy(host.as_bytes()));
    }
    if let Some(client) = exchange.client {
        let _ = write!(words, " from {client}");
    }
    if !exchange.connection.listener.is_empty() {
        let _ = write!(words, " by listener {}", exchange.connection.listener);
    }
    words
}

fn as_written(filter: &PlannedFilter) -> String {
    let arguments = if filter.arguments.is_empty() { String::new() } else { format!(": {}", filter.arguments) };
    let role = filter.role.map(|role| format!(" (role {role})")).unwrap_or_default();
    format!("{}{arguments}{role}", filter.name)
}
