//! Text to tree.
//!
//! Brackets that group are kept on a stack of our own, so the depth of the text is not the depth of
//! ours. Falco's parser calls itself, and counts how deep: we count the same, to refuse the same.

mod operands;

use crate::suggest;

use super::{
    Check, Expr, Function, LEVELS_MAX, OPERATORS, Operand, Operator, OperatorClass, Quantifier,
    Right, Span, cursor::Cursor,
};

/// How deep Falco's loader lets its parser call itself. A bracket takes five calls.
const DEPTH_MAX: usize = 1000;

/// Why a text is no condition. The messages are Falco's.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) message: String,
    pub(crate) span: Span,
    /// What may have been meant.
    pub(crate) suggestion: Option<String>,
}

/// Small, as calls in calls go deep.
type Refused = Box<SyntaxError>;

/// Parses a condition; `text_id` goes into the spans.
pub(crate) fn parse(text: &str, text_id: usize) -> Result<Expr, SyntaxError> {
    if text.is_empty() {
        let span = Span { text: text_id, start: 0 };
        let message = "filter input string is empty".to_owned();
        return Err(SyntaxError { message, span, suggestion: None });
    }
    let expr = Parser { cursor: Cursor::new(text), text: text_id }
        .expression()
        .map_err(|refused| *refused)?;
    if expr.levels() > LEVELS_MAX {
        let message = format!("more than {LEVELS_MAX} levels of 'and', 'or' and 'not'");
        let span = Span { text: text_id, start: 0 };
        return Err(SyntaxError { message, span, suggestion: None });
    }
    Ok(expr)
}

/// Parses the field or the call that `text` begins with; gives what follows it.
pub(crate) fn parse_operand(text: &str) -> Result<(Operand, &str), SyntaxError> {
    let mut parser = Parser { cursor: Cursor::new(text), text: 0 };
    match parser.left(1).map_err(|refused| *refused)? {
        Some(operand) => Ok((operand, parser.cursor.rest())),
        None => Err(*parser.error("a '%' must be followed by a field or a transformer")),
    }
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    text: usize,
}

/// What stands between one pair of brackets, so far.
struct Group {
    /// How many calls deep Falco's parser is when it looks for alternatives here.
    depth: usize,
    alternatives: Vec<Expr>,
    conjunction: Vec<Expr>,
    /// Whether the operand being read follows an odd number of `not`.
    negated: bool,
    /// Whether the last operand is a bracket right after `or`, which no `and` may follow.
    complete: bool,
}

impl Group {
    fn at(depth: usize) -> Self {
        let (alternatives, conjunction) = (Vec::new(), Vec::new());
        Self { depth, alternatives, conjunction, negated: false, complete: false }
    }

    fn operand(&mut self, operand: Expr) {
        let negated = std::mem::take(&mut self.negated);
        self.conjunction.push(if negated { Expr::Not(Box::new(operand)) } else { operand });
    }

    fn end_conjunction(&mut self) {
        let parts = std::mem::take(&mut self.conjunction);
        self.alternatives.extend(single_or(parts, Expr::And));
    }

    fn finish(mut self) -> Option<Expr> {
        self.end_conjunction();
        single_or(self.alternatives, Expr::Or)
    }
}

fn single_or(mut parts: Vec<Expr>, join: impl FnOnce(Vec<Expr>) -> Expr) -> Option<Expr> {
    if parts.len() > 1 { Some(join(parts)) } else { parts.pop() }
}

/// What may come next.
enum Next {
    /// `not`s, then a bracket or a check.
    Operand,
    /// The inside of a bracket that a word brought along: `and(`.
    Bracket { depth: usize },
}

