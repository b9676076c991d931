//! Somebody follows a document from its beginning to its end, in an empty folder.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use gwanmun_testkit::PATIENCE;
use tempfile::TempDir;

use crate::GWANMUN;
use crate::block::Block;
use crate::job::Job;
use crate::pattern::fits;
use crate::ports::Ports;

/// Between two looks at a file that somebody else writes.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The state of things somewhere in a document.
pub(crate) struct Session {
    folder: TempDir,
    ports: Ports,
    jobs: Vec<Option<Job>>,
    /// What `gwanmun` has been asked about each file: `check gateway.yaml`.
    asked: BTreeSet<(String, String)>,
    failures: Vec<String>,
}

impl Session {
    /// Does everything that `blocks` say and returns what went otherwise.
    pub(crate) fn follow(blocks: &[Block]) -> Vec<String> {
        let mut session = Self {
            folder: TempDir::new().unwrap(),
            ports: Ports::of(blocks),
            jobs: Vec::new(),
            asked: BTreeSet::new(),
            failures: Vec::new(),
        };
        for folder in ["bin", "here", "live"] {
            fs::create_dir(session.path(folder)).unwrap();
        }
        symlink(GWANMUN, session.path("bin/gwanmun")).unwrap();
        for (place, block) in blocks.iter().enumerate() {
            match block.kind.as_str() {
                "yaml" => session.write(block),
                "sh" => {
                    let printed = blocks.get(place + 1).filter(|next| next.kind == "text");
                    session.run(block, printed.map(|block| block.text.as_str()));
                }
                _ => {}
            }
        }
        session.end(blocks)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&mut self, block: &Block) {
        let name = block.file().map_or_else(|| unnamed(block), str::to_owned);
        fs::write(self.path("here").join(name), &block.text).unwrap();
    }

    fn run(&mut self, block: &Block, expected: Option<&str>) {
        let mut printed = String::new();
        for (line, command) in block.commands() {
            let (command, exit) = match command.split_once("# exits with ") {
                Some((command, exit)) => (command.trim(), exit.trim().parse().unwrap()),
                None => (command.trim(), 0),
            };
            match self.obey(command, exit, expected) {
                Ok(text) => printed.push_str(&text),
                Err(failure) => self.failures.push(format!("line {line}: `{command}`: {failure}")),
            }
        }
        if let Some(expected) = expected.filter(|expected| !fits(expected, &printed)) {
            let line = block.line;
            self.failures.push(format!("line {line}: these commands print\n\n{printed}\ninstead of\n\n{expected}"));
        }
    }

