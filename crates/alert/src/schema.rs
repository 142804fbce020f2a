//! What is published, described for readers in other languages: JSON Schema of
//! the messages, and AsyncAPI of the subjects that they are on.
//!
//! The schemas are made from this crate's types by the test below, which also
//! holds the files equal to what it makes.

/// JSON Schema of an [`Alert`](crate::Alert).
pub const ALERT: &str = include_str!("../schema/alert.schema.json");
/// JSON Schema of an [`Outcome`](crate::Outcome).
pub const RESPONSE: &str = include_str!("../schema/response.schema.json");

#[cfg(test)]
mod tests {
    use expect_test::expect_file;
    use schemars::{JsonSchema, generate::SchemaSettings};

    use crate::{Alert, Outcome};

    fn schema_of<T: JsonSchema>() -> String {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        let schema = settings.into_generator().into_root_schema_for::<T>();
        let mut text = serde_json::to_string_pretty(&schema).unwrap();
        text.push('\n');
        text
    }

    /// `UPDATE_EXPECT=1` writes them anew.
    #[test]
    fn the_files_are_made_of_the_types() {
        expect_file!["../schema/alert.schema.json"].assert_eq(&schema_of::<Alert>());
        expect_file!["../schema/response.schema.json"].assert_eq(&schema_of::<Outcome>());
    }
}
