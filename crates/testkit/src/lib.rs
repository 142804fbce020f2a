//! Real servers for tests: a nats-server, a kube-apiserver with its etcd.
//!
//! ```text
//! programs   which program in which version, and where it lies (also xtask's)
//! process    a child process that goes when its owner goes, however it goes
//! loss       what becomes of many alerts while parts of the way are taken away (feature `bus`)
//! nats       NatsServer           kubernetes  KubeApiserver
//! bus        SecuredBus: a NatsServer with certificates, users and streams (feature `bus`)
//! bus_cluster       several servers that keep the same streams (feature `bus`)
//! bus_hub    a hub and edge clusters (feature `bus`)
//! relay      a link that a test can cut
//! container_engine  a Docker that says what it is told to
//! control_groups    a container's, as the kernel sees one
//! http       a client for our listeners, and their certificates (feature `http`)
//! official_rules    the field's rule files, where they are
//! product    our own programs, built from the sources as they are
//! scene      somebody reads a secret file in a pod
//! stack      the whole chain as processes, each with its certificate (feature `bus`)
//! eventually a condition with a deadline, instead of a sleep
//! not_run    a test that this machine cannot run, said loudly
//! ```
//!
//! A server picks its own free loopback port and keeps its files in its own
//! temporary folder, so tests run in parallel. A program that is missing is a
//! panic that says what to run, not a test that passes.

#[cfg(feature = "bus")]
pub mod bus;
#[cfg(feature = "bus")]
pub mod bus_cluster;
#[cfg(feature = "bus")]
pub mod bus_hub;
pub mod container_engine;
pub mod control_groups;
pub mod eventually;
#[cfg(feature = "http")]
pub mod http;
pub mod kubernetes;
#[cfg(feature = "bus")]
pub mod loss;
pub mod nats;
pub mod not_run;
pub mod official_rules;
pub mod process;
pub mod product;
pub mod programs;
pub mod relay;
pub mod scene;
#[cfg(feature = "bus")]
pub mod stack;

#[cfg(feature = "bus")]
pub use crate::{
    bus::{Admission, SecuredBus, small_bounds, small_layout},
    bus_cluster::ClusteredBus,
    bus_hub::HubAndEdges,
    stack::Stack,
};
pub use crate::{
    eventually::{eventually, eventually_async},
    kubernetes::KubeApiserver,
    nats::NatsServer,
    not_run::not_run,
};
