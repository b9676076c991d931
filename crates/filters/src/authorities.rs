//! `ca`: whom to trust over `https`, in place of the platform's authorities.

use std::path::PathBuf;

use gwanmun_client::Tls;
use gwanmun_config::Spanned;
use gwanmun_proxy::{Ground, Reader};

use crate::file_reference::path_of;

/// Whom to trust: the authorities in the file that `ca` names, with or without `file:`; and what that is made of.
pub(crate) fn authorities(ca: Option<&Spanned<String>>, reader: &Reader<'_>) -> Result<(Tls, Vec<u8>), String> {
    let Some(ca) = ca else { return Ok((Tls::default(), Vec::new())) };
    let path = path_of(ca).unwrap_or_else(|| ca.clone().map(PathBuf::from));
    let pem = reader.read(&path).map_err(|error| format!("cannot read '{}': {error}", path.display()))?;
    let tls = Tls::with_authorities(&pem).map_err(|why| format!("'{}': {why}", path.display()))?;
    Ok((tls, pem))
}

/// The same for a section, where the mistake is told.
pub(crate) fn authorities_of(ca: Option<&Spanned<String>>, ground: &mut Ground<'_>) -> Option<(Tls, Vec<u8>)> {
    let read = authorities(ca, ground.reader);
    read.map_err(|why| ca.into_iter().for_each(|ca| ground.refuse(ca.span, why.clone()))).ok()
}
