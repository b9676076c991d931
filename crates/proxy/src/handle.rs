//! The life of one request, top to bottom. The network stands behind `Forward`, so that `gwanmun test` and `explain` run
//! exactly this with a stand-in.

use std::sync::Arc;

use gwanmun_core::{Code, Fault};

use crate::exchange::Exchange;
use crate::filter::{Response, Step, Verdict};
use crate::plan::{Plan, PlannedFilter, Route};
use crate::reply;
use crate::upstream::Upstream;

/// Where a request goes when the gateway is through with it.
pub enum Target<'a> {
    /// The route's upstream.
    Upstream(usize, &'a Arc<Upstream>),
    /// What a filter put in its place: an absolute URI.
    Uri(http::Uri),
}

/// Takes the request to an upstream, or to its stand-in.
pub trait Forward {
    /// Sends the exchange's request and waits for the head of the answer.
    fn forward(
        &self,
        plan: &Plan,
        exchange: &mut Exchange,
        target: Target<'_>,
    ) -> impl Future<Output = Result<Response, Fault>>;
}

/// Looks on, for `explain`; what is not looked at needs no method.
pub trait Watch {
    /// The request has been let in; no filter has seen it yet.
    fn begins(&mut self, exchange: &Exchange) {
        let _ = exchange;
    }
    /// The router has decided.
    fn routed(&mut self, exchange: &Exchange, route: Option<usize>) {
        let _ = (exchange, route);
    }
    /// A filter has seen the request, and let it go on (`None`), answered, or failed.
    fn after_request(
        &mut self,
        filter: &PlannedFilter,
        exchange: &Exchange,
        outcome: &Result<Option<Response>, Fault>,
    ) {
        let _ = (filter, exchange, outcome);
    }
    /// There is an answer, be it the problem document of `fault`; no filter has seen it yet.
    fn answered(&mut self, exchange: &Exchange, response: &Response, fault: Option<&Fault>) {
        let _ = (exchange, response, fault);
    }
    /// A filter has seen the response.
    fn after_response(&mut self, filter: &PlannedFilter, exchange: &Exchange, response: &Response) {
        let _ = (filter, exchange, response);
    }
}

/// Nobody looks on.
pub struct Unwatched;

impl Watch for Unwatched {}

/// Carries a request through door filters, route, route filters and upstream, and the response back in reverse order
/// through the filters that let the request go on.
pub async fn handle(plan: &Plan, exchange: &mut Exchange, forward: &impl Forward, watch: &mut impl Watch) -> Response {
    let mut door_entered = 0;
    let mut route_entered = 0;
    let mut route: Option<&Route> = None;
    watch.begins(exchange);
    let answer = 'answer: {
        for planned in plan.door.iter() {
            let outcome = settle(planned.filter.request(exchange)).await;
            watch.after_request(planned, exchange, &outcome);
            match outcome {
                Ok(None) => door_entered += 1,
                Ok(Some(response)) => break 'answer Ok(response),
                Err(fault) => break 'answer Err(fault),
            }
        }
        let found = plan.router.find(exchange);
        exchange.record.route = found.as_ref().map(|(index, _)| *index);
        watch.routed(exchange, exchange.record.route);
        let Some((index, variables)) = found else {
            break 'answer Err(Fault::new(Code::NoRoute, "no route takes this request"));
        };
        let Some(taken) = plan.routes.get(index) else {
            break 'answer Err(Fault::new(Code::Internal, "the router names a route that is not there"));
        };
        route = Some(taken);
        exchange.route = Some(Arc::clone(&taken.id));
        exchange.variables = variables;
        for planned in taken.filters.iter() {
            let outcome = settle(planned.filter.request(exchange)).await;
            watch.after_request(planned, exchange, &outcome);
            match outcome {
                Ok(None) => route_entered += 1,
                Ok(Some(response)) => break 'answer Ok(response),
                Err(fault) => break 'answer Err(fault),
            }
        }
        let upstream = taken.upstream.and_then(|index| Some((index, plan.upstreams.get(index)?)));
        let target = match (exchange.destination.take(), upstream) {
            (Some(uri), _) => Target::Uri(*uri),
            (None, Some((index, upstream))) => Target::Upstream(index, upstream),
            (None, None) => {
                break 'answer Err(Fault::new(Code::Internal, "the route has no upstream and no filter answered"));
            }
        };
        if let Some(fault) = exchange.late_refusal.take() {
            break 'answer Err(*fault);
        }
        if let Err(fault) = exchange.settled().await {
            break 'answer Err(fault);
        }
        forward.forward(plan, exchange, target).await
    };
    let answer = exchange.settled().await.and(answer);
    let mut response = match answer {
        Ok(response) => {
            watch.answered(exchange, &response, None);
            response
        }
        Err(fault) => {
            let response = reply::to_fault(exchange, &fault);
            watch.answered(exchange, &response, Some(&fault));
            response
        }
    };
    let route_filters = route.and_then(|route| route.filters.get(..route_entered)).unwrap_or_default();
    let door_filters = plan.door.get(..door_entered).unwrap_or_default();
    for planned in route_filters.iter().rev().chain(door_filters.iter().rev()) {
        match settle(planned.filter.response(exchange, &mut response)).await {
            Ok(None) => {}
            Ok(Some(instead)) => response = instead,
            Err(fault) => response = reply::to_fault(exchange, &fault),
        }
        watch.after_response(planned, exchange, &response);
    }
    response
}

/// A verdict, waited for where it has to be.
async fn settle(verdict: Verdict<'_>) -> Result<Option<Response>, Fault> {
    match verdict? {
        Step::Next => Ok(None),
        Step::Reply(response) => Ok(Some(*response)),
        Step::Wait(decision) => decision.await,
    }
}
