//! Fields of a rule that no event of its source has a value for.

use crate::{
    field::{Field, FieldRef, Filler},
    syntax::{Expr, Operand, Right, Span},
};

/// What a rule's author should know of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Falco refuses the field in rules of that source.
    OfOtherSource,
    /// It is a good name, but it has no value.
    Unfilled,
}

/// Looks at a field that a rule of `source` names.
pub(crate) fn finding(field: Field, source: &str) -> Option<Finding> {
    if !field.is_known_to(source) {
        return Some(Finding::OfOtherSource);
    }
    (!field.is_filled_for(source)).then_some(Finding::Unfilled)
}

/// Why a field has no value, in one line.
pub(crate) fn message(field: Field, source: &str) -> String {
    let reason = match field.filler() {
        Filler::Nobody => "nothing fills it yet".to_owned(),
        _ => format!("events of source {source} do not have it"),
    };
    format!("{field} is always missing: {reason}, so no comparison with it holds")
}

/// Calls `found` with each field of a condition and its place.
pub(crate) fn for_each_field(expr: &Expr, found: &mut impl FnMut(FieldRef, Span)) {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => {
            parts.iter().for_each(|part| for_each_field(part, found));
        }
        Expr::Not(inner) => for_each_field(inner, found),
        Expr::Macro { .. } => {}
        Expr::Check(check) => {
            in_operand(&check.left, found);
            if let Right::Operand(operand) = &check.right {
                in_operand(operand, found);
            }
        }
    }
}

fn in_operand(operand: &Operand, found: &mut impl FnMut(FieldRef, Span)) {
    operand.for_each_field(&mut |name, arg, span| {
        if let Ok(field) = FieldRef::resolve(name, arg) {
            found(field, span);
        }
    });
}

#[cfg(test)]
mod tests {
    use crate::{Code, Options, SourceFile, load};

    /// A rule's warnings and errors: code, line, column and the text from there.
    #[track_caller]
    fn check(source: &str, condition: &str, output: &str, expected: &[(Code, &str, &str)]) {
        let text = format!(
            "- macro: odd\n  condition: (fdlist.names = x)\n- rule: R\n  desc: d\n  \
             source: {source}\n  condition: {condition}\n  output: \"{output}\"\n  \
             priority: NOTICE\n- rule: Uses odd\n  desc: d\n  condition: evt.type=open and odd\n  \
             output: o\n  priority: NOTICE\n"
        );
        let file = SourceFile { name: "r.yaml".to_owned(), text: text.clone() };
        let (_, diagnostics) = load(&[file], &Options::default());
        let found: Vec<_> = diagnostics
            .iter()
            .map(|found| {
                let rest = text.get(found.offset..).unwrap();
                let word = rest.split([' ', ')', '"', '\n']).next().unwrap();
                (found.code, word, found.message.as_str())
            })
            .collect();
        assert_eq!(found, expected, "{condition}");
    }

    const ODD: (Code, &str, &str) = (
        Code::UnfilledField,
        "fdlist.names",
        "fdlist.names is always missing: nothing fills it yet, so no comparison with it holds",
    );

    #[test]
    fn a_field_that_nothing_fills_is_told_where_it_stands() {
        check("syscall", "evt.type=open and fd.name=x", "%fd.name", &[ODD]);
        check(
            "syscall",
            "evt.type=open and odd and odd and not tolower(user.shell) = x",
            "o %evt.type %k8smeta.ns.name",
            &[
                (
                    Code::UnfilledField,
                    "k8smeta.ns.name",
                    "k8smeta.ns.name is always missing: nothing fills it yet, so no comparison \
                     with it holds",
                ),
                ODD,
                (
                    Code::UnfilledField,
                    "user.shell",
                    "user.shell is always missing: nothing fills it yet, so no comparison with it \
                     holds",
                ),
            ],
        );
        check(
            "k8s_audit",
            "ka.verb=get and evt.hostname=x",
            "%ka.exec.command %jevt.value[/a]",
            &[
                (
                    Code::UnfilledField,
                    "evt.hostname=x",
                    "evt.hostname is always missing: events of source k8s_audit do not have it, \
                     so no comparison with it holds",
                ),
                ODD,
            ],
        );
    }

    #[test]
    fn a_field_of_another_source_does_not_exist() {
        check(
            "syscall",
            "evt.type=open and ka.verb=get",
            "o",
            &[
                (
                    Code::CompileCondition,
                    "ka.verb=get",
                    "filter_check called with nonexistent field ka.verb",
                ),
                ODD,
            ],
        );
        check(
            "k8s_audit",
            "ka.verb=get",
            "%proc.name",
            &[
                (
                    Code::CompileOutput,
                    "proc.name",
                    "filter_check called with nonexistent field proc.name",
                ),
                ODD,
            ],
        );
    }
}
