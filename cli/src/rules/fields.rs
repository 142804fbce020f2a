//! `lanner rules fields`: the reference of fields.

use std::fmt::Write as _;

use anyhow::Context as _;
use lanner_engine::{ArgumentRule, Field, Filler, Shape};
use serde_json::{Value as Json, json};

use crate::Verdict;

/// How the reference is printed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Plain,
    Markdown,
    Json,
}

/// The sections of the page: a heading, what its fields are about, and their first words.
const SECTIONS: [(&str, &str, &[&str]); 8] = [
    ("Event", "What happened.", &["evt", "syscall", "util"]),
    ("Process", "Who did it, and its ancestors.", &["proc", "thread"]),
    ("User and group", "On whose behalf.", &["user", "group"]),
    ("Descriptor and path", "What it was done to.", &["fd", "fdlist", "fs"]),
    ("Container", "Where, as the container runtime describes it.", &["container"]),
    ("Kubernetes", "Where, in the cluster.", &["k8s", "k8smeta"]),
    ("Kubernetes audit", "What was asked of the Kubernetes API.", &["ka"]),
    ("JSON", "Anything else in the JSON of an audit event.", &["json", "jevt"]),
];

const PREFACE: &str = "\
# Fields

What conditions and outputs of rules may name. `lanner rules fields --markdown` prints this page, and a test holds it to that.

- **Type**: `text`, `path`, `bytes`, `int`, `uint` (never negative), `port`, `time` (nanoseconds since the Unix epoch), `bool`, `ip`, `net`. A
  *list* takes only `in` (all its values), `intersects` (one of them) and `exists`. *Any*: without an index the comparison holds if it holds
  for one of the values. *Either*: of the two ends of a connection; `!=` must hold for both, the rest for one.
- **Argument**: `[index]` a number, `[key]` a text, `.name` a name after a dot; `?` where it may be missing.
- **Filled by**: whose events have a value for it. `engine`: every event, from its time, its type or other fields. `nobody yet`: rules that
  name the field load, and `lanner rules check` warns about it where it stands; it is missing, so that no comparison with it holds.
- *Ours*: a stock Falco refuses rules that name the field. *Deprecated*: Falco advises against it.

Fields of Kubernetes audit events have the values that Falco's `k8saudit` plugin gives them, all as text, an object or an array as its JSON; with
two differences: `ka.sourceips` has the addresses, and keys in an object's JSON are sorted.
";

pub(super) fn run(form: Form) -> anyhow::Result<Verdict> {
    match form {
        Form::Plain => print!("{}", plain()),
        Form::Markdown => print!("{}", markdown()),
        Form::Json => {
            let fields: Vec<Json> = Field::all().iter().copied().map(json).collect();
            let text = serde_json::to_string_pretty(&fields).context("cannot print the fields")?;
            println!("{text}");
        }
    }
    Ok(Verdict::Good)
}

fn plain() -> String {
    let mut text = String::new();
    for field in Field::all() {
        let (name, kind, filler) = (name(*field), kind(*field), field.filler().as_str());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:55} {kind:13} {filler:19} {}", meaning(*field));
    }
    text
}

fn markdown() -> String {
    let mut text = PREFACE.to_owned();
    for (heading, about, classes) in SECTIONS {
        let _ = write!(text, "\n## {heading}\n\n{about}\n\n");
        text.push_str("| field | type | filled by | meaning |\n|---|---|---|---|\n");
        let fields = Field::all().iter().filter(|field| classes.contains(&class(**field)));
        for field in fields {
            let (name, kind, filler) = (name(*field), kind(*field), field.filler().as_str());
            let _ = writeln!(text, "| `{name}` | {kind} | {filler} | {} |", meaning(*field));
        }
    }
    text
}

fn json(field: Field) -> Json {
    let filled_by: &[&str] = match field.filler() {
        Filler::Engine => &["engine"],
        Filler::Syscall => &["syscall"],
        Filler::Audit => &["k8s_audit"],
        Filler::Both => &["syscall", "k8s_audit"],
        Filler::Nobody => &[],
    };
    json!({
        "name": field.name(),
        "type": field.kind().as_str(),
        "shape": match field.shape() {
            Shape::Scalar => "scalar",
            Shape::List => "list",
            Shape::AnyOf => "any",
            Shape::EitherEnd => "either",
        },
        "argument": argument(field),
        "filled_by": filled_by,
        "deprecated": field.is_deprecated(),
        "own": field.is_own(),
        "meaning": field.description(),
    })
}

fn class(field: Field) -> &'static str {
    field.name().split('.').next().unwrap_or_default()
}

/// The name with the argument it takes.
fn name(field: Field) -> String {
    format!("{}{}", field.name(), argument(field))
}

fn argument(field: Field) -> &'static str {
    match field.argument() {
        ArgumentRule::None => "",
        ArgumentRule::OptionalIndex => "[index]?",
        ArgumentRule::OptionalKey => "[key]?",
        ArgumentRule::OptionalKeyOrIndex => "[key or index]?",
        ArgumentRule::RequiredKey => "[key]",
        ArgumentRule::RequiredKeyOrIndex => "[key or index]",
        ArgumentRule::RequiredName => ".name",
        ArgumentRule::RequiredNameOrIndex => ".name or [index]",
    }
}

fn kind(field: Field) -> String {
    let kind = field.kind().as_str();
    match field.shape() {
        Shape::Scalar => kind.to_owned(),
        Shape::List => format!("list of {kind}"),
        Shape::AnyOf => format!("any {kind}"),
        Shape::EitherEnd => format!("either {kind}"),
    }
}

fn meaning(field: Field) -> String {
    let mut text = field.description().to_owned();
    for (is_so, word) in [(field.is_own(), "ours"), (field.is_deprecated(), "deprecated")] {
        if is_so {
            let _ = write!(text, " ({word})");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use lanner_engine::Field;

    use super::{SECTIONS, class, markdown};

    #[test]
    fn the_page_is_what_the_command_prints() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/fields.md");
        let printed = markdown();
        let written = fs::read_to_string(page).unwrap_or_default();
        assert!(written == printed, "run: lanner rules fields --markdown > docs/fields.md");
    }

    #[test]
    fn every_field_is_in_one_section() {
        for field in Field::all() {
            let sections = SECTIONS.iter().filter(|(_, _, of)| of.contains(&class(*field)));
            assert_eq!(sections.count(), 1, "{field}");
        }
    }
}
