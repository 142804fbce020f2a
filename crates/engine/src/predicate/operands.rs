//! Fields and calls: which functions take what.

use super::{CompileError, Extract};
use crate::{
    field::{FieldRef, FieldRefError, Kind, Shape},
    syntax::{Function, Operand, Span},
};

/// Looks up the fields of an operand and checks what its functions take.
pub(crate) fn extract_of(operand: &Operand) -> Result<Extract, CompileError> {
    match operand {
        Operand::Field { name, arg, span } => {
            FieldRef::resolve(name, arg.as_deref()).map(Extract::Field).map_err(|error| {
                let mut refused = CompileError::new(error.to_string(), *span);
                refused.suggestion = error.nearest().map(str::to_owned);
                refused.unknown_name = matches!(error, FieldRefError::Unknown { .. });
                refused
            })
        }
        Operand::Constant(literal) => Ok(Extract::Text(literal.value.clone())),
        Operand::List { items, .. } => {
            items.iter().map(extract_of).collect::<Result<_, _>>().map(Extract::List)
        }
        Operand::Call { function, arguments, arg, span } => {
            let arguments = arguments.iter().map(extract_of).collect::<Result<Vec<_>, _>>()?;
            call(*function, arguments, arg.as_deref(), *span)
        }
    }
}

fn call(
    function: Function,
    mut arguments: Vec<Extract>,
    arg: Option<&str>,
    span: Span,
) -> Result<Extract, CompileError> {
    let name = function.as_str();
    let refuse = |message: String| Err(CompileError::new(message, span));
    let multiple = matches!(function, Function::Join | Function::Concat | Function::GetOpt);
    let checked = match arguments.as_slice() {
        [_] if arg.is_some() => {
            Err(format!("filter error: transformer '{name}' does not support field arguments"))
        }
        // The spelling is Falco's.
        [_] if multiple => Err(format!("unknown field transfomer '{name}'")),
        [argument] if function != Function::Val => check_argument(function, argument),
        [_] => Ok(()),
        arguments => match function {
            Function::Join => check_join(arguments),
            Function::Concat => check_concat(arguments),
            Function::GetOpt => check_getopt(arguments),
            _ => Err("unknown multivalue transformer".to_owned()),
        },
    };
    if let Err(message) = checked {
        return refuse(message);
    }
    if function == Function::Val {
        // It says what could not be said without it: that this is a field.
        return match arguments.pop() {
            Some(field) => Ok(field),
            None => refuse("expected a field within 'val' transformer".to_owned()),
        };
    }
    let option = match (function, arg.map(str::as_bytes)) {
        (_, None) => None,
        (Function::GetOpt, Some([option])) => Some(*option),
        (Function::GetOpt, Some(_)) => {
            return refuse("getopt() field argument must be a single option character".to_owned());
        }
        (_, Some(_)) => {
            return refuse(format!("transformer '{name}' does not support field arguments"));
        }
    };
    Ok(Extract::Call { function, arguments, option })
}

/// What a function of one value takes.
fn check_argument(function: Function, argument: &Extract) -> Result<(), String> {
    let name = name_of(argument);
    if !argument.takes_transformers() {
        return Err(format!("field '{name}' does not support transformers"));
    }
    let list = argument.shape() == Shape::List;
    let takes = match (function, argument.kind()) {
        (Function::Len, _) if list => true,
        (Function::Base64 | Function::Len, Kind::Bytes) => true,
        (Function::Base64, kind) => kind == Kind::Text,
        (_, kind) => matches!(kind, Kind::Text | Kind::Path),
    };
    if takes {
        return Ok(());
    }
    let (function, kind) = (function.as_str(), kind_name(argument.kind()));
    let list = if list { "list " } else { "" };
    Err(format!(
        "can't add field transformer: type '{kind}' is not supported by '{function}' transformer \
         applied on {list}field '{name}'"
    ))
}

fn check_join(arguments: &[Extract]) -> Result<(), String> {
    let [separator, list] = arguments else {
        return Err("join() requires exactly 2 arguments: separator and list".to_owned());
    };
    if is_list(separator) {
        return Err(
            "join() first argument (separator) must be a single value, not a list".to_owned()
        );
    }
    if !is_list(list) {
        return Err("join() second argument must be a list".to_owned());
    }
    Ok(())
}

fn check_concat(arguments: &[Extract]) -> Result<(), String> {
    if arguments.len() < 2 {
        return Err("concat() requires at least 2 arguments".to_owned());
    }
    if arguments.iter().any(|argument| !is_text(argument) || is_list(argument)) {
        return Err("concat() arguments must be strings".to_owned());
    }
    Ok(())
}

fn check_getopt(arguments: &[Extract]) -> Result<(), String> {
    let [words, letters] = arguments else {
        return Err("getopt() requires exactly 2 arguments: args list and optstring".to_owned());
    };
    if !is_list(words) {
        return Err("getopt() first argument must be a list".to_owned());
    }
    if is_list(letters) {
        return Err("getopt() second argument (optstring) must be a single value".to_owned());
    }
    if !is_text(words) || !is_text(letters) {
        return Err("getopt() arguments must be strings".to_owned());
    }
    Ok(())
}

/// Falco looks at the value before functions of one value were at it: the length of a text passes
/// for text.
fn without_functions(extract: &Extract) -> &Extract {
    let mut extract = extract;
    while let Extract::Call { arguments, .. } = extract
        && let [argument] = arguments.as_slice()
    {
        extract = argument;
    }
    extract
}

fn is_list(extract: &Extract) -> bool {
    without_functions(extract).shape() == Shape::List
}

fn is_text(extract: &Extract) -> bool {
    matches!(without_functions(extract).kind(), Kind::Text | Kind::Path)
}

/// What messages call it: its field, or what Falco calls what has none.
pub(super) fn name_of(extract: &Extract) -> String {
    match extract.innermost_field() {
        Some(field) => field.field.to_string(),
        None => "INTERNAL.".to_owned(),
    }
}

/// Falco's word for a kind. It has several of numbers, which differ in their size.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Path => "CHARBUF",
        Kind::Bytes => "BYTEBUF",
        Kind::Int => "INT64",
        Kind::Uint => "UINT64",
        Kind::Port => "PORT",
        Kind::Time => "ABSTIME",
        Kind::Bool => "BOOL",
        Kind::Ip => "IPADDR",
        Kind::Net => "IPNET",
    }
}
