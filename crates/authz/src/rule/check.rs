//! Checks an expression before there is a request: names, functions and kinds; and rewrites it so that evaluation is bound
//! and needs one question for each place that it names.

use cel::IdedExpr;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, ListExpr, LiteralValue, MapExpr, SelectExpr, SourceInfo, operators,
};

use crate::decision::shortened;
use crate::invalid::{Mistake, did_you_mean};
use crate::rule::function::Pattern;
use crate::rule::kind::Kind;
use crate::rule::parse::Placed;
use crate::rule::slot::{Slot, Step};
use crate::rule::{COUNT, STEP};

/// How deep a checked expression may be; evaluation goes as deep.
const DEEPEST: usize = 40;

/// How many loops may stand in each other.
const LOOPS: usize = 3;

/// How many steps a claim may be away.
const STEPS: usize = 16;

const ROOTS: [&str; 2] = ["principal", "request"];
const PRINCIPAL: [&str; 6] = ["subject", "roles", "scopes", "level", "credential", "claims"];
const REQUEST: [&str; 8] = ["method", "scheme", "host", "path", "query", "headers", "client", "time"];
const FUNCTIONS: [&str; 16] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "lowerAscii",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "has",
    "all",
    "exists",
    "exists_one",
    "filter",
];

/// The expression as it is evaluated, and what its names `@N` stand for.
pub(crate) fn check(
    expression: IdedExpr,
    text: &str,
    source: &SourceInfo,
) -> Result<(IdedExpr, Vec<Slot>), Vec<Placed>> {
    let mut checker = Checker { text, source, slots: Vec::new(), mistakes: Vec::new(), loops: Vec::new(), parts: 0 };
    let id = expression.id;
    let (expression, kind) = checker.walk(expression, 0);
    if checker.mistakes.is_empty() && !kind.may_be(&[Kind::Bool]) {
        checker.refuse(id, Mistake::new(format!("the expression gives {kind}, wanted true or false")));
    }
    if checker.mistakes.is_empty() { Ok((expression, checker.slots)) } else { Err(checker.mistakes) }
}

struct Checker<'a> {
    text: &'a str,
    source: &'a SourceInfo,
    slots: Vec<Slot>,
    mistakes: Vec<Placed>,
    /// The variables of the loops around.
    loops: Vec<(String, Kind)>,
    /// How many parts were walked.
    parts: u32,
}

type Walked = (IdedExpr, Kind);

