//! The shape that Falco's JSON schema wants of a rule file, and the words of its validator.
//!
//! The schema is stricter than the loader in places and looser in others. Falco shows its verdict
//! beside the errors and warnings; it decides nothing.

use crate::yaml::{Content, Node};

/// How many warnings are made. A hostile file may have millions.
const WARNINGS_MAX: usize = 1000;

/// What a value may be.
enum Shape {
    Anything,
    Text,
    Bool,
    Integer,
    /// A text that is one of these.
    OneOf(&'static [&'static str]),
    /// A number or a text, of which each number is one.
    Item,
    Sequence(&'static Shape),
    Mapping {
        /// Sorted by name.
        keys: &'static [(&'static str, Shape)],
        required: &'static [&'static str],
        /// The fewest keys it may have.
        keys_min: usize,
    },
}

const FILE: Shape = Shape::Sequence(&Shape::Mapping {
    keys: &[
        ("append", Shape::Bool),
        ("capture", Shape::Bool),
        ("capture_duration", Shape::Integer),
        ("condition", Shape::Text),
        ("desc", Shape::Text),
        ("enabled", Shape::Bool),
        ("exceptions", Shape::Sequence(&EXCEPTION)),
        ("items", Shape::Sequence(&Shape::Item)),
        ("list", Shape::Text),
        ("macro", Shape::Text),
        ("output", Shape::Text),
        ("override", OVERRIDE),
        ("priority", Shape::OneOf(&PRIORITIES)),
        ("required_engine_version", Shape::Text),
        ("required_plugin_versions", Shape::Sequence(&PLUGIN)),
        ("rule", Shape::Text),
        ("skip-if-unknown-filter", Shape::Bool),
        ("source", Shape::Text),
        ("tags", Shape::Sequence(&Shape::Text)),
        ("warn_evttypes", Shape::Bool),
    ],
    required: &[],
    keys_min: 0,
});

const PRIORITIES: [&str; 9] = [
    "EMERGENCY",
    "ALERT",
    "CRITICAL",
    "ERROR",
    "WARNING",
    "NOTICE",
    "INFO",
    "INFORMATIONAL",
    "DEBUG",
];

const EXCEPTION: Shape = Shape::Mapping {
    keys: &[
        ("comps", Shape::Anything),
        ("fields", Shape::Anything),
        ("name", Shape::Text),
        ("values", Shape::Anything),
    ],
    required: &["name"],
    keys_min: 0,
};

const OPERATION: Shape = Shape::OneOf(&["append", "replace"]);

const OVERRIDE: Shape = Shape::Mapping {
    keys: &[
        ("capture", OPERATION),
        ("capture_duration", OPERATION),
        ("condition", OPERATION),
        ("desc", OPERATION),
        ("enabled", OPERATION),
        ("exceptions", OPERATION),
        ("items", OPERATION),
        ("output", OPERATION),
        ("priority", OPERATION),
        ("skip-if-unknown-filter", OPERATION),
        ("tags", OPERATION),
        ("warn_evttypes", OPERATION),
    ],
    required: &[],
    keys_min: 1,
};

const PLUGIN: Shape = Shape::Mapping {
    keys: &[
        ("alternatives", Shape::Sequence(&ALTERNATIVE)),
        ("name", Shape::Text),
        ("version", Shape::Text),
    ],
    required: &["name", "version"],
    keys_min: 0,
};

const ALTERNATIVE: Shape = Shape::Mapping {
    keys: &[("name", Shape::Text), ("version", Shape::Text)],
    required: &["name", "version"],
    keys_min: 0,
};

/// What Falco's JSON says of the schema: whether the first document fits it, and if not, a line for
/// each document that does and for each thing that is wrong with one that does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaResult {
    /// Whether the first document fits.
    pub valid: bool,
    /// Empty if it does.
    pub warnings: Vec<String>,
}

/// Validates the documents of a file; nothing to say if there are none.
pub(super) fn validate(documents: &[Node]) -> Option<SchemaResult> {
    let mut lines = Vec::new();
    for document in documents {
        let mut validator = Validator { path: "<root>".to_owned(), lines: &mut lines };
        if validator.check(document, &FILE) {
            lines.push("ok".to_owned());
        }
    }
    let valid = lines.first()? == "ok";
    Some(SchemaResult { valid, warnings: if valid { Vec::new() } else { lines } })
}

struct Validator<'l> {
    path: String,
    lines: &'l mut Vec<String>,
}

