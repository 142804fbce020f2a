//! Puts the plan's id into each request, so that the API server's audit log and
//! ours can be read side by side.

use http::{HeaderValue, Request, header::USER_AGENT};
use kube::{Client, client::Body};
use lanner_alert::PlanId;
use tower::service_fn;

pub(super) fn named(client: &Client, plan: PlanId) -> Client {
    let Ok(agent) = HeaderValue::try_from(format!("lanner/{plan}")) else { return client.clone() };
    let namespace = client.default_namespace().to_owned();
    let inner = client.clone();
    let send = move |mut request: Request<Body>| {
        request.headers_mut().insert(USER_AGENT, agent.clone());
        let inner = inner.clone();
        async move { inner.send(request).await }
    };
    Client::new(service_fn(send), namespace)
}
