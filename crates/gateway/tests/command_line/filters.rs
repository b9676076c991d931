//! `gwanmun filters`.

use gwanmun::Registry;

use crate::gwanmun;

#[test]
fn everything_is_listed_in_its_group() {
    let ended = gwanmun(&["filters"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let (predicates, filters) = ended.out.split_once("\n\nFilters\n").unwrap();
    let listed = |group: &str, name: &str| {
        group.lines().any(|line| line.strip_prefix("  ").is_some_and(|line| line.starts_with(&format!("{name} "))))
    };
    let registry = Registry::standard();
    for name in registry.catalog().predicates().map(|item| item.name).chain(["any", "all", "not"]) {
        assert!(listed(predicates, name), "{name} is not among the predicates");
    }
    for name in registry.catalog().filters().map(|item| item.name) {
        assert!(listed(filters, name), "{name} is not among the filters");
    }
}

#[test]
fn a_page_has_description_arguments_and_example() {
    let ended = gwanmun(&["filters", "dedupe-response-header"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    insta::assert_snapshot!(ended.out);
}

#[test]
fn an_unknown_name_is_wrong_usage() {
    let ended = gwanmun(&["filters", "strip-prefx"]);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert_eq!(
        ended.err,
        "error: there is no predicate or filter called 'strip-prefx': did you mean 'strip-prefix'?\n"
    );
}
