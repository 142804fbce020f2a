//! The bus against a real nats-server with mutual TLS.

mod access;
mod archive;
mod asyncapi;
mod certs;
mod cluster;
mod config;
mod delivery;
mod grants;
mod interruption;
mod restricted;
mod setup;
mod store;
mod subscribers;
mod subscription;
