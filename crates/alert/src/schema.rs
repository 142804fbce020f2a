//! What is published, described for readers in other languages: JSON Schema of
//! the messages, and AsyncAPI of the subjects that they are on.
//!
//! The schemas are made of this crate's types by the test below, which also
//! holds the files equal to what it makes.

/// JSON Schema of an [`Alert`](crate::Alert).
pub const ALERT: &str = include_str!("../schema/alert.schema.json");
/// JSON Schema of an [`Outcome`](crate::Outcome).
pub const RESPONSE: &str = include_str!("../schema/response.schema.json");
/// AsyncAPI of subjects, messages and headers. It refers to the two schemas by
/// their files' names, `alert.schema.json` and `response.schema.json`.
pub const ASYNCAPI: &str = include_str!("../schema/asyncapi.yaml");

#[cfg(test)]
mod tests {
    use expect_test::expect_file;
    use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::RecursiveTransform};
    use serde_json::Value;

    use crate::{Alert, Outcome};

    fn schema_of<T: JsonSchema>() -> String {
        let settings = SchemaSettings::draft2020_12()
            .for_serialize()
            .with_transform(RecursiveTransform(for_other_languages));
        let schema = settings.into_generator().into_root_schema_for::<T>();
        let mut text = serde_json::to_string_pretty(&schema).unwrap();
        text.push('\n');
        text
    }

    /// Makes of Rust's documentation what a reader in another language needs.
    fn for_other_languages(schema: &mut Schema) {
        let Some(Value::String(text)) = schema.get_mut("description") else { return };
        let mut said = text.as_str();
        // Points into the sources.
        if let Some((before, _link)) = said.split_once("; see [`") {
            said = before;
        }
        let paragraphs = said.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
        let told = paragraphs.collect::<Vec<_>>().join("\n\n").replace("`None`", "absent");
        *text = if told.ends_with('.') { told } else { told + "." };
    }

    /// `UPDATE_EXPECT=1` writes them anew.
    #[test]
    fn the_files_are_made_of_the_types() {
        expect_file!["../schema/alert.schema.json"].assert_eq(&schema_of::<Alert>());
        expect_file!["../schema/response.schema.json"].assert_eq(&schema_of::<Outcome>());
    }
}
