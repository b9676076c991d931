//! What was done to a request at the door, as the access log and the metrics name it: a fixed list, so that no client can
//! make new names, kept as one bit each.

gwanmun_core::names! {
    /// Something that was removed from a request or corrected in it.
    pub enum What {
        /// The path was not in its canonical form.
        Path = "path",
        /// `Connection` named a header: it was removed with it, or the naming ignored.
        Connection = "connection",
        /// A header that only the gateway may set was removed.
        Internal = "internal",
        /// A claim about who the client is was removed, or cut where nobody could read it.
        Forwarding = "forwarding",
        /// The trace was restarted, or a part of its context was unreadable.
        Trace = "trace",
        /// A header that changes method, path or host for a service behind was removed.
        Override = "override",
        /// A header meant for a proxy was removed.
        Proxy = "proxy",
        /// `Accept` could not be read.
        Accept = "header:accept",
        /// `Accept-Charset` could not be read.
        AcceptCharset = "header:accept-charset",
        /// `Accept-Encoding` could not be read.
        AcceptEncoding = "header:accept-encoding",
        /// `Accept-Language` could not be read.
        AcceptLanguage = "header:accept-language",
        /// `Content-Type` could not be read, or said the same twice.
        ContentType = "header:content-type",
        /// `Cookie` had unreadable pairs, or came in several fields.
        Cookie = "header:cookie",
        /// `If-Modified-Since` or `If-Unmodified-Since` was no date.
        Date = "header:if-date",
        /// `If-None-Match` could not be read.
        IfNoneMatch = "header:if-none-match",
        /// `Max-Forwards` was no number.
        MaxForwards = "header:max-forwards",
        /// `Origin` was no origin.
        Origin = "header:origin",
        /// `Range` or `If-Range` could not be read, or asked for too many ranges.
        Range = "header:range",
        /// `Referer` was no URL.
        Referer = "header:referer",
        /// `X-Request-Id` or `X-Correlation-Id` was no id.
        RequestId = "header:request-id",
        /// `User-Agent` had bytes that are not ASCII, or came twice.
        UserAgent = "header:user-agent",
    }
}

/// What was done to one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sanitized(u32);

impl Sanitized {
    /// Nothing.
    pub const NOTHING: Self = Self(0);

    /// Adds `what`.
    pub fn add(&mut self, what: What) {
        self.0 |= bit(what);
    }

    /// Whether nothing was done.
    pub fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// What was done, in the order of `What::ALL`.
    pub fn iter(self) -> impl Iterator<Item = What> {
        What::ALL.iter().copied().filter(move |what| self.0 & bit(*what) != 0)
    }
}

const fn bit(what: What) -> u32 {
    // There are fewer than bits.
    1 << what.place()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told_once_and_in_one_order() {
        let mut sanitized = Sanitized::NOTHING;
        assert!(sanitized.is_nothing());
        for what in [What::UserAgent, What::Path, What::Trace, What::Path] {
            sanitized.add(what);
        }
        assert_eq!(sanitized.iter().map(What::name).collect::<Vec<_>>(), ["path", "trace", "header:user-agent"]);
    }

    #[test]
    fn every_one_has_a_bit_and_a_name_of_its_own() {
        let mut all = Sanitized::NOTHING;
        What::ALL.iter().for_each(|what| all.add(*what));
        let mut names: Vec<_> = all.iter().map(What::name).collect();
        assert_eq!(names.len(), What::ALL.len());
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), What::ALL.len());
    }
}
