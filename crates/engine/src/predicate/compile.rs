//! Names become fields, literals become constants of the field's kind.

use super::{Predicate, Right, Test, constant::Constant, extract::Extract};
use crate::{
    event_names,
    field::{Field, FieldRef, FieldRefError, Kind, Shape},
    suggest,
    syntax::{self, Check, Expr, Function, Literal, Operand, Operator, Quantifier, Span},
};

/// Why a tree cannot be evaluated.
#[derive(Debug)]
pub(crate) struct CompileError {
    pub(crate) message: String,
    pub(crate) span: Span,
    pub(crate) suggestion: Option<String>,
    /// Whether a name is unknown that a newer sensor may know: `skip-if-unknown-filter`.
    pub(crate) unknown_name: bool,
}

impl CompileError {
    fn new(message: impl Into<String>, span: Span) -> Self {
        Self { message: message.into(), span, suggestion: None, unknown_name: false }
    }
}

/// Something that compiles but may not mean what it says.
#[derive(Debug)]
pub(crate) struct Misuse {
    pub(crate) message: String,
    pub(crate) span: Span,
}

/// Compiles a tree that names no macro any more.
pub(crate) fn compile(expr: &Expr, misuses: &mut Vec<Misuse>) -> Result<Predicate, CompileError> {
    let mut parts = |parts: &[Expr]| {
        parts.iter().map(|part| compile(part, misuses)).collect::<Result<Vec<_>, _>>()
    };
    match expr {
        Expr::And(children) => Ok(Predicate::And(parts(children)?)),
        Expr::Or(children) => Ok(Predicate::Or(parts(children)?)),
        Expr::Not(inner) => Ok(Predicate::Not(Box::new(compile(inner, misuses)?))),
        Expr::Macro { name, span } => {
            Err(CompileError::new(format!("Undefined macro '{name}' used in filter."), *span))
        }
        Expr::Check(check) => test(check, misuses).map(Predicate::Test),
    }
}

/// Looks up the fields of an operand and checks what its functions take.
pub(crate) fn extract_of(operand: &Operand) -> Result<Extract, CompileError> {
    match operand {
        Operand::Field { name, arg, span } => {
            FieldRef::resolve(name, arg.as_deref()).map(Extract::Field).map_err(|error| {
                let message = error.to_string();
                let mut refused = CompileError::new(message, *span);
                refused.suggestion = error.nearest().map(str::to_owned);
                refused.unknown_name = matches!(error, FieldRefError::Unknown { .. });
                refused
            })
        }
        Operand::Call { function: Function::Val, inner, .. } => extract_of(inner),
        Operand::Call { function, inner, span } => {
            let argument = extract_of(inner)?;
            let (kind, text) = (argument.kind(), class(argument.kind()) == 0);
            let takes = match function {
                Function::Base64 => matches!(kind, Kind::Text | Kind::Bytes),
                Function::Len => text || argument.shape() == Shape::List,
                _ => matches!(kind, Kind::Text | Kind::Path),
            };
            if !takes {
                let (name, kind) = (function.as_str(), kind.as_str());
                let field = name_of(&argument);
                let message =
                    format!("transformer '{name}' does not take {field}, which is {kind}");
                return Err(CompileError::new(message, *span));
            }
            Ok(Extract::Call { function: *function, arguments: vec![argument], option: None })
        }
    }
}

/// What the messages call it: its first field.
fn name_of(extract: &Extract) -> String {
    let mut name = None;
    extract.for_each_field(&mut |field| {
        name.get_or_insert_with(|| field.to_string());
    });
    name.unwrap_or_else(|| "a constant".to_owned())
}

fn test(check: &Check, misuses: &mut Vec<Misuse>) -> Result<Test, CompileError> {
    let left = extract_of(&check.left)?;
    if !takes(left.kind(), left.shape(), check.operator) {
        let (operator, field) = (check.operator_text, name_of(&left));
        let list = if left.shape() == Shape::List { "a list of " } else { "" };
        let kind = left.kind().as_str();
        let message =
            format!("operator '{operator}' does not work on {field}, which is {list}{kind}");
        return Err(CompileError::new(message, check.operator_span));
    }
    let right = match &check.right {
        syntax::Right::Nothing => Right::Nothing,
        syntax::Right::Operand(operand) => Right::Extract(right_extract(&left, check, operand)?),
        syntax::Right::Value(literal) => {
            constants(&left, check, std::slice::from_ref(literal), misuses)?
        }
        syntax::Right::List(literals) => constants(&left, check, literals, misuses)?,
    };
    Ok(Test { left, operator: check.operator, right })
}