    /// Does one line, which should end with `exit`, and returns what it prints.
    fn obey(&mut self, command: &str, exit: i32, expected: Option<&str>) -> Result<String, String> {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            ["gwanmun", "run", rest @ .., "&"] => self.start(rest)?,
            ["kill", jobs @ ..] => {
                for job in jobs {
                    let number: usize =
                        job.strip_prefix('%').and_then(|number| number.parse().ok()).ok_or("which job?")?;
                    let job = self.jobs.get_mut(number - 1).and_then(Option::take).ok_or("there is no such job")?;
                    job.stop()?;
                }
                // As shells do, the next job takes the number after the last that is left.
                let left = self.jobs.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
                self.jobs.truncate(left);
            }
            ["tail", ..] => return self.look(command, exit, expected),
            ["curl", ..] => return self.shell(&self.ports.to_free(command), exit),
            _ => {
                self.keep_in_mind(&words);
                let printed = self.shell(command, exit)?;
                self.let_gateways_notice()?;
                return Ok(printed);
            }
        };
        Ok(String::new())
    }

    /// Starts `FILE…`, with `> NAME` after them or not, in the folder of the copies with free ports.
    fn start(&mut self, words: &[&str]) -> Result<(), String> {
        let (files, output) = match words {
            [files @ .., ">", output] => (files, Some(File::create(self.path("here").join(output)).unwrap())),
            files => (files, None),
        };
        self.refresh();
        let says_where = |file: &&str| {
            fs::read_to_string(self.path("here").join(file)).is_ok_and(|text| text.contains("\nmanagement:"))
        };
        let management = (!files.iter().any(says_where)).then(|| self.ports.to_free("127.0.0.1:9901"));
        let job = Job::start(&self.path("live"), files, management.as_deref(), output)?;
        self.jobs.push(Some(job));
        Ok(())
    }

    /// A gateway whose file was edited is given the new one, and takes it over by itself.
    fn let_gateways_notice(&mut self) -> Result<(), String> {
        if self.jobs.iter().all(Option::is_none) {
            return Ok(());
        }
        let changed = self.refresh();
        let concerned = |job: &&mut Job| changed.iter().any(|name| job.runs(name));
        self.jobs.iter_mut().flatten().filter(concerned).try_for_each(Job::reloaded)
    }

    /// Copies everything to where the gateways run, with free ports, and returns what is another there than before.
    fn refresh(&self) -> Vec<String> {
        let mut changed = Vec::new();
        for entry in fs::read_dir(self.path("here")).unwrap() {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
            let bytes = match String::from_utf8(fs::read(&path).unwrap()) {
                Ok(text) => self.ports.to_free(&text).into_bytes(),
                Err(no_text) => no_text.into_bytes(),
            };
            let copy = self.path("live").join(&name);
            if fs::read(&copy).is_ok_and(|before| before == bytes) {
                continue;
            }
            let draft = self.path("draft");
            fs::write(&draft, bytes).unwrap();
            fs::rename(draft, copy).unwrap();
            changed.push(name.into_string().unwrap());
        }
        changed
    }

    /// What a gateway writes to a file comes a little later than its answer.
    fn look(&self, command: &str, exit: i32, expected: Option<&str>) -> Result<String, String> {
        let begin = Instant::now();
        loop {
            let printed = self.shell(command, exit)?;
            if begin.elapsed() > PATIENCE || expected.is_none_or(|expected| fits(expected, &printed)) {
                return Ok(printed);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Runs a line as a shell does; its outputs come as one.
    fn shell(&self, command: &str, exit: i32) -> Result<String, String> {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .current_dir(self.path("here"))
            .env("PATH", path)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).replace('\r', "");
        let printed = self.ports.to_documented(&printed);
        if output.status.code() == Some(exit) {
            Ok(printed)
        } else {
            Err(format!("{}, not {exit}:\n{printed}", output.status))
        }
    }

    fn keep_in_mind(&mut self, words: &[&str]) {
        if let Some(at) = words.iter().position(|word| *word == "gwanmun")
            && let [command, files @ ..] = &words[at + 1..]
        {
            self.asked.extend(files.iter().map(|file| ((*command).to_owned(), (*file).to_owned())));
        }
    }

    /// Stops what runs, and checks and tests the configurations that the document itself has not.
    fn end(mut self, blocks: &[Block]) -> Vec<String> {
        for job in std::mem::take(&mut self.jobs).into_iter().flatten() {
            self.failures.extend(job.stop().err());
        }
        for block in blocks.iter().filter(|block| block.kind == "yaml" && !block.is_list()) {
            let name = block.file().map_or_else(|| unnamed(block), str::to_owned);
            let was = |command: &str| self.asked.contains(&(command.to_owned(), name.clone()));
            let has_tests = block.text.contains("\ntests:");
            let (checked, tested) = (was("check") || was("explain") || was("test"), was("test") || !has_tests);
            for (command, done) in [("check", checked), ("test", tested)] {
                if !done && let Err(failure) = self.shell(&format!("gwanmun {command} {name}"), 0) {
                    self.failures.push(format!("line {}: {command}: {failure}", block.line));
                }
            }
        }
        self.failures
    }
}

fn unnamed(block: &Block) -> String {
    format!("line-{}.yaml", block.line)
}
