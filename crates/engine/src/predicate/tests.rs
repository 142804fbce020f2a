use crate::{Filter, RecordedEvent};

const EVENT: &str = r#"{
    "evt.type": "openat", "evt.rawtime": 1700000000000000000, "evt.rawres": -2, "evt.num": 7,
    "proc.name": "cat", "proc.cmdline": "cat /etc/shadow", "proc.exepath": "/usr/bin/cat",
    "proc.aname": ["sh", "runc", "containerd-shim"], "proc.aname[2]": "runc",
    "proc.tty": 34816, "user.loginuid": -1, "user.uid": 4294967295, "evt.is_open_read": true,
    "fd.name": "/opt/dir/x", "fd.nameraw": "/a\\b", "fd.typechar": "4", "fd.cip": "10.1.2.3", "fd.sip": "192.0.2.7",
    "fd.cport": 40000, "fd.sport": 443, "evt.arg.flags": "O_RDONLY|O_CLOEXEC", "evt.buffer": "\u0001AB",
    "proc.env[PATH]": "aGVsbG8=",
    "ka.user.groups": ["system:authenticated", "dev"], "container.id": "host"
}"#;

#[track_caller]
fn check(condition: &str, expected: bool) {
    let filter = Filter::compile(condition).unwrap_or_else(|error| panic!("{error}"));
    let event = RecordedEvent::from_json(EVENT).unwrap();
    assert_eq!(filter.matches(&event), expected, "{condition}");
}

#[track_caller]
fn check_error(condition: &str, column: usize, message: &str) {
    let error = Filter::compile(condition).expect_err(condition);
    assert!(error.message.contains(message), "{condition}: {}", error.message);
    assert_eq!((error.line, error.column), (1, column), "{condition}: {}", error.message);
}

#[test]
fn a_missing_value_is_false_for_every_operator() {
    for operator in ["= x", "!= x", "exists", "in (x)", "contains x", "glob *", "regex .*", "< 3"] {
        check(&format!("proc.pname {operator}"), false);
        check(&format!("not proc.pname {operator}"), true);
    }
    check("proc.ppid != 1", false);
    check("proc.pname = val(proc.name)", false);
    check("proc.name = val(proc.pname)", false);
    check("proc.name != val(proc.pname)", false);
}

#[test]
fn text_operators() {
    check("proc.name = cat", true);
    check("proc.name == cat", true);
    check("proc.name != cat", false);
    check("proc.name in (dog, cat)", true);
    check("proc.name intersects (dog, cat)", true);
    check("proc.name in ()", false);
    check("proc.cmdline contains /etc", true);
    check("proc.cmdline contains /ETC", false);
    check("proc.cmdline icontains /ETC", true);
    check("proc.cmdline startswith 'cat '", true);
    check("proc.cmdline endswith shadow", true);
    check("proc.cmdline glob 'c?t */[a-f]tc/*'", true);
    check("proc.cmdline iglob 'CAT*'", true);
    check("proc.cmdline regex 'cat .*'", true);
    check("proc.cmdline regex 'cat'", false);
    check("proc.exepath exists", true);
    check("evt.arg.flags contains O_CLOEXEC", true);
}

#[test]
fn path_match_goes_by_components() {
    check("fd.name pmatch (/opt/dir)", true);
    check("fd.name pmatch (/opt/dir/)", true);
    check("fd.name pmatch (/opt/dir/x)", true);
    check("fd.name pmatch (/opt/di)", false);
    check("fd.name pmatch (/opt/d*)", true);
    check("fd.name pmatch (/opt/*/x)", true);
    check("fd.name pmatch (/op*/x)", false);
    check("fd.name pmatch (opt/dir)", true);
    check("fd.name pmatch (/)", true);
    check("fd.name pmatch ()", false);
    check("fd.name pmatch ('')", true);
    check("fd.name pmatch (//opt//dir/)", true);
    check("fd.name pmatch (/opt/dir/x/y)", false);
    check("fd.name pmatch (/opt/dir/x/*)", false);
    check("fd.name pmatch (/*x)", false);
    check(r"fd.nameraw pmatch ('/a\\b')", true);
    check(r"fd.nameraw pmatch ('/a\\\\*')", true);
    check("fd.name pmatch (/etc, /opt)", true);
}

