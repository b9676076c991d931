//! `gwanmun demo`: the lines that it prints do what they say, one login reaches both tools and ends for both, and nothing is
//! left behind.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use gwanmun_testkit::eventually;
use serde_json::Value;

/// A demo that runs, and what it has printed of itself.
struct Demo {
    process: Child,
    tour: String,
    /// For cookies.
    folder: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        let binary = env!("CARGO_BIN_EXE_gwanmun");
        let mut process = Command::new(binary).arg("demo").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut tour = String::new();
        for line in lines.by_ref() {
            tour.push_str(&line);
            tour.push('\n');
            if line.ends_with("Ctrl-C stops.") {
                break;
            }
        }
        // The access log has to go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, tour, folder: tempfile::tempdir().unwrap() }
    }

    /// The printed lines that begin with `curl` and have `part` in them, without their comments.
    fn lines(&self, part: &str) -> Vec<&str> {
        let lines = self.tour.lines().map(str::trim).filter(|line| line.starts_with("curl") && line.contains(part));
        lines.map(|line| line.split("    #").next().unwrap()).collect()
    }

    /// The URL that is printed and has `part` in it.
    fn url(&self, part: &str) -> &str {
        let urls = self.tour.split(['"', '\'', ' ', '\n', ')']).filter(|word| word.starts_with("http"));
        urls.into_iter().find(|url| url.contains(part)).unwrap()
    }

    /// Has a shell run a printed line; the answer's body.
    fn run(line: &str) -> String {
        text(&Command::new("sh").args(["-c", &format!("{line} -sS")]).output().unwrap())
    }

    /// Goes to a page as a browser does, which follows redirects and keeps cookies in `jar`.
    fn browse(&self, jar: &str, arguments: &[&str]) -> String {
        let jar = self.folder.path().join(jar);
        let mut command = Command::new("curl");
        command.args(["-sSL", "-H", "Accept: text/html", "-H", "Sec-Fetch-Mode: navigate", "-w", "\n%{http_code}"]);
        text(&command.arg("-b").arg(&jar).arg("-c").arg(&jar).args(arguments).output().unwrap())
    }

    /// Sends the form of a login page under a name.
    fn log_in(&self, jar: &str, page: &str, name: &str) -> String {
        let (_, rest) = page.split_once("<form method=\"post\" action=\"/login\">").expect(page);
        let fields = rest.split("</form>").next().unwrap().split("<input type=\"hidden\" name=\"").skip(1);
        let mut form: Vec<String> = fields
            .map(|field| {
                let (name, rest) = field.split_once("\" value=\"").unwrap();
                format!("{name}={}", rest.split_once('"').unwrap().0)
            })
            .collect();
        form.push(format!("name={name}"));
        let login = self.url("/partner-token").replace("partner-token", "login");
        let mut arguments = vec![login.as_str()];
        form.iter().for_each(|pair| arguments.extend(["--data-urlencode", pair]));
        self.browse(jar, &arguments)
    }

    /// Presses Ctrl-C; the exit code.
    fn stop(mut self) -> i32 {
        Command::new("kill").args(["-INT", &self.process.id().to_string()]).status().unwrap();
        self.process.wait().unwrap().code().unwrap()
    }
}

impl Drop for Demo {
    /// A test that failed leaves no process behind.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_lines_that_the_demo_prints_do_what_they_say() {
    let demo = Demo::start();
    let json = |line: &str| -> Value { serde_json::from_str(&Demo::run(line)).unwrap() };

    let [ann, bob] = demo.lines("--cert ").try_into().unwrap();
    let seen = json(ann);
    assert_eq!((&seen["service"], &seen["target"]), (&"reports".into(), &"/reports/7".into()));
    let user = &seen["passport"]["claims"]["tctx"]["user"];
    assert_eq!(
        (&user["id"], &user["source"], &user["level"]),
        (&"ann".into(), &"client-cert:partners".into(), &"highest".into())
    );
    assert_eq!(seen["passport"]["signature"], "verified");
    assert_eq!(json(bob)["type"], "urn:gwanmun:fault:forbidden");

    for (part, subject, source) in [("X-Api-Key", "acme", "api-key"), ("Bearer", "partner", "jwt:partners")] {
        let [line] = demo.lines(part).try_into().unwrap();
        let seen = json(line);
        assert_eq!(seen["target"], "/orders/7", "{seen}");
        let claims = &seen["passport"]["claims"];
        assert_eq!((&claims["sub"], &claims["tctx"]["user"]["source"]), (&subject.into(), &source.into()), "{seen}");
        let is_gone = |name: &str| seen["headers"].get(name).is_none();
        assert!(is_gone("x-api-key") && is_gone("authorization"), "{seen}");
    }
    for (line, wanted) in demo.lines("curl -i").iter().zip([
        "401 Unauthorized",
        "x-order",
        "x-served-by: kitchen",
        "Hello, you!",
        "404 Not Found",
    ]) {
        let answer = Demo::run(line);
        assert!(answer.contains(wanted), "{line}: {answer}");
    }

    let folder: PathBuf = demo.tour.split_whitespace().find(|word| word.contains("gwanmun-demo-")).unwrap().into();
    let folder = folder
        .ancestors()
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("gwanmun-demo-")))
        .unwrap()
        .to_owned();
    assert!(folder.join("internal.yaml").exists());
    assert_eq!(demo.stop(), 0);
    assert!(!Path::new(&folder).exists(), "the demo leaves nothing behind");
}

#[tokio::test]
async fn one_login_reaches_both_tools_and_its_end_is_the_end_for_both() {
    let demo = Demo::start();
    let (a, b) = (demo.url("tool-a.localhost"), demo.url("tool-b.localhost"));

    let page = demo.browse("ann", &[a]);
    assert!(page.contains("This is a stub: any name, no password"), "{page}");
    let page = demo.log_in("ann", &page, "Ann");
    assert!(page.contains("What the service behind sees") && page.contains("tool A: notes"), "{page}");
    assert!(page.contains("signature verified") && page.contains("session:staff"), "{page}");
    assert!(page.contains("x-forwarded-user") && !page.contains("<code>cookie</code>"), "{page}");
    // Once more, nobody asks; and the other tool is reached by way of the provider, without a page.
    assert!(demo.browse("ann", &[a]).contains("tool A: notes"));
    assert!(demo.browse("ann", &[b]).contains("tool B: console"));

    // Somebody else, who may not have the second.
    let page = demo.browse("bob", &[a]);
    assert!(demo.log_in("bob", &page, "Bob").contains("tool A: notes"));
    assert!(demo.browse("bob", &[b]).ends_with("\n403"));

    // Another gateway, to which the provider knows her too.
    let shop = demo.url("shop.localhost");
    assert!(demo.browse("ann", &[shop]).contains("your account"));

    let out = demo.browse("ann", &[&format!("{a}logout")]);
    assert!(out.contains("This is a stub"), "{out}");
    // Nobody logged out there: the provider has told the gateways. A worker may believe what it has read a moment longer.
    for elsewhere in [b, shop] {
        eventually("the session to end", async || {
            demo.browse("ann", &[elsewhere]).contains("This is a stub").then_some(())
        })
        .await;
    }
    assert!(demo.browse("bob", &[a]).contains("tool A: notes"), "others are left alone");
    assert_eq!(demo.stop(), 0);
}
