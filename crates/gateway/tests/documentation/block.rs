//! Fenced blocks of a document, in its order.

use std::fs;
use std::path::Path;

/// One fenced block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// `yaml`, `sh`, `text`; anything else is for the eye.
    pub(crate) kind: String,
    pub(crate) text: String,
    /// The line of the document that the text begins at.
    pub(crate) line: usize,
}

/// The blocks of the document at `path`.
pub(crate) fn blocks(path: &Path) -> Vec<Block> {
    of(&fs::read_to_string(path).unwrap())
}

fn of(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (number, line) in (1..).zip(document.lines()) {
        let content = line.trim_start();
        match (&mut open, content.strip_prefix("```")) {
            (None, Some(kind)) => {
                let block = Block { kind: kind.trim().to_owned(), text: String::new(), line: number + 1 };
                open = Some((block, line.len() - content.len()));
            }
            (None, None) => {}
            (Some(_), Some("")) => blocks.extend(open.take().map(|(block, _)| block)),
            (Some((block, indentation)), _) => {
                block.text.push_str(line.get(*indentation..).unwrap_or(content));
                block.text.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block is not closed: {open:?}");
    blocks
}

impl Block {
    /// What `# file: NAME` on the first line says.
    pub(crate) fn file(&self) -> Option<&str> {
        self.text.lines().next()?.strip_prefix("# file: ").map(str::trim)
    }

    /// Whether it is no configuration but a list that one names, such as an access list.
    pub(crate) fn is_list(&self) -> bool {
        self.text.lines().find(|line| !line.starts_with('#')).is_some_and(|line| line.starts_with("- "))
    }

    /// Commands, each with its line in the document; `\` at the end of a line joins it to the next.
    pub(crate) fn commands(&self) -> Vec<(usize, String)> {
        let mut commands: Vec<(usize, String)> = Vec::new();
        let mut goes_on = false;
        for (number, line) in (self.line..).zip(self.text.lines()) {
            let part = line.strip_suffix('\\').unwrap_or(line);
            match commands.last_mut().filter(|_| goes_on) {
                Some((_, command)) => command.push_str(part.trim_start()),
                None if part.trim().is_empty() || part.starts_with('#') => continue,
                None => commands.push((number, part.to_owned())),
            }
            goes_on = line.ends_with('\\');
        }
        commands
    }
}

#[test]
fn blocks_are_found_with_their_lines() {
    let document =
        "# Title\n\n```yaml\n# file: a.yaml\na: 1\n```\n\n  ```sh\n  one \\\n    two\n\n  # why\n  three\n  ```\n";
    let blocks = of(document);
    assert_eq!(blocks.len(), 2);
    assert_eq!((blocks[0].kind.as_str(), blocks[0].line, blocks[0].file()), ("yaml", 4, Some("a.yaml")));
    assert_eq!(blocks[1].commands(), [(9, "one two".to_owned()), (13, "three".to_owned())]);
}
