//! Names become fields, literals become constants of the field's kind.

use super::{
    Extract, Predicate, Right, Test,
    constant::Constant,
    misuse::{Misuse, misuses},
    operands::{extract_of, kind_name, name_of},
};
use crate::{
    event_names,
    field::{Field, Kind, Shape},
    suggest,
    syntax::{self, Check, Expr, Literal, Operand, Operator, Quantifier, Span},
};

/// Why a tree cannot be evaluated. The messages are Falco's.
#[derive(Debug)]
pub(crate) struct CompileError {
    pub(crate) message: String,
    /// Where the cause stands.
    pub(crate) span: Span,
    /// Where Falco points: at the begin of the check that the cause is in.
    pub(crate) falco_span: Span,
    pub(crate) suggestion: Option<String>,
    /// Whether a name is unknown that a newer sensor may know: `skip-if-unknown-filter`.
    pub(crate) unknown_name: bool,
}

impl CompileError {
    pub(crate) fn new(message: impl Into<String>, span: Span) -> Self {
        let message = message.into();
        Self { message, span, falco_span: span, suggestion: None, unknown_name: false }
    }
}

/// More errors of one condition than these are not looked for.
const ERRORS_MAX: usize = 20;

/// Compiles a tree that names no macro any more; gives each thing that is wrong with it, once.
pub(crate) fn compile(
    expr: &Expr,
    found: &mut Vec<Misuse>,
) -> Result<Predicate, Vec<CompileError>> {
    let mut errors = Vec::new();
    compile_part(expr, found, &mut errors).filter(|_| errors.is_empty()).ok_or(errors)
}

/// What is wrong with one part does not hide what is wrong with the next one.
fn compile_part(
    expr: &Expr,
    found: &mut Vec<Misuse>,
    errors: &mut Vec<CompileError>,
) -> Option<Predicate> {
    let error = match expr {
        Expr::And(children) => return compile_parts(children, found, errors).map(Predicate::And),
        Expr::Or(children) => return compile_parts(children, found, errors).map(Predicate::Or),
        Expr::Not(inner) => {
            let inner = compile_part(inner, found, errors)?;
            return Some(Predicate::Not(Box::new(inner)));
        }
        Expr::Macro { name, span } => {
            CompileError::new(format!("Undefined macro '{name}' used in filter."), *span)
        }
        Expr::Check(check) => match test(check, found) {
            Ok(test) => return Some(Predicate::Test(test)),
            Err(error) => CompileError { falco_span: check.left.span(), ..error },
        },
    };
    // A macro that several parts name is wrong once.
    let same = |known: &CompileError| {
        (known.span.text, known.span.start) == (error.span.text, error.span.start)
    };
    if errors.len() < ERRORS_MAX && !errors.iter().any(same) {
        errors.push(error);
    }
    None
}

fn compile_parts(
    parts: &[Expr],
    found: &mut Vec<Misuse>,
    errors: &mut Vec<CompileError>,
) -> Option<Vec<Predicate>> {
    let mut compiled = Vec::with_capacity(parts.len());
    for part in parts {
        compiled.extend(compile_part(part, found, errors));
        if errors.len() >= ERRORS_MAX {
            break;
        }
    }
    (compiled.len() == parts.len()).then_some(compiled)
}

fn test(check: &Check, found: &mut Vec<Misuse>) -> Result<Test, CompileError> {
    let left = extract_of(&check.left)?;
    let list = left.shape() == Shape::List;
    if let Some(message) = unfit(left.kind(), list, check.operator, check.quantifier.is_some()) {
        let message = format!("filter error: {message}");
        return Err(CompileError::new(message, check.operator_span));
    }
    check_event_type_operands(check)?;
    let right = match &check.right {
        syntax::Right::Nothing => Right::Nothing,
        syntax::Right::Operand(operand) => Right::Extract(right_extract(&left, check, operand)?),
        syntax::Right::Value(literal) => {
            constants(&left, check, std::slice::from_ref(literal), found)?
        }
        syntax::Right::List(literals) => constants(&left, check, literals, found)?,
    };
    Ok(Test { left, operator: check.operator, right })
}

/// Says why an operator does not work on values of a kind.
fn unfit(kind: Kind, list: bool, operator: Operator, quantified: bool) -> Option<String> {
    use Operator as Op;
    let same = matches!(operator, Op::Equal | Op::NotEqual | Op::In | Op::Intersects | Op::Exists);
    let order = matches!(operator, Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual);
    let part = matches!(operator, Op::Contains | Op::StartsWith | Op::EndsWith);
    let bytes = matches!(operator, Op::BytesContain | Op::BytesStartWith);
    let (fits, filters) = match kind {
        _ if operator == Op::Exists => (true, ""),
        Kind::Int | Kind::Port | Kind::Bytes if list => {
            let kind = kind_name(kind);
            return Some(format!("list filters are not supported for type '{kind}'"));
        }
        _ if list => (matches!(operator, Op::In | Op::Intersects), "list"),
        Kind::Text | Kind::Path => (!bytes, "for string"),
        Kind::Bytes => (same || part || bytes, "for buffer"),
        Kind::Int | Kind::Uint | Kind::Port | Kind::Time => (same || order, "for numeric"),
        Kind::Bool => (same, "for numeric"),
        Kind::Ip | Kind::Net => (same, "for ip address and network"),
    };
    let name = operator.as_str();
    if !fits && !list && quantified && matches!(kind, Kind::Ip | Kind::Net) {
        return Some(format!("'{name}' with modifier not supported {filters} filters"));
    }
    (!fits).then(|| format!("'{name}' operator not supported {filters} filters"))
}

