//! Routes: predicates into matchers, filters into what runs, all into the router.

use std::collections::BTreeSet;
use std::sync::Arc;

use gwanmun_config::{Diagnostic, Diagnostics, Node, Piece, Spanned, Value};

use crate::compile::Context;
use crate::compile::filters::Filters;
use crate::compile::upstreams::Upstreams;
use crate::compile::written::on_one_line;
use crate::parts::Parts;
use crate::plan::Route;
use crate::route::{Matcher, Router};
use crate::spec::{GatewaySpec, RouteSpec};

/// Combinations of predicates may be nested so deep.
const MAX_DEPTH: usize = 16;

/// Ids stand in every log line and metric: so many characters are enough.
const MAX_ID: usize = 128;

pub(super) fn compile(
    spec: &GatewaySpec,
    context: &Context<'_>,
    parts: &Parts<'_>,
    filters: &mut Filters<'_>,
    upstreams: &mut Upstreams,
    diagnostics: &mut Diagnostics,
) -> (Option<Router>, Vec<Route>) {
    let mut ordered: Vec<&Spanned<RouteSpec>> = spec.routes.iter().collect();
    ordered.sort_by_key(|route| route.order);
    let (mut matchers, mut routes) = (Vec::with_capacity(ordered.len()), Vec::with_capacity(ordered.len()));
    for route in &ordered {
        if !diagnostics.is_damaged(route.id.span) {
            check_id(&route.id, diagnostics);
        }
        let matcher = all_of(&route.predicates, context, parts, MAX_DEPTH, diagnostics);
        let variables = match &matcher {
            Some(matcher) => matcher.variables(),
            None => names_in(&route.predicates),
        };
        // What a role adds knows nothing of variables, and so is the same on every route.
        let without_variables = parts.in_route(&route.id);
        let parts = without_variables.capturing(&variables);
        let mut planned = filters.defaults(&spec.default_filters, &parts, &route.id, diagnostics);
        let before = diagnostics.len();
        planned.extend(filters.of(&route.filters, &parts, diagnostics));
        let filters_are_good = diagnostics.len() == before;
        let is_bare = planned.is_empty();
        filters.add_to_route(&mut planned, &[&spec.default_filters, &route.filters], &without_variables, diagnostics);
        let upstream = route.upstream.as_ref().and_then(|upstream| upstreams.place(upstream, diagnostics));
        if route.upstream.is_none()
            && is_bare
            && filters_are_good
            && !diagnostics.is_incomplete()
            && !diagnostics.has_error_in(route.span)
        {
            diagnostics.push(
                Diagnostic::error(
                    format!("route '{}' has neither an upstream nor a filter that answers", route.id.value),
                    route.id.span,
                )
                .with_hint("add `upstream: NAME-OR-URL`, or a filter like respond or redirect-to"),
            );
        }
        routes.push(Route {
            id: Arc::from(route.id.as_str()),
            order: route.order,
            filters: filters.list(planned),
            upstream,
        });
        matchers.extend(matcher);
    }
    if matchers.len() < routes.len() {
        return (None, routes);
    }
    match Router::build(matchers) {
        Err(groups) => {
            for group in groups {
                let place = group.routes.first().and_then(|place| ordered.get(*place)).map(|route| route.id.span);
                diagnostics.push(Diagnostic::error(group.to_string(), place));
            }
            (None, routes)
        }
        Ok(router) => {
            warn_about_shadows(&router, &ordered, diagnostics);
            (Some(router), routes)
        }
    }
}

/// Names that broken predicates would perhaps capture, so that nobody is told that they are unknown.
fn names_in(predicates: &[Piece]) -> BTreeSet<String> {
    fn collect(node: &Node, names: &mut BTreeSet<String>) {
        match &node.value {
            Value::Null => {}
            Value::Scalar(scalar) => names.extend(scalar.text().split('{').skip(1).map(|after| {
                let name = after.trim_start_matches('*');
                let end = name.find(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '-' | '_'));
                name.get(..end.unwrap_or(name.len())).unwrap_or_default().to_owned()
            })),
            Value::List(items) => items.iter().for_each(|item| collect(item, names)),
            // `path: /a/{id}` in a flow map is `{id}`, a key.
            Value::Map(entries) => entries.iter().for_each(|entry| {
                names.insert(entry.key.clone());
                collect(&entry.node, names);
            }),
        }
    }
    let mut names = BTreeSet::new();
    predicates.iter().for_each(|piece| collect(&piece.0, &mut names));
    names
}