#[test]
fn numbers() {
    check("evt.rawres = -2", true);
    check("evt.rawres < 0", true);
    check("evt.rawres >= -2", true);
    check("proc.tty != 0", true);
    check("proc.tty = +34816", true);
    check("proc.tty in (' 34816')", true);
    check("proc.tty = -1", false);
    check("user.uid = -1", true);
    check("user.uid = 4294967295", true);
    check("proc.tty in (1, 34816)", true);
    check("user.loginuid = -1", true);
    check("evt.num=0", false);
    check("evt.rawtime > 1600000000000000000", true);
    check("evt.is_open_read = true", true);
    check("evt.is_open_read = false", false);
}

#[test]
fn ancestors_match_if_one_does() {
    check("proc.aname = runc", true);
    check("proc.aname = cat", false);
    check("proc.aname != runc", true);
    check("proc.aname in (x, containerd-shim)", true);
    check("proc.aname startswith container", true);
    check("proc.aname[2] = runc", true);
    check("proc.aname[3] = containerd-shim", true);
    check("proc.aname[4] exists", false);
}

#[test]
fn addresses_and_networks() {
    check("fd.sip = 192.0.2.7", true);
    check("fd.ip = 10.1.2.3", true);
    check("fd.ip = 192.0.2.7", true);
    check("fd.ip != 192.0.2.7", false);
    check("fd.ip != 1.1.1.1", true);
    check("fd.ip in (1.1.1.1, 10.1.2.3)", true);
    check("fd.net = 10.0.0.0/8", true);
    check("fd.net != 10.0.0.0/8", false);
    check("fd.net != fd00::/8", true);
    check("fd.net = fd00::/8", false);
    check("fd.snet in ('10.0.0.0/8', '192.0.2.0/24')", true);
    check("fd.cnet in (192.0.2.0/24)", false);
    check("fd.port = 443", true);
    check("fd.port != 443", false);
    check("fd.sport <= 1024", true);
}

#[test]
fn lists_need_all_for_in_and_one_for_intersects() {
    check("ka.user.groups in (dev, system:authenticated, x)", true);
    check("ka.user.groups in (dev)", false);
    check("ka.user.groups intersects (dev)", true);
    check("ka.user.groups intersects (ops)", false);
    check("len(ka.user.groups) = 2", true);
}

#[test]
fn quantifiers() {
    check("proc.name = anyof (cat, dog)", true);
    check("proc.name != allof (ox, dog)", true);
    check("proc.name != allof (cat, dog)", false);
    check("proc.name = oneof (cat, cat)", false);
    check("proc.cmdline contains allof (cat, shadow)", true);
    check("proc.cmdline contains anyof (dog, shadow)", true);
    check("proc.cmdline contains oneof (cat, shadow)", false);
}

#[test]
fn functions() {
    check("toupper(proc.name) = CAT", true);
    check("tolower(toupper(proc.name)) = cat", true);
    check("basename(proc.exepath) = cat", true);
    check("basename(proc.exepath) = val(proc.name)", true);
    check("len(proc.name) = 3", true);
    check("b64(proc.env[PATH]) = hello", true);
    check("b64(proc.cmdline) exists", false);
    check("proc.name in (proc.name)", false);
    check("evt.buffer bcontains 4142", true);
    check("evt.buffer bstartswith 0141", true);
}

#[test]
fn ports_have_names() {
    check("fd.sport = https", true);
    check("fd.port in (ssh, https)", true);
    check("fd.sport = 65979", true);
    check("fd.sport = ''", false);
    check_error("fd.sport = 99999999999", 12, "99999999999 is not a valid number");
    check_error("fd.sport = htpps", 12, "unrecognized protocol htpps");
    check_error("fd.sport = 0x1bb", 12, "unrecognized protocol 0x1bb");
}

