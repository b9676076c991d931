//! A template whose result is a path. Values of variables are encoded for the place they stand in.

use gwanmun_core::Fault;
use gwanmun_proxy::template::TemplatePiece;
use gwanmun_proxy::{Exchange, Invalid, Parts, Template};

use crate::encode;
use crate::new_path;

/// A path with holes.
#[derive(Debug)]
pub(crate) struct PathTemplate(Template);

impl PathTemplate {
    /// Parses `text`, which begins with a slash or a variable and has no query.
    pub(crate) fn parse(argument: &'static str, text: &str, parts: &Parts<'_>) -> Result<Self, Invalid> {
        let template = Template::parse(text, parts).map_err(|invalid| invalid.or_at(argument))?;
        let mut constant = String::new();
        for piece in template.pieces() {
            constant.push_str(match piece {
                TemplatePiece::Text(text) => text,
                _ => "x",
            });
        }
        let begins_with_variable = matches!(template.pieces().next(), Some(TemplatePiece::Variable(_)));
        if !begins_with_variable && !constant.starts_with('/') {
            return Err(Invalid::at(argument, format!("found '{text}', wanted a path that begins with '/'")));
        }
        if let Some(found) = constant.chars().find(|&found| matches!(found, '?' | '#')) {
            return Err(Invalid::at(argument, format!("found '{found}' in '{text}', wanted a path only")).with_hint(
                "the query stays as it is; add-request-parameter adds to it; %3F is a literal question mark",
            ));
        }
        if constant.chars().any(|found| found.is_control() || found == ' ') {
            return Err(Invalid::at(
                argument,
                format!("found a space or control character in '{}'", text.escape_debug()),
            )
            .with_hint("write %20 for a space"));
        }
        if new_path::has_dot_segment(&constant) {
            return Err(Invalid::at(argument, format!("'{text}' has a dot segment, wanted the path it leads to")));
        }
        Ok(Self(template))
    }

    /// The path for a request.
    pub(crate) fn render(&self, exchange: &Exchange) -> Result<String, Fault> {
        let mut out = String::new();
        for piece in self.0.pieces() {
            match piece {
                TemplatePiece::Text(text) => push_text(text, &mut out),
                TemplatePiece::Variable(name) => {
                    let value = exchange.variables.value(name).unwrap_or_default();
                    encode::path_value(value, exchange.original.path(), &mut out);
                }
                TemplatePiece::Group => {}
            }
        }
        new_path::refuse_dot_segments(&out)?;
        Ok(out)
    }
}

/// A tail may have ended in the slash that `text` begins with.
pub(crate) fn push_text(text: &str, out: &mut String) {
    let joined = if out.ends_with('/') { text.strip_prefix('/').unwrap_or(text) } else { text };
    out.push_str(joined);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange_capturing};

    fn rendered(template: &str, target: &str, variables: &[(&str, &str)]) -> Result<String, Fault> {
        let names: Vec<_> = variables.iter().map(|&(name, _)| name).collect();
        let fixture = Fixture::new().with_variables(&names);
        let template = PathTemplate::parse("template", template, &fixture.parts()).unwrap();
        template.render(&exchange_capturing(target, variables))
    }

    #[test]
    fn a_value_stays_within_its_segment() {
        let tricky = "a?b#c;d%2e/e\r\n";
        assert_eq!(
            rendered("/x/{id}/y", "/a%3Fb%23c%3Bd%252e%2Fe%0D%0A", &[("id", tricky)]).unwrap(),
            "/x/a%3Fb%23c%3Bd%252e%2Fe%0D%0A/y"
        );
    }

    #[test]
    fn dot_segments_out_of_variables_are_refused() {
        assert!(rendered("/x/{id}", "/%2e%2e", &[("id", "..")]).is_err());
        assert!(rendered("/x/{id}", "/%2e%2e%2fetc", &[("id", "../etc")]).is_err());
        assert!(rendered("/x{rest}", "/a/%2e%2e/b", &[("rest", "/../b")]).is_err());
        assert!(rendered("/x/{a}{b}", "/./.", &[("a", "."), ("b", ".")]).is_err());
        assert!(rendered("/x/{a}.", "/.", &[("a", ".")]).is_err());
        assert_eq!(rendered("/x/{a}", "/...", &[("a", "...")]).unwrap(), "/x/...");
    }

    #[test]
    fn tails_join_with_one_slash() {
        let rest: &[(&str, &str)] = &[("rest", "/a/b")];
        assert_eq!(rendered("/x{rest}", "/a/b", rest).unwrap(), "/x/a/b");
        assert_eq!(rendered("/x/{rest}", "/a/b", rest).unwrap(), "/x/a/b");
        assert_eq!(rendered("{rest}/x", "/a/b", rest).unwrap(), "/a/b/x");
        assert_eq!(rendered("/x/{rest}/y", "/", &[("rest", "/")]).unwrap(), "/x/y");
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let fixture = Fixture::new();
        for text in ["", "x", "/x?y", "/x#y", "/x y", "/x\ny", "/a/../b", "/{id}"] {
            let refused = PathTemplate::parse("template", text, &fixture.parts()).unwrap_err();
            assert_eq!(refused.argument(), Some("template"), "{text}");
        }
    }
}
