//! What whoever writes an exception for a loaded rule must know.

use std::collections::HashMap;

use super::{Rule, RuleSet, definitions::Definitions};
use crate::{
    field::FieldRef,
    syntax::{Check, Expr, Literal, Operand, Operator, Right},
};

/// Names that are taken once the files are loaded.
#[derive(Debug, Default)]
pub(super) struct TakenNames {
    lists: Vec<String>,
    /// The exceptions of each rule.
    exceptions: HashMap<String, Vec<String>>,
}

impl TakenNames {
    pub(super) fn of(definitions: &Definitions) -> Self {
        let names = definitions.rules.iter().map(|(rule, definition)| {
            let names = definition.exceptions.names().map(str::to_owned);
            (rule.clone(), names.collect())
        });
        Self { lists: definitions.lists.keys().cloned().collect(), exceptions: names.collect() }
    }
}

impl RuleSet {
    /// The names of all lists. In a later file's exceptions such a name is replaced where it
    /// stands as a word of its own, in quotes, too.
    pub fn list_names(&self) -> impl Iterator<Item = &str> {
        self.taken.lists.iter().map(String::as_str)
    }

    /// The names of the exceptions of `rule`.
    pub fn exception_names(&self, rule: &str) -> impl Iterator<Item = &str> {
        self.taken.exceptions.get(rule).into_iter().flatten().map(String::as_str)
    }
}

impl Rule {
    /// Whether the condition plainly demands that `field` be `value`.
    ///
    /// It may hold for that value alone and this be `false`, but never the other way round.
    pub fn demands(&self, field: &FieldRef, value: &str) -> bool {
        demands(&self.condition, field, value.as_bytes())
    }
}

fn demands(expr: &Expr, field: &FieldRef, value: &[u8]) -> bool {
    match expr {
        Expr::And(parts) => parts.iter().any(|part| demands(part, field, value)),
        Expr::Or(parts) => {
            !parts.is_empty() && parts.iter().all(|part| demands(part, field, value))
        }
        Expr::Not(_) | Expr::Macro { .. } => false,
        Expr::Check(check) => check_demands(check, field, value),
    }
}

fn check_demands(check: &Check, field: &FieldRef, value: &[u8]) -> bool {
    let Operand::Field { name, arg, .. } = &check.left else { return false };
    if check.quantifier.is_some() || FieldRef::resolve(name, arg.as_deref()).as_ref() != Ok(field) {
        return false;
    }
    let same = |literal: &Literal| literal.value == value;
    match (check.operator, &check.right) {
        (Operator::Equal, Right::Value(literal)) => same(literal),
        (Operator::In, Right::List(literals)) => !literals.is_empty() && literals.iter().all(same),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::{FieldRef, Options, RuleSet, SourceFile, load};

    fn loaded(condition: &str, more: &str) -> RuleSet {
        let text = format!(
            "- list: shells\n  items: [sh]\n- macro: cat\n  condition: (proc.name=cat)\n- rule: R\n  \
             desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n{more}"
        );
        let (rules, diagnostics) =
            load(&[SourceFile { name: "r".to_owned(), text }], &Options::default());
        assert_eq!(rules.rules().count(), 1, "{diagnostics:?}");
        rules
    }

    #[track_caller]
    fn check(condition: &str, expected: bool) {
        let rules = loaded(condition, "");
        let field = FieldRef::parse("proc.name").unwrap();
        assert_eq!(rules.rules().next().unwrap().demands(&field, "cat"), expected, "{condition}");
    }

    #[test]
    fn a_value_is_demanded_or_not() {
        check("evt.type=open and proc.name=cat", true);
        check("evt.type=open and (fd.name=a or fd.name=b) and cat", true);
        check("evt.type=open and proc.name in (cat)", true);
        check("proc.name=cat or (cat and fd.name=a)", true);
        check("evt.type=open and proc.name=dog", false);
        check("evt.type=open and proc.name in (cat, dog)", false);
        check("proc.name=cat or fd.name=a", false);
        check("not proc.name=cat", false);
        check("proc.pname=cat and proc.name!=cat and proc.name startswith cat", false);
        check("tolower(proc.name)=cat", false);
    }

    #[test]
    fn names_are_told() {
        let rules = loaded(
            "proc.name in (shells)",
            "  exceptions:\n    - {name: a, fields: [proc.pname], values: [[x]]}\n    \
             - {name: b, fields: [proc.exe]}\n",
        );
        assert_eq!(rules.list_names().collect::<Vec<_>>(), ["shells"]);
        assert_eq!(rules.exception_names("R").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(rules.exception_names("S").count(), 0);
    }
}
