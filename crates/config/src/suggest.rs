//! "Did you mean": the known word nearest to an unknown one.

/// What other gateways call things, and what they are called here.
const SYNONYMS: [(&str, &str); 5] = [
    ("uri", "upstream"),
    ("backend", "upstream"),
    ("service", "upstream"),
    ("servers", "endpoints"),
    ("targets", "endpoints"),
];

/// The candidate that `found` is most likely a slip of, if any is near enough: up to about a third of its letters wrong,
/// or the same word in another spelling (`max_age` for `max-age`), or what other gateways call it (`uri` for `upstream`).
///
/// ```
/// let keys = ["predicates", "filters", "upstream"];
/// assert_eq!(gwanmun_config::did_you_mean("upsteam", keys.into_iter()), Some("upstream"));
/// assert_eq!(gwanmun_config::did_you_mean("banana", keys.into_iter()), None);
/// ```
pub fn did_you_mean<'a>(found: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let found = fold(found);
    let limit = found.chars().count().div_ceil(3);
    candidates
        .map(|candidate| {
            let is_synonym = SYNONYMS.contains(&(&found, candidate));
            (if is_synonym { 0 } else { strsim::osa_distance(&found, &fold(candidate)) }, candidate)
        })
        .filter(|&(distance, candidate)| distance <= limit && distance < candidate.chars().count())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// One spelling for `addRequestHeader`, `ADD_REQUEST_HEADER` and `add-request-header`.
fn fold(word: &str) -> String {
    word.chars().filter(|letter| !matches!(letter, '-' | '_')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_candidate_wins() {
        let keys = ["path", "paths", "host"];
        assert_eq!(did_you_mean("pathss", keys.into_iter()), Some("paths"));
        assert_eq!(did_you_mean("hsot", keys.into_iter()), Some("host"));
    }

    #[test]
    fn another_spelling_of_the_same_word_is_found() {
        assert_eq!(did_you_mean("addRequestHeader", ["add-request-header"].into_iter()), Some("add-request-header"));
    }

    #[test]
    fn what_other_gateways_call_it_is_found() {
        assert_eq!(did_you_mean("uri", ["id", "order", "upstream"].into_iter()), Some("upstream"));
        assert_eq!(did_you_mean("uri", ["id", "order"].into_iter()), None);
    }

    #[test]
    fn far_words_are_not_suggested() {
        assert_eq!(did_you_mean("x", ["id"].into_iter()), None);
        assert_eq!(did_you_mean("", ["id"].into_iter()), None);
        assert_eq!(did_you_mean("timeouts", ["path", "host"].into_iter()), None);
    }
}
