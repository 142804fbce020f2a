//! A tree as text.

use std::fmt;

use super::{
    Check, Expr, Operand, Right,
    escape::{escape, quote},
};

/// Text that parses to the same tree.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printer { falco_form: false }.expr(self, f)
    }
}

impl Expr {
    /// The text that Falco prints for this tree, to compare with it.
    pub(crate) fn falco_form(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(|f| Printer { falco_form: true }.expr(self, f))
    }
}

impl Operand {
    /// The text that Falco prints for it.
    pub(crate) fn falco_form(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(|f| Printer { falco_form: true }.operand(self, f))
    }
}

struct Printer {
    falco_form: bool,
}

impl Printer {
    fn expr(&self, expr: &Expr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match expr {
            Expr::And(parts) => self.joined(parts, " and ", f),
            Expr::Or(parts) => self.joined(parts, " or ", f),
            // Two in a row would cancel when read again; Falco prints them in a row all the same.
            Expr::Not(inner) if matches!(**inner, Expr::Not(_)) && !self.falco_form => {
                f.write_str("not (")?;
                self.expr(inner, f)?;
                f.write_str(")")
            }
            Expr::Not(inner) => {
                f.write_str("not ")?;
                self.expr(inner, f)
            }
            Expr::Macro { name, .. } => f.write_str(name),
            Expr::Check(check) => self.check(check, f),
        }
    }

    fn joined(&self, parts: &[Expr], with: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                f.write_str(with)?;
            }
            self.expr(part, f)?;
        }
        f.write_str(")")
    }

    fn check(&self, check: &Check, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operand(&check.left, f)?;
        write!(f, " {}", check.operator_text)?;
        if let Some(quantifier) = check.quantifier {
            write!(f, " {}", quantifier.as_str())?;
        }
        match &check.right {
            Right::Nothing => Ok(()),
            Right::Value(literal) => write!(f, " {}", escape(&literal.value, self.falco_form)),
            Right::List(list) => {
                let items = list.iter().map(|literal| escape(&literal.value, self.falco_form));
                write!(f, " ({})", items.collect::<Vec<_>>().join(", "))
            }
            Right::Operand(operand) => {
                f.write_str(" ")?;
                self.operand(operand, f)
            }
        }
    }

    fn operand(&self, operand: &Operand, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match operand {
            Operand::Field { name, arg, .. } => {
                f.write_str(name)?;
                self.argument(arg.as_deref(), f)
            }
            Operand::Call { function, arguments, arg, .. } => {
                f.write_str(function.as_str())?;
                self.operands(arguments, f)?;
                self.argument(arg.as_deref(), f)
            }
            Operand::Constant(literal) if self.falco_form => {
                f.write_str(&escape(&literal.value, true))
            }
            Operand::Constant(literal) => f.write_str(&quote(&literal.value)),
            Operand::List { items, .. } => self.operands(items, f),
        }
    }

    fn operands(&self, operands: &[Operand], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (index, operand) in operands.iter().enumerate() {
            if index > 0 {
                f.write_str(if self.falco_form { "," } else { ", " })?;
            }
            self.operand(operand, f)?;
        }
        f.write_str(")")
    }

    fn argument(&self, arg: Option<&str>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match arg {
            None => Ok(()),
            Some("") => f.write_str("[\"\"]"),
            Some(arg) => write!(f, "[{}]", escape(arg.as_bytes(), self.falco_form)),
        }
    }
}