/// An id has to look the same wherever it is shown, and be easily written in a query.
fn check_id(id: &Spanned<String>, diagnostics: &mut Diagnostics) {
    let fits = |letter: char| letter == ' ' || letter.is_alphanumeric() || "-_.:/@+~#=".contains(letter);
    let found = if id.is_empty() {
        "an empty id".to_owned()
    } else if id.chars().count() > MAX_ID {
        format!("an id of {} characters", id.chars().count())
    } else if id.trim().len() < id.len() {
        "an id with space at its beginning or end".to_owned()
    } else if let Some(odd) = id.chars().find(|letter| !fits(*letter)) {
        format!("an id with the character {odd:?}")
    } else {
        return;
    };
    diagnostics.push(
        Diagnostic::error(format!("found {found}, wanted 1 to {MAX_ID} letters, digits and any of - _ . : /"), id.span)
            .with_hint("an id is a name for logs and metrics, such as orders or orders-v2"),
    );
}

fn all_of(
    pieces: &[Piece],
    context: &Context<'_>,
    parts: &Parts<'_>,
    depth: usize,
    diagnostics: &mut Diagnostics,
) -> Option<Matcher> {
    let built: Vec<Option<Matcher>> =
        pieces.iter().map(|piece| matcher(&piece.0, context, parts, depth, diagnostics)).collect();
    built.into_iter().collect::<Option<Vec<_>>>().map(Matcher::all)
}

fn matcher(
    node: &Node,
    context: &Context<'_>,
    parts: &Parts<'_>,
    depth: usize,
    diagnostics: &mut Diagnostics,
) -> Option<Matcher> {
    if depth == 0 {
        diagnostics.push(Diagnostic::error(format!("predicates are nested more than {MAX_DEPTH} deep"), node.span));
        return None;
    }
    let (name, span, arguments) = context.catalog.predicate_in(node, diagnostics)?;
    let several = |diagnostics: &mut Diagnostics| {
        let Value::List(nodes) = &arguments.value else {
            diagnostics.push(Diagnostic::error(format!("wanted a list of predicates below '{name}'"), arguments.span));
            return None;
        };
        if nodes.is_empty() {
            diagnostics.push(Diagnostic::error(format!("found no predicate below '{name}'"), arguments.span));
            return None;
        }
        let built: Vec<Option<Matcher>> =
            nodes.iter().map(|node| matcher(node, context, parts, depth - 1, diagnostics)).collect();
        built.into_iter().collect::<Option<Vec<_>>>()
    };
    match name {
        "any" => several(diagnostics).map(Matcher::any),
        "all" => several(diagnostics).map(Matcher::all),
        "not" if matches!(arguments.value, Value::List(_)) => {
            several(diagnostics).map(|parts| Matcher::not(Matcher::all(parts)))
        }
        "not" => matcher(&arguments, context, parts, depth - 1, diagnostics).map(Matcher::not),
        _ => {
            let item = context.catalog.predicate(name, span, &arguments, diagnostics)?;
            let condition = item.build(&arguments, parts, diagnostics)?;
            Some(Matcher::leaf(name, &on_one_line(&arguments, context.reader.sources), condition))
        }
    }
}

fn warn_about_shadows(router: &Router, ordered: &[&Spanned<RouteSpec>], diagnostics: &mut Diagnostics) {
    let names: BTreeSet<(usize, usize)> = router.shadowed().into_iter().collect();
    for (hidden, by) in names {
        // That an id stands twice has been said.
        if let (Some(hidden), Some(by)) = (ordered.get(hidden), ordered.get(by))
            && hidden.id.value != by.id.value
        {
            diagnostics.push(
                Diagnostic::warning(
                    format!("route '{}' is never reached: '{}' takes all its requests", hidden.id.value, by.id.value),
                    hidden.id.span,
                )
                .with_related(by.id.span, "asked first")
                .with_hint(format!("move '{}' up, or give it a lower `order`", hidden.id.value)),
            );
        }
    }
}