/// Refuses what hides from the event types of a condition which they are.
fn check_event_type_operands(check: &Check) -> Result<(), CompileError> {
    use Operator as Op;
    let named = matches!(check.operator, Op::Equal | Op::NotEqual | Op::In);
    if !(named && check.quantifier.is_none()) && check.operator != Op::Exists {
        return Ok(());
    }
    let refuse = |message: &str, span| Err(CompileError::new(message, span));
    match is_event_type(&check.left) {
        Err(span) => {
            refuse("event code search does not support `evt.type` checks with transformers", span)
        }
        Ok(true) => match &check.right {
            syntax::Right::Operand(operand) => refuse(
                "right-hand field comparisons on `evt.type`/`syscall.type` checks are not \
                 supported by event code search",
                operand.span(),
            ),
            _ => Ok(()),
        },
        Ok(false) => Ok(()),
    }
}

/// Whether an operand is the type of the event; an error where it is the argument of a call.
fn is_event_type(operand: &Operand) -> Result<bool, Span> {
    match operand {
        Operand::Field { name, arg, .. } => {
            Ok(arg.is_none() && (name == "evt.type" || name == "syscall.type"))
        }
        Operand::Constant(_) => Ok(false),
        Operand::List { items, .. } => items.iter().try_fold(false, |_, item| is_event_type(item)),
        Operand::Call { arguments, .. } => {
            for argument in arguments {
                if is_event_type(argument)? {
                    return Err(argument.span());
                }
            }
            Ok(false)
        }
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
        let operator = check.operator.as_str().to_ascii_uppercase();
        return refuse(format!("operator '{operator}' doesn't support right-hand side fields"));
    }
    if left.kind() == Kind::Net {
        return refuse("field type 'IPNET' doesn't support right-hand side fields".to_owned());
    }
    if !left.is_comparable_with_fields() {
        let name = name_of(left);
        return refuse(format!("field '{name}' doesn't support right-hand side fields"));
    }
    if !right.is_comparable_with_fields() {
        let name = name_of(&right);
        return refuse(format!("field '{name}' can't be used as a right-hand side field"));
    }
    let list = |extract: &Extract| extract.shape() == Shape::List;
    // To Falco, a path is text like any other.
    let kind = |extract: &Extract| match extract.kind() {
        Kind::Path => Kind::Text,
        kind => kind,
    };
    if kind(left) != kind(&right) || list(left) != list(&right) {
        let word = |extract: &Extract| if list(extract) { " (list)" } else { "" };
        return refuse(format!(
            "field '{}' has type '{}'{} while the right-hand side field '{}' has incompatible type \
             '{}'{}",
            name_of(left),
            kind_name(left.kind()),
            word(left),
            name_of(&right),
            kind_name(right.kind()),
            word(&right),
        ));
    }
    Ok(right)
}

fn constants(
    left: &Extract,
    check: &Check,
    literals: &[Literal],
    found: &mut Vec<Misuse>,
) -> Result<Right, CompileError> {
    let names_types = left.innermost_field().is_some_and(|left| left.field == Field::EvtType);
    let quantifier = check.quantifier.unwrap_or(Quantifier::Any);
    let mut constants = Vec::with_capacity(literals.len());
    for literal in literals {
        found.extend(misuses(check, literal));
        let constant = Constant::read(left.kind(), check.operator, &literal.value)
            .map_err(|message| CompileError::new(message, literal.span))?;
        if names_types {
            check_event_type(literal)?;
        }
        constants.push(constant);
    }
    let same = matches!(check.operator, Operator::Equal | Operator::In | Operator::Intersects);
    if same && quantifier == Quantifier::Any && constants.len() > 1 {
        let texts = constants.iter().map(|constant| match constant {
            Constant::Text(text) => Some(text.clone()),
            _ => None,
        });
        if let Some(texts) = texts.collect() {
            return Ok(Right::Texts(texts));
        }
    }
    Ok(Right::Constants(quantifier, constants))
}

fn check_event_type(literal: &Literal) -> Result<(), CompileError> {
    let name = String::from_utf8_lossy(&literal.value);
    if event_names::is_known(&name) {
        return Ok(());
    }
    let message = format!("unknown event type {name}");
    let suggestion = suggest::nearest(&name, event_names::NAMES.iter().copied());
    Err(CompileError { suggestion, unknown_name: true, ..CompileError::new(message, literal.span) })
}
