//! Debian's Chromium without a window, driven by npm's `playwright-core`: what a person sees, and what a real browser makes
//! of cookies, redirects and forms. For the full tier.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::node::kept;
use crate::node_script::NodeScript;
use crate::patience::PATIENCE;

const BROWSER: &str = "/usr/bin/chromium";

/// A running browser; dropped, it is killed.
///
/// It resolves every name below `localhost` to this machine, as browsers do, and believes every certificate.
pub struct Chromium {
    script: NodeScript,
    commands: AtomicU64,
}

/// A person in front of the browser, with cookies of their own.
#[derive(Clone, Copy)]
pub struct Person<'a> {
    browser: &'a Chromium,
    context: u64,
}

/// A tab of a person's. Whatever it is told waits until it can be done.
#[derive(Clone, Copy)]
pub struct Tab<'a> {
    browser: &'a Chromium,
    tab: u64,
}

impl Chromium {
    /// Starts it.
    pub async fn start() -> Self {
        // Before the test loses patience, the browser says what it waited for.
        let patience = (PATIENCE.as_millis() * 2 / 3).to_string();
        let source = include_str!("../node/browser.mjs");
        let (script, _) = NodeScript::run(source, &[BROWSER, &patience], None, "ready").await;
        Self { script, commands: AtomicU64::new(0) }
    }

    /// Somebody who has not been here before.
    pub async fn person(&self) -> Person<'_> {
        let context = self.ask("context", json!({})).await;
        Person { browser: self, context: context.as_u64().unwrap() }
    }

    async fn ask(&self, command: &str, mut arguments: Value) -> Value {
        let answer = self.try_ask(command, &mut arguments).await;
        answer.unwrap_or_else(|error| panic!("the browser, asked to {command} {arguments}: {error}"))
    }

    async fn try_ask(&self, command: &str, arguments: &mut Value) -> Result<Value, String> {
        let id = self.commands.fetch_add(1, Ordering::Relaxed);
        arguments["command"] = command.into();
        arguments["id"] = id.into();
        self.script.tell(arguments);
        let mut line = self.script.log().line(|line| line["id"] == id).await;
        match line["error"].take() {
            Value::Null => Ok(line["answer"].take()),
            error => Err(error.as_str().unwrap_or_default().to_owned()),
        }
    }
}

impl<'a> Person<'a> {
    /// Opens a tab.
    pub async fn tab(self) -> Tab<'a> {
        let tab = self.browser.ask("tab", json!({"context": self.context})).await;
        Tab { browser: self.browser, tab: tab.as_u64().unwrap() }
    }

    /// The cookies, each an object with `name`, `value`, `domain`, `path`, `httpOnly`, `secure`, `sameSite`, `expires`.
    pub async fn cookies(self) -> Vec<Value> {
        let cookies = self.browser.ask("cookies", json!({"context": self.context})).await;
        cookies.as_array().unwrap().clone()
    }

    /// Throws away every cookie of this name.
    pub async fn forget(self, name: &str) {
        self.browser.ask("forget", json!({"context": self.context, "name": name})).await;
    }
}

impl<'a> Tab<'a> {
    /// Goes to a page; the status of the page at which all redirects end.
    pub async fn goto(self, url: &str) -> u64 {
        self.ask("goto", json!({"url": url})).await.as_u64().unwrap()
    }

    /// Loads the page again; its status.
    pub async fn reload(self) -> u64 {
        self.ask("reload", json!({})).await.as_u64().unwrap()
    }

    /// Goes back to the page before.
    pub async fn back(self) {
        self.ask("back", json!({})).await;
    }

    /// Clicks on what a selector finds.
    pub async fn click(self, selector: &str) {
        self.ask("click", json!({"selector": selector})).await;
    }

    /// Clicks on what opens a tab, which is returned.
    pub async fn click_opening(self, selector: &str) -> Tab<'a> {
        let tab = self.ask("opened", json!({"selector": selector})).await;
        Tab { browser: self.browser, tab: tab.as_u64().unwrap() }
    }

    /// Writes into a field.
    pub async fn fill(self, selector: &str, value: &str) {
        self.ask("fill", json!({"selector": selector, "value": value})).await;
    }

    /// Waits until what a selector finds can be seen.
    pub async fn sees(self, selector: &str) {
        self.ask("visible", json!({"selector": selector})).await;
    }

    /// Waits until the address begins with `url`.
    pub async fn reaches(self, url: &str) {
        self.ask("reached", json!({"url": url})).await;
    }

    /// The address.
    pub async fn url(self) -> String {
        self.ask("url", json!({})).await.as_str().unwrap().to_owned()
    }

    /// The page as text.
    pub async fn text(self) -> String {
        self.ask("text", json!({})).await.as_str().unwrap().to_owned()
    }

    /// The page as HTML.
    pub async fn html(self) -> String {
        self.ask("html", json!({})).await.as_str().unwrap().to_owned()
    }

    /// What an expression of JavaScript is in the page; a promise is waited for.
    pub async fn evaluate(self, script: &str) -> Value {
        self.ask("evaluate", json!({"script": script})).await
    }

    /// Draws the page into `target/tmp/screenshots/NAME.png`, for people to look at.
    pub async fn screenshot(self, name: &str) -> PathBuf {
        let path = kept("screenshots").join(format!("{name}.png"));
        self.ask("screenshot", json!({"path": path.to_str().unwrap()})).await;
        path
    }

    async fn ask(self, command: &str, mut arguments: Value) -> Value {
        arguments["tab"] = self.tab.into();
        match self.browser.try_ask(command, &mut arguments).await {
            Ok(answer) => answer,
            Err(error) => {
                let page = self.browser.try_ask("text", &mut json!({"tab": self.tab})).await.unwrap_or_default();
                let url = self.browser.try_ask("url", &mut json!({"tab": self.tab})).await.unwrap_or_default();
                panic!("the browser, asked to {command} {arguments}: {error}\nat {url}:\n{page}")
            }
        }
    }
}