impl Validator<'_> {
    fn check(&mut self, node: &Node, shape: &Shape) -> bool {
        const NOT_PERMITTED: &str = "Value type not permitted by 'type' constraint.";
        let scalar = node.as_str();
        match shape {
            Shape::Anything => true,
            Shape::Text if scalar.is_some() => true,
            Shape::Bool if matches!(scalar, Some("true" | "false")) => true,
            Shape::Integer if scalar.is_some_and(|text| text.parse::<i64>().is_ok()) => true,
            Shape::Text | Shape::Bool | Shape::Integer => self.refuse(NOT_PERMITTED),
            Shape::Item if scalar.is_some() => true,
            Shape::Item => {
                self.refuse(NOT_PERMITTED);
                self.refuse(NOT_PERMITTED);
                self.refuse("Failed to validate against any schemas allowed by anyOf constraint.")
            }
            Shape::OneOf(known) => {
                let is_text = scalar.is_some() || self.refuse(NOT_PERMITTED);
                let is_known = scalar.is_some_and(|text| known.contains(&text))
                    || self.refuse("Failed to match against any enum values.");
                is_text && is_known
            }
            Shape::Sequence(inner) => match &node.content {
                Content::Sequence(items) => self.items(items, inner),
                _ => self.refuse(NOT_PERMITTED),
            },
            Shape::Mapping { keys, required, keys_min } => match &node.content {
                Content::Mapping(entries) => {
                    let enough = entries.len() >= *keys_min || {
                        let line =
                            format!("Object should have no fewer than {keys_min} properties.");
                        self.refuse(&line)
                    };
                    let fitting = self.keys(node, entries, keys);
                    let complete = self.required(node, required);
                    enough && fitting && complete
                }
                _ => self.refuse(NOT_PERMITTED),
            },
        }
    }

    fn items(&mut self, items: &[Node], shape: &Shape) -> bool {
        let mut valid = true;
        for (index, item) in items.iter().enumerate() {
            if !self.inside(&index.to_string(), item, shape) {
                valid = self.refuse(&format!("Failed to validate item #{index} in array."));
            }
        }
        valid
    }

    fn keys(&mut self, node: &Node, entries: &[(Node, Node)], keys: &[(&str, Shape)]) -> bool {
        let mut valid = true;
        for (key, shape) in keys {
            if let Some(value) = node.get(key)
                && !self.inside(key, value, shape)
            {
                valid = self.refuse(&format!(
                    "Failed to validate against schema associated with property name '{key}'."
                ));
            }
        }
        let names = entries.iter().map(|(name, _)| name.as_str().unwrap_or_default());
        let mut unknown = names.filter(|name| keys.iter().all(|(known, _)| known != name));
        match unknown.next() {
            Some(name) => self.refuse(&format!(
                "Object contains a property that could not be validated using 'properties' or 'additionalProperties' constraints: '{name}'."
            )),
            None => valid,
        }
    }

    fn required(&mut self, node: &Node, required: &[&str]) -> bool {
        let mut valid = true;
        for key in required {
            if node.get(key).is_none() {
                valid = self.refuse(&format!("Missing required property '{key}'."));
            }
        }
        valid
    }

    fn inside(&mut self, step: &str, node: &Node, shape: &Shape) -> bool {
        let length = self.path.len();
        self.path.push_str(&format!("[{step}]"));
        let valid = self.check(node, shape);
        self.path.truncate(length);
        valid
    }

    /// Notes what is wrong; gives `false`, so that it can be the result of a check.
    fn refuse(&mut self, line: &str) -> bool {
        if self.lines.len() < WARNINGS_MAX {
            self.lines.push(format!("failed for {}: {line}", self.path));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::{SchemaResult, validate};
    use crate::yaml;

    #[track_caller]
    fn check(text: &str, warnings: &[&str]) {
        let valid = warnings.is_empty();
        let warnings = warnings.iter().map(|line| (*line).to_owned()).collect();
        let result = validate(&yaml::parse(text, 0).unwrap());
        assert_eq!(result, Some(SchemaResult { valid, warnings }), "{text:?}");
    }

    #[test]
    fn files_that_fit_the_schema() {
        assert_eq!(validate(&yaml::parse("# nothing", 0).unwrap()), None);
        check("[]", &[]);
        check("- {list: l, items: [a, 1]}", &[]);
        check("- {rule: R, enabled: false, override: {enabled: replace}}", &[]);
        check("- {rule: R, priority: INFO, exceptions: [{name: e, values: [[a], b]}]}", &[]);
        check("- required_engine_version: 0.57.0\n- {macro: m, condition: a.b=c}", &[]);
        // Only the first document's verdict is shown.
        check("[]\n---\na: b\n", &[]);
    }

    #[test]
    fn what_does_not_fit_is_told_from_the_inside_out() {
        let wrong_type = "failed for <root>: Value type not permitted by 'type' constraint.";
        check("a: b", &[wrong_type]);
        check("a: b\n---\n[]\n", &[wrong_type, "ok"]);
        check(
            "- {rule: R, priority: Notice}",
            &[
                "failed for <root>[0][priority]: Failed to match against any enum values.",
                "failed for <root>[0]: Failed to validate against schema associated with property name 'priority'.",
                "failed for <root>: Failed to validate item #0 in array.",
            ],
        );
        check(
            "- {list: l, items: [[a]]}",
            &[
                "failed for <root>[0][items][0]: Value type not permitted by 'type' constraint.",
                "failed for <root>[0][items][0]: Value type not permitted by 'type' constraint.",
                "failed for <root>[0][items][0]: Failed to validate against any schemas allowed by anyOf constraint.",
                "failed for <root>[0][items]: Failed to validate item #0 in array.",
                "failed for <root>[0]: Failed to validate against schema associated with property name 'items'.",
                "failed for <root>: Failed to validate item #0 in array.",
            ],
        );
        let about_override = [
            "failed for <root>[0][override]: Object should have no fewer than 1 properties.",
            "failed for <root>[0]: Failed to validate against schema associated with property name 'override'.",
            "failed for <root>[0]: Object contains a property that could not be validated using 'properties' or 'additionalProperties' constraints: 'odd'.",
            "failed for <root>: Failed to validate item #0 in array.",
        ];
        check("- {odd: 1, override: {}}", &about_override);
        check(
            "- exceptions: [{values: []}]",
            &[
                "failed for <root>[0][exceptions][0]: Missing required property 'name'.",
                "failed for <root>[0][exceptions]: Failed to validate item #0 in array.",
                "failed for <root>[0]: Failed to validate against schema associated with property name 'exceptions'.",
                "failed for <root>: Failed to validate item #0 in array.",
            ],
        );
    }

    #[test]
    fn no_more_is_told_than_anybody_reads() {
        let result = validate(&yaml::parse(&"- x\n".repeat(5000), 0).unwrap()).unwrap();
        assert_eq!(result.warnings.len(), super::WARNINGS_MAX);
    }
}
