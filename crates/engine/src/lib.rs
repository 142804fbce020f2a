//! The Falco rule language: rule files in, compiled rules and diagnostics out, events matched.
//!
//! ```text
//! SourceFile ─▶ yaml ─▶ items ─▶ lists (as text) ─▶ parse ─▶ macros (as trees) ─▶ types ─▶ RuleSet
//!                                                                                        │
//!                                  Event (fields passed in by the caller) ─▶ evaluate ───┴▶ Match
//! ```
//!
//! Promises:
//! - No I/O, no clock, no async, no `unsafe`: text, fields and time are passed in.
//! - [`load`] returns the rules *and* the diagnostics; one bad rule never stops the rest.
//! - No text, however made, panics or exhausts the stack: nesting has a limit.
//! - A missing value is false for every operator, `!=` too.
//!
//! Not here: where the values come from. An [`Event`] is the sensor's, an [`AuditEvent`], or a
//! [`RecordedEvent`].
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing))]

mod audit;
mod derived;
mod diagnostic;
mod event;
mod event_categories;
mod event_names;
mod event_types;
mod explain;
mod field;
mod filter;
mod output;
mod predicate;
mod priority;
mod program;
pub mod projection;
mod recorded;
mod rules;
mod sources;
mod suggest;
mod syntax;
mod traced;
mod unfilled;
mod yaml;

pub use audit::{AuditEvent, AuditEventError};
pub use diagnostic::{Code, Context, Diagnostic, Position, Severity};
pub use event::{Elements, Event, List, Value};
pub use explain::{Explainer, Explanation, Part};
pub use field::{ArgumentRule, Field, FieldRef, FieldRefError, Filler, Kind, Shape};
pub use filter::Filter;
pub use priority::{Priority, UnknownPriority};
pub use program::Scratch;
pub use recorded::{RecordedEvent, RecordedEventError};
pub use rules::{
    AppendOutput, ExtraField, FailedExec, Match, Matching, Options, Rule, RuleSet, SchemaResult,
    Selection, Selector, SourceFile, load,
};
