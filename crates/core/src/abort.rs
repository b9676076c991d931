//! Why the gateway ended a client's connection, where no single request is to blame: a closed list, so that it can be a
//! label of a metric.

crate::names! {
    /// What a client did so much, so slowly or so wrongly that its connection was ended.
    pub enum Abort {
        /// It took back too many requests (CVE-2023-44487, "rapid reset").
        Resets = "resets",
        /// It made us reset too many of its streams (CVE-2025-8671, "MadeYouReset").
        ProvokedResets = "provoked-resets",
        /// It sent too many PING frames.
        Pings = "pings",
        /// It sent too many SETTINGS frames.
        Settings = "settings",
        /// It sent too many frames with nothing in them, or next to nothing.
        EmptyFrames = "empty-frames",
        /// It sent too many frames about priorities.
        Priorities = "priorities",
        /// It sent too many WINDOW_UPDATE frames.
        WindowUpdates = "window-updates",
        /// It sent too many frames that say nothing to us.
        OtherFrames = "other-frames",
        /// It cut a header section into too many frames.
        Continuations = "continuations",
        /// A header section was far larger than the limit once decoded.
        HeaderList = "header-list",
        /// The head of a request, or the greeting before it, did not arrive in time.
        HeaderTimeout = "header-timeout",
        /// It broke the rules of the protocol, so that nothing after that could be understood.
        ProtocolError = "protocol-error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_distinct() {
        let mut names: Vec<_> = Abort::ALL.iter().map(|abort| abort.name()).collect();
        assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Abort::ALL.len());
    }
}
