//! A condition by itself.

use crate::{diagnostic::Diagnostic, event::Event, field::FieldRef};

/// A compiled condition, without lists and macros.
#[derive(Debug)]
pub struct Filter {
    fields: Vec<FieldRef>,
}

impl Filter {
    /// Compiles a condition.
    ///
    /// # Errors
    /// When it is not a condition; the diagnostic says where.
    pub fn compile(text: &str) -> Result<Self, Diagnostic> {
        let _ = text;
        Ok(Self { fields: Vec::new() })
    }

    /// Whether the condition holds for `event`.
    pub fn matches(&self, event: &dyn Event) -> bool {
        let _ = event;
        false
    }

    /// What the condition asks for, each once, sorted.
    pub fn fields(&self) -> &[FieldRef] {
        &self.fields
    }
}
