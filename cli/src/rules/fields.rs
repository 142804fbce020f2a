//! `lanner rules fields`: the reference of fields.

use lanner_engine::{ArgumentRule, Field, Shape};

use crate::Verdict;

pub(super) fn run(markdown: bool) -> anyhow::Result<Verdict> {
    if markdown {
        println!("| field | type | description |\n|---|---|---|");
        for field in Field::all() {
            println!("| `{}` | {} | {} |", name(*field), kind(*field), field.description());
        }
    } else {
        for field in Field::all() {
            println!("{:45} {:14} {}", name(*field), kind(*field), field.description());
        }
    }
    Ok(Verdict::Good)
}

/// The name with the argument it takes.
fn name(field: Field) -> String {
    let argument = match field.argument() {
        ArgumentRule::None => "",
        ArgumentRule::OptionalIndex => "[index]?",
        ArgumentRule::OptionalKey => "[key]?",
        ArgumentRule::OptionalKeyOrIndex => "[key or index]?",
        ArgumentRule::RequiredKey => "[key]",
        ArgumentRule::RequiredKeyOrIndex => "[key or index]",
        ArgumentRule::RequiredName | ArgumentRule::RequiredNameOrIndex => ".name",
    };
    format!("{}{argument}", field.name())
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
