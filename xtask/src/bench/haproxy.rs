//! HAProxy: one thread, its log on standard output redirected to a file, routes as map files (its own way for many).

use std::fmt::Write;
use std::fs;
use std::process::Command;

use super::product::{ADDED_HEADER, Calls, Product, REMOVED_HEADER, SET_HEADER, Setup};
use super::row::{Door, Routes};
use crate::failure::{Failure, While};

/// Writes `haproxy.cfg` and what it refers to.
pub(crate) fn configure(setup: &Setup) -> Result<Calls, Failure> {
    let bind = match setup.door {
        Door::H1 => String::new(),
        Door::H2c => " proto h2".to_owned(),
        Door::Tls => {
            let read = |path: &std::path::Path| fs::read_to_string(path).while_doing(path.display());
            let both = read(&setup.certificate.chain)? + &read(&setup.certificate.key)?;
            format!(" ssl crt {} ssl-min-ver TLSv1.3", setup.write("haproxy.pem", &both)?.display())
        }
    };
    let map = setup.write("routes.map", &map(setup.routes))?;
    let backend = match setup.routes {
        Routes::One => "default_backend origin".to_owned(),
        Routes::Paths(_) => format!("use_backend %[path,map_beg({})]", map.display()),
        Routes::Hosts(_) => format!("use_backend %[req.hdr(host),lower,map_str({})]", map.display()),
    };
    let file = setup.write("haproxy.cfg", &configuration(setup, &bind, &backend))?;
    let program = Product::Haproxy.program();
    let mut run = Command::new(&program);
    run.args(["-db", "-f"]).arg(&file);
    let mut check = Command::new(&program);
    check.args(["-c", "-q", "-f"]).arg(&file);
    Ok(Calls { run, check, logs_to_stdout: true })
}

fn configuration(setup: &Setup, bind: &str, backend: &str) -> String {
    let (set, set_value) = SET_HEADER;
    let (added, added_value) = ADDED_HEADER;
    format!(
        r#"global
  nbthread 1
  maxconn 8000
  log stdout len 4096 format raw local0
defaults
  mode http
  log global
  timeout connect 1s
  timeout client 75s
  timeout server 30s
  timeout http-keep-alive 75s
  option forwardfor
  http-reuse always
frontend door
  bind {address} backlog 4096{bind}
  log-format '{{"time":"%tr","client":"%ci","listener":"%f","protocol":"%HV","method":"%HM","host":"%[var(txn.host),json]","path":"%HPO","upstream":"%b","endpoint":"%s","status":%ST,"duration_ms":%Ta,"upstream_ms":%Tr,"bytes_in":%U,"bytes_out":%B,"state":"%tsc"}}'
  http-request set-var(txn.host) req.hdr(host)
  http-request set-header {set} "{set_value}"
  http-request del-header {REMOVED_HEADER}
  http-response add-header {added} "{added_value}"
  {backend}
backend origin
  server origin {origin}
"#,
        address = setup.address,
        origin = setup.backend,
    )
}

fn map(routes: Routes) -> String {
    let mut text = String::new();
    for service in 0..routes.count() {
        let key = match routes {
            Routes::One => continue,
            Routes::Paths(_) => Routes::prefix(service),
            Routes::Hosts(_) => Routes::host(service),
        };
        let _ = writeln!(text, "{key} origin");
    }
    text
}
