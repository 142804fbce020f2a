//! What stands on either side of an operator.

use super::{Parser, Refused, function_names};
use crate::syntax::{Function, Literal, Operand, Right, escape::unescape};

impl Parser<'_> {
    /// Takes a field or a call, if one is next, `depth` calls deep.
    pub(super) fn left(&mut self, depth: usize) -> Result<Option<Operand>, Refused> {
        if let Some(field) = self.field(depth)? {
            return Ok(Some(field));
        }
        self.call(depth)
    }

    fn field(&mut self, depth: usize) -> Result<Option<Operand>, Refused> {
        let start = self.cursor.offset();
        let Some(name) = self.cursor.field_name() else { return Ok(None) };
        self.guard(depth + 1)?;
        let arg = self.argument()?;
        Ok(Some(Operand::Field { name: name.to_owned(), arg, span: self.span(start) }))
    }

    /// Takes what is in brackets after a field or a call.
    fn argument(&mut self) -> Result<Option<String>, Refused> {
        if !self.cursor.token("[") {
            return Ok(None);
        }
        let text = match self.quoted()? {
            Some(literal) => String::from_utf8_lossy(&literal.value).into_owned(),
            None => match self.cursor.field_argument() {
                Some(text) => text.to_owned(),
                None => {
                    return Err(self.error(
                        "expected a valid field argument: a quoted string or a bare string",
                    ));
                }
            },
        };
        if !self.cursor.token("]") {
            return Err(self.error("expected a ']' token"));
        }
        Ok(Some(text))
    }

    fn call(&mut self, depth: usize) -> Result<Option<Operand>, Refused> {
        let start = self.cursor.offset();
        let functions = Function::ALL.into_iter().filter(|function| *function != Function::Val);
        let Some(function) = functions.into_iter().find(|function| self.opens(*function)) else {
            return Ok(None);
        };
        self.guard(depth + 1)?;
        let mut arguments = vec![self.call_argument(depth + 1)?];
        self.cursor.blanks();
        while self.cursor.token(",") {
            arguments.push(self.call_argument(depth + 1)?);
            self.cursor.blanks();
        }
        if !self.cursor.token(")") {
            return Err(self.error("expected a ')' token closing the transformer"));
        }
        let arg = self.argument()?;
        Ok(Some(Operand::Call { function, arguments, arg, span: self.span(start) }))
    }

    fn call_argument(&mut self, depth: usize) -> Result<Operand, Refused> {
        self.cursor.blanks();
        self.guard(depth + 1)?;
        if let Some(constant) = self.constant()? {
            return Ok(constant);
        }
        let start = self.cursor.offset();
        if self.cursor.token("(") {
            let items = self.call_list(depth + 1)?;
            return Ok(Operand::List { items, span: self.span(start) });
        }
        self.left(depth + 1)?.ok_or_else(|| {
            self.error(
                "expected field transformer argument: field, transformer, quoted string, number, \
                 or transformer list",
            )
        })
    }

    /// Takes the items of a list after its bracket.
    fn call_list(&mut self, depth: usize) -> Result<Vec<Operand>, Refused> {
        let mut items = Vec::new();
        self.cursor.blanks();
        if self.cursor.token(")") {
            return Ok(items);
        }
        loop {
            self.cursor.blanks();
            let item = match self.left(depth)? {
                Some(operand) => Some(operand),
                None => self.constant()?,
            };
            items.push(item.ok_or_else(|| {
                self.error(
                    "expected transformer list argument: field, transformer, quoted string, or \
                     number",
                )
            })?);
            self.cursor.blanks();
            if !self.cursor.token(",") {
                break;
            }
        }
        if !self.cursor.token(")") {
            return Err(self.error("expected ')'"));
        }
        Ok(items)
    }

    /// Takes a number or a quoted text among the arguments of a call.
    fn constant(&mut self) -> Result<Option<Operand>, Refused> {
        let start = self.cursor.offset();
        if let Some(number) = self.cursor.number() {
            let literal = self.literal(start, number.as_bytes().to_vec());
            return Ok(Some(Operand::Constant(literal)));
        }
        Ok(self.quoted()?.map(Operand::Constant))
    }

    /// Takes a function's name with its bracket.
    fn opens(&mut self, function: Function) -> bool {
        let mut ahead = self.cursor.clone();
        let found = ahead.token(function.as_str()) && ahead.token("(");
        if found {
            self.cursor = ahead;
        }
        found
    }

    pub(super) fn number(&mut self, depth: usize) -> Result<Right, Refused> {
        if let Some(operand) = self.right_operand(depth + 1)? {
            return Ok(operand);
        }
        let start = self.cursor.offset();
        match self.cursor.number() {
            Some(number) => Ok(Right::Value(self.literal(start, number.as_bytes().to_vec()))),
            None => Err(self.error(format!(
                "expected a number value or a field with a valid transformer: {}",
                function_names()
            ))),
        }
    }

    pub(super) fn value(&mut self, depth: usize) -> Result<Right, Refused> {
        if let Some(operand) = self.right_operand(depth + 1)? {
            return Ok(operand);
        }
        match self.literal_value()? {
            Some(literal) => Ok(Right::Value(literal)),
            None => Err(self.error(format!(
                "expected a string value or a field with a valid transformer: {}",
                function_names()
            ))),
        }
    }

    /// Takes a list; `or_operand` says whether a call may stand for it.
    pub(super) fn list(&mut self, depth: usize, or_operand: bool) -> Result<Right, Refused> {
        if self.cursor.token("(") {
            return self.list_items(depth + 1).map(Right::List);
        }
        if or_operand && let Some(operand) = self.right_operand(depth + 1)? {
            return Ok(operand);
        }
        let start = self.cursor.offset();
        match self.cursor.identifier() {
            Some(name) => Ok(Right::Value(self.literal(start, name.as_bytes().to_vec()))),
            None if or_operand => Err(self.error(format!(
                "expected a list, an identifier, or a field with a valid transformer: {}",
                function_names()
            ))),
            None => Err(self.error("expected a list or an identifier")),
        }
    }

    fn list_items(&mut self, depth: usize) -> Result<Vec<Literal>, Refused> {
        let mut items = Vec::new();
        self.cursor.blanks();
        self.guard(depth)?;
        if let Some(first) = self.literal_value()? {
            items.push(first);
            self.cursor.blanks();
            while self.cursor.token(",") {
                self.cursor.blanks();
                let item = self.literal_value()?;
                items.push(item.ok_or_else(|| self.error("expected a string value"))?);
                self.cursor.blanks();
            }
        }
        if !self.cursor.token(")") {
            return Err(self.error("expected a ')' token"));
        }
        Ok(items)
    }

    /// Takes `val(field)` or a call; a bare field's name is text on this side.
    fn right_operand(&mut self, depth: usize) -> Result<Option<Right>, Refused> {
        self.guard(depth)?;
        let start = self.cursor.offset();
        if !self.opens(Function::Val) {
            return Ok(self.call(depth)?.map(Right::Operand));
        }
        self.cursor.blanks();
        let field = self.field(depth)?;
        let field = field.ok_or_else(|| self.error("expected a field within 'val' transformer"))?;
        self.cursor.blanks();
        if !self.cursor.token(")") {
            return Err(self.error("expected a ')' token closing the transformer"));
        }
        let arg = self.argument()?;
        let (function, arguments, span) = (Function::Val, vec![field], self.span(start));
        Ok(Some(Right::Operand(Operand::Call { function, arguments, arg, span })))
    }

    fn literal_value(&mut self) -> Result<Option<Literal>, Refused> {
        if let Some(literal) = self.quoted()? {
            return Ok(Some(literal));
        }
        let start = self.cursor.offset();
        let bare = self.cursor.bare();
        Ok(bare.map(|bare| self.literal(start, bare.as_bytes().to_vec())))
    }

    fn quoted(&mut self) -> Result<Option<Literal>, Refused> {
        let start = self.cursor.offset();
        let Some(quoted) = self.cursor.quoted() else { return Ok(None) };
        let value = unescape(quoted).map_err(|message| self.error(message))?;
        Ok(Some(self.literal(start, value)))
    }

    /// The last token as the message about what follows it shows it.
    pub(super) fn last_token(&self) -> String {
        let token = self.cursor.last_token();
        let value = if token.starts_with(['"', '\'']) { unescape(token).ok() } else { None };
        value.map_or_else(|| token.to_owned(), |value| String::from_utf8_lossy(&value).into_owned())
    }

    fn literal(&self, start: usize, value: Vec<u8>) -> Literal {
        Literal { value, span: self.span(start) }
    }
}