impl Parser<'_> {
    fn expression(mut self) -> Result<Expr, Refused> {
        let mut outer: Vec<Group> = Vec::new();
        let mut group = Group::at(1);
        let mut next = Next::Operand;
        loop {
            let bracket = match next {
                Next::Bracket { depth } => Some(depth),
                Next::Operand => self.negations_and_bracket(&mut group)?,
            };
            if let Some(depth) = bracket {
                self.guard(depth)?;
                self.cursor.blanks();
                self.guard(depth + 1)?;
                outer.push(std::mem::replace(&mut group, Group::at(depth + 1)));
                next = Next::Operand;
                continue;
            }
            let check = self.check_or_macro(group.depth + 3)?;
            group.operand(check);

            // What follows it: closing brackets, then `and`, `or` or the end.
            next = loop {
                self.cursor.blanks();
                if !group.complete && self.cursor.token("and") {
                    break self.after_word("and", group.depth + 2)?;
                }
                if self.cursor.token("or") {
                    group.end_conjunction();
                    let next = self.after_word("or", group.depth + 1)?;
                    group.complete = matches!(next, Next::Bracket { .. });
                    break next;
                }
                match outer.pop() {
                    Some(parent) if self.cursor.token(")") => {
                        let inner = std::mem::replace(&mut group, parent).finish();
                        group.operand(inner.ok_or_else(|| self.error(OPERAND_EXPECTED))?);
                    }
                    Some(_) => return Err(self.error("expected a ')' token")),
                    None if self.cursor.at_end() => {
                        return group.finish().ok_or_else(|| self.error(OPERAND_EXPECTED));
                    }
                    None => {
                        let last = self.last_token();
                        let message =
                            format!("unexpected token after '{last}', expecting 'or', 'and'");
                        // What stands before a bracket was meant to be called.
                        let known = Function::ALL.iter().map(|function| function.as_str());
                        let is_call = self.cursor.peek() == Some(b'(');
                        let suggestion = suggest::nearest(&last, known).filter(|_| is_call);
                        return Err(Box::new(SyntaxError { suggestion, ..*self.error(message) }));
                    }
                }
            };
        }
    }

    /// Takes what may stand before a check; gives the depth inside a bracket that it ends with.
    fn negations_and_bracket(&mut self, group: &mut Group) -> Result<Option<usize>, Refused> {
        self.cursor.blanks();
        self.guard(group.depth + 2)?;
        while self.cursor.negation() {
            group.negated = !group.negated;
        }
        if self.cursor.token("not(") {
            group.negated = !group.negated;
            return Ok(Some(group.depth + 3));
        }
        self.guard(group.depth + 3)?;
        self.cursor.blanks();
        Ok(self.cursor.token("(").then_some(group.depth + 4))
    }

    fn after_word(&mut self, word: &str, depth: usize) -> Result<Next, Refused> {
        if self.cursor.blanks() {
            return Ok(Next::Operand);
        }
        if self.cursor.token("(") {
            return Ok(Next::Bracket { depth });
        }
        Err(self.error(format!("expected blank or '(' after '{word}'")))
    }

    fn check_or_macro(&mut self, depth: usize) -> Result<Expr, Refused> {
        if let Some(left) = self.left(depth)? {
            return self.check(left, depth + 1).map(|check| Expr::Check(Box::new(check)));
        }
        let start = self.cursor.offset();
        match self.cursor.identifier() {
            Some(name) => Ok(Expr::Macro { name: name.to_owned(), span: self.span(start) }),
            None => Err(self.error(OPERAND_EXPECTED)),
        }
    }

    fn check(&mut self, left: Operand, depth: usize) -> Result<Check, Refused> {
        self.guard(depth)?;
        self.cursor.blanks();
        let start = self.cursor.offset();
        let (operator_text, operator, class) = self.operator()?;
        let operator_span = self.span(start);
        let blank = self.cursor.blanks() || operator_text.ends_with(|c: char| c.is_alphabetic());
        let mut quantifier = None;
        if class == OperatorClass::Text && blank {
            quantifier = self.quantifier();
        }
        if class != OperatorClass::Unary {
            self.guard(depth + 1)?;
        }
        let right_span = self.span(self.cursor.offset());
        let right = match class {
            OperatorClass::Unary => Right::Nothing,
            OperatorClass::Number => self.number(depth + 1)?,
            OperatorClass::Text if quantifier.is_none() => self.value(depth + 1)?,
            OperatorClass::Text => self.list(depth + 1, false)?,
            OperatorClass::List => self.list(depth + 1, true)?,
        };
        Ok(Check { left, operator, operator_text, operator_span, quantifier, right, right_span })
    }

    fn operator(&mut self) -> Result<(&'static str, Operator, OperatorClass), Refused> {
        for &(text, operator, class) in OPERATORS {
            let word = text.ends_with(|last: char| last.is_ascii_alphabetic());
            let found = if word && class == OperatorClass::Text {
                self.cursor.word_and_blank(text)
            } else {
                self.cursor.token(text)
            };
            if found {
                return Ok((text, operator, class));
            }
        }
        let all = OPERATORS.iter().map(|(text, ..)| format!("'{text}'")).collect::<Vec<_>>();
        let message = format!("expected a valid check operator: one of {}", all.join(", "));
        let known = OPERATORS.iter().map(|(text, ..)| *text);
        let suggestion =
            self.cursor.clone().identifier().and_then(|word| suggest::nearest(word, known));
        Err(Box::new(SyntaxError { suggestion, ..*self.error(message) }))
    }

    /// Takes `oneof` and the like, but only where a list or a name follows; else it is a value.
    fn quantifier(&mut self) -> Option<Quantifier> {
        Quantifier::EACH.into_iter().find(|quantifier| {
            let mut ahead = self.cursor.clone();
            let word = ahead.word_and_blank(quantifier.as_str());
            let follows = ahead.peek() == Some(b'(')
                || (ahead.clone().identifier().is_some() && !begins_with_word(ahead.rest()));
            if word && follows {
                self.cursor = ahead;
            }
            word && follows
        })
    }

    /// Refuses what Falco would find too deep.
    fn guard(&self, depth: usize) -> Result<(), Refused> {
        if depth < DEPTH_MAX {
            return Ok(());
        }
        Err(self.error(format!("exceeded max depth limit of {DEPTH_MAX}")))
    }

    fn span(&self, start: usize) -> Span {
        Span { text: self.text, start }
    }

    fn error(&self, message: impl Into<String>) -> Refused {
        let span = self.span(self.cursor.offset());
        Box::new(SyntaxError { message: message.into(), span, suggestion: None })
    }
}

/// Whether a text begins with `and`, `or` or `not` as a word. An underscore ends one, as in Falco.
fn begins_with_word(text: &str) -> bool {
    ["and", "or", "not"].iter().any(|word| {
        text.strip_prefix(word)
            .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
    })
}

/// The functions as messages list them.
fn function_names() -> String {
    Function::ALL.map(|function| format!("'{}'", function.as_str())).join(", ")
}

const OPERAND_EXPECTED: &str = "expected a '(' token, a field check, or an identifier";
