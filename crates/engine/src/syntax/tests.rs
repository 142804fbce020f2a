use proptest::prelude::*;

use super::{
    Check, Expr, Function, Literal, OPERATORS, Operand, OperatorClass, Quantifier, Right, Span,
    parse,
};

#[track_caller]
fn check(text: &str, printed: &str) {
    let tree = parse(text, 0).unwrap_or_else(|error| panic!("{text:?}: {}", error.message));
    assert_eq!(tree.to_string(), printed, "{text:?}");
    assert_eq!(parse(printed, 0).unwrap(), tree, "printed form of {text:?}");
}

#[track_caller]
fn check_error(text: &str, at: usize, message: &str) {
    let error = parse(text, 0).expect_err(text);
    assert!(error.message.contains(message), "{text:?} gave {:?}", error.message);
    assert_eq!(error.span.start, at, "position in {text:?}: {:?}", error.message);
}

#[test]
fn precedence_and_brackets() {
    check("a.b=1 or c.d=2 and e.f=3", "(a.b = 1 or (c.d = 2 and e.f = 3))");
    check("(a.b=1 or c.d=2)and(e.f=3)", "((a.b = 1 or c.d = 2) and e.f = 3)");
    check("(a.b=1 and c.d=2) and e.f=3", "((a.b = 1 and c.d = 2) and e.f = 3)");
    check("((((m))))", "m");
}

#[test]
fn negations_cancel() {
    check("not a.b=1", "not a.b = 1");
    check("not not a.b=1", "a.b = 1");
    check("not(a.b=1 or m)", "not (a.b = 1 or m)");
    check("not not not m", "not m");
    check("not (not m)", "not (not m)");
    check("nothing", "nothing");
}

#[test]
fn operators_with_and_without_blanks() {
    check("proc.name in(sh,bash)", "proc.name in (sh, bash)");
    check("proc.name in ()", "proc.name in ()");
    check("proc.name inlist", "proc.name in (list)");
    check("proc.pname exists", "proc.pname exists");
    check("fd.num>=0", "fd.num >= 0");
    check("fd.num < -1.5e+3", "fd.num < -1.5e+3");
    check("fd.num<=0x1F", "fd.num <= 0x1F");
    check("a.b==c", "a.b == c");
    check("fd.name glob '/home/*/.ssh/*'", "fd.name glob /home/*/.ssh/*");
    check("fd.name icontains x", "fd.name icontains x");
}

