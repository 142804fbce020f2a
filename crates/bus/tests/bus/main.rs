//! The bus against a real nats-server with mutual TLS.

mod access;
mod archive;
mod asyncapi;
mod certs;
mod check;
mod cluster;
mod config;
mod creds;
mod dead_letters;
mod delivery;
mod fleet;
mod grants;
mod hub;
mod interruption;
mod restricted;
mod rotation;
mod setup;
mod store;
mod subscribers;
mod subscription;
mod tls;
