//! The bus against a real nats-server with mutual TLS.

mod config;
mod delivery;
mod setup;
mod store;
