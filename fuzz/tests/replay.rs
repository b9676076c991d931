//! Every input of the corpus, through its target: what was found once is looked at in every run of the tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper of tests stands outside of them")]

use std::cell::Cell;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::Once;

use gwanmun_fuzz::TARGETS;

/// What the repository holds of each target.
const MOST_FILES: usize = 200;
const MOST_BYTES: u64 = 64 * 1024;

macro_rules! replayed {
    ($($test:ident: $target:literal,)*) => {
        $(#[test]
        fn $test() {
            replay($target);
        })*

        #[test]
        fn every_target_is_replayed() {
            let replayed = [$($target),*];
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, replayed);
        }
    };
}

replayed! {
    the_corpus_of_gateway_h1_passes: "gateway-h1",
    the_corpus_of_gateway_h2_passes: "gateway-h2",
    the_corpus_of_gateway_upstream_passes: "gateway-upstream",
    the_corpus_of_request_passes: "request",
    the_corpus_of_answer_passes: "answer",
    the_corpus_of_frames_passes: "frames",
    the_corpus_of_proxy_header_passes: "proxy-header",
    the_corpus_of_path_passes: "path",
    the_corpus_of_client_address_passes: "client-address",
    the_corpus_of_trace_passes: "trace",
    the_corpus_of_token_passes: "token",
    the_corpus_of_certificate_passes: "certificate",
    the_corpus_of_key_set_passes: "key-set",
    the_corpus_of_json_passes: "json",
    the_corpus_of_routes_passes: "routes",
    the_corpus_of_filters_passes: "filters",
    the_corpus_of_authz_passes: "authz",
    the_corpus_of_configuration_passes: "configuration",
}

thread_local! {
    /// A task's panic is caught by the runtime; nobody else would hear of it.
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

fn replay(name: &str) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            before(info);
        }));
    });
    let target = TARGETS.iter().find(|target| target.name == name).expect("the target is there");
    let files = corpus(name);
    let bytes: u64 = files.iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(!files.is_empty() && files.len() <= MOST_FILES, "{} files; `cargo xtask fuzz --minimise`", files.len());
    assert!(bytes <= MOST_BYTES, "{bytes} bytes; `cargo xtask fuzz --minimise`");
    for file in files {
        let input = fs::read(&file).unwrap();
        let outcome = panic::catch_unwind(|| (target.run)(&input));
        assert!(outcome.is_ok() && PANICS.get() == 0, "{name} fails on {}", file.display());
    }
}

fn corpus(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}
