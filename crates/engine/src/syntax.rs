//! The condition grammar: text to tree and back.

mod cursor;
mod escape;
mod parser;
mod printer;

pub(crate) use parser::{SyntaxError, parse, parse_operand};

/// Where something begins in one condition text.
///
/// A rule's tree is put together from the texts of its macros, so a span names its text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub(crate) text: usize,
    pub(crate) start: usize,
}

/// Where a node stands does not make it another node.
impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    /// The name of a macro.
    Macro {
        name: String,
        span: Span,
    },
    Check(Box<Check>),
}

/// How many levels of `and`, `or` and `not` a condition with its macros may have, so that walking
/// it needs little stack. One text has at most half as many: its brackets have a limit, too.
pub(crate) const LEVELS_MAX: usize = 1000;

/// `left operator right`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Check {
    pub(crate) left: Operand,
    pub(crate) operator: Operator,
    /// The operator as written: `=` and `==` are the same.
    pub(crate) operator_text: &'static str,
    pub(crate) operator_span: Span,
    pub(crate) quantifier: Option<Quantifier>,
    pub(crate) right: Right,
    pub(crate) right_span: Span,
}

/// What gives a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Field {
        name: String,
        arg: Option<String>,
        span: Span,
    },
    Call {
        function: Function,
        arguments: Vec<Operand>,
        arg: Option<String>,
        span: Span,
    },
    /// A constant, among the arguments of a call.
    Constant(Literal),
    /// A list written out, among the arguments of a call.
    List {
        items: Vec<Operand>,
        span: Span,
    },
}

impl Operand {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Field { span, .. } | Self::Call { span, .. } | Self::List { span, .. } => *span,
            Self::Constant(literal) => literal.span,
        }
    }

    /// Calls `found` with the name, the argument and the place of every field in it, in the order of
    /// the text.
    pub(crate) fn for_each_field(&self, found: &mut impl FnMut(&str, Option<&str>, Span)) {
        match self {
            Self::Field { name, arg, span } => found(name, arg.as_deref(), *span),
            Self::Call { arguments: parts, .. } | Self::List { items: parts, .. } => {
                parts.iter().for_each(|part| part.for_each_field(found));
            }
            Self::Constant(_) => {}
        }
    }
}

/// What is done to a value before it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Function {
    ToLower,
    ToUpper,
    Base64,
    Basename,
    Len,
    /// The values of a list with a text between them.
    Join,
    /// Texts one after the other.
    Concat,
    /// The options among the words of a list.
    GetOpt,
    /// Nothing: it makes a field of what would be text on the right-hand side, where alone it may
    /// stand.
    Val,
}

impl Function {
    /// Each of them, in the order in which messages name them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Val,
        Self::ToLower,
        Self::ToUpper,
        Self::Base64,
        Self::Basename,
        Self::Len,
        Self::Join,
        Self::Concat,
        Self::GetOpt,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ToLower => "tolower",
            Self::ToUpper => "toupper",
            Self::Base64 => "b64",
            Self::Basename => "basename",
            Self::Len => "len",
            Self::Join => "join",
            Self::Concat => "concat",
            Self::GetOpt => "getopt",
            Self::Val => "val",
        }
    }
}

/// What a check is made against.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Right {
    /// `exists` stands alone.
    Nothing,
    /// One value. Where a list is wanted it is the name of one, which no list has.
    Value(Literal),
    List(Vec<Literal>),
    Operand(Operand),
}

/// A constant: text whose meaning depends on the field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Literal {
    /// After escapes; bytes, as `\xHH` may make any.
    pub(crate) value: Vec<u8>,
    pub(crate) span: Span,
}

/// How many of the values on the right must fit: `oneof`, `anyof`, `allof`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Quantifier {
    One,
    Any,
    All,
}

impl Quantifier {
    pub(crate) const EACH: [Self; 3] = [Self::One, Self::Any, Self::All];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::One => "oneof",
            Self::Any => "anyof",
            Self::All => "allof",
        }
    }
}

/// What kind of right-hand side an operator takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperatorClass {
    Unary,
    Number,
    Text,
    List,
}

macro_rules! operators {
    ($( $variant:ident $class:ident $($spelling:literal)+; )*) => {
        /// A check's operator.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Operator { $( $variant, )* }

        /// Every spelling in the order in which they are tried. One that ends in a letter and takes
        /// text needs a blank after it.
        pub(crate) const OPERATORS: &[(&str, Operator, OperatorClass)] =
            &[$( $( ($spelling, Operator::$variant, OperatorClass::$class), )+ )*];
    };
}

operators! {
    Exists Unary "exists";
    LessOrEqual Number "<=";
    Less Number "<";
    GreaterOrEqual Number ">=";
    Greater Number ">";
    Equal Text "==" "=";
    NotEqual Text "!=";
    Glob Text "glob";
    GlobNoCase Text "iglob";
    Contains Text "contains";
    ContainsNoCase Text "icontains";
    BytesContain Text "bcontains";
    StartsWith Text "startswith";
    BytesStartWith Text "bstartswith";
    EndsWith Text "endswith";
    Regex Text "regex";
    Intersects List "intersects";
    In List "in";
    PathMatch List "pmatch";
}

impl Operator {
    /// Its one name in messages: `=` for `==`, too.
    pub(crate) fn as_str(self) -> &'static str {
        let spelling = OPERATORS.iter().rev().find(|(_, operator, _)| *operator == self);
        spelling.map_or("", |(spelling, ..)| spelling)
    }
}

#[cfg(test)]
mod tests;