impl Checker<'_> {
    fn walk(&mut self, expression: IdedExpr, depth: usize) -> Walked {
        let id = expression.id;
        self.parts = self.parts.saturating_add(1);
        if depth > DEEPEST {
            self.refuse(id, Mistake::new(format!("the expression is deeper than {DEEPEST} steps")));
            return (IdedExpr::default(), Kind::Any);
        }
        if let Some(found) = self.place(&expression) {
            return self.slot(id, found);
        }
        let (expr, kind) = match expression.expr {
            Expr::Literal(literal) => {
                let kind = literal_kind(&literal);
                (Expr::Literal(literal), kind)
            }
            Expr::Ident(name) => self.name(id, name),
            Expr::Select(select) => self.select(id, select, depth),
            Expr::Call(call) => self.call(id, call, depth),
            Expr::List(list) => self.list(id, list, depth),
            Expr::Map(map) => self.map(id, map, depth),
            Expr::Comprehension(comprehension) => self.comprehension(id, *comprehension, depth),
            Expr::Struct(of) => {
                let name = shortened(&of.type_name, 60);
                (Expr::Unspecified, self.wrong(id, Mistake::new(format!("found the type '{name}', wanted a value"))))
            }
            Expr::Unspecified => (Expr::Unspecified, self.wrong(id, Mistake::new("found nothing, wanted a value"))),
        };
        (IdedExpr { id, expr }, kind)
    }

    /// The slot that a chain of members from `principal` or `request` leads to; a mistake if it leads nowhere. `None` for
    /// what is no such chain.
    fn place(&mut self, expression: &IdedExpr) -> Option<Slot> {
        match &expression.expr {
            Expr::Select(select) if select.test => {
                let slot = match root(&select.operand) {
                    Some(root) => self.root(select.operand.id, root, &select.field),
                    None => {
                        let of = self.place(&select.operand)?;
                        self.member(expression.id, of, &Step::Member(select.field.clone()))?
                    }
                };
                Some(match slot {
                    Slot::Claim(_) | Slot::Header(_) | Slot::Query(_) => Slot::Has(Box::new(slot)),
                    other => {
                        let mistake = Mistake::new(format!("{other} is always there"));
                        self.refuse(
                            expression.id,
                            mistake.with_hint("has() asks for a claim, a header field or a parameter"),
                        );
                        other
                    }
                })
            }
            Expr::Select(select) => match root(&select.operand) {
                Some(root) => Some(self.root(expression.id, root, &select.field)),
                None => {
                    let of = self.place(&select.operand)?;
                    self.member(expression.id, of, &Step::Member(select.field.clone()))
                }
            },
            Expr::Call(call) if call.func_name == operators::INDEX => {
                let [of, index] = call.args.as_slice() else { return None };
                let step = match &index.expr {
                    Expr::Literal(LiteralValue::String(name)) => Step::Member(name.inner().to_owned()),
                    Expr::Literal(LiteralValue::Int(place)) => Step::Element(usize::try_from(*place.inner()).ok()?),
                    _ => return None,
                };
                if let (Some(root), Step::Member(name)) = (root(of), &step) {
                    return Some(self.root(expression.id, root, name));
                }
                let of = self.place(of)?;
                self.member(expression.id, of, &step)
            }
            // The way to ask for a name that is no word; answered without a map of all.
            Expr::Call(call) if call.func_name == operators::IN => {
                let [name, of] = call.args.as_slice() else { return None };
                let Expr::Literal(LiteralValue::String(name)) = &name.expr else { return None };
                let name = name.inner();
                match self.place(of)? {
                    Slot::Headers => Some(Slot::Has(Box::new(self.header(expression.id, name)))),
                    Slot::Queries => Some(Slot::Has(Box::new(Slot::Query(name.to_owned())))),
                    Slot::Claim(path) if path.is_empty() => {
                        Some(Slot::Has(Box::new(Slot::Claim(vec![Step::Member(name.to_owned())]))))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The member `name` of `root`.
    fn root(&mut self, id: u64, root: &str, name: &str) -> Slot {
        let (slot, known) = match root {
            "principal" => (Slot::of_principal(name), PRINCIPAL.as_slice()),
            _ => (Slot::of_request(name), REQUEST.as_slice()),
        };
        slot.unwrap_or_else(|| {
            let mistake = Mistake::new(format!("{root} has no '{}'", shortened(name, 60)));
            let hint = did_you_mean(name, known.iter().copied()).unwrap_or_else(|| match root {
                "principal" => format!("write 'principal.claims.{}' for a claim", shortened(name, 60)),
                _ => format!("it has {}", known.join(", ")),
            });
            self.refuse(id, mistake.with_hint(hint));
            Slot::Claim(vec![Step::Member(name.to_owned())])
        })
    }

    /// What `step` leads to from `of`; `None` where only the interpreter knows.
    fn member(&mut self, id: u64, of: Slot, step: &Step) -> Option<Slot> {
        match (of, step) {
            (Slot::Claim(mut path), step) if !path.is_empty() || matches!(step, Step::Member(_)) => {
                path.push(step.clone());
                if path.len() > STEPS {
                    self.refuse(id, Mistake::new(format!("the claim is more than {STEPS} steps away")));
                }
                Some(Slot::Claim(path))
            }
            (Slot::Headers, Step::Member(name)) => Some(self.header(id, name)),
            (Slot::Queries, Step::Member(name)) => Some(Slot::Query(name.clone())),
            (Slot::Roles | Slot::Scopes, Step::Element(_)) => None,
            (of, Step::Member(name)) => {
                self.refuse(id, Mistake::new(format!("{of} is {} and has no '{}'", of.kind(), shortened(name, 60))));
                Some(of)
            }
            (of, Step::Element(_)) => {
                self.refuse(id, Mistake::new(format!("{of} is {} and has no places", of.kind())));
                Some(of)
            }
        }
    }

    fn header(&mut self, id: u64, name: &str) -> Slot {
        let mistake = Mistake::new(format!("found header '{}'", shortened(name, 60)));
        if name == "host" {
            self.refuse(id, mistake.with_hint("write 'request.host'"));
        } else if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let hint = format!("names of header fields are in lower case here: '{}'", name.to_ascii_lowercase());
            self.refuse(id, mistake.with_hint(hint));
        } else if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            self.refuse(
                id,
                Mistake { message: format!("{}, wanted the name of a field", mistake.message), hint: None },
            );
        }
        Slot::Header(name.to_owned())
    }

    /// The variable that stands for `slot`.
    fn slot(&mut self, id: u64, slot: Slot) -> Walked {
        let kind = slot.kind();
        let known = self.slots.iter().position(|known| *known == slot);
        let place = known.unwrap_or_else(|| {
            self.slots.push(slot);
            self.slots.len() - 1
        });
        (IdedExpr { id, expr: Expr::Ident(format!("@{place}")) }, kind)
    }

    fn name(&mut self, id: u64, name: String) -> (Expr, Kind) {
        if let Some((_, kind)) = self.loops.iter().rfind(|(known, _)| *known == name) {
            let kind = *kind;
            return (Expr::Ident(name), kind);
        }
        let shown = shortened(&name, 60);
        let mistake = match name.as_str() {
            "principal" => Mistake::new("found principal alone").with_hint(format!("it has {}", PRINCIPAL.join(", "))),
            "request" => Mistake::new("found request alone").with_hint(format!("it has {}", REQUEST.join(", "))),
            _ => {
                let mistake = Mistake::new(format!("nothing is called '{shown}'"));
                let of = |root: &str, known: &[&str]| {
                    known.contains(&name.as_str()).then(|| format!("did you mean '{root}.{name}'?"))
                };
                let hint = of("principal", &PRINCIPAL).or_else(|| of("request", &REQUEST));
                let near =
                    || did_you_mean(&name, ROOTS.into_iter().chain(self.loops.iter().map(|(known, _)| known.as_str())));
                mistake.with_hint(hint.or_else(near).unwrap_or_else(|| "there are principal and request".to_owned()))
            }
        };
        (Expr::Unspecified, self.wrong(id, mistake))
    }

    fn select(&mut self, id: u64, select: SelectExpr, depth: usize) -> (Expr, Kind) {
        let (operand, of) = self.walk(*select.operand, depth + 1);
        if !of.may_be(&[Kind::Map]) {
            self.refuse(
                id,
                Mistake::new(format!("found '.{}' on {of}, wanted it on a map", shortened(&select.field, 60))),
            );
        }
        let kind = match (select.test, of) {
            (true, _) => Kind::Bool,
            (false, Kind::TextMap) => Kind::Text,
            (false, _) => Kind::Any,
        };
        (Expr::Select(SelectExpr { operand: Box::new(operand), ..select }), kind)
    }

    fn list(&mut self, id: u64, list: ListExpr, depth: usize) -> (Expr, Kind) {
        if !list.optional_indices.is_empty() {
            return (Expr::Unspecified, self.wrong(id, Mistake::new("found an optional element, wanted a value")));
        }
        let (elements, kinds): (Vec<_>, Vec<_>) =
            list.elements.into_iter().map(|element| self.walk(element, depth + 1)).unzip();
        let are_texts = kinds.iter().all(|kind| matches!(kind, Kind::Text | Kind::Level));
        (Expr::List(ListExpr::new(elements)), if are_texts { Kind::Texts } else { Kind::List })
    }

    fn map(&mut self, id: u64, mut map: MapExpr, depth: usize) -> (Expr, Kind) {
        for entry in &mut map.entries {
            let EntryExpr::MapEntry(entry) = &mut entry.expr else {
                return (Expr::Unspecified, self.wrong(id, Mistake::new("found a field, wanted a map's entry")));
            };
            let key_id = entry.key.id;
            let (key, kind) = self.walk(std::mem::take(&mut entry.key), depth + 1);
            if entry.optional || !kind.may_be(&[Kind::Text, Kind::Int, Kind::Bool]) || kind == Kind::Double {
                self.refuse(key_id, Mistake::new(format!("found {kind} as a key, wanted a text")));
            }
            entry.key = key;
            entry.value = self.walk(std::mem::take(&mut entry.value), depth + 1).0;
        }
        (Expr::Map(map), Kind::Map)
    }

    fn call(&mut self, id: u64, call: CallExpr, depth: usize) -> (Expr, Kind) {
        if call.func_name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return self.function(id, call, depth);
        }
        let mut ids = Vec::with_capacity(call.args.len());
        let mut kinds = Vec::with_capacity(call.args.len());
        let mut args = Vec::with_capacity(call.args.len());
        for argument in call.args {
            ids.push(argument.id);
            let (argument, kind) = self.walk(argument, depth + 1);
            args.push(argument);
            kinds.push(kind);
        }
        let kind = match (call.func_name.as_str(), kinds.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, _) => {
                for (id, kind) in ids.iter().zip(&kinds) {
                    self.want_bool(*id, *kind);
                }
                Kind::Bool
            }
            (operators::EQUALS | operators::NOT_EQUALS, [one, other]) => {
                if !one.may_equal(*other) {
                    self.refuse(id, Mistake::new(format!("{one} is never equal to {other}")));
                }
                self.level_word(id, *one, &args);
                Kind::Bool
            }
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                [one, other],
            ) => self.order(id, *one, *other),
            (operators::CONDITIONAL, [condition, one, other]) => {
                self.want_bool(id, *condition);
                if one == other { *one } else { Kind::Any }
            }
            (operators::IN, [one, of]) => self.within(id, *one, *of),
            (operators::INDEX, [of, index]) => self.index(id, *of, *index),
            (operators::ADD, [one, other]) => self.arithmetic(id, "+", *one, *other),
            (operators::SUBSTRACT, [one, other]) => self.arithmetic(id, "-", *one, *other),
            (operators::MULTIPLY, [one, other]) => self.arithmetic(id, "*", *one, *other),
            (operators::DIVIDE, [one, other]) => self.arithmetic(id, "/", *one, *other),
            (operators::MODULO, [one, other]) => self.arithmetic(id, "%", *one, *other),
            (operators::NEGATE, [of]) => {
                if *of != Kind::Any && !matches!(of, Kind::Int | Kind::Double) {
                    self.refuse(id, Mistake::new(format!("found '-' before {of}, wanted it before a number")));
                }
                *of
            }
            _ => self.wrong(id, Mistake::new("found an operator that is not available here")),
        };
        (Expr::Call(CallExpr { func_name: call.func_name, target: None, args }), kind)
    }

    fn function(&mut self, id: u64, call: CallExpr, depth: usize) -> (Expr, Kind) {
        let name = call.func_name.as_str();
        if name == "matches" {
            return self.matches(id, call, depth);
        }
        // What each takes: on a value, arguments.
        let (on, takes, gives): (Option<&[Kind]>, &[&[Kind]], Kind) =
            match (name, call.target.is_some(), call.args.len()) {
                ("size", true, 0) => (Some(&[Kind::Text, Kind::Bytes, Kind::List, Kind::Map]), &[], Kind::Int),
                ("size", false, 1) => (None, &[&[Kind::Text, Kind::Bytes, Kind::List, Kind::Map]], Kind::Int),
                ("contains" | "startsWith" | "endsWith", true, 1) => {
                    (Some(&[Kind::Text]), &[&[Kind::Text]], Kind::Bool)
                }
                ("lowerAscii", true, 0) => (Some(&[Kind::Text]), &[], Kind::Text),
                ("int", false, 1) => (None, &[&[Kind::Int, Kind::Text]], Kind::Int),
                ("uint", false, 1) => (None, &[&[Kind::Int, Kind::Text]], Kind::Uint),
                ("double", false, 1) => (None, &[&[Kind::Int, Kind::Text]], Kind::Double),
                ("string", false, 1) => (None, &[&[Kind::Int, Kind::Text, Kind::Bool, Kind::Bytes]], Kind::Text),
                ("bool", false, 1) => (None, &[&[Kind::Bool, Kind::Text]], Kind::Bool),
                _ => {
                    let mistake = self.no_function(name, call.target.is_some(), call.args.len());
                    return (Expr::Unspecified, self.wrong(id, mistake));
                }
            };
        let want = |checker: &mut Self, argument: IdedExpr, wanted: &[Kind]| {
            let id = argument.id;
            let (argument, kind) = checker.walk(argument, depth + 1);
            if !kind.may_be(wanted) {
                let wanted: Vec<_> = wanted.iter().map(Kind::to_string).collect();
                checker.refuse(id, Mistake::new(format!("{name}() takes {}, found {kind}", wanted.join(" or "))));
            }
            argument
        };
        let target = call.target.zip(on).map(|(target, wanted)| Box::new(want(self, *target, wanted)));
        let args = call.args.into_iter().zip(takes).map(|(argument, wanted)| want(self, argument, wanted)).collect();
        (Expr::Call(CallExpr { func_name: call.func_name, target, args }), gives)
    }

    /// `matches` takes an expression that stands there, so that it is compiled once and its cost is known.
    fn matches(&mut self, id: u64, call: CallExpr, depth: usize) -> (Expr, Kind) {
        let mut arguments: Vec<_> = call.target.map(|target| *target).into_iter().chain(call.args).collect();
        let (Some(pattern), Some(text), true) = (arguments.pop(), arguments.pop(), arguments.is_empty()) else {
            return (Expr::Unspecified, self.wrong(id, Mistake::new("matches() takes one regular expression")));
        };
        let text_id = text.id;
        let (text, kind) = self.walk(text, depth + 1);
        if !kind.may_be(&[Kind::Text]) {
            self.refuse(text_id, Mistake::new(format!("matches() stands on a text, found {kind}")));
        }
        let Expr::Literal(LiteralValue::String(written)) = &pattern.expr else {
            let mistake =
                Mistake::new("matches() takes a regular expression that stands in the rule, found a computed one");
            return (Expr::Unspecified, self.wrong(pattern.id, mistake));
        };
        match Pattern::new(written.inner()) {
            Ok(compiled) => {
                let (argument, _) = self.slot(pattern.id, Slot::Pattern(compiled));
                let call = CallExpr { func_name: call.func_name, target: Some(Box::new(text)), args: vec![argument] };
                (Expr::Call(call), Kind::Bool)
            }
            Err(why) => {
                let mistake = Mistake::new(format!("no usable regular expression: {}", shortened(&why, 120)));
                (Expr::Unspecified, self.wrong(pattern.id, mistake))
            }
        }
    }

    fn no_function(&self, name: &str, on_value: bool, arguments: usize) -> Mistake {
        let shown = shortened(name, 60);
        if name == "map" {
            return Mistake::new("map() is not available here").with_hint("exists(), all() and filter() are");
        }
        if FUNCTIONS.contains(&name) {
            let place = if on_value { "on a value " } else { "" };
            let usage = match name {
                "contains" | "startsWith" | "endsWith" => format!("write 'text.{name}(part)'"),
                "lowerAscii" => "write 'text.lowerAscii()'".to_owned(),
                "all" | "exists" | "exists_one" | "filter" => format!("write 'list.{name}(each, condition)'"),
                _ => format!("write '{name}(value)'"),
            };
            return Mistake::new(format!("found {name}() {place}with {arguments} arguments")).with_hint(usage);
        }
        let mistake = Mistake::new(format!("no function is called '{shown}'"));
        mistake
            .with_hint(did_you_mean(name, FUNCTIONS).unwrap_or_else(|| format!("there are {}", FUNCTIONS.join(", "))))
    }

    /// A loop. The parser makes it of `all`, `exists`, `exists_one`, `filter` and `map`; its condition is the one part that was
    /// written, and is where steps are counted.
    fn comprehension(&mut self, id: u64, mut of: ComprehensionExpr, depth: usize) -> (Expr, Kind) {
        let range_id = of.iter_range.id;
        let (range, kind) = self.walk(std::mem::take(&mut of.iter_range), depth + 1);
        of.iter_range = range;
        let element = kind.element().unwrap_or_else(|| {
            self.wrong(range_id, Mistake::new(format!("found a loop over {kind}, wanted one over a list or a map")))
        });
        let name = of.iter_var.clone();
        if ROOTS.contains(&name.as_str()) || self.loops.iter().any(|(known, _)| *known == name) {
            self.refuse(id, Mistake::new(format!("'{}' is called so already", shortened(&name, 60))));
        }
        if self.loops.len() == LOOPS {
            return (
                Expr::Unspecified,
                self.wrong(id, Mistake::new(format!("found more than {LOOPS} loops in each other"))),
            );
        }
        let gives = match &of.accu_init.expr {
            Expr::Literal(LiteralValue::Boolean(_)) | Expr::Literal(LiteralValue::Int(_)) => Kind::Bool,
            _ if kind == Kind::Texts => Kind::Texts,
            _ => Kind::List,
        };
        let Some(condition) = condition(&mut of) else {
            return (Expr::Unspecified, self.wrong(id, self.no_function("map", true, 2)));
        };
        let condition_id = condition.id;
        self.loops.push((name, element));
        let before = self.parts;
        let (walked, kind) = self.walk(std::mem::take(condition), depth + 1);
        self.loops.pop();
        self.want_bool(condition_id, kind);
        let units = self.parts.saturating_sub(before).saturating_add(STEP);
        let count = IdedExpr { id: condition_id, expr: Expr::Ident(format!("{COUNT}{units}")) };
        let args = vec![count, walked];
        *condition = IdedExpr {
            id: condition_id,
            expr: Expr::Call(CallExpr { func_name: operators::LOGICAL_AND.to_owned(), target: None, args }),
        };
        (Expr::Comprehension(Box::new(of)), gives)
    }

    fn want_bool(&mut self, id: u64, kind: Kind) {
        if !kind.may_be(&[Kind::Bool]) {
            self.refuse(id, Mistake::new(format!("found {kind}, wanted true or false")));
        }
    }

    fn order(&mut self, id: u64, one: Kind, other: Kind) -> Kind {
        if one == Kind::Level || other == Kind::Level {
            let mistake = Mistake::new("levels have no order as texts");
            self.refuse(
                id,
                mistake.with_hint("use 'level' beside the rule, or principal.level in ['high', 'highest']"),
            );
        } else if !one.may_equal(other) || !one.may_be(&[Kind::Int, Kind::Text, Kind::Bytes, Kind::Bool]) {
            self.refuse(id, Mistake::new(format!("{one} and {other} have no order")));
        }
        Kind::Bool
    }

    fn within(&mut self, id: u64, one: Kind, of: Kind) -> Kind {
        match of {
            Kind::Texts | Kind::TextMap if !one.may_be(&[Kind::Text]) => {
                self.refuse(id, Mistake::new(format!("{one} is never in {of} of texts")));
            }
            _ if of.may_be(&[Kind::List, Kind::Map]) => {}
            _ => {
                let mistake = Mistake::new(format!("found 'in' before {of}, wanted it before a list or a map"));
                let is_text = of.may_be(&[Kind::Text]);
                self.refuse(id, if is_text { mistake.with_hint("write 'text.contains(part)'") } else { mistake });
            }
        }
        Kind::Bool
    }

    fn index(&mut self, id: u64, of: Kind, index: Kind) -> Kind {
        let wanted: &[Kind] = match of {
            Kind::Any | Kind::Map => &[Kind::Int, Kind::Text, Kind::Bool],
            Kind::List | Kind::Texts => &[Kind::Int],
            Kind::TextMap => &[Kind::Text],
            _ => return self.wrong(id, Mistake::new(format!("{of} has no places"))),
        };
        if !index.may_be(wanted) {
            self.refuse(id, Mistake::new(format!("{of} has no place for {index}")));
        }
        if matches!(of, Kind::Texts | Kind::TextMap) { Kind::Text } else { Kind::Any }
    }

    fn arithmetic(&mut self, id: u64, operator: &str, one: Kind, other: Kind) -> Kind {
        let both = |kind: Kind| one.may_be(&[kind]) && other.may_be(&[kind]);
        let adds = operator == "+" && (both(Kind::Text) || both(Kind::List) || both(Kind::Bytes));
        let numbers = one == Kind::Any || other == Kind::Any || one == other;
        if !(adds || (both(Kind::Int) && numbers)) {
            let mistake = Mistake::new(format!("'{operator}' does not go with {one} and {other}"));
            let mixed = one.is_number() && other.is_number();
            self.refuse(
                id,
                if mixed { mistake.with_hint("both of one kind: int(), uint(), double()") } else { mistake },
            );
        }
        match (one, other) {
            (Kind::Any, kind) | (kind, Kind::Any) if kind.is_number() => kind,
            (Kind::Text | Kind::Level, Kind::Text | Kind::Level) => Kind::Text,
            _ if one == other => one,
            _ => Kind::Any,
        }
    }

    /// A level is compared with one of its words.
    fn level_word(&mut self, id: u64, one: Kind, args: &[IdedExpr]) {
        let literal = args.iter().find_map(|argument| match &argument.expr {
            Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
            _ => None,
        });
        let is_level = one == Kind::Level || args.iter().any(|argument| self.is_level(argument));
        if let Some(word) = literal.filter(|word| is_level && word.parse::<gwanmun_core::Level>().is_err()) {
            let mistake = Mistake::new(format!("no level is called '{}'", shortened(word, 60)));
            self.refuse(id, mistake.with_hint("there are low, high and highest"));
        }
    }

    fn is_level(&self, expression: &IdedExpr) -> bool {
        let Expr::Ident(name) = &expression.expr else { return false };
        let place = name.strip_prefix('@').and_then(|place| place.parse::<usize>().ok());
        place.and_then(|place| self.slots.get(place)) == Some(&Slot::Level)
    }

    /// Notes a mistake; what is wrong may be anything, so that one mistake is told once.
    fn wrong(&mut self, id: u64, mistake: Mistake) -> Kind {
        self.refuse(id, mistake);
        Kind::Any
    }

    fn refuse(&mut self, id: u64, mistake: Mistake) {
        if self.mistakes.len() < 8 {
            let offset = self.source.offset_for(id).and_then(|(start, _)| usize::try_from(start).ok());
            let column = offset.filter(|offset| *offset <= self.text.chars().count()).map(|offset| offset + 1);
            let mistake = (column, mistake);
            if !self.mistakes.contains(&mistake) {
                self.mistakes.push(mistake);
            }
        }
    }
}

