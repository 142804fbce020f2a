use crate::{Filter, RecordedEvent};

const EVENT: &str = r#"{
    "evt.type": "openat", "evt.rawtime": 1700000000000000000, "evt.rawres": -2, "evt.num": 7,
    "proc.name": "cat", "proc.cmdline": "cat /etc/shadow", "proc.exepath": "/usr/bin/cat",
    "proc.aname": ["sh", "runc", "containerd-shim"], "proc.aname[2]": "runc",
    "proc.tty": 34816, "user.loginuid": -1, "evt.is_open_read": true,
    "fd.name": "/opt/dir/x", "fd.typechar": "4", "fd.cip": "10.1.2.3", "fd.sip": "192.0.2.7",
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
    check("fd.name pmatch (opt/dir)", false);
    check("fd.name pmatch (/etc, /opt)", true);
}

#[test]
fn numbers() {
    check("evt.rawres = -2", true);
    check("evt.rawres < 0", true);
    check("evt.rawres >= -2", true);
    check("proc.tty != 0", true);
    check("proc.tty = 0x8800", true);
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
fn what_does_not_fit_is_refused_where_it_stands() {
    check_error("proc.nmae = x", 1, "nonexistent field proc.nmae");
    check_error("evt.type = openta", 12, "unknown event type openta");
    check_error("evt.type in (open, openta)", 20, "unknown event type openta");
    check_error("evt.is_open_read contains x", 18, "operator 'contains' does not work on");
    check_error("fd.num = x", 10, "'x' is not a number");
    check_error("proc.tty = -1", 12, "'-1' is not a number");
    check_error("fd.sip = host", 10, "unrecognized IP address host");
    check_error("fd.snet = 10.0.0.1", 11, "unrecognized IP network 10.0.0.1");
    check_error("evt.is_open_read = yes", 20, "neither true nor false");
    check_error("ka.user.groups = x", 16, "a list of text");
    check_error("proc.name[1] = x", 1, "nonexistent field proc.name[1]");
    check_error("proc.aname[x] = x", 1, "nonexistent field proc.aname[x]");
    check_error("evt.arg = x", 1, "filter syntax error: evt.arg");
    check_error("proc.name regex '('", 17, "invalid regex pattern");
    check_error("proc.name regex 'a)|(b'", 17, "invalid regex pattern");
    check_error("tolower(fd.num) = x", 1, "does not take");
    check_error("fd.num = val(proc.name)", 10, "fd.num is int and proc.name is text");
    check_error("a and proc.name = x", 1, "Undefined macro 'a'");
    check_error("evt.buffer bcontains xyz", 22, "not hexadecimal");
}
