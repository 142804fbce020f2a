//! The pages of docs/ that say how to run the daemons, run as they stand: their
//! files are written, their commands run, and what is printed is compared.

#[path = "docs/falco.rs"]
mod falco;
#[path = "docs/forwarder.rs"]
mod forwarder;
#[path = "docs/operations.rs"]
mod operations;
#[path = "docs/page.rs"]
mod page;
#[path = "docs/place.rs"]
mod place;
#[path = "docs/rules.rs"]
mod rules;
#[path = "docs/sensor.rs"]
mod sensor;
#[path = "docs/stage.rs"]
mod stage;
#[path = "docs/subscribers.rs"]
mod subscribers;