fn root(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Ident(name) => ROOTS.into_iter().find(|root| root == name),
        _ => None,
    }
}

fn literal_kind(literal: &LiteralValue) -> Kind {
    match literal {
        LiteralValue::Boolean(_) => Kind::Bool,
        LiteralValue::Bytes(_) => Kind::Bytes,
        LiteralValue::Double(_) => Kind::Double,
        LiteralValue::Int(_) => Kind::Int,
        LiteralValue::Null => Kind::Null,
        LiteralValue::String(_) => Kind::Text,
        LiteralValue::UInt(_) => Kind::Uint,
    }
}

/// The written condition of a loop: `@result && …`, `@result || …`, or `… ? @result + … : @result`, which adds one or the element
/// itself. `None` if it makes new values, so that nothing can grow from step to step.
fn condition(of: &mut ComprehensionExpr) -> Option<&mut IdedExpr> {
    let is_count = matches!(of.accu_init.expr, Expr::Literal(LiteralValue::Int(_)));
    let element = &of.iter_var;
    let Expr::Call(step) = &mut of.loop_step.expr else { return None };
    match (step.func_name.as_str(), step.args.as_mut_slice()) {
        (operators::LOGICAL_AND | operators::LOGICAL_OR, [_, condition]) => Some(condition),
        (operators::CONDITIONAL, [condition, added, _]) => {
            (is_count || adds_element(added, element)).then_some(condition)
        }
        _ => None,
    }
}

fn adds_element(added: &IdedExpr, element: &str) -> bool {
    let Expr::Call(CallExpr { func_name, args, .. }) = &added.expr else { return false };
    let [_, list] = args.as_slice() else { return false };
    let Expr::List(list) = &list.expr else { return false };
    let [one] = list.elements.as_slice() else { return false };
    func_name == operators::ADD && matches!(&one.expr, Expr::Ident(name) if name == element)
}
