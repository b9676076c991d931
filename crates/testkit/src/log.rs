//! The lines a process writes, read as they come and awaited by what is in them.

use std::io::{BufRead, BufReader, Read};

use serde_json::Value;
use tokio::sync::watch;

use crate::patience::PATIENCE;

/// What came out of a pipe so far, line by line: JSON where a line is JSON, else a string.
#[derive(Debug, Clone)]
pub struct Log(watch::Receiver<Vec<Value>>);

impl Log {
    /// Reads `pipe` to its end in a thread of its own.
    pub fn of(pipe: impl Read + Send + 'static) -> Self {
        let (lines, log) = watch::channel(Vec::new());
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line);
                let value = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text.trim_end()));
                lines.send_modify(|lines| lines.push(value));
                line.clear();
            }
        });
        Self(log)
    }

    /// The first line that is `wanted`; waits for it.
    ///
    /// # Panics
    /// When the pipe ends, or patience, without such a line; the message shows all there was.
    pub async fn line(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.line_before_end(wanted)).await;
        line.ok().flatten().unwrap_or_else(|| panic!("no line was as wanted among these:\n{}", self.text()))
    }

    /// The first line that is `wanted`; `None` when the pipe ends without one.
    pub(crate) async fn line_before_end(&self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        let found = |lines: &Vec<Value>| lines.iter().find(|line| wanted(line)).cloned();
        let mut log = self.0.clone();
        let lines = log.wait_for(|lines| found(lines).is_some()).await.ok()?;
        found(&lines)
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<Value> {
        self.0.borrow().clone()
    }

    /// All lines so far, as text.
    pub fn text(&self) -> String {
        let lines = self.lines();
        lines.iter().map(|line| line.as_str().map_or_else(|| line.to_string(), str::to_owned) + "\n").collect()
    }

    /// Waits until the pipe has ended.
    pub async fn ended(&self) {
        let mut log = self.0.clone();
        while log.changed().await.is_ok() {}
    }
}
