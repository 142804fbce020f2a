//! Everything that speaks NATS: the connection with mutual TLS, what stands on
//! the server, publishing with acknowledgement, consuming, key-value buckets,
//! certificates, and the server's permissions.
//!
//! ```text
//! ConnectionConfig ─▶ Connection ─┬▶ Publisher, Window  stored messages, retried until acknowledged
//!                                 ├▶ Consumer    alerts, each acknowledged by hand
//!                                 ├▶ Subscription what is published from now on
//!                                 │  Interruptions when it saw nothing
//!                                 ├▶ dead_letters  what no responder could finish; again, if wanted
//!                                 ├▶ Archive     what a stream keeps, oldest first
//!                                 ├▶ Store       plans, locks: compare-and-set
//!                                 ├▶ Fleet       the nodes, by their heartbeats
//!                                 └▶ set_up      streams, buckets, consumers of `layout`
//! check: a live server, by trying what it must refuse
//! certs, creds, access, permissions: who may connect, and what each may do
//! ```
//!
//! Promises:
//! - No type of the NATS library leaves this crate.
//! - Without TLS 1.3 it does not connect, but to loopback in tests that say so.
//! - Every wait for the server is bounded, or says that it is not.

#![warn(missing_docs)]
#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

pub mod access;
mod archive;
mod cause;
pub mod certs;
pub mod check;
mod connection;
mod consumer;
mod credentials;
pub mod creds;
mod dead_letters;
mod durable;
mod files;
mod fleet;
pub mod gateway;
pub mod grant;
pub mod headers;
pub mod hub;
mod identity;
mod interruption;
pub mod layout;
pub mod permissions;
mod publisher;
mod rights;
mod secret;
mod setup;
mod store;
mod subscription;

pub use crate::{
    archive::{Archive, ArchiveError},
    cause::Cause,
    connection::{ConnectError, Connection, ConnectionConfig, InvalidConnection, LiveError},
    consumer::{AckError, Consumer, Delivery},
    dead_letters::{DeadLetter, DeadLetterError, KeptMessage},
    durable::{Durable, DurableError, InvalidDurable},
    files::FileError,
    fleet::{Fleet, FleetError, NodeHealth},
    identity::Identity,
    interruption::{Interruption, Interruptions},
    publisher::{Done, Message, PublishError, Publisher, Stored, WINDOW, Window},
    rights::{Rights, RightsError},
    secret::ReadError,
    setup::{Difference, Kind, Outcome, Setup, SetupError, Standing},
    store::{Change, Entry, Store, StoreError},
    subscription::{Kept, Seen, SubscribeError, Subscription},
};
