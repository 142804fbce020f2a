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
    check("m or(n) or a.b=1 and m", "(m or n or (a.b = 1 and m))");
    check("m and(n)and(a.b=1)or m", "((m and n and a.b = 1) or m)");
    check_error("m or(n) and a.b=1", 8, "unexpected token after ')', expecting 'or', 'and'");
    check_error("(m or(n) and a.b=1)", 9, "expected a ')' token");
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
    check("proc.name inlist", "proc.name in list");
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
fn calls() {
    check("join('-', (a.b, c.d)) = x", "join(\"-\", (a.b, c.d)) = x");
    check(
        "join( \"-\" , ( a.b , 'x', 12, -1.5e+3, 0x1F ) ) = x",
        "join(\"-\", (a.b, \"x\", \"12\", \"-1.5e+3\", \"0x1F\")) = x",
    );
    check("join(',', ()) = x", "join(\",\", ()) = x");
    check("concat(a.b, tolower(c.d), 'x') exists", "concat(a.b, tolower(c.d), \"x\") exists");
    check("getopt(a.b, 'nt:')[t] = x", "getopt(a.b, \"nt:\")[t] = x");
    check("getopt(a.b, 'nt:')[\"\"] = x", "getopt(a.b, \"nt:\")[\"\"] = x");
    check("a.b = concat(c.d, 'x')", "a.b = concat(c.d, \"x\")");
    check("tolower( join(',',(a.b)) ) = x", "tolower(join(\",\", (a.b))) = x");
}

#[track_caller]
fn check_falco_form(text: &str, printed: &str) {
    assert_eq!(parse(text, 0).unwrap().falco_form().to_string(), printed, "{text:?}");
}

#[test]
fn falco_prints_it_its_way() {
    check_falco_form("getopt(proc.args, 'nt:')['t'] = v", "getopt(proc.args,nt:)[t] = v");
    check_falco_form("join(' ', (a.b, \"x\")) = v", "join(\" \",(a.b,x)) = v");
    check_falco_form("a.b['x y'] = \"a=b\"", "a.b[\"x y\"] = \"a=b\"");
    check_falco_form("a.b[''] = '(a,b)'", "a.b[\"\"] = (a,b)");
    check_falco_form("a.b in list and a.b = ''", "(a.b in list and a.b = )");
    check_falco_form("a.b = \"\\n\" or not not(not m)", "(a.b = \"\\n\" or not m)");
    check_falco_form("not (not m)", "not not m");
    check_falco_form("a.b == oneof (x, 'y z')", "a.b == oneof (x, \"y z\")");
}

