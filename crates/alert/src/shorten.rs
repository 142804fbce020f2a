//! An alert that is too long loses the ends of its longest texts, never its whole.

use serde_json::{Map, Value};

use crate::{Alert, AlertError};

/// Stands where a text was cut.
const CUT: &str = "[...]";

/// What a text may have left, tried one after another.
const TEXT_BYTES: [usize; 6] = [16 << 10, 4 << 10, 1 << 10, 256, 64, 0];

impl Alert {
    /// The alert as one line of JSON of at most `bytes_max`. Where it does not
    /// fit, its longest texts are cut, and at last its fields left out; the key
    /// `shortened` names which. Rule, priority, tags, time, node and `entity`
    /// stay as they are.
    ///
    /// # Errors
    /// [`AlertError::TooLong`] when these alone do not fit.
    pub fn to_json_within(&mut self, bytes_max: usize) -> Result<Vec<u8>, AlertError> {
        let mut json = serde_json::to_vec(self).map_err(AlertError::Json)?;
        let whole = json.len();
        for text_bytes in TEXT_BYTES {
            if json.len() <= bytes_max {
                return Ok(json);
            }
            self.shorten(text_bytes);
            json = serde_json::to_vec(self).map_err(AlertError::Json)?;
        }
        if json.len() > bytes_max {
            return Err(AlertError::TooLong { len: whole, max: bytes_max });
        }
        Ok(json)
    }

    /// Cuts each text to `text_bytes`; with none left, its fields go.
    fn shorten(&mut self, text_bytes: usize) {
        const KEY: &str = "shortened";
        let mut cut: Vec<String> = match self.other.remove(KEY) {
            Some(Value::Array(before)) => {
                before.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        let mut note = |name: &str| {
            if !cut.iter().any(|known| known == name) {
                cut.push(name.to_owned());
            }
        };
        if text_bytes == 0 {
            self.output_fields.clear();
            self.other.clear();
            cut = vec!["output_fields".to_owned()];
            cut_text(&mut self.output, 64);
            cut_text(&mut self.hostname, 64);
        } else {
            if cut_text(&mut self.output, text_bytes) {
                note("output");
            }
            for (name, value) in fields(&mut self.output_fields, &mut self.other) {
                if cut_value(value, text_bytes) {
                    note(name);
                }
            }
        }
        // Their names count as well.
        cut.truncate(64);
        self.other.insert(KEY.to_owned(), cut.into());
    }
}

fn fields<'a>(
    one: &'a mut Map<String, Value>,
    other: &'a mut Map<String, Value>,
) -> impl Iterator<Item = (&'a String, &'a mut Value)> {
    one.iter_mut().chain(other.iter_mut())
}

fn cut_value(value: &mut Value, bytes: usize) -> bool {
    match value {
        Value::String(text) => cut_text(text, bytes),
        Value::Array(values) => {
            values.iter_mut().fold(false, |cut, value| cut_value(value, bytes) || cut)
        }
        Value::Object(values) => {
            values.values_mut().fold(false, |cut, value| cut_value(value, bytes) || cut)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn cut_text(text: &mut String, bytes: usize) -> bool {
    if text.len() <= bytes + CUT.len() {
        return false;
    }
    text.truncate(text.floor_char_boundary(bytes));
    text.push_str(CUT);
    true
}
