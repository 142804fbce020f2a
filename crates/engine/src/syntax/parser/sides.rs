//! What stands on either side of an operator.

use super::{DEPTH_MAX, Parser, SyntaxError};
use crate::syntax::{Function, Literal, Operand, Right, escape::unescape};

impl Parser<'_> {
    /// Takes a field or a function of one, if one is next.
    pub(super) fn operand(&mut self) -> Result<Option<Operand>, SyntaxError> {
        let mut calls = Vec::new();
        let mut innermost = loop {
            let start = self.cursor.offset();
            if let Some(field) = self.field()? {
                break field;
            }
            let function = Function::ALL.into_iter().find(|function| self.opens(function.as_str()));
            match function {
                Some(_) if calls.len() >= DEPTH_MAX => {
                    return Err(self.error(format!("exceeded max depth limit of {DEPTH_MAX}")));
                }
                Some(function) => calls.push((function, start)),
                None if calls.is_empty() => return self.refuse_unsupported().map(|()| None),
                None => {
                    self.refuse_unsupported()?;
                    return Err(self.error("expected a field or a valid field transformer"));
                }
            }
            self.cursor.blanks();
        };
        for (function, start) in calls.into_iter().rev() {
            self.cursor.blanks();
            if !self.cursor.token(")") {
                return Err(self.error("expected a ')' token closing the transformer"));
            }
            innermost =
                Operand::Call { function, inner: Box::new(innermost), span: self.span(start) };
        }
        Ok(Some(innermost))
    }

    /// Takes a function's name with its bracket.
    fn opens(&mut self, name: &str) -> bool {
        let mut ahead = self.cursor.clone();
        let found = ahead.token(name) && ahead.token("(");
        if found {
            self.cursor = ahead;
        }
        found
    }

    /// Names what the language has and this engine does not yet.
    fn refuse_unsupported(&mut self) -> Result<(), SyntaxError> {
        for name in ["join", "concat", "getopt"] {
            if self.cursor.clone().token(&format!("{name}(")) {
                return Err(self.error(format!("transformer '{name}' is not supported yet")));
            }
        }
        Ok(())
    }

    fn field(&mut self) -> Result<Option<Operand>, SyntaxError> {
        let start = self.cursor.offset();
        let Some(name) = self.cursor.field_name() else { return Ok(None) };
        let mut arg = None;
        if self.cursor.token("[") {
            let text = match self.quoted()? {
                Some(literal) => String::from_utf8_lossy(&literal.value).into_owned(),
                None => self
                    .cursor
                    .field_argument()
                    .ok_or_else(|| {
                        self.error(
                            "expected a valid field argument: a quoted string or a bare string",
                        )
                    })?
                    .to_owned(),
            };
            if !self.cursor.token("]") {
                return Err(self.error("expected a ']' token"));
            }
            arg = Some(text);
        }
        Ok(Some(Operand::Field { name: name.to_owned(), arg, span: self.span(start) }))
    }

    pub(super) fn number(&mut self) -> Result<Right, SyntaxError> {
        if let Some(operand) = self.right_operand()? {
            return Ok(operand);
        }
        let start = self.cursor.offset();
        match self.cursor.number() {
            Some(number) => Ok(Right::Value(self.literal(start, number.as_bytes().to_vec()))),
            None => Err(self.error("expected a number")),
        }
    }

    pub(super) fn value(&mut self) -> Result<Right, SyntaxError> {
        if let Some(operand) = self.right_operand()? {
            return Ok(operand);
        }
        self.literal_value()?
            .map(Right::Value)
            .ok_or_else(|| self.error("expected a value: a quoted string or a bare string"))
    }

    pub(super) fn list(&mut self) -> Result<Right, SyntaxError> {
        if let Some(operand) = self.right_operand()? {
            return Ok(operand);
        }
        let start = self.cursor.offset();
        if !self.cursor.token("(") {
            // A list's name that no list has: one value, as in Falco.
            let name = self.cursor.identifier().ok_or_else(|| {
                self.error("expected a list, an identifier, or a field with a valid transformer")
            })?;
            return Ok(Right::List(vec![self.literal(start, name.as_bytes().to_vec())]));
        }
        let mut items = Vec::new();
        self.cursor.blanks();
        if self.cursor.token(")") {
            return Ok(Right::List(items));
        }
        loop {
            self.cursor.blanks();
            let item = self.literal_value()?;
            items.push(item.ok_or_else(|| self.error("expected a value of the list"))?);
            self.cursor.blanks();
            if self.cursor.token(")") {
                return Ok(Right::List(items));
            }
            if !self.cursor.token(",") {
                return Err(self.error("expected a ')' token, or ',' and another value"));
            }
        }
    }

    /// Takes a function call; a bare field's name is text on this side.
    fn right_operand(&mut self) -> Result<Option<Right>, SyntaxError> {
        let call = Function::ALL.iter().any(|function| {
            let mut ahead = self.cursor.clone();
            ahead.token(function.as_str()) && ahead.token("(")
        });
        if !call {
            return self.refuse_unsupported().map(|()| None);
        }
        Ok(self.operand()?.map(Right::Operand))
    }

    fn literal_value(&mut self) -> Result<Option<Literal>, SyntaxError> {
        if let Some(literal) = self.quoted()? {
            return Ok(Some(literal));
        }
        let start = self.cursor.offset();
        let bare = self.cursor.bare();
        let bare = bare.filter(|bare| !bare.as_bytes().contains(&0));
        Ok(bare.map(|bare| self.literal(start, bare.as_bytes().to_vec())))
    }

    fn quoted(&mut self) -> Result<Option<Literal>, SyntaxError> {
        let start = self.cursor.offset();
        match self.cursor.quoted() {
            None => Ok(None),
            Some(None) => Err(self.error("the quoted string does not end")),
            Some(Some(quoted)) => {
                let value = unescape(quoted)
                    .map_err(|message| SyntaxError { message, span: self.span(start) })?;
                Ok(Some(self.literal(start, value)))
            }
        }
    }

    fn literal(&self, start: usize, value: Vec<u8>) -> Literal {
        Literal { value, span: self.span(start) }
    }
}
