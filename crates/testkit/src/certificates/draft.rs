//! Certificates that are another than the usual: names of every kind, also bad ones, other times, other uses.

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
    date_time_ymd,
};

use super::{Authority, Identity, named};

/// subjectAltName (RFC 5280 section 4.2.1.6).
const SUBJECT_ALT_NAME: [u64; 4] = [2, 5, 29, 17];

/// A certificate that an authority is about to sign.
pub struct Draft<'a> {
    authority: &'a Authority,
    parameters: CertificateParams,
}

impl Authority {
    /// A certificate for a client with these names: `uri:…`, `dns:…`, `email:…`. A NUL may stand in them.
    pub fn draft(&self, names: &[&str]) -> Draft<'_> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = named("somebody");
        parameters.subject_alt_names = names.iter().map(|name| san(name)).collect();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Draft { authority: self, parameters }
    }
}

impl Draft<'_> {
    /// It was valid long ago.
    #[must_use]
    pub fn expired(self) -> Self {
        self.until(2001)
    }

    /// It ends with the beginning of a year.
    #[must_use]
    pub fn until(mut self, year: i32) -> Self {
        self.parameters.not_after = date_time_ymd(year, 1, 1);
        self
    }

    /// It begins with a year.
    #[must_use]
    pub fn since(mut self, year: i32) -> Self {
        self.parameters.not_before = date_time_ymd(year, 1, 1);
        self
    }

    /// It is for servers.
    #[must_use]
    pub fn for_servers(mut self) -> Self {
        self.parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self
    }

    /// It does not say what it is for.
    #[must_use]
    pub fn for_anything(mut self) -> Self {
        self.parameters.extended_key_usages.clear();
        self
    }

    /// It is an authority's.
    #[must_use]
    pub fn as_authority(mut self) -> Self {
        self.parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        self
    }

    /// Its subject is called so.
    #[must_use]
    pub fn called(mut self, common_name: &str) -> Self {
        self.parameters.distinguished_name = named("");
        self.parameters.distinguished_name.push(DnType::CommonName, common_name);
        self
    }

    /// Its names are these elements: the tag and what is in it, shorter than 128 bytes together.
    #[must_use]
    pub fn with_raw_names(mut self, names: &[(u8, &[u8])]) -> Self {
        let element = |tag: u8, content: &[u8]| [&[tag, content.len().try_into().unwrap()], content].concat();
        let elements: Vec<u8> = names.iter().flat_map(|(tag, content)| element(*tag, content)).collect();
        let content = element(0x30, &elements);
        assert!(elements.len() < 128, "lengths of one byte");
        self.parameters.subject_alt_names.clear();
        self.parameters.custom_extensions.push(CustomExtension::from_oid_content(&SUBJECT_ALT_NAME, content));
        self
    }

    /// Signs it.
    pub fn issue(self) -> Identity {
        self.authority.signed(self.parameters, KeyPair::generate().unwrap())
    }
}

fn san(name: &str) -> SanType {
    let (kind, text) = name.split_once(':').unwrap();
    let text = Ia5String::try_from(text).unwrap();
    match kind {
        "uri" => SanType::URI(text),
        "dns" => SanType::DnsName(text),
        "email" => SanType::Rfc822Name(text),
        _ => panic!("{name}"),
    }
}
