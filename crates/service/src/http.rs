//! A small HTTP server for outside peers: bounded in everything that a peer can
//! make it hold or wait for.
//!
//! ```text
//! accept ─▶ room? ─▶ TLS handshake ─▶ head ─▶ body ─▶ router ─▶ response
//!           else the   10 s            15 s    ╰── 10 s, `body_bytes_max` ──╯
//!           longest idle goes
//! ```
//!
//! Promises:
//! - At most `connections_max` connections. One more closes the one that has
//!   done nothing for longest: who opens thousands and says nothing keeps
//!   nobody else out.
//! - No peer is waited for without bound, whatever part of a request it is slow in.
//! - Certificates, key and client authority are read again when their files
//!   change, while the listener stays open; what cannot be used is told in the
//!   log, and the old ones stay.
//! - Beyond loopback only with TLS, unless the configuration says in so many
//!   words that plain text is wanted.
//!
//! HTTP/1.1 only: what posts an alert or scrapes a metric speaks it, and it has
//! no streams to count.

mod config;
mod idle;
mod server;
mod tls;

pub use self::{
    config::{HttpConfig, HttpConfigError, TlsConfig},
    server::{HttpCounters, HttpLimits, HttpServer, HttpSummary},
};
