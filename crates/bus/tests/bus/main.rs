//! The bus against a real nats-server with mutual TLS.

mod access;
mod archive;
mod asyncapi;
mod certs;
mod check;
mod config;
mod creds;
mod delivery;
mod grants;
mod interruption;
mod restricted;
mod rotation;
mod setup;
mod store;
mod subscribers;
mod subscription;
mod tls;
