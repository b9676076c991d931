//! The one way in which filters change a path: whatever their templates and expressions made of a client's text, the
//! result names no directory above and no other host.

use gwanmun_core::{Code, Fault};
use gwanmun_proxy::Request;
use gwanmun_proxy::route::escape::percent_decoded;

/// Replaces the path and keeps the query.
///
/// # Errors
/// `malformed-request` if the path has a dot segment, however it is encoded: the path that came in had none, so a client
/// put it together out of pieces.
pub(crate) fn replace(request: &mut Request, path: &str) -> Result<(), Fault> {
    refuse_dot_segments(path)?;
    // Two slashes in front read as the name of a host.
    let slashes = path.len() - path.trim_start_matches('/').len();
    request.set_path(path.get(slashes.saturating_sub(1)..).unwrap_or(path))
}

/// Refuses `.` and `..` as segments of `path`, also behind encoded dots, slashes and backslashes, and in front of
/// parameters.
pub(crate) fn refuse_dot_segments(path: &str) -> Result<(), Fault> {
    if has_dot_segment(path) {
        return Err(Fault::new(Code::MalformedRequest, "a filter made a path with a dot segment"));
    }
    Ok(())
}

/// Whether `path` has a segment `.` or `..`, or one that a service takes for it which cuts off parameters (`..;x`).
pub(crate) fn has_dot_segment(path: &str) -> bool {
    let without_parameters = |segment: &str| segment.split(';').next().is_some_and(|name| matches!(name, "." | ".."));
    percent_decoded(path).split(['/', '\\']).any(without_parameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::exchange;

    fn replaced(path: &str) -> Result<String, Fault> {
        let mut exchange = exchange("/old?q=1");
        replace(&mut exchange.request, path)?;
        Ok(exchange.request.target().to_string())
    }

    #[test]
    fn the_query_stays() {
        assert_eq!(replaced("/new").unwrap(), "/new?q=1");
        assert_eq!(replaced("new").unwrap(), "/new?q=1");
        assert_eq!(replaced("").unwrap(), "/?q=1");
    }

    #[test]
    fn a_path_begins_with_one_slash() {
        assert_eq!(replaced("//evil.example/x//y").unwrap(), "/evil.example/x//y?q=1");
        assert_eq!(replaced("///").unwrap(), "/?q=1");
    }

    #[test]
    fn dot_segments_are_refused_in_every_spelling() {
        for path in [
            "/..",
            "/a/../b",
            "/a/./b",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/a%2F..%2Fb",
            "/a%5c..%5Cb",
            "/a\\..\\b",
            "..",
            "/..;/b",
            "/a/.;x=1",
            "/a/..%3Bb",
        ] {
            assert_eq!(replaced(path).unwrap_err().code(), Code::MalformedRequest, "{path}");
        }
        assert_eq!(replaced("/a..b/.../..c;d").unwrap(), "/a..b/.../..c;d?q=1");
    }
}
