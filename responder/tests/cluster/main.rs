//! The responder against a real kube-apiserver and a real nats-server.
//!
//! There is no kubelet: the tests write what a kubelet would tell of a pod.

mod pipeline;
mod stage;
mod takeover;
mod targets;
mod verbs;