/// Which operators work on which fields.
fn takes(kind: Kind, shape: Shape, operator: Operator) -> bool {
    use Operator as Op;
    if shape == Shape::List {
        return matches!(operator, Op::In | Op::Intersects | Op::Exists);
    }
    match operator {
        Op::Equal | Op::NotEqual | Op::In | Op::Intersects | Op::Exists => true,
        Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => {
            !matches!(kind, Kind::Bool | Kind::Ip | Kind::Net | Kind::Bytes)
        }
        Op::Contains | Op::StartsWith | Op::EndsWith => {
            matches!(kind, Kind::Text | Kind::Path | Kind::Bytes)
        }
        Op::ContainsNoCase | Op::Glob | Op::GlobNoCase | Op::Regex | Op::PathMatch => {
            matches!(kind, Kind::Text | Kind::Path)
        }
        Op::BytesContain | Op::BytesStartWith => kind == Kind::Bytes,
    }
}

fn right_extract(
    left: &Extract,
    check: &Check,
    operand: &Operand,
) -> Result<Extract, CompileError> {
    let right = extract_of(operand)?;
    let refuse = |message| Err(CompileError::new(message, operand.span()));
    if matches!(check.operator, Operator::PathMatch | Operator::Regex) {
        return refuse(format!("operator '{}' needs a constant", check.operator_text));
    }
    let many = right.shape() != Shape::Scalar && right.shape() != Shape::List;
    if many || right.kind() == Kind::Net || left.kind() == Kind::Net {
        let right = name_of(&right);
        return refuse(format!("{right} cannot be compared with another field"));
    }
    if class(left.kind()) != class(right.kind()) {
        let (a, b) = (left.kind().as_str(), right.kind().as_str());
        return refuse(format!("{} is {a} and {} is {b}", name_of(left), name_of(&right)));
    }
    Ok(right)
}

/// Kinds of one class can be compared with each other.
fn class(kind: Kind) -> u8 {
    match kind {
        Kind::Text | Kind::Path | Kind::Bytes => 0,
        Kind::Int | Kind::Uint | Kind::Port | Kind::Time => 1,
        Kind::Bool => 2,
        Kind::Ip | Kind::Net => 3,
    }
}

fn constants(
    left: &Extract,
    check: &Check,
    literals: &[Literal],
    misuses: &mut Vec<Misuse>,
) -> Result<Right, CompileError> {
    for literal in literals {
        if left.as_plain_field().is_some_and(|left| left.field == Field::EvtType) {
            check_event_type(literal)?;
        } else {
            misuses.extend(misuse(check.operator, literal));
        }
    }
    let quantifier = check.quantifier.unwrap_or(Quantifier::Any);
    let same = matches!(check.operator, Operator::Equal | Operator::In | Operator::Intersects);
    let text = class(left.kind()) == 0;
    if same && text && quantifier == Quantifier::Any && literals.len() > 1 {
        return Ok(Right::Texts(literals.iter().map(|literal| literal.value.clone()).collect()));
    }
    let constants = literals.iter().map(|literal| {
        Constant::read(left.kind(), check.operator, &literal.value)
            .map_err(|message| CompileError::new(message, literal.span))
    });
    Ok(Right::Constants(quantifier, constants.collect::<Result<_, _>>()?))
}

fn check_event_type(literal: &Literal) -> Result<(), CompileError> {
    let name = String::from_utf8_lossy(&literal.value);
    if event_names::is_known(&name) {
        return Ok(());
    }
    Err(CompileError {
        message: format!("unknown event type {name}"),
        span: literal.span,
        suggestion: suggest::nearest(&name, event_names::NAMES.iter().copied()),
        unknown_name: true,
    })
}

/// What Falco's loader warns about, too.
fn misuse(operator: Operator, literal: &Literal) -> Option<Misuse> {
    let text = std::str::from_utf8(&literal.value).ok()?;
    let call = |function: &Function| {
        text.strip_prefix(function.as_str()).is_some_and(|rest| rest.starts_with('('))
    };
    let plain = |text: &str| !text.contains(|c: char| r"\.+*?()|[]{}^$".contains(c));
    let message = if FieldRef::parse(text).is_ok() {
        format!("'{text}' may be a valid field misused as a const string value")
    } else if Function::ALL.iter().any(call) {
        format!("'{text}' may be a valid field transformer misused as a const string value")
    } else if operator == Operator::Regex && plain(text) {
        format!(
            "regex check with '{text}' may be optimized with simpler operators such as '=', \
             'contains', 'startswith', 'endswith'"
        )
    } else {
        return None;
    };
    Some(Misuse { message, span: literal.span })
}
