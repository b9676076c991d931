//! `ca`: whom to trust over `https`, in place of the platform's authorities.

use gwanmun_client::Tls;
use gwanmun_config::Spanned;
use gwanmun_proxy::Ground;

use crate::file_reference::path_of;

/// Whom to trust, and what that is made of.
pub(super) fn authorities(ca: Option<&Spanned<String>>, ground: &mut Ground<'_>) -> Option<(Tls, Vec<u8>)> {
    let Some(ca) = ca else { return Some((Tls::default(), Vec::new())) };
    let read = match path_of(ca) {
        None => Err(format!("found '{}', wanted file:PATH", ca.value)),
        Some(path) => match ground.reader.read(&path) {
            Err(error) => Err(format!("cannot read '{}': {error}", path.display())),
            Ok(pem) => match Tls::with_authorities(&pem) {
                Err(why) => Err(format!("'{}': {why}", path.display())),
                Ok(tls) => Ok((tls, pem)),
            },
        },
    };
    read.map_err(|why| ground.refuse(ca.span, why)).ok()
}
