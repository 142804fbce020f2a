//! Text to tree.
//!
//! Brackets are kept on a stack of our own, so the depth of the text is not the depth of ours.

mod sides;

use super::{
    Check, Expr, LEVELS_MAX, OPERATORS, Operand, Operator, OperatorClass, Quantifier, Right, Span,
    cursor::Cursor,
};

/// How deep brackets may nest, as in Falco's loader.
const DEPTH_MAX: usize = 1000;

/// Why a text is no condition.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) message: String,
    pub(crate) span: Span,
}

/// Parses a condition; `text_id` goes into the spans.
pub(crate) fn parse(text: &str, text_id: usize) -> Result<Expr, SyntaxError> {
    let expr = Parser { cursor: Cursor::new(text), text: text_id }.expression()?;
    if expr.levels() > LEVELS_MAX {
        let message = format!("more than {LEVELS_MAX} levels of 'and', 'or' and 'not'");
        return Err(SyntaxError { message, span: Span { text: text_id, start: 0 } });
    }
    Ok(expr)
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    text: usize,
}

/// What stands between one pair of brackets, so far.
#[derive(Default)]
struct Group {
    alternatives: Vec<Expr>,
    conjunction: Vec<Expr>,
    /// Whether the operand being read follows an odd number of `not`.
    negated: bool,
}

impl Group {
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

impl<'a> Parser<'a> {
    fn expression(mut self) -> Result<Expr, SyntaxError> {
        let mut outer: Vec<Group> = Vec::new();
        let mut group = Group::default();
        self.cursor.blanks();
        if self.cursor.at_end() {
            return Err(self.error("filter input string is empty"));
        }
        loop {
            // An operand: `not`s, then a bracket or a check.
            self.cursor.blanks();
            while self.negation() {
                group.negated = !group.negated;
            }
            if self.cursor.token("(") {
                if outer.len() >= DEPTH_MAX {
                    return Err(self.error(format!("exceeded max depth limit of {DEPTH_MAX}")));
                }
                outer.push(std::mem::take(&mut group));
                continue;
            }
            group.operand(self.check_or_macro()?);

            // What follows it: closing brackets, then `and`, `or` or the end.
            loop {
                self.cursor.blanks();
                if self.cursor.token(")") {
                    let Some(parent) = outer.pop() else {
                        return Err(self.error_before(1, "unexpected ')'"));
                    };
                    let inner = std::mem::replace(&mut group, parent).finish();
                    group.operand(inner.ok_or_else(|| self.error(OPERAND_EXPECTED))?);
                } else if self.cursor.token("and") {
                    self.blank_or_bracket("and")?;
                    break;
                } else if self.cursor.token("or") {
                    self.blank_or_bracket("or")?;
                    group.end_conjunction();
                    break;
                } else if !self.cursor.at_end() {
                    return Err(self.error("unexpected token, expecting 'or', 'and'"));
                } else if outer.is_empty() {
                    return group.finish().ok_or_else(|| self.error(OPERAND_EXPECTED));
                } else {
                    return Err(self.error("expected a ')' token"));
                }
            }
        }
    }

    /// Takes `not` and what must follow it.
    fn negation(&mut self) -> bool {
        let mut ahead = self.cursor.clone();
        let bracket = ahead.token("not") && ahead.peek() == Some(b'(');
        if bracket {
            self.cursor = ahead;
        }
        bracket || self.cursor.word_and_blank("not")
    }

    fn blank_or_bracket(&mut self, word: &str) -> Result<(), SyntaxError> {
        if self.cursor.blanks() || self.cursor.peek() == Some(b'(') {
            return Ok(());
        }
        Err(self.error(format!("expected blank or '(' after '{word}'")))
    }

    fn check_or_macro(&mut self) -> Result<Expr, SyntaxError> {
        let start = self.cursor.offset();
        if let Some(left) = self.operand()? {
            return self.check(left).map(Expr::Check);
        }
        match self.cursor.identifier() {
            Some("and" | "or" | "not") | None => {
                self.cursor.back_to(start);
                Err(self.error(OPERAND_EXPECTED))
            }
            Some(name) => Ok(Expr::Macro { name: name.to_owned(), span: self.span(start) }),
        }
    }

    fn check(&mut self, left: Operand) -> Result<Check, SyntaxError> {
        self.cursor.blanks();
        let start = self.cursor.offset();
        let (operator_text, operator, class) = self.operator()?;
        let operator_span = self.span(start);
        self.cursor.blanks();
        let mut quantifier = None;
        let right = match class {
            OperatorClass::Unary => Right::Nothing,
            OperatorClass::Number => self.number()?,
            OperatorClass::Text => {
                quantifier = self.quantifier();
                if quantifier.is_some() { self.list()? } else { self.value()? }
            }
            OperatorClass::List => self.list()?,
        };
        Ok(Check { left, operator, operator_text, operator_span, quantifier, right })
    }

    fn operator(&mut self) -> Result<(&'static str, Operator, OperatorClass), SyntaxError> {
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
        Err(self.error(format!("expected a valid check operator: one of {}", all.join(", "))))
    }

    /// Takes `oneof` and the like, but only where a list or a name follows; else it is a value.
    fn quantifier(&mut self) -> Option<Quantifier> {
        Quantifier::EACH.into_iter().find(|quantifier| {
            let mut ahead = self.cursor.clone();
            let word = ahead.word_and_blank(quantifier.as_str());
            let follows = ahead.peek() == Some(b'(')
                || ahead
                    .clone()
                    .identifier()
                    .is_some_and(|name| !["and", "or", "not"].contains(&name));
            if word && follows {
                self.cursor = ahead;
            }
            word && follows
        })
    }

    fn span(&self, start: usize) -> Span {
        Span { text: self.text, start }
    }

    fn error(&self, message: impl Into<String>) -> SyntaxError {
        self.error_before(0, message)
    }

    /// An error `back` bytes before the cursor.
    fn error_before(&self, back: usize, message: impl Into<String>) -> SyntaxError {
        SyntaxError {
            message: message.into(),
            span: self.span(self.cursor.offset().saturating_sub(back)),
        }
    }
}

const OPERAND_EXPECTED: &str = "expected a '(' token, a field check, or an identifier";
