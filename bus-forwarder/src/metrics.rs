//! `/metrics`, `/healthz` and `/readyz`, for whoever watches this node.

mod families;
mod sensor;
mod text;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::get,
};

use crate::vitals::Vitals;

/// Where they are served unless the configuration says otherwise.
pub(crate) const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8766);

/// The text format that every Prometheus reads.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) fn router(vitals: Arc<Vitals>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async |State(vitals): State<Arc<Vitals>>| told(&vitals.hanging())))
        .route("/readyz", get(ready))
        .with_state(vitals)
}

async fn metrics(State(vitals): State<Arc<Vitals>>) -> Response {
    let own = families::of(&vitals);
    let status = vitals.sensors.status();
    let sensor = status.map(|status| sensor::for_everybody(&status.metrics, &vitals.routing));
    let sensor = sensor.unwrap_or_default();
    match text::exposition(&[("lanner_forwarder_", &own), ("lanner_sensor_", &sensor)]) {
        Ok(text) => ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn ready(State(vitals): State<Arc<Vitals>>) -> Response {
    // A disk that hangs must not take a thread of the runtime with it.
    match tokio::task::spawn_blocking(move || vitals.unready()).await {
        Ok(why) => told(&why),
        Err(error) => told(&[error.to_string()]),
    }
}

/// `ok`, or what is wrong, one a line.
fn told(wrong: &[String]) -> Response {
    if wrong.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, wrong.join("\n") + "\n").into_response()
}