#[test]
fn errors_say_where() {
    check_error("", 0, "filter input string is empty");
    check_error("  ", 2, "expected a '(' token, a field check, or an identifier");
    check_error("a.b=1 and", 9, "expected blank or '(' after 'and'");
    check_error("a.b=1 andm", 9, "expected blank or '(' after 'and'");
    check_error("a.b=1 and ", 10, "expected a '(' token, a field check, or an identifier");
    check_error("a.b=1 xor m", 6, "unexpected token after '1', expecting 'or', 'and'");
    check_error("a.b=\"x y\" z", 10, "unexpected token after 'x y', expecting 'or', 'and'");
    check_error("a.b in (x) z", 11, "unexpected token after ')', expecting 'or', 'and'");
    check_error("m and or n", 9, "unexpected token after 'or', expecting 'or', 'and'");
    check_error("not m n", 6, "unexpected token after 'm', expecting 'or', 'and'");
    check_error("(a.b=1", 6, "expected a ')' token");
    check_error("(a.b=1 c", 7, "expected a ')' token");
    check_error("a.b=1)", 5, "unexpected token after '1', expecting 'or', 'and'");
    check_error("a.b is 3", 4, "expected a valid check operator: one of 'exists', '<=', '<'");
    check_error(
        "a.b > big",
        6,
        "expected a number value or a field with a valid transformer: 'val', 'tolower'",
    );
    check_error("a.b = ", 6, "expected a string value or a field with a valid transformer: 'val'");
    check_error(
        "a.b in 3",
        7,
        "expected a list, an identifier, or a field with a valid transformer: 'val'",
    );
    check_error("a.b in (x,)", 10, "expected a string value");
    check_error("a.b in (,)", 8, "expected a ')' token");
    check_error("a.b[ = 1", 4, "expected a valid field argument: a quoted string or a bare string");
    check_error("a.b[0 = 1", 5, "expected a ']' token");
    check_error("a.b = 'x", 6, "expected a string value or a field");
    check_error(r#"a.b = "\q""#, 10, "unsupported string escape sequence: \\q");
    check_error(r#"a.b = "\'""#, 10, "invalid \\' escape in \"-quoted string");
    check_error(r#"a.b = "\x4""#, 11, "truncated hex char escape sequence");
    check_error(r#"a.b = "\x4g""#, 12, "invalid hex char escape sequence: 4g");
    check_error("tolower(a.b = x", 12, "expected a ')' token closing the transformer");
    check_error("tolower() = x", 8, "expected field transformer argument: field, transformer");
    check_error("join(',', (x)) = x", 11, "expected transformer list argument: field, transformer");
    check_error("join(',', (a.b c.d)) = x", 15, "expected ')'");
    check_error("a.b = val(m)", 10, "expected a field within 'val' transformer");
    check_error("a.b = val(val(c.d))", 10, "expected a field within 'val' transformer");
    check_error("val(a.b) = x", 3, "unexpected token after 'val', expecting 'or', 'and'");
    check_error("a.b = anyof(x)", 11, "unexpected token after 'anyof', expecting 'or', 'and'");
    check_error("a.b =anyof (x)", 11, "unexpected token after 'anyof', expecting 'or', 'and'");
}

#[test]
fn words_may_be_names() {
    check("not", "not");
    check("m and not", "(m and not)");
    check("a.b = not", "a.b = not");
    check("a.b existsand m", "(a.b exists and m)");
    check("a.b in not", "a.b in not");
    check_error("a.b = anyof and_list", 15, "expected blank or '(' after 'and'");
}

#[test]
fn deep_nesting_is_an_error_and_the_limit_itself_works() {
    let depth = "exceeded max depth limit of 1000";
    let deep = |open: &str, inner: &str, count| {
        format!("{}{inner}{}", open.repeat(count), ")".repeat(count))
    };
    check_error(&"(".repeat(100_000), 200, depth);
    check(&deep("(", "m", 199), "m");
    check_error(&deep("(", "m", 200), 200, depth);
    check(&deep("(", "a.b = c", 198), "a.b = c");
    check_error(&deep("(", "a.b = c", 199), 202, depth);
    assert_eq!(parse(&deep("not(", "m", 200), 0).unwrap().to_string().matches("not").count(), 200);
    check_error(&deep("not(", "m", 300), 1000, depth);
    let nested = |count| deep("m or(", "m", count);
    check_error(&nested(201), 0, "more than 200 levels");
    let tree = parse(&nested(200), 0).unwrap();
    assert!(tree.falco_form().to_string().starts_with("(m or (m or (m or"));
    check_error(&nested(600), 2490, depth);
    let calls = |count| format!("{} exists", deep("tolower(", "a.b", count));
    assert!(parse(&calls(400), 0).is_ok());
    assert!(parse(&calls(100_000), 0).is_err());
}

#[test]
fn a_large_condition_takes_as_long_as_it_is() {
    let alternatives = "a.b = c or ".repeat(200_000) + "m";
    assert!(matches!(parse(&alternatives, 0).unwrap(), Expr::Or(parts) if parts.len() == 200_001));
    let list = format!("a.b in ({})", vec!["'x y'"; 500_000].join(","));
    assert!(parse(&list, 0).is_ok());
    assert!(parse(&"\"".repeat(1_000_000), 0).is_err());
    assert!(parse(&"not ".repeat(1_000_000), 0).is_err());
    assert!(parse(&format!("a.b = '{}", "x".repeat(5_000_000)), 0).is_err());
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-z/.*0-9-]{1,8}".prop_map(String::into_bytes),
        any::<Vec<u8>>().prop_map(|bytes| bytes),
        "[ \"'\\\\(),=\t\n\u{b}\u{c}\u{8}é\\[\\]]{0,6}".prop_map(String::into_bytes),
    ]
}

fn operand() -> impl Strategy<Value = Operand> {
    let argument = "[ a-z0-9/\"'\\\\\\[\\]]{1,5}";
    let field =
        ("[a-z]{1,3}(\\.[a-z_0-9]{1,3}){0}\\.[a-z][a-z_0-9]{0,4}", prop::option::of(argument))
            .prop_map(|(name, arg)| Operand::Field { name, arg, span: Span::default() });
    field.prop_recursive(3, 8, 3, |inner| {
        let list = prop::collection::vec(argument_of(inner.clone()), 0..3);
        let list = list.prop_map(|items| Operand::List { items, span: Span::default() });
        let argument = prop_oneof![2 => argument_of(inner), 1 => list];
        let arguments = prop::collection::vec(argument, 1..3);
        (arguments, prop::sample::select(&Function::ALL[1..]), prop::option::of("[a-z]{0,2}"))
            .prop_map(|(arguments, function, arg)| {
                let span = Span::default();
                Operand::Call { function, arguments, arg, span }
            })
    })
}

fn argument_of(
    operand: impl Strategy<Value = Operand> + 'static,
) -> impl Strategy<Value = Operand> {
    prop_oneof![2 => operand, 1 => bytes().prop_map(|value| Operand::Constant(literal(value)))]
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
            let (operator_span, right_span) = (Span::default(), Span::default());
            Expr::Check(Box::new(Check {
                left,
                operator,
                operator_text,
                operator_span,
                quantifier,
                right,
                right_span,
            }))
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

#[test]
fn what_was_meant_is_told() {
    #[track_caller]
    fn check(text: &str, meant: Option<&str>) {
        assert_eq!(parse(text, 0).unwrap_err().suggestion.as_deref(), meant, "{text:?}");
    }
    check("a.b containz x", Some("contains"));
    check("a.b startwith x", Some("startswith"));
    check("a.b xyzzy x", None);
    check("a.b ? x", None);
    check("tolwer(a.b) = x", Some("tolower"));
    check("a.b = 1 c", None);
}
