//! The role of the gateway: it sees what is written, and what it asks for goes into the lists of filters.

use std::collections::BTreeSet;

use gwanmun_config::{Diagnostics, Node, Piece, Value};

use crate::catalog::RoleItem;
use crate::compile::Context;
use crate::compile::filters::names;
use crate::role::{Addition, Rules, Written, WrittenFilter, WrittenRoute};
use crate::section::Sections;
use crate::spec::{GatewaySpec, RouteSpec};

/// The role that is chosen, with what it sees.
pub(super) struct Chosen<'a> {
    item: &'a RoleItem,
    written: Written<'a>,
}

/// What a role asks for.
#[derive(Default)]
pub(super) struct Imposed {
    /// The role's name.
    pub(super) role: Option<&'static str>,
    door: Vec<Addition>,
    routes: Vec<Addition>,
}

/// A filter in its place.
pub(super) enum Placed<'a> {
    Written(&'a Piece),
    Added(&'a Addition),
}

/// The role that `spec` chooses, if it does.
pub(super) fn chosen<'a>(
    spec: &'a GatewaySpec,
    context: &'a Context<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Chosen<'a>> {
    let role = spec.role.as_ref()?;
    let item = context.catalog.role(role, diagnostics)?;
    let all_known = |pieces: &'a [Piece]| pieces.iter().all(|piece| written(piece, context).is_some());
    let shared_known = all_known(&spec.filters) && all_known(&spec.default_filters);
    let route = |route: &'a gwanmun_config::Spanned<RouteSpec>| WrittenRoute {
        id: &route.id,
        filters: route.filters.iter().filter_map(|piece| written(piece, context)).collect(),
        is_whole: shared_known && all_known(&route.filters) && !diagnostics.has_error_in(route.span),
    };
    let list = |pieces: &'a [Piece]| pieces.iter().filter_map(|piece| written(piece, context)).collect();
    let written = Written {
        span: role.span,
        spec,
        door: list(&spec.filters),
        defaults: list(&spec.default_filters),
        routes: spec.routes.iter().map(route).collect(),
        sections: context.sections.iter().map(|aside| aside.entry()).collect(),
    };
    Some(Chosen { item, written })
}

impl Chosen<'_> {
    /// The role's name.
    pub(super) fn name(&self) -> &'static str {
        self.item.name
    }

    /// Sections that are there although nobody wrote them.
    pub(super) fn sections(&self) -> Vec<(&'static str, Node)> {
        (self.item.sections)(&self.written)
    }

    /// What the role asks for; contradictions are told.
    pub(super) fn impose(&self, sections: &Sections, diagnostics: &mut Diagnostics) -> Imposed {
        let mut rules = Rules::of(self.written.span, diagnostics);
        (self.item.impose)(&self.written, sections, &mut rules);
        Imposed { role: Some(self.item.name), door: rules.door, routes: rules.routes }
    }
}

impl Imposed {
    /// The filters at the door: those that the role puts before all others, and the rest. What is written stands in the
    /// place of the role's filter of the same name.
    pub(super) fn door<'a>(&'a self, written: &'a [Piece]) -> (Vec<Placed<'a>>, Vec<Placed<'a>>) {
        let mut rest: Vec<&Piece> = written.iter().collect();
        let first = self.door.iter().map(|addition| {
            match rest.iter().position(|piece| name_of(piece).is_some_and(|name| name == addition.name)) {
                Some(place) => Placed::Written(rest.remove(place)),
                None => Placed::Added(addition),
            }
        });
        let first = first.collect();
        (first, rest.into_iter().map(Placed::Written).collect())
    }

    /// The names of the filters at the door.
    pub(super) fn door_names(&self, written: &[Piece]) -> BTreeSet<String> {
        names(written).into_iter().chain(self.door.iter().map(|addition| addition.name.to_owned())).collect()
    }

    /// What is added to a route where filters of these names are written, at the door too: each with the names that it
    /// stands behind.
    pub(super) fn route<'a>(
        &'a self,
        door: &BTreeSet<String>,
        written: &[&[Piece]],
    ) -> Vec<(&'a Addition, Vec<&'static str>)> {
        let is_there = |name: &str| {
            door.contains(name) || written.iter().copied().flatten().any(|piece| name_of(piece) == Some(name))
        };
        let mut before = Vec::new();
        let mut added = Vec::new();
        for addition in &self.routes {
            if !is_there(addition.name) {
                added.push((addition, before.clone()));
            }
            before.push(addition.name);
        }
        added
    }
}

/// A filter as it is written; `None` if it is not in the catalog, or no filter.
fn written<'a>(piece: &'a Piece, context: &'a Context<'_>) -> Option<WrittenFilter<'a>> {
    let nothing = Node::new(Value::Null, piece.0.span);
    let (name, span, arguments) = match &piece.0.value {
        Value::Scalar(scalar) => (scalar.text(), piece.0.span, &nothing),
        Value::Map(entries) => match entries.as_slice() {
            [entry] => (entry.key.as_str(), entry.key_span, &entry.node),
            _ => return None,
        },
        _ => return None,
    };
    let item = context.catalog.filters().find(|item| item.name == name)?;
    Some(WrittenFilter { name, span, arguments: item.spell_out(arguments), answers: item.answers })
}

fn name_of(piece: &Piece) -> Option<&str> {
    match &piece.0.value {
        Value::Map(entries) => entries.first().map(|entry| entry.key.as_str()),
        _ => piece.0.text(),
    }
}