#[test]
fn values_of_all_kinds() {
    check("a.b = a.a", "a.b = a.a");
    check("a.b = val(a.a)", "a.b = val(a.a)");
    check("tolower(a.b) = toupper(c.d[x])", "tolower(a.b) = toupper(c.d[x])");
    check("a.b = anyof", "a.b = anyof");
    check("a.b = anyof and m", "(a.b = anyof and m)");
    check("a.b = anyof (x, y)", "a.b = anyof (x, y)");
    check("a.b startswith oneof (x)", "a.b startswith oneof (x)");
    check("a.b in (runc:[0:PARENT], runc)", "a.b in (\"runc:[0:PARENT]\", runc)");
    check(r#"a.b = "x \" y""#, r#"a.b = "x \" y""#);
    check(r#"a.b = 'it\'s'"#, r#"a.b = "it's""#);
    check(r#"a.b = "\x41\/""#, "a.b = A/");
    check(r#"a.b = "x\ ""#, r#"a.b = "x\ ""#);
    check(r#"a.b = """#, r#"a.b = """#);
    check("a.b[\"x y\"] = 1", "a.b[\"x y\"] = 1");
}

#[test]
fn errors_say_where() {
    check_error("", 0, "filter input string is empty");
    check_error("a.b=1 and", 9, "expected blank or '(' after 'and'");
    check_error("a.b=1 andm", 9, "expected blank or '(' after 'and'");
    check_error("a.b=1 xor m", 6, "unexpected token, expecting 'or', 'and'");
    check_error("(a.b=1", 6, "expected a ')' token");
    check_error("a.b=1)", 5, "unexpected ')'");
    check_error("a.b is 3", 4, "expected a valid check operator");
    check_error("a.b > big", 6, "expected a number");
    check_error("a.b in 3", 7, "expected a list");
    check_error("a.b in (x,)", 10, "expected a value of the list");
    check_error("a.b[ = 1", 4, "expected a valid field argument");
    check_error("a.b[0 = 1", 5, "expected a ']' token");
    check_error("a.b = 'x", 6, "does not end");
    check_error(r#"a.b = "\q""#, 6, "unsupported string escape sequence: \\q");
    check_error(r#"a.b = "\'""#, 6, "invalid \\' escape in \"-quoted string");
    check_error("join(a.b) = x", 0, "transformer 'join' is not supported yet");
    check_error("m and or n", 6, "expected a '(' token");
}

#[test]
fn deep_nesting_is_an_error_and_the_limit_itself_works() {
    let deep = |count: usize| format!("{}m{}", "(".repeat(count), ")".repeat(count));
    check_error(&"(".repeat(100_000), 1001, "exceeded max depth limit of 1000");
    check(&deep(1000), "m");
    let nested = |count| format!("{}m{}", "(m and (m or ".repeat(count), "))".repeat(count));
    let tree = parse(&nested(100), 0).unwrap();
    assert_eq!(parse(&tree.to_string(), 0).unwrap(), tree);
    check_error(&nested(101), 0, "more than 200 levels");
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-z/.*0-9-]{1,8}".prop_map(String::into_bytes),
        any::<Vec<u8>>().prop_map(|bytes| bytes.into_iter().filter(|byte| *byte != 0).collect()),
        "[ \"'\\\\(),=\t\n\u{b}\u{c}\u{8}é\\[\\]]{0,6}".prop_map(String::into_bytes),
    ]
}

fn operand() -> impl Strategy<Value = Operand> {
    let argument = "[ a-z0-9/\"'\\\\\\[\\]]{1,5}";
    let field =
        ("[a-z]{1,3}(\\.[a-z_0-9]{1,3}){0}\\.[a-z][a-z_0-9]{0,4}", prop::option::of(argument))
            .prop_map(|(name, arg)| Operand::Field { name, arg, span: Span::default() });
    field.prop_recursive(2, 3, 1, |inner| {
        (inner, prop::sample::select(&Function::ALL[..])).prop_map(|(inner, function)| {
            Operand::Call { function, inner: Box::new(inner), span: Span::default() }
        })
    })
}

fn literal(value: Vec<u8>) -> Literal {
    Literal { value, span: Span::default() }
}

fn any_check() -> impl Strategy<Value = Expr> {
    let list = prop::collection::vec(bytes().prop_map(literal), 0..3);
    let quantifier = prop::option::of(prop::sample::select(&Quantifier::EACH[..]));
    (operand(), prop::sample::select(OPERATORS), bytes(), list, quantifier, any::<i32>()).prop_map(
        |(left, (operator_text, operator, class), value, list, quantifier, number)| {
            let quantifier = quantifier.filter(|_| class == OperatorClass::Text);
            let right = match class {
                OperatorClass::Unary => Right::Nothing,
                OperatorClass::Number => Right::Value(literal(number.to_string().into_bytes())),
                OperatorClass::Text if quantifier.is_none() => Right::Value(literal(value)),
                _ => Right::List(list),
            };
            let operator_span = Span::default();
            Expr::Check(Check { left, operator, operator_text, operator_span, quantifier, right })
        },
    )
}

fn expr() -> impl Strategy<Value = Expr> {
    let name = "[a-z_]{1,6}".prop_filter("a word", |name| {
        !["and", "or", "not"].contains(&name.as_str()) && name.starts_with(|c| c != '_')
    });
    let leaf = prop_oneof![
        any_check(),
        name.prop_map(|name| Expr::Macro { name, span: Span::default() }),
    ];
    leaf.prop_recursive(4, 20, 3, |inner| {
        let parts = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            parts.clone().prop_map(Expr::And),
            parts.prop_map(Expr::Or),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in ".{0,60}") {
        let _ = parse(&text, 0);
    }

    #[test]
    fn text_made_of_tokens_never_panics(
        text in "((not|and|or|in|exists|anyof|proc\\.name|tolower|\\(|\\)|\\[|=|,|\"|'|\\\\| |<|x){1,3}){0,20}",
    ) {
        if let Ok(tree) = parse(&text, 0) {
            let printed = tree.to_string();
            prop_assert_eq!(parse(&printed, 0).ok(), Some(tree), "{}", printed);
        }
    }

    #[test]
    fn what_is_printed_parses_to_the_same_tree(tree in expr()) {
        let printed = tree.to_string();
        prop_assert_eq!(parse(&printed, 0).ok(), Some(tree), "{}", printed);
    }
}
