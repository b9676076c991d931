//! `gwanmun explain`: one request through the real router and filters, with what happens to it and why.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use gwanmun_filters::Registry;
use gwanmun_proxy::Plan;
use gwanmun_proxy::rehearse::Rehearsal;
use http::{HeaderName, HeaderValue, Method};

use crate::cli::Outcome;
use crate::explanation::{Journey, tell};
use crate::load::from_files;
use crate::paint::Paint;
use crate::terminal::{complain, say, stdout_style};
use crate::testing::PrincipalSpec;

/// What to explain.
#[derive(Debug, Args)]
#[command(override_usage = "gwanmun explain [OPTIONS] <FILE>... <METHOD> <URL>")]
pub(crate) struct Arguments {
    /// Configuration files, a method, and a path or a URL
    #[arg(required = true, num_args = 1.., value_name = "FILE>... <METHOD> <URL")]
    request: Vec<String>,
    /// A header of the request; may be given more than once
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The body of the request
    #[arg(short, long, value_name = "BODY", default_value = "")]
    data: String,
    /// The address it comes from [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// The listener it comes in by [default: the first that fits the URL]
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// A file that says who calls; then no credential is needed
    #[arg(long, value_name = "FILE")]
    principal: Option<PathBuf>,
}

/// Explains the request.
pub(crate) fn run(registry: &Registry, arguments: &Arguments) -> Outcome {
    let [files @ .., method, url] = arguments.request.as_slice() else { return missing() };
    if files.is_empty() {
        return missing();
    }
    let mut rehearsal = match rehearsal(method, url, arguments) {
        Ok(rehearsal) => rehearsal,
        Err(why) => {
            complain(format_args!("error: {why}"));
            return Outcome::WrongUsage;
        }
    };
    match arguments.principal.as_deref().map(PrincipalSpec::from_file).transpose() {
        Ok(principal) => rehearsal.principal = principal.map(Arc::new),
        Err(why) => {
            complain(why);
            return Outcome::AtFault;
        }
    }
    let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    let configuration = from_files(registry, &files);
    configuration.complain();
    let Some(plan) = &configuration.plan else { return Outcome::AtFault };
    explain(rehearsal, url, plan)
}

fn missing() -> Outcome {
    complain("error: a file, a method and a URL are needed, such as: gwanmun explain gateway.yaml GET /orders/7");
    Outcome::WrongUsage
}

fn explain(rehearsal: Rehearsal, url: &str, plan: &Plan) -> Outcome {
    let mut journey = Journey::new(plan, format!("{} {url}", rehearsal.method));
    match rehearsal.run(plan, &mut journey) {
        Ok(rehearsed) => {
            say(tell(&journey, &rehearsed, plan, Paint::new(stdout_style())));
            Outcome::Good
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            complain(format_args!("error: {error}"));
            Outcome::WrongUsage
        }
        Err(error) => {
            complain(format_args!("error: {error}"));
            Outcome::CouldNotStart
        }
    }
}

fn rehearsal(method: &str, url: &str, arguments: &Arguments) -> Result<Rehearsal, String> {
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| {
        format!("found '{method}', wanted a method like GET; files come first, then the method, then the URL")
    })?;
    let mut rehearsal = Rehearsal::new(method, url).map_err(|invalid| match invalid.hint() {
        Some(hint) => format!("{}: {hint}", invalid.message()),
        None => invalid.message().to_owned(),
    })?;
    for (name, value) in &arguments.headers {
        rehearsal.headers.append(name, value.clone());
    }
    rehearsal.body = Bytes::from(arguments.data.clone());
    rehearsal.peer = arguments.from;
    rehearsal.listener.clone_from(&arguments.listener);
    Ok(rehearsal)
}

/// `name: value`, as curl takes it.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("wanted a name, a colon and a value, like 'x-order: 7'")?;
    let name = HeaderName::try_from(name.trim()).map_err(|_| format!("'{}' is no header name", name.trim()))?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| "a header value has no control characters")?;
    Ok((name, value))
}
