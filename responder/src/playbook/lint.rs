//! What can be known about a script before it runs.
//!
//! Rhai finds a function that does not exist only when the call is reached,
//! which for a playbook is the worst moment: during an attack.

use std::collections::{BTreeSet, HashMap};

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::{
    capability::Capability,
    problem::Problem,
    verbs::OURS,
    views::{ALERT_PROPERTIES, check_field, unknown_property},
};
use crate::suggest::nearest;

/// The functions of the language, by name, with the numbers of arguments they take.
pub(super) struct Functions(HashMap<String, BTreeSet<usize>>);

/// Parts of the language that look like functions.
const KEYWORDS: [&str; 6] = ["type_of", "Fn", "call", "curry", "is_def_fn", "is_def_var"];

/// In Rhai's packages, and wrong in a plan: it would wait, or write to nowhere.
pub(super) const WITHDRAWN: [&str; 3] = ["sleep", "print", "debug"];

impl Functions {
    pub(super) fn of(engine: &rhai::Engine) -> Self {
        let mut functions: HashMap<String, BTreeSet<usize>> = HashMap::new();
        let each = |info: rhai::FuncInfo<'_>| {
            Some((info.metadata.name.to_string(), info.metadata.num_params))
        };
        for (name, arity) in engine.collect_fn_metadata(None, each, true) {
            functions.entry(name).or_default().insert(arity);
        }
        WITHDRAWN.iter().for_each(|name| drop(functions.remove(*name)));
        Self(functions)
    }

    fn with_those_of(&self, ast: &AST) -> HashMap<String, BTreeSet<usize>> {
        let mut functions = self.0.clone();
        for function in ast.iter_functions() {
            functions.entry(function.name.to_owned()).or_default().insert(function.params.len());
        }
        functions
    }
}

/// All that is wrong with the script, in the order of the text.
pub(super) fn check(
    file: &str,
    text: &str,
    ast: &AST,
    functions: &Functions,
    needs: &BTreeSet<Capability>,
) -> Vec<Problem> {
    let mut problems = shadowed(file, text, ast);
    let alert_name = ast
        .iter_functions()
        .find(|function| function.name == "respond")
        .and_then(|function| function.params.first().map(|name| (*name).to_owned()));
    let known = functions.with_those_of(ast);
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        let found = match path.last() {
            Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => {
                check_call(call, call.args.len(), *position, &known, needs)
            }
            Some(ASTNode::Expr(Expr::FnCall(call, position))) => {
                check_call(call, call.args.len(), *position, &known, needs)
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, position))) => {
                check_call(call, call.args.len() + 1, *position, &known, needs)
            }
            Some(ASTNode::Expr(expr)) => check_alert_access(expr, alert_name.as_deref()),
            _ => None,
        };
        problems.extend(found.map(|(position, message)| Problem::new(file, position, message)));
        true
    });
    problems.sort_by_key(|problem| problem.at);
    problems.dedup();
    problems
}

/// A script's function silently takes the place of ours of the same name.
fn shadowed(file: &str, text: &str, ast: &AST) -> Vec<Problem> {
    let ours = ast.iter_functions().filter(|function| OURS.contains(&function.name));
    ours.map(|function| {
        let message = format!(
            "fn {} would take the place of the playbook language's own `{}`: choose another name",
            function.name, function.name
        );
        Problem::new(file, position_of_fn(text, function.name), message)
    })
    .collect()
}

/// Where `fn name` stands. Rhai keeps no place of a function: the text is searched.
pub(super) fn position_of_fn(text: &str, name: &str) -> Position {
    for (line, text) in (1..=u16::MAX).zip(text.lines()) {
        let indent = text.len() - text.trim_start().len();
        let defines = text.trim_start().strip_prefix("private ").unwrap_or(text.trim_start());
        let found = defines
            .strip_prefix("fn ")
            .and_then(|rest| rest.trim_start().strip_prefix(name))
            .is_some_and(|rest| rest.trim_start().starts_with('('));
        if found {
            return Position::new(line, u16::try_from(indent + 1).unwrap_or(1));
        }
    }
    Position::NONE
}

type Found = Option<(Position, String)>;

fn check_call(
    call: &FnCallExpr,
    arity: usize,
    position: Position,
    known: &HashMap<String, BTreeSet<usize>>,
    needs: &BTreeSet<Capability>,
) -> Found {
    let name = call.name.as_str();
    if call.op_token.is_some() || KEYWORDS.contains(&name) {
        return None;
    }
    if WITHDRAWN.contains(&name) {
        return Some((position, format!("`{name}` is not offered: a plan is made at once")));
    }
    let Some(arities) = known.get(name) else {
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let cure = nearest(name, &names).map(|name| format!("; did you mean `{name}`?"));
        return Some((position, format!("unknown function `{name}`{}", cure.unwrap_or_default())));
    };
    if !arities.contains(&arity) {
        let takes = arities.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ");
        let noun = if takes == "1" { "argument" } else { "arguments" };
        return Some((position, format!("`{name}` takes {takes} {noun}, not {arity}")));
    }
    let wanted = Capability::of_verb(name);
    let first = wanted.first()?;
    let declared = wanted.iter().any(|capability| needs.contains(capability));
    (!declared).then(|| (position, first.undeclared(name)))
}

/// `alert.nmae`, `alert["proc.nmae"]`
fn check_alert_access(expr: &Expr, alert_name: Option<&str>) -> Found {
    let (Expr::Dot(pair, ..) | Expr::Index(pair, ..)) = expr else { return None };
    let Expr::Variable(variable, ..) = &pair.lhs else { return None };
    if Some(variable.1.as_str()) != alert_name {
        return None;
    }
    // `alert.pod.name` is alert . (pod . name): what is asked of the alert comes first.
    let asked = match &pair.rhs {
        Expr::Dot(rest, ..) | Expr::Index(rest, ..) => &rest.lhs,
        only => only,
    };
    match (expr, asked) {
        (Expr::Dot(..), Expr::Property(property, position)) => {
            let name = property.2.as_str();
            (!ALERT_PROPERTIES.contains(&name)).then(|| (*position, unknown_property(name)))
        }
        (Expr::Index(..), Expr::StringConstant(name, position)) => {
            check_field(name).err().map(|message| (*position, message))
        }
        _ => None,
    }
}

/// Where the value at `path` stands in the map of `playbook(#{ ... })`.
pub(super) fn position_in_head(ast: &AST, path: &[String]) -> Position {
    let head = ast.statements().iter().find_map(|statement| match statement {
        Stmt::FnCall(call, position) if call.name == "playbook" => Some((call, *position)),
        Stmt::Expr(expr) => match expr.as_ref() {
            Expr::FnCall(call, position) if call.name == "playbook" => Some((call, *position)),
            _ => None,
        },
        _ => None,
    });
    let Some((call, mut position)) = head else { return Position::NONE };
    let mut value = call.args.first();
    for key in path {
        let Some(Expr::Map(map, _)) = value else { break };
        let Some((name, inner)) = map.0.iter().find(|(name, _)| name.name == key.as_str()) else {
            break;
        };
        position = name.pos;
        value = Some(inner);
    }
    position
}