#[test]
fn calls_of_several_arguments() {
    check("join('-', (proc.name, 'x', evt.rawres)) = cat-x--2", true);
    check("join(',', ka.user.groups) = 'system:authenticated,dev'", true);
    check("join(',', ()) = ''", true);
    check("join(',', (proc.name, proc.pname)) exists", false);
    check("concat(proc.name, ' ', fd.name) = 'cat /opt/dir/x'", true);
    check("concat(toupper(proc.name), 'x') in (CATx)", true);
    check("proc.name = concat('c', 'at')", true);
    check("len(join('', (proc.name, 'xy'))) = 5", true);
    check("getopt(('-x', 'sh', '-n'), 'x:n') intersects (sh)", true);
    check("getopt(('-x', 'sh', '-n'), 'x:n') in (sh, x, n)", true);
    check("getopt(('-x', 'sh', '-n'), 'x:n')[x] = sh", true);
    check("getopt(('-x', 'sh', '-n'), 'x:n')[\"x\"] startswith s", true);
    check("getopt(('-n'), 'x:n')[x] exists", false);
    check("getopt(('n'), 'n') exists", true);
    check("getopt(('n'), 'n') in (x)", true);
    check("getopt(('n'), 'n') intersects (x)", false);
    check_error("join('-') = x", 1, "unknown field transfomer 'join'");
    check_error("join('-', 'x') = x", 1, "join() second argument must be a list");
    check_error("join(('-'), ('x')) = x", 1, "join() first argument (separator)");
    check_error("join('-', ('x'), 'y') = x", 1, "join() requires exactly 2 arguments");
    check_error("concat(proc.name, fd.num) = x", 1, "concat() arguments must be strings");
    check_error("concat(proc.name, ('x')) = x", 1, "concat() arguments must be strings");
    check_error("getopt('x', 'n') exists", 1, "getopt() first argument must be a list");
    check_error("getopt(('x'), ('n')) exists", 1, "getopt() second argument (optstring)");
    check_error("getopt(('x'), 'n')[no] = x", 1, "a single option character");
    check_error(
        "concat('a', 'b')[x] = x",
        1,
        "transformer 'concat' does not support field arguments",
    );
    check_error(
        "tolower(proc.name)[x] = x",
        1,
        "filter error: transformer 'tolower' does not support",
    );
    check_error("tolower(proc.name, 'x') = x", 1, "unknown multivalue transformer");
    check_error("getopt(('x'), 'n') = x", 20, "'=' operator not supported list filters");
}

#[test]
fn both_sides_may_be_fields_where_falco_takes_them() {
    check("proc.cmdline contains val(proc.name)", true);
    check("proc.cmdline startswith tolower(proc.name)", true);
    check("proc.cmdline glob concat(proc.name, '*')", true);
    check("proc.name in val(proc.name)", true);
    check("ka.user.groups in val(ka.user.groups)", true);
    check("proc.name = proc.name", false);
    check_error("proc.name pmatch val(fd.name)", 18, "operator 'PMATCH' doesn't support");
    check_error("proc.name regex val(fd.name)", 17, "operator 'REGEX' doesn't support");
    check_error("fd.snet = val(fd.sip)", 11, "field type 'IPNET' doesn't support right-hand side");
    check_error("proc.aname = val(proc.name)", 14, "field 'proc.aname' doesn't support");
    check_error(
        "proc.name = val(proc.aname[1])",
        13,
        "field 'proc.aname' can't be used as a right-hand",
    );
    check_error("proc.name in val(ka.user.groups)", 14, "incompatible type 'CHARBUF' (list)");
    check_error(
        "fd.num = val(proc.name)",
        10,
        "field 'fd.num' has type 'INT64' while the right-hand side field 'proc.name' has incompatible type 'CHARBUF'",
    );
    check_error("evt.type = val(proc.name)", 12, "right-hand field comparisons on `evt.type`");
    check_error("tolower(evt.type) = open", 9, "event code search does not support");
    check_error(
        "proc.name = val(proc.name)[x]",
        13,
        "transformer 'val' does not support field arguments",
    );
}

