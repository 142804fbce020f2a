//! The published JSON Schemas, held against what is really written: they take
//! every golden file of ours, and nothing that is broken.

use std::{fs, path::Path};

use boon::{Compiler, SchemaIndex, Schemas};
use lanner_alert::{
    FalcoInput,
    schema::{ALERT, RESPONSE},
};
use serde_json::{Map, Value, json};

/// A schema that can be asked.
struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
    text: Value,
}

impl Schema {
    fn compile(text: &str) -> Self {
        let text: Value = serde_json::from_str(text).unwrap();
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        // Also `date-time` and `uuid`, which are remarks otherwise.
        compiler.enable_format_assertions();
        compiler.add_resource("schema.json", text.clone()).unwrap();
        let index = compiler.compile("schema.json", &mut schemas).unwrap();
        Self { schemas, index, text }
    }

    fn check(&self, value: &Value) -> Result<(), String> {
        self.schemas.validate(value, self.index).map_err(|error| format!("{error:#}"))
    }

    /// The names under `required` and `properties`.
    fn names(&self, key: &str) -> Vec<String> {
        match &self.text[key] {
            Value::Array(names) => names.iter().map(|name| name.as_str().unwrap().into()).collect(),
            Value::Object(properties) => properties.keys().cloned().collect(),
            other => panic!("{key} is {other}"),
        }
    }
}

fn golden(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

const GOLDEN: [(&str, &str); 3] = [
    ("lanner_in_container.json", ALERT),
    ("lanner_on_host.json", ALERT),
    ("outcome.json", RESPONSE),
];

#[test]
fn what_we_write_is_as_it_says() {
    for (file, schema) in GOLDEN {
        Schema::compile(schema)
            .check(&golden(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    // What is read from others is not what is written.
    let input = FalcoInput { node: "n".to_owned(), cluster: None };
    for file in ["falco_in_container.json", "falco_on_host.json"] {
        let falco = golden(file);
        let schema = Schema::compile(ALERT);
        schema.check(&falco).expect_err(file);
        let alert = input.read(falco.to_string().as_bytes()).unwrap();
        let alert = serde_json::from_slice(&alert.to_json().unwrap()).unwrap();
        schema.check(&alert).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

#[test]
fn what_is_broken_is_refused() {
    for (file, schema) in GOLDEN {
        let schema = Schema::compile(schema);
        let whole: Map<String, Value> = golden(file).as_object().unwrap().clone();
        for name in schema.names("required") {
            let mut without = whole.clone();
            without.remove(&name).unwrap_or_else(|| panic!("{file} has no {name}"));
            schema.check(&without.into()).expect_err(&format!("{file} without {name}"));
        }
        for name in schema.names("properties") {
            // No key of ours is a list of lists.
            let mut wrong = whole.clone();
            wrong.insert(name.clone(), json!([[]]));
            schema.check(&wrong.into()).expect_err(&format!("{file} with a list as {name}"));
        }
        let mut more = whole.clone();
        more.insert("of_a_newer_writer".to_owned(), json!(1));
        schema.check(&more.into()).unwrap();
    }
}

#[test]
fn values_are_looked_at_as_well() {
    let alert = golden("lanner_in_container.json");
    let outcome = golden("outcome.json");
    for (schema, value, place, wrong) in [
        (ALERT, &alert, "/id", json!("no uuid")),
        (ALERT, &alert, "/time", json!("yesterday")),
        (ALERT, &alert, "/priority", json!("warning")),
        (ALERT, &alert, "/node", json!("")),
        (ALERT, &alert, "/rule", json!("")),
        (ALERT, &alert, "/schema", json!(-1)),
        (ALERT, &alert, "/tags", json!(["a", "a"])),
        (ALERT, &alert, "/entity/pid", json!("4711")),
        (ALERT, &alert, "/entity/uid", json!(-1)),
        (ALERT, &alert, "/entity/pod_name", json!(["cart"])),
        (RESPONSE, &outcome, "/status", json!("done")),
        (RESPONSE, &outcome, "/plan", json!("7547")),
        (RESPONSE, &outcome, "/mode", json!("off")),
        (RESPONSE, &outcome, "/steps/0/verb", json!("reboot")),
        (RESPONSE, &outcome, "/steps/0/state", json!("maybe")),
        (RESPONSE, &outcome, "/steps/0/target/kind", json!("node")),
        (RESPONSE, &outcome, "/steps/1/allow_dns", json!("yes")),
        (RESPONSE, &outcome, "/steps/2/class", json!("easy")),
        (RESPONSE, &outcome, "/steps/3/channel", json!(7)),
    ] {
        let mut value = value.clone();
        *value.pointer_mut(place).unwrap_or_else(|| panic!("there is no {place}")) = wrong;
        Schema::compile(schema).check(&value).expect_err(place);
    }
}
