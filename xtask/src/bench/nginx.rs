//! nginx: one worker, keep-alive to the origin, its unbuffered access log with about the fields of ours.

use std::fmt::Write;
use std::process::Command;

use super::product::{ADDED_HEADER, Calls, Product, REMOVED_HEADER, SET_HEADER, Setup};
use super::row::{Door, Routes};
use crate::failure::Failure;

/// Writes `nginx.conf`.
pub(crate) fn configure(setup: &Setup) -> Result<Calls, Failure> {
    let file = setup.write("nginx.conf", &configuration(setup))?;
    let call = || {
        let mut command = Command::new(Product::Nginx.program());
        command.arg("-p").arg(&setup.folder).arg("-e").arg(setup.folder.join("error.log")).arg("-c").arg(&file);
        command
    };
    let mut check = call();
    check.args(["-t", "-q"]);
    Ok(Calls { run: call(), check, logs_to_stdout: false })
}

fn configuration(setup: &Setup) -> String {
    let listen = match setup.door {
        Door::H1 => format!("listen {} backlog=4096;", setup.address),
        Door::H2c => format!("listen {} backlog=4096 http2;", setup.address),
        Door::Tls => format!("listen {} backlog=4096 ssl;", setup.address),
    };
    let tls = match setup.door {
        Door::Tls => format!(
            "ssl_certificate \"{}\"; ssl_certificate_key \"{}\"; ssl_protocols TLSv1.3;",
            setup.certificate.chain.display(),
            setup.certificate.key.display()
        ),
        Door::H1 | Door::H2c => String::new(),
    };
    let (set, set_value) = SET_HEADER;
    let (added, added_value) = ADDED_HEADER;
    format!(
        r#"daemon off;
user root;
worker_processes 1;
pid nginx.pid;
events {{ worker_connections 8192; }}
http {{
  log_format json escape=json '{{"time":"$time_iso8601","trace_id":"$request_id","client":"$remote_addr","listener":"$server_port",'
    '"protocol":"$server_protocol","method":"$request_method","host":"$host","path":"$uri","route":"$server_name",'
    '"upstream":"$proxy_host","endpoint":"$upstream_addr","status":$status,"duration":$request_time,'
    '"upstream_time":"$upstream_response_time","bytes_in":$request_length,"bytes_out":$bytes_sent,"user_agent":"$http_user_agent"}}';
  access_log access.log json;
  keepalive_timeout 75s;
  keepalive_requests 1000000000;
  server_names_hash_max_size 131072;
  server_names_hash_bucket_size 128;
  client_max_body_size 0;
  proxy_request_buffering off;
  client_body_buffer_size 64k;
  proxy_buffers 8 64k;
  proxy_busy_buffers_size 128k;
  proxy_max_temp_file_size 0;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  {tls}
  upstream origin {{ server {backend}; keepalive 512; keepalive_requests 1000000000; }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header {set} "{set_value}";
  proxy_set_header {REMOVED_HEADER} "";
  add_header {added} "{added_value}";
{servers}}}
"#,
        backend = setup.backend,
        servers = servers(setup.routes, &listen),
    )
}

fn servers(routes: Routes, listen: &str) -> String {
    let mut text = String::new();
    match routes {
        Routes::One => {
            let _ = writeln!(text, "  server {{ {listen} location / {{ proxy_pass http://origin; }} }}");
        }
        Routes::Paths(count) => {
            let _ = writeln!(text, "  server {{ {listen}");
            for service in 0..count {
                let prefix = Routes::prefix(service);
                let _ = writeln!(text, "    location ^~ {prefix} {{ proxy_pass http://origin; }}");
            }
            let _ = writeln!(text, "  }}");
        }
        Routes::Hosts(count) => {
            // The options of a socket are said once.
            let bare = listen.replace(" backlog=4096", "");
            for service in 0..count {
                let listen = if service == 0 { listen } else { &bare };
                let host = Routes::host(service);
                let _ = writeln!(
                    text,
                    "  server {{ {listen} server_name {host}; location / {{ proxy_pass http://origin; }} }}"
                );
            }
        }
    }
    text
}
