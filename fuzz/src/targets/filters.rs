//! Filters with expressions and templates: whatever was written and whatever is asked for, what leaves is a request.

use gwanmun_proxy::handle::Unwatched;
use gwanmun_proxy::rehearse::Rehearsal;
use http::Method;

use crate::world::compiled;

/// The input's lines: a target, a path pattern, an expression, a replacement, a template.
pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let quoted: Vec<String> = text.split('\n').map(|line| serde_json::to_string(line).unwrap()).collect();
    let [_, pattern, regexp, replacement, template, ..] = quoted.as_slice() else { return };
    let target = text.split('\n').next().unwrap_or_default();
    let configuration = format!(
        "routes:
  - id: all
    predicates: [{{path: {pattern}}}]
    filters:
      - rewrite-path: {{regexp: {regexp}, replacement: {replacement}}}
      - set-request-header: {{name: x-a, value: {template}}}
      - set-response-header: {{name: x-b, value: {template}}}
      - rewrite-response-header: {{name: x-b, regexp: {regexp}, replacement: {replacement}}}
    upstream: http://127.0.0.1:9
  - id: set
    predicates: [{{path: {{patterns: [{pattern}, '/**']}}}}]
    filters: [{{set-path: {template}}}]
    upstream: http://127.0.0.1:9
"
    );
    // The parts by themselves too: one mistake would hide the others.
    for (place, route) in configuration.split("  - id: ").skip(1).enumerate() {
        let _ = place;
        let (Some(plan), _) = compiled(&format!("routes:\n  - id: {route}")) else { continue };
        let Ok(rehearsal) = Rehearsal::new(Method::GET, target) else { continue };
        let rehearsed = rehearsal.run(&plan, &mut Unwatched).unwrap();
        if let Some(sent) = rehearsed.sent {
            let path = sent.target.path();
            assert!(path.starts_with('/') || path == "*", "{path}");
            assert!(sent.headers.values().all(|value| !value.as_bytes().iter().any(|byte| b"\r\n\0".contains(byte))));
        }
    }
}