#[test]
fn what_does_not_fit_is_refused_where_it_stands() {
    check_error("proc.nmae = x", 1, "filter_check called with nonexistent field proc.nmae");
    check_error("evt.type = openta", 12, "unknown event type openta");
    check_error("evt.type in (open, openta)", 20, "unknown event type openta");
    check_error(
        "evt.is_open_read contains x",
        18,
        "filter error: 'contains' operator not supported for numeric filters",
    );
    check_error(
        "fd.num contains x",
        8,
        "filter error: 'contains' operator not supported for numeric filters",
    );
    check_error(
        "proc.name bcontains 41",
        11,
        "filter error: 'bcontains' operator not supported for string filters",
    );
    check_error(
        "evt.buffer icontains x",
        12,
        "filter error: 'icontains' operator not supported for buffer filters",
    );
    check_error(
        "fd.sip > 3",
        8,
        "filter error: '>' operator not supported for ip address and network filters",
    );
    check_error(
        "fd.sip contains anyof (x)",
        8,
        "filter error: 'contains' with modifier not supported for ip address",
    );
    check_error("ka.user.groups == x", 16, "filter error: '=' operator not supported list filters");
    check_error("fd.num = x", 10, "x is not a valid number");
    check_error("fd.num = 12x", 10, "12x is not a valid number");
    check_error("fd.num > 0x1F", 10, "0x1F is not a valid number");
    check_error("fd.num > 1.5", 10, "1.5 is not a valid number");
    check_error("fd.num = ''", 10, " is not a valid number");
    check_error("fd.sip = host", 10, "unrecognized IPv6 address host");
    check_error("fd.sip = 1.2.3", 10, "unrecognized IPv4 address 1.2.3");
    check_error("fd.sip = ::ffff:1.2.3.4", 10, "unrecognized IPv4 address ::ffff:1.2.3.4");
    check_error("fd.snet = 10.0.0.1", 11, "unrecognized IP network 10.0.0.1");
    check_error("evt.is_open_read = yes", 20, "filter error: unrecognized boolean value yes");
    check_error("proc.name[1] = x", 1, "filter_check called with nonexistent field proc.name[1]");
    check_error("proc.name regex '('", 17, "invalid regex pattern: missing ): (");
    check_error("proc.name = \"\\x00\"", 13, "filter value cannot contain a NUL byte");
    check_error(
        &format!("proc.name = {}", "x".repeat(256)),
        13,
        "filter parameter too long (used=257, available=256):xxx",
    );
    check_error(
        &format!("evt.buffer = {}", "x".repeat(256)),
        14,
        "filter parameter too long (byte buf)",
    );
    check_error(
        "tolower(fd.num) = x",
        1,
        "can't add field transformer: type 'INT64' is not supported by 'tolower' transformer applied on field 'fd.num'",
    );
    check_error(
        "b64(ka.user.groups) in (1) and basename(evt.buffer) = x",
        32,
        "type 'BYTEBUF' is not supported by 'basename'",
    );
    check_error("tolower(proc.aname) = x", 1, "field 'proc.aname' does not support transformers");
    check_error("a and proc.name = x", 1, "Undefined macro 'a'");
    check_error("evt.buffer bcontains xyz", 22, "support hex strings only");
    check_error("evt.buffer bcontains 414", 22, "support hex strings only");
}

#[test]
fn bytes_may_be_anything() {
    check("evt.buffer contains \"\\x01A\"", true);
    check("evt.buffer contains \"\\x00\"", false);
    check("evt.buffer bcontains 00", false);
    check("proc.name contains ''", true);
    check(&format!("proc.name = {}", "x".repeat(255)), false);
}
