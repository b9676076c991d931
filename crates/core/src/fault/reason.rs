//! What exactly went wrong, one word each: finer than a fault's code, told to operators in log and metric and never to
//! clients. The list is closed, so that it can be a label of a metric.

crate::names! {
    /// What exactly went wrong. Each has one name for ever; several may stand behind one code.
    pub enum Reason {
        /// The request names no host, or more than one.
        AmbiguousHost = "ambiguous-host",
        /// The request's path cannot be read, or leads out of itself for somebody behind.
        MalformedPath = "malformed-path",
        /// The request's path has what `paths` refuses.
        RefusedPath = "refused-path",
        /// A header of the request could be read in two ways.
        AmbiguousHeader = "ambiguous-header",
        /// The request has more than `limits.cookies`.
        TooManyCookies = "too-many-cookies",
        /// The client closed or reset before its request was complete.
        RequestTruncated = "request-truncated",
        /// Nothing came of the request's body for too long.
        RequestStalled = "request-stalled",
        /// The request's body came slower than `limits.body-rate`.
        RequestTooSlow = "request-too-slow",
        /// The request's `grpc-timeout` cannot be read.
        MalformedGrpcTimeout = "malformed-grpc-timeout",
        /// The upstream's name does not resolve.
        DnsFailure = "dns-failure",
        /// The name server did not answer in time.
        DnsTimeout = "dns-timeout",
        /// Nobody listens at the upstream's address.
        ConnectionRefused = "connection-refused",
        /// No connection within `timeouts.connect`.
        ConnectTimeout = "connect-timeout",
        /// No connection, for another reason: no way to the host, no such socket, no descriptors left.
        ConnectFailed = "connect-failed",
        /// The upstream's certificate is for another name.
        CertificateMismatch = "certificate-mismatch",
        /// The upstream's certificate comes from an authority that is not trusted.
        UnknownAuthority = "unknown-authority",
        /// The upstream's certificate is not valid any more, or not yet.
        CertificateExpired = "certificate-expired",
        /// The upstream's certificate cannot be accepted for another reason.
        CertificateInvalid = "certificate-invalid",
        /// No TLS with the upstream: no common version, an alert, a peer that speaks something else.
        TlsHandshake = "tls-handshake",
        /// The upstream reset the connection before it answered.
        ConnectionReset = "connection-reset",
        /// The upstream closed the connection before it answered.
        ClosedEarly = "closed-early",
        /// A kept connection turned out to be closed, and the request could not be sent again safely.
        StaleConnection = "stale-connection",
        /// The upstream did not begin to answer, or to end the head of its answer, in time.
        HeadStalled = "head-stalled",
        /// Nothing came of the answer's body for too long.
        BodyStalled = "body-stalled",
        /// The exchange took longer than `timeouts.total`.
        TotalTimeout = "total-timeout",
        /// The exchange took longer than the caller's `grpc-timeout`.
        GrpcTimeout = "grpc-timeout",
        /// The connection ended within the head of the answer.
        HeadTruncated = "head-truncated",
        /// The answer ended before its `Content-Length`.
        LengthTruncated = "length-truncated",
        /// The answer ended before its last chunk.
        ChunksTruncated = "chunks-truncated",
        /// An answer that ends with its connection broke off: the connection was reset, or TLS was not closed.
        CloseTruncated = "close-truncated",
        /// The head of the answer cannot be read.
        MalformedHead = "malformed-head",
        /// The head of the answer is too large.
        HeadTooLarge = "head-too-large",
        /// The answer has too many header fields.
        TooManyFields = "too-many-fields",
        /// The answer does not say, or not unambiguously, where it ends: lengths, transfer codings.
        MalformedFraming = "malformed-framing",
        /// A chunk or a trailer of the answer cannot be read.
        MalformedChunk = "malformed-chunk",
        /// More interim answers came than anybody needs.
        TooManyInterim = "too-many-interim",
        /// The upstream switched protocols unasked.
        UnaskedUpgrade = "unasked-upgrade",
        /// The upstream said goodbye (GOAWAY) to the HTTP/2 connection.
        Http2Goaway = "http2-goaway",
        /// The upstream refused the HTTP/2 stream again after a retry.
        Http2RefusedStream = "http2-refused-stream",
        /// The upstream reset the HTTP/2 stream.
        Http2StreamReset = "http2-stream-reset",
        /// The HTTP/2 connection ended before the answer did.
        Http2ConnectionLost = "http2-connection-lost",
        /// The upstream did not say that it is there when it was asked (PING).
        Http2PingTimeout = "http2-ping-timeout",
        /// The upstream broke the rules of HTTP/2.
        Http2Protocol = "http2-protocol",
        /// Nothing in the request proves who calls.
        NoCredential = "no-credential",
        /// The request brings two credentials where there is room for one.
        TwoCredentials = "two-credentials",
        /// What should carry a credential cannot be read.
        MalformedCredential = "malformed-credential",
        /// The token has more bytes than are read.
        TokenTooLarge = "token-too-large",
        /// The token is none, or lacks what every token has: no strict JSON, a member twice, no `sub`.
        MalformedToken = "malformed-token",
        /// The token's `crit` names something that is not known here.
        UnknownCritical = "unknown-critical",
        /// The token is signed with another algorithm than its key is for.
        WrongAlgorithm = "wrong-algorithm",
        /// The token's issuer has no key of that name.
        UnknownKey = "unknown-key",
        /// The token's signature is not its issuer's.
        BadSignature = "bad-signature",
        /// The token is of another kind (`typ`).
        WrongTokenType = "wrong-token-type",
        /// The token is somebody else's (`iss`).
        WrongIssuer = "wrong-issuer",
        /// The token is for somebody else (`aud`).
        WrongAudience = "wrong-audience",
        /// The token was good once.
        TokenExpired = "token-expired",
        /// The token is not good yet.
        TokenNotYetValid = "token-not-yet-valid",
        /// Nobody has this API key.
        UnknownApiKey = "unknown-api-key",
        /// The API key was good once.
        ApiKeyExpired = "api-key-expired",
        /// The credential was not given for this.
        MissingScope = "missing-scope",
        /// The keys of a token's issuer cannot be fetched.
        KeysUnavailable = "keys-unavailable",
        /// Who calls has none of the roles that are wanted.
        MissingRole = "missing-role",
        /// It is not sure enough who calls.
        LevelTooLow = "level-too-low",
        /// No line of the access list is for who calls and what is asked for.
        NotInAcl = "not-in-acl",
        /// The rule is false.
        RuleRefused = "rule-refused",
        /// The rule cannot be computed for this request.
        RuleFailed = "rule-failed",
        /// The OAuth server says that the token is not active.
        TokenInactive = "token-inactive",
        /// The OAuth server does not take the client's id and secret.
        ClientRefused = "client-refused",
        /// The OAuth server does not give the client what is asked for.
        ScopeRefused = "scope-refused",
        /// The OAuth server cannot be asked.
        OauthUnavailable = "oauth-unavailable",
        /// The OAuth server answers what cannot be used.
        OauthMalformed = "oauth-malformed",
        /// The OAuth server does not take the gateway's own id and secret.
        GatewayRefused = "gateway-refused",
        /// The store that replicas share does not answer, and nothing goes on without it.
        StoreLost = "store-lost",
        /// Nobody is logged in by that session: it has ended, or never was one.
        SessionUnknown = "session-unknown",
        /// The session was made for another host.
        SessionElsewhere = "session-elsewhere",
        /// The user has more sessions than are kept.
        TooManySessions = "too-many-sessions",
        /// This browser did not begin the login that is answered.
        LoginUnknown = "login-unknown",
        /// The login took too long.
        LoginExpired = "login-expired",
        /// The login has been answered before.
        LoginReplayed = "login-replayed",
        /// The provider did not let the user in.
        LoginRefused = "login-refused",
        /// The same browser logs in again and again.
        LoginLoop = "login-loop",
        /// The provider does not take the code that was brought from it.
        CodeRefused = "code-refused",
        /// The ID token was made for another login (`nonce`).
        WrongNonce = "wrong-nonce",
        /// The logout token has been seen before.
        LogoutReplayed = "logout-replayed",
        /// The OpenID provider cannot be asked.
        ProviderUnavailable = "provider-unavailable",
        /// The OpenID provider answers what cannot be used.
        ProviderMalformed = "provider-malformed",
        /// Another site made the browser send the request.
        CrossSite = "cross-site",
        /// The client asks more often than it may.
        ClientRate = "client-rate",
        /// The client's certificate cannot be read.
        ClientCertificateMalformed = "client-certificate-malformed",
        /// The client's certificate comes from no authority that is trusted for it.
        ClientCertificateUntrusted = "client-certificate-untrusted",
        /// The client's certificate is not valid any more, or not yet.
        ClientCertificateExpired = "client-certificate-expired",
        /// The client's certificate was revoked, or nobody says that it was not.
        ClientCertificateRevoked = "client-certificate-revoked",
        /// The client's certificate is not one for clients: an authority's, or one for servers.
        ClientCertificateUnfit = "client-certificate-unfit",
        /// No name in the client's certificate is a user's.
        ClientCertificateUnnamed = "client-certificate-unnamed",
        /// A part of the gateway panicked.
        Panicked = "panicked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_distinct() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '2')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
