//! `gwanmun routes`.

use crate::{Folder, SHOP};

#[test]
fn routes_are_listed_in_the_order_they_are_asked() {
    let first = "routes:\n  - {id: last, order: 10, upstream: 'http://127.0.0.1:1'}\n  - {id: first, order: -1, predicates: [{path: /a}], \
                 upstream: 'http://127.0.0.1:1'}\n";
    let ended = Folder::with(&[("first.yaml", first), ("gw.yaml", SHOP)]).gwanmun(&["routes", "first.yaml", "gw.yaml"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    insta::assert_snapshot!(ended.out);
}

#[test]
fn a_configuration_with_mistakes_has_no_table() {
    let ended = Folder::with(&[("gw.yaml", "routes: [{id: a}]\n")]).gwanmun(&["routes", "gw.yaml"]);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    assert!(ended.err.contains("route 'a' has neither an upstream nor a filter that answers"), "{}", ended.err);
}
