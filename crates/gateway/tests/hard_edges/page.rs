//! docs/hard-edges.md: what is above the mark is written by people, what is below it by these tests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::SUBJECTS;
use crate::form::{End, Form};

/// The others, in the order of their columns.
pub(crate) const PEERS: [&str; 3] = ["nginx", "HAProxy", "Envoy"];

const MARK: &str = "<!-- What follows is written by crates/gateway/tests/hard_edges. -->\n";
const UNKNOWN: &str = "?";
/// Stands between outcomes of which now this and now that was seen.
pub(crate) const OR: &str = " or ";

/// What the page says that is measured and not known from the forms.
#[derive(Default)]
pub(crate) struct Measured {
    /// The versions of the others.
    pub(crate) versions: [String; 3],
    /// What each of them makes of a form.
    pub(crate) outcomes: BTreeMap<String, [String; 3]>,
}

#[test]
fn the_page_lists_the_forms() {
    let measured = read();
    update(&measured, "run the tests again with GWANMUN_WRITE=1 to write the page anew");
}

/// Compares the page with what it should be, or writes it where that is wished.
pub(crate) fn update(measured: &Measured, hint: &str) {
    let page = text();
    let (by_hand, written) = page.split_once(MARK).expect("the mark of the page");
    let wanted = render(measured);
    if is_to_be_written() {
        std::fs::write(path(), [by_hand, MARK, &wanted].concat()).unwrap();
        return;
    }
    let differences: Vec<_> = wanted
        .lines()
        .zip(written.lines().chain(std::iter::repeat("nothing")))
        .filter(|(wanted, found)| wanted != found)
        .map(|(wanted, found)| format!("wanted {wanted}\nfound  {found}"))
        .collect();
    assert!(wanted == written, "docs/hard-edges.md is not up to date; {hint}:\n{}", differences.join("\n"));
}

/// Whether the page is to be written instead of compared.
pub(crate) fn is_to_be_written() -> bool {
    std::env::var_os("GWANMUN_WRITE").is_some_and(|wish| wish == "1")
}

/// What the page says about the others.
pub(crate) fn read() -> Measured {
    let page = text();
    let written = page.split_once(MARK).map_or("", |(_, written)| written);
    let mut measured = Measured::default();
    for (peer, version) in PEERS.iter().zip(&mut measured.versions) {
        let said = written.split_once(&format!("{peer} ")).map_or("", |(_, behind)| behind);
        *version = said.split([',', ' ', '\n']).next().unwrap_or_default().trim_end_matches('.').to_owned();
    }
    for row in written.lines().filter_map(|line| line.strip_prefix("| `")) {
        let Some((name, rest)) = row.split_once("` | ") else { continue };
        let mut cells = rest.trim_end_matches(" |").rsplitn(4, " | ").map(str::to_owned);
        let last: Vec<_> = cells.by_ref().take(3).collect();
        if let [envoy, haproxy, nginx] = last.as_slice() {
            measured.outcomes.insert(name.to_owned(), [nginx.clone(), haproxy.clone(), envoy.clone()]);
        }
    }
    measured
}

fn render(measured: &Measured) -> String {
    let forms: Vec<_> = SUBJECTS.iter().flat_map(|subject| (subject.forms)()).collect();
    let [nginx, haproxy, envoy] = &measured.versions;
    let mut page = format!("\nMeasured with nginx {nginx}, HAProxy {haproxy} and Envoy {envoy}.\n\n");
    page.push_str(&summary(measured, &forms));
    for subject in SUBJECTS {
        page.push_str(&format!("\n## {}\n\nTest: `{}`\n\n", subject.title, subject.name));
        page.push_str("| form | what is sent | Gwanmun | nginx | HAProxy | Envoy |\n|---|---|---|---|---|---|\n");
        for form in (subject.forms)() {
            let note = if form.note.is_empty() { String::new() } else { format!(" ({})", form.note) };
            let shown = format!("{}{note}", form.shown).replace('|', "\\|");
            let cells = of_others(measured, &form).join(" | ");
            page.push_str(&format!("| `{}` | {shown} | {} | {cells} |\n", form.name, form.outcome()));
        }
    }
    page
}

/// How many pass that should not, and the other way round.
fn summary(measured: &Measured, forms: &[Form]) -> String {
    let bad: Vec<_> =
        forms.iter().filter(|form| form.seen.is_empty() && matches!(form.end, End::Refused(_) | End::Cut(_))).collect();
    let good: Vec<_> = forms.iter().filter(|form| !form.seen.is_empty()).collect();
    let mut text = "| | forms | Gwanmun | nginx | HAProxy | Envoy |\n|---|---|---|---|---|---|\n".to_owned();
    type Held = fn(&str) -> bool;
    let rows: [(&str, Vec<&Form>, Held); 2] = [
        ("we refuse; a whole request reaches the upstream", bad, |cell| {
            cell.starts_with("passed") || cell.starts_with("**") || cell.ends_with("next passed")
        }),
        ("we let pass; nothing reaches the upstream", good, |cell| {
            !cell.starts_with("passed") && !cell.starts_with("**")
        }),
    ];
    for (title, forms, is_counted) in rows {
        let ours = forms.iter().filter(|form| is_counted(&form.outcome())).count();
        let mut row = format!("| {title} | {} | {ours} |", forms.len());
        for peer in 0..PEERS.len() {
            let counts = |form: &&&Form| of_others(measured, form)[peer].split(OR).any(is_counted);
            let count = forms.iter().filter(counts).count();
            row.push_str(&format!(" {count} |"));
        }
        text.push_str(&row);
        text.push('\n');
    }
    text
}

fn of_others(measured: &Measured, form: &Form) -> [String; 3] {
    measured.outcomes.get(form.name).cloned().unwrap_or_else(|| [UNKNOWN; 3].map(str::to_owned))
}

fn text() -> String {
    std::fs::read_to_string(path()).unwrap()
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/hard-edges.md")
}
