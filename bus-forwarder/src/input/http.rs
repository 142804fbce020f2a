//! HTTP as Falcosidekick listens: Falco's `http_output`, and whoever posts the
//! same.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::Timestamp;
use lanner_alert::FALCO_BYTES_MAX;
use lanner_service::{
    CancellationToken,
    http::{HttpConfig, HttpLimits, HttpServer},
};
use tracing::warn;

use crate::{
    counters::Input,
    intake::{Intake, NotTaken},
    lines::Line,
};

/// Where Falcosidekick listens, on loopback only.
pub(crate) const ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 2801);
/// When to come again while the spool is full.
const RETRY_AFTER: &str = "5";

pub(crate) fn bind(config: &HttpConfig) -> anyhow::Result<HttpServer> {
    let limits = HttpLimits {
        // One alert, or a few.
        body_bytes_max: FALCO_BYTES_MAX,
        request_max: Duration::from_secs(10),
        ..HttpLimits::default()
    };
    let server = HttpServer::bind(config, ADDRESS, limits)?;
    if config.is_open(ADDRESS) {
        warn!(
            address = %config.address(ADDRESS),
            "whoever reaches this address may send alerts; inputs.http.tls.client_ca_file asks for a certificate"
        );
    }
    Ok(server)
}

pub(crate) async fn run(server: HttpServer, intake: Arc<Intake>, stop: CancellationToken) {
    let router = Router::new()
        .route("/", post(take))
        .route("/test", post(test))
        .route("/ping", get(async || "pong\n"))
        .route("/healthz", get(health))
        .with_state(intake);
    server.run(router, stop).await;
}

async fn take(State(intake): State<Arc<Intake>>, body: Bytes) -> Response {
    answer(intake.take_or_refuse(Input::Http, &alerts_in(&body)).await)
}

/// A test alert that goes the whole way.
async fn test(State(intake): State<Arc<Intake>>) -> Response {
    let alert = serde_json::json!({
        "rule": "Test rule",
        "priority": "Debug",
        "source": "internal",
        "output": "This is a test from lanner-forwarder",
        "output_fields": {"proc.name": "lanner-forwarder", "user.name": "lanner-forwarder"},
        "tags": ["test", "example"],
        "time": Timestamp::now().to_string(),
    });
    let line = Line::Whole(alert.to_string().into_bytes());
    answer(intake.take_or_refuse(Input::Http, &[line]).await)
}

async fn health(State(intake): State<Arc<Intake>>) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    if intake.is_full() {
        let full = (StatusCode::SERVICE_UNAVAILABLE, json, r#"{"status": "full"}"#);
        return full.into_response();
    }
    (json, r#"{"status": "ok"}"#).into_response()
}

fn answer(taken: Result<(), NotTaken>) -> Response {
    match taken {
        Ok(()) => StatusCode::OK.into_response(),
        Err(NotTaken::Bad) => {
            (StatusCode::BAD_REQUEST, "Please send a valid request body\n").into_response()
        }
        Err(NotTaken::Full) => {
            let later = [(header::RETRY_AFTER, RETRY_AFTER)];
            (StatusCode::SERVICE_UNAVAILABLE, later, "The spool is full\n").into_response()
        }
    }
}

/// One alert, a list of them in JSON, or one a line.
fn alerts_in(body: &[u8]) -> Vec<Line> {
    let body = body.trim_ascii();
    let whole = |bytes: &[u8]| Line::Whole(bytes.to_vec());
    if body.starts_with(b"[")
        && let Ok(list) = serde_json::from_slice::<Vec<serde_json::Value>>(body)
    {
        return list.iter().map(|alert| Line::Whole(alert.to_string().into_bytes())).collect();
    }
    let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    // JSON may be written over several lines: then the first of them is no whole one.
    let is_one_alert = lines.len() > 1
        && body.starts_with(b"{")
        && lines.first().is_some_and(|line| !line.ends_with(b"}"));
    if is_one_alert {
        return vec![whole(body)];
    }
    lines.into_iter().filter(|line| !line.is_empty()).map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::{Line, alerts_in};

    #[track_caller]
    fn check(body: &str, expected: &[&str]) {
        let expected: Vec<Line> =
            expected.iter().map(|line| Line::Whole(line.as_bytes().to_vec())).collect();
        assert_eq!(alerts_in(body.as_bytes()), expected, "{body:?}");
    }

    #[test]
    fn one_alert_or_a_list_or_lines() {
        check("", &[]);
        check(" \n\n", &[]);
        check(r#"{"a":1}"#, &[r#"{"a":1}"#]);
        check("{\"a\":1}\r\n\n{\"b\":2}\n", &[r#"{"a":1}"#, r#"{"b":2}"#]);
        check("{\n \"a\": {}\n}\n", &["{\n \"a\": {}\n}"]);
        check(r#"[{"a":1},{"b":[2]},3]"#, &[r#"{"a":1}"#, r#"{"b":[2]}"#, "3"]);
        check("[{\"a\":1", &["[{\"a\":1"]);
        check(
            "15:00:00: Notice x\n15:00:01: Notice y",
            &["15:00:00: Notice x", "15:00:01: Notice y"],
        );
    }
}
