//! What the kernel is told to look for is never less than what the rules look for.

#[path = "../../testkit/src/not_run.rs"]
#[allow(unreachable_pub, reason = "it is a crate's for others")]
mod not_run;
#[path = "../../testkit/src/official_rules.rs"]
#[allow(unreachable_pub, dead_code, reason = "it is a crate's for others, who ask for more of it")]
mod official_rules;

use std::fs;

use lanner_engine::{
    Event, Options, RecordedEvent, RuleSet, Severity, SourceFile, load,
    projection::{CHECKS_MAX, CLAUSES_MAX, Family, Projection, ShownFacts},
};
use proptest::{prelude::*, sample::subsequence};
use serde_json::{Map, Value, json};

fn load_text(text: String) -> RuleSet {
    let file = SourceFile { name: "rules.yaml".to_owned(), text };
    let (rules, diagnostics) = load(&[file], &Options::default());
    for diagnostic in &diagnostics {
        assert_ne!(diagnostic.severity, Severity::Error, "{diagnostic}");
    }
    rules
}

/// One rule for each condition, named by its number.
fn rules(conditions: &[impl AsRef<str>]) -> RuleSet {
    let rule = |(number, condition): (usize, &dyn AsRef<str>)| {
        format!(
            "- rule: rule {number}\n  desc: x\n  condition: >\n    {}\n  output: x\n  \
             priority: INFO\n  warn_evttypes: false\n",
            condition.as_ref()
        )
    };
    let conditions = conditions.iter().map(|condition| condition as &dyn AsRef<str>);
    load_text(conditions.enumerate().map(rule).collect())
}

fn clauses_of(projection: &Projection, event_type: &str) -> Vec<String> {
    let found = projection.event_types().find(|(known, _)| *known == event_type);
    found.map_or(Vec::new(), |(_, clauses)| clauses.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn check(condition: &str, event_type: &str, expected: &[&str]) {
    let projection = rules(&[condition]).projection("syscall");
    assert_eq!(clauses_of(&projection, event_type), expected, "{condition}");
}

#[track_caller]
fn check_defeated(condition: &str, event_type: &str, expected: &[&str]) {
    let projection = rules(&[condition]).projection("syscall");
    let filter = &projection.rules()[0];
    let found = filter.event_types.iter().find(|known| known.event_type == event_type).unwrap();
    assert!(found.is_wide(), "{condition}: {}", found.clauses.iter().next().unwrap());
    assert_eq!(found.defeated_by, expected, "{condition}");
}

#[test]
fn files() {
    check(
        "evt.type=open and fd.name in (/etc/shadow, /etc/sudoers)",
        "open",
        &["path (/etc/shadow, /etc/sudoers)"],
    );
    check(
        "evt.type=open and (fd.name startswith /etc/ or fd.directory=/root or fd.filename=x)",
        "open",
        &["path (/etc/*, /root/{name}, {directory}/x)"],
    );
    check("evt.type=open and fd.name endswith .php", "open", &["path *.php"]);
    check("evt.type=open and fd.name pmatch (/opt/a)", "open", &["path (/opt/a, /opt/a/*)"]);
    check("evt.type=open and fd.name pmatch (/opt/a*/b)", "open", &["path /opt/a*"]);
    check("evt.type=open and fd.directory pmatch (/a)", "open", &["path /a/*"]);
    check("evt.type=open and fd.filename startswith id_", "open", &["path */id_*"]);
    check(
        "evt.type=open and fd.name glob '/home/*/.ssh/*'",
        "open",
        &["path /home/* and path */.ssh/*"],
    );
    check("evt.type=open and fd.name contains a_long_needle", "open", &["path *g_needle*"]);
    check(
        "evt.type=open and fd.name startswith /etc and not fd.name startswith /etc/ssl/",
        "open",
        &["path /etc* and path not /etc/ssl/*"],
    );
    check("evt.type=open and fd.nameraw contains ../", "open", &["raw path *../*"]);
    check(
        "evt.type=open and evt.arg.flags contains O_TRUNC",
        "open",
        &["argument flags *O_TRUNC*"],
    );
    check(
        "evt.type=open and evt.is_open_write=true and fd.typechar=f and fd.num>=0",
        "open",
        &["type file and result >= 0 and evt.is_open_write"],
    );
    check("evt.type=open and not evt.is_open_read=true", "open", &["not evt.is_open_read"]);
    check("evt.type=open and evt.res=ENOENT", "open", &["result -2"]);
    check("evt.type=open and evt.res!=SUCCESS", "open", &["result <= -1"]);
    check("evt.type=open and evt.failed=false", "open", &["result >= 0"]);
}

#[test]
fn paths_of_other_calls() {
    check("evt.type=rename and evt.arg.newpath startswith /b", "rename", &["new path /b*"]);
    check("evt.type=symlink and evt.arg.target=/etc", "symlink", &["link target /etc"]);
    check(
        "evt.type=chmod and evt.arg.mode contains S_ISUID",
        "chmod",
        &["argument mode *S_ISUID*"],
    );
    check(
        "evt.type=fchmodat2 and evt.arg.filename=/x and evt.arg.mode contains S_IXUSR",
        "fchmodat2",
        &["path /x and argument mode *S_IXUSR*"],
    );
    // Each call has some of these names; the others never have a value.
    let condition = "evt.type in (unlink, unlinkat) and \
                     (evt.arg.path endswith x or evt.arg.name endswith x or evt.arg.oldpath=y)";
    check(condition, "unlink", &["path *x"]);
    check(condition, "unlinkat", &["path *x"]);
}

#[test]
fn connections() {
    check(
        "evt.type=connect and fd.snet in ('10.0.0.0/8') and fd.sport in (22, 23)",
        "connect",
        &["peer address 10.0.0.0/8 and peer port 22 to 23"],
    );
    check(
        "evt.type=connect and fd.ip != 0.0.0.0",
        "connect",
        &["local address not 0.0.0.0/32 and peer address not 0.0.0.0/32"],
    );
    check(
        "evt.type=connect and fd.ip = 1.2.3.4",
        "connect",
        &["local address 1.2.3.4/32", "peer address 1.2.3.4/32"],
    );
    // Who is the server of a datagram is found out in user space.
    check("evt.type=sendto and fd.sport=53", "sendto", &["local port 53", "peer port 53"]);
    check(
        "evt.type=connect and fd.typechar in (4, 6) and fd.l4proto!=tcp",
        "connect",
        &["type (ipv4, ipv6) and transport (icmp, raw, udp)"],
    );
    check(
        "evt.type=connect and fd.name=/run/docker.sock",
        "connect",
        &["path /run/docker.sock and type unix"],
    );
}

#[test]
fn processes() {
    check("evt.type=setuid and proc.name in (a, b)", "setuid", &["process (a, b)"]);
    check("evt.type=setuid and not proc.name in (a, b)", "setuid", &["process not (a, b)"]);
    check("evt.type=open and proc.aname[0]=a", "open", &["process a"]);
    check("evt.type=open and proc.tty!=0", "open", &["proc.tty (<= -1, >= 1)"]);
    check("evt.type=open and proc.is_sid_leader=true", "open", &["proc.is_sid_leader"]);
    check("evt.type=open and container.id!=host", "open", &["runs on container"]);
    check("evt.type=open and not container.id=host", "open", &["runs on not host"]);
    check("evt.type=open and k8s.ns.name=shop", "open", &["runs on container"]);
    check("evt.type=open and container.privileged=true", "open", &["runs on container"]);
    check(
        "evt.type=ptrace and thread.cap_effective icontains sys_admin",
        "ptrace",
        &["thread.cap_effective *SYS_ADMIN*"],
    );
}

#[test]
fn arguments_that_are_names() {
    check(
        "evt.type in (kill, tgkill) and evt.arg.sig in (SIGKILL, SIGTERM)",
        "tgkill",
        &["argument sig (SIGKILL, SIGTERM)"],
    );
    check("evt.type=socket and evt.arg.domain=AF_PACKET", "socket", &["argument domain AF_PACKET"]);
    check(
        "evt.type=setns and evt.arg.nstype contains CLONE_NEWNS",
        "setns",
        &["argument nstype *CLONE_NEWNS*"],
    );
}

#[test]
fn an_interactive_shell_in_a_container_need_not_ship_every_open() {
    let condition = "evt.type in (open, execve) and container.id!=host and proc.tty!=0 \
                     and (proc.name in (bash, sh) or proc.aname in (bash, sh))";
    let expected = ["runs on container and proc.tty (<= -1, >= 1)"];
    check(condition, "open", &expected);
    check(condition, "execve", &expected);
}

#[test]
fn what_cannot_be_told_passes_everything() {
    check_defeated("evt.type=open", "open", &[]);
    check_defeated("evt.type=open and fd.name icontains x", "open", &["fd.name"]);
    check_defeated("evt.type=open and fd.name regex 'x.*'", "open", &["fd.name"]);
    check_defeated("evt.type=open and tolower(fd.name) = x", "open", &["fd.name"]);
    check_defeated("evt.type=open and fd.name = val(proc.exepath)", "open", &["fd.name"]);
    check_defeated("evt.type=open and (fd.name=/x or proc.env contains x)", "open", &["proc.env"]);
    check_defeated("evt.type=execve and proc.cmdline contains x", "execve", &["proc.cmdline"]);
    // The kernel knows of no ancestors.
    check_defeated("evt.type=open and proc.aname in (a, b)", "open", &["proc.aname"]);
    check_defeated("evt.type=open and proc.exe endswith a", "open", &["proc.exe"]);
    check_defeated("evt.type=open and not proc.pname=a", "open", &["proc.pname"]);
    check_defeated("evt.type=open and proc.pname!=a", "open", &["proc.pname"]);
    // The host has no value of these, so that `not` holds for it.
    check_defeated("evt.type=open and not k8s.ns.name=a", "open", &["k8s.ns.name"]);
    // It knows of the host's processes, not of the containers'.
    check_defeated("evt.type=open and container.id=host", "open", &[]);
    // Who enters a user namespace is shown with the capabilities from before.
    check_defeated(
        "evt.type=unshare and thread.cap_effective contains CAP_X",
        "unshare",
        &["thread.cap_effective"],
    );
    // What is behind a handle or a descriptor is not read.
    check_defeated("evt.type=open_by_handle_at and fd.name=/a", "open_by_handle_at", &["fd.name"]);
    check_defeated("evt.type=fchmod and fd.name=/a", "fchmod", &["fd.name"]);
    // Shown for several bits or for none, or a number.
    check_defeated("evt.type=open and evt.arg.flags contains RDWR", "open", &["evt.arg.flags"]);
    check_defeated("evt.type=chmod and evt.arg.mode contains 0", "chmod", &["evt.arg.mode"]);
    // A socket's path is as the program gave it.
    check_defeated("evt.type=connect and fd.name pmatch (/a)", "connect", &["fd.name"]);
    // A part may be missing where the path is not.
    check_defeated("evt.type=open and not fd.directory=/etc", "open", &["fd.directory"]);
    check_defeated("evt.type=open and evt.is_open_read=true", "open", &[]);
    check_defeated(
        "evt.type=connect and container.id!=host and fd.sip.name=x",
        "connect",
        &["fd.sip.name"],
    );
}

#[test]
fn what_matches_nothing_passes_nothing() {
    check("evt.type=open and (fd.name=/a or evt.num=0)", "open", &["path /a"]);
    check("evt.type=open and (fd.name=/a or proc.name in ())", "open", &["path /a"]);
    check(
        "(evt.type=open and fd.name=/a) or (evt.type=creat and fd.name=/b)",
        "open",
        &["path /a"],
    );
    check(
        "(evt.type=open and fd.name=/a) or (evt.type=creat and fd.name=/b)",
        "creat",
        &["path /b"],
    );
    check("evt.type=open and fd.name=/a", "creat", &[]);
    let projection = rules(&["evt.type=open and fd.name=/a"]).projection("syscall");
    let nothing = RecordedEvent::from_json(r#"{"evt.type":"creat"}"#).unwrap();
    let facts = ShownFacts::new(&nothing);
    assert!(!projection.admits("creat", &facts), "no rule wants it");
    assert!(projection.admits("open", &facts), "nothing is known of it");
    assert!(projection.admits("close", &facts), "it has no filter");
    assert_eq!(rules(&["evt.type=open"]).projection("k8s_audit").event_types().count(), 0);
}

#[test]
fn a_disabled_rule_is_described_and_takes_no_part() {
    let text = "- rule: off\n  desc: x\n  condition: evt.type=open\n  output: x\n  \
                priority: INFO\n  enabled: false\n";
    let projection = load_text(text.to_owned()).projection("syscall");
    assert_eq!(projection.event_types().count(), 0);
    assert_eq!(projection.rules()[0].event_types[0].event_type, "open");
}

#[test]
fn many_rules_stay_few_clauses() {
    let rule = |number: usize| {
        format!(
            "evt.type=open and fd.name startswith /d{number}/ and proc.tty={number} \
             and (user.uid={number} or proc.name=p{number} or not proc.name=q{number})"
        )
    };
    let conditions: Vec<String> = (0..300).map(rule).collect();
    let projection = rules(&conditions).projection("syscall");
    let (_, clauses) = projection.event_types().find(|(name, _)| *name == "open").unwrap();
    assert!(clauses.iter().count() <= CLAUSES_MAX);
    assert!(!clauses.is_everything());
    for (number, _) in conditions.iter().enumerate() {
        let event = json!({
            "evt.type": "open", "fd.name": format!("/d{number}/x"), "proc.tty": number,
            "user.uid": 1, "proc.name": "x",
        });
        let event = RecordedEvent::from_map(event.as_object().unwrap()).unwrap();
        assert!(projection.admits("open", &ShownFacts::new(&event)), "{number}");
    }
}

#[test]
fn hostile_conditions_are_bounded() {
    // As a product of sums: 3 to the power of 60 clauses.
    let sums: Vec<String> =
        (0..60).map(|n| format!("(fd.name=/a{n} or proc.tty={n} or proc.name=x{n})")).collect();
    let long = "x".repeat(200);
    let alternatives: Vec<String> =
        (0..1200).map(|n| format!("fd.name startswith /{n}/")).collect();
    for condition in [
        format!("evt.type=open and {}", sums.join(" and ")),
        format!("evt.type=open and (fd.name=/{long} or fd.name contains {long})"),
        format!("evt.type=open and ({})", alternatives.join(" or ")),
    ] {
        let projection = rules(&[condition]).projection("syscall");
        for (_, clauses) in projection.event_types() {
            assert!(clauses.iter().count() <= CLAUSES_MAX);
            assert!(clauses.iter().all(|clause| clause.checks().len() <= CHECKS_MAX));
        }
    }
}

#[test]
fn every_fact_says_what_it_needs() {
    let projection = rules(&[
        "evt.type=open and fd.name=/a and proc.aname=b and k8s.ns.name=c and proc.exe=d",
        "evt.type=connect and fd.sip=1.2.3.4 and fd.sport=5",
    ])
    .projection("syscall");
    assert_eq!(projection.facts().len(), 4);
    assert!(projection.facts().iter().all(|fact| fact.obligation().len() > 10));
}

#[test]
fn families_have_their_types() {
    let all: Vec<&str> = Family::ALL.into_iter().flat_map(Family::event_types).collect();
    assert!(all.len() > 40, "{all:?}");
    for event_type in all {
        let rules = rules(&[format!("evt.type={event_type}")]);
        let (name, _) =
            rules.projection("syscall").event_types().next().map(|(n, c)| (n, c.clone())).unwrap();
        assert_eq!(name, event_type);
    }
}

// Soundness, on the official rules.

/// The official stable rules, or `None` after saying that the test does not run.
fn official_rules(test: &str) -> Option<RuleSet> {
    let path = official_rules::file(test, official_rules::STABLE)?;
    Some(load_text(fs::read_to_string(path).unwrap()))
}

#[test]
fn of_the_official_rules_few_defeat_the_filter() {
    let test = "of_the_official_rules_few_defeat_the_filter";
    let Some(rules) = official_rules(test) else { return };
    let projection = rules.projection("syscall");
    let mut wide: Vec<(&str, &str, Vec<String>)> = Vec::new();
    for rule in projection.rules() {
        for filter in rule.event_types.iter().filter(|filter| filter.is_wide()) {
            wide.push((&rule.rule, filter.event_type, filter.defeated_by.clone()));
        }
    }
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (starts, others): (Vec<_>, Vec<_>) =
        wide.into_iter().partition(|wide| Family::of(wide.1) == Some(Family::Exec));
    let expected = [("Contact K8S API Server From Container", "connect", names(&["fd.sip.name"]))];
    assert_eq!(others, expected);
    // Programs that start are reported in any case: what they are is not tested in the kernel.
    let starts: Vec<_> = starts.into_iter().filter(|wide| wide.1 == "execve").collect();
    let expected = [
        ("System user interactive", "execve", names(&["proc.aname", "user.name"])),
        ("Execution from /dev/shm", "execve", names(&["proc.args", "proc.cwd", "proc.exe"])),
        ("Drop and execute new binary in container", "execve", names(&["proc.is_exe_upper_layer"])),
        ("Fileless execution via memfd_create", "execve", names(&["proc.is_exe_from_memfd"])),
    ];
    assert_eq!(starts, expected);
}

/// Fields of which user space may have no value where the kernel knows.
const MAYBE_HIDDEN: [&str; 22] = [
    "proc.aname",
    "proc.pname",
    "proc.exe",
    "proc.exepath",
    "proc.cmdline",
    "proc.args",
    "proc.env",
    "proc.duration",
    "proc.is_exe_upper_layer",
    "proc.is_exe_from_memfd",
    "proc.exec_entered",
    "thread.cap_effective",
    "container.image.repository",
    "k8s.ns.name",
    "k8s.pod.name",
    "user.name",
    "fd.directory",
    "fd.filename",
    "evt.arg.flags",
    "evt.arg.request",
    "evt.arg.mode",
    "evt.arg.target",
];

/// Fields that user space has all of or none.
const TOGETHER: [&[&str]; 5] = [
    &["fd.name", "evt.arg.name"],
    &["evt.rawres", "evt.res", "evt.failed"],
    &["fd.type", "fd.typechar", "fd.sockfamily"],
    &["fd.cip", "fd.sip", "fd.lip", "fd.rip"],
    &["fd.cport", "fd.sport", "fd.lport", "fd.rport"],
];

fn event_of(map: &Map<String, Value>) -> RecordedEvent {
    RecordedEvent::from_map(map).unwrap()
}

/// Asserts that what a rule matches is let out of the kernel.
#[track_caller]
fn assert_sound(
    rules: &RuleSet,
    projection: &Projection,
    shown: &RecordedEvent,
    known: &RecordedEvent,
) {
    let event_type = shown.event_type();
    let matching = rules.evaluate("syscall", shown);
    let names: Vec<&str> = matching.iter().map(|matched| &*matched.rule.name).collect();
    if let Some(name) = names.first() {
        let filters = projection.rules().iter().find(|rule| rule.rule == *name).unwrap();
        let filters: Vec<String> = filters
            .event_types
            .iter()
            .filter(|filter| filter.event_type == event_type)
            .flat_map(|filter| filter.clauses.iter().map(ToString::to_string))
            .collect();
        let all = clauses_of(projection, event_type);
        assert!(
            projection.admits(event_type, &ShownFacts::new(known)),
            "{names:?} match and the kernel withholds it\nof the rule: {filters:#?}\n\
                 of all: {all:#?}\n{shown:?}"
        );
    }
}

#[test]
fn what_an_official_rule_matches_is_let_out() {
    let test = "what_an_official_rule_matches_is_let_out";
    let Some(rules) = official_rules(test) else { return };
    let projection = rules.projection("syscall");
    let mut withheld = 0;
    for line in include_str!("data/official_events.jsonl").lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let map = line["event"].as_object().unwrap();
        let full = event_of(map);
        assert_sound(&rules, &projection, &full, &full);
        withheld += usize::from(!projection.admits(full.event_type(), &ShownFacts::new(&full)));
        for key in map.keys() {
            let mut fewer = map.clone();
            fewer.remove(key);
            let fewer = event_of(&fewer);
            assert_sound(&rules, &projection, &fewer, &fewer);
            if MAYBE_HIDDEN.contains(&key.as_str()) {
                assert_sound(&rules, &projection, &fewer, &full);
            }
        }
    }
    assert!(withheld > 3, "only {withheld} near misses stay in the kernel");
}

// Soundness, on random rules and events.

const TESTS: &[&str] = &[
    "fd.name = /etc/shadow",
    "fd.name != /etc/shadow",
    "fd.name startswith /etc/",
    "fd.name endswith shadow",
    "fd.name contains s",
    "fd.name icontains ETC",
    "fd.name glob '/*/s*'",
    "fd.name iglob '/ETC/*'",
    "fd.name pmatch (/etc, /root/*)",
    "fd.name in (/etc/shadow, /root/x, /run/x.sock)",
    "fd.name != allof (/etc/shadow, /root/x)",
    "fd.name = oneof (/etc/shadow, /root/x)",
    "fd.name contains allof (e, s)",
    "fd.name startswith val(fd.directory)",
    "fd.name exists",
    "tolower(fd.name) = /etc/shadow",
    "fd.directory = /etc",
    "fd.directory startswith /e",
    "fd.directory pmatch (/etc)",
    "fd.directory in (/, /root)",
    "fd.directory != /etc",
    "fd.filename = shadow",
    "fd.filename startswith sh",
    "fd.filename glob '*ow'",
    "fd.nameraw contains ../",
    "fd.typechar = f",
    "fd.typechar in (4, 6)",
    "fd.type != file",
    "fd.type startswith ipv",
    "fd.num >= 0",
    "fd.num = -1",
    "evt.rawres >= 0",
    "evt.rawres in (0, 1, 2)",
    "evt.res = SUCCESS",
    "evt.res startswith E",
    "evt.res != ENOENT",
    "evt.res = EINPROGRESS",
    "evt.res in (EPERM, EBADF)",
    "evt.failed = true",
    "evt.is_open_read = true",
    "evt.is_open_write = false",
    "evt.arg.flags contains O_TRUNC",
    "evt.arg.flags = O_RDONLY",
    "evt.arg.request contains PTRACE_ATTACH",
    "evt.arg.request != PTRACE_TRACEME",
    "evt.arg.oldpath startswith /etc",
    "evt.arg.newpath = /root/x",
    "evt.arg.name endswith shadow",
    "evt.arg.path endswith shadow",
    "evt.arg.target = /etc/shadow",
    "evt.num = 0",
    "evt.num >= 1",
    "fd.sip = 10.0.0.1",
    "fd.sip != 10.0.0.1",
    "fd.snet in ('10.0.0.0/8', 'fd00::/8')",
    "fd.cip = 127.0.0.1",
    "fd.ip = 10.0.0.1",
    "fd.ip != 127.0.0.1",
    "fd.net != 10.0.0.0/8",
    "fd.net = 127.0.0.0/8",
    "fd.sport in (22, 443)",
    "fd.sport <= 1024",
    "fd.port = 443",
    "fd.port != 443",
    "fd.l4proto = tcp",
    "fd.l4proto != tcp",
    "fd.sockfamily = unix",
    "fd.connected = true",
    "proc.name = sh",
    "proc.name in (sh, cat, sshd)",
    "proc.name != sshd",
    "proc.name startswith s",
    "proc.name contains a",
    "proc.pname = sshd",
    "proc.pname exists",
    "proc.pname != runc",
    "proc.aname = sshd",
    "proc.aname in (runc, sshd)",
    "proc.aname != sshd",
    "proc.aname startswith run",
    "proc.aname[2] = runc",
    "proc.aname[0] = sh",
    "proc.exe endswith /sh",
    "proc.exe != /bin/sh",
    "proc.cmdline contains -c",
    "proc.cmdline = 'sh -c id'",
    "proc.tty != 0",
    "proc.tty = 0",
    "proc.exec_entered = true",
    "proc.is_exe_upper_layer = true",
    "proc.is_exe_upper_layer != true",
    "user.uid = 0",
    "user.uid != 0",
    "user.loginuid = -1",
    "container.id = host",
    "container.id != host",
    "container.id in (host, abc)",
    "container.id startswith h",
    "container.name = x",
    "container.name exists",
    "container.image.repository = shop",
    "container.image.repository exists",
    "k8s.ns.name in (shop, kube-system)",
    "k8s.ns.name != shop",
    "thread.cap_effective contains CAP_SYS_ADMIN",
    "thread.cap_effective icontains sys_",
    "evt.type = open",
    "evt.type in (connect, accept, rename)",
    "evt.type != open",
    "evt.dir = <",
    "evt.source = syscall",
    "proc.name in ()",
];

const EVENT_TYPES: [&str; 11] = [
    "open", "openat", "creat", "execve", "connect", "accept", "sendto", "rename", "unlink",
    "symlink", "ptrace",
];

fn condition() -> impl Strategy<Value = String> {
    let test = prop::sample::select(TESTS).prop_map(str::to_owned);
    let tree = test.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" and "))),
            3 => prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" or "))),
            3 => inner.prop_map(|part| format!("(not ({part}))")),
        ]
    });
    let types = subsequence(EVENT_TYPES.to_vec(), 0..4);
    (tree, types).prop_map(|(tree, types)| match types.as_slice() {
        [] => tree,
        types => format!("evt.type in ({}) and {tree}", types.join(", ")),
    })
}

fn pick<T: Clone + std::fmt::Debug + 'static>(values: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(values)
}

/// A path and the fields that show it.
fn show_path(map: &mut Map<String, Value>, path: &str) {
    map.insert("fd.name".to_owned(), path.into());
    if let Some((directory, name)) = path.rsplit_once('/') {
        let directory = if directory.is_empty() { "/" } else { directory };
        map.insert("fd.directory".to_owned(), directory.into());
        map.insert("fd.filename".to_owned(), name.into());
    }
}

const PATHS: &[&str] = &[
    "/etc/shadow",
    "/etc/pam.d/x",
    "/root/x",
    "/shadow",
    "/etc",
    "/",
    "/x//etc/shadow",
    "etc/shadow",
    "/root/../etc/shadow",
    "/ETC/shadow",
];

/// What the process is: the same for every event.
fn process() -> impl Strategy<Value = Map<String, Value>> {
    let names = pick(&["sh", "cat", "sshd", "runc", "<NA>"]);
    let ancestors = prop::collection::vec(pick(&["sh", "sshd", "runc", "systemd"]), 0..4);
    let container = pick(&[("host", None), ("abc", Some("shop")), ("def", Some("kube-system"))]);
    let numbers = (pick(&[0, 34816]), pick(&[0, 1000]), pick(&[-1, 0, 1000]));
    let image = (
        pick(&["/bin/sh", "/usr/bin/cat", "./x"]),
        pick(&["sh -c id", "cat"]),
        any::<bool>(),
        any::<bool>(),
    );
    let capabilities = pick(&["CAP_SYS_ADMIN CAP_CHOWN", "CAP_CHOWN", ""]);
    (names, ancestors, container, numbers, image, capabilities).prop_map(
        |(name, ancestors, (id, namespace), (tty, uid, loginuid), image, capabilities)| {
            let (exe, cmdline, upper, entered) = image;
            let mut map = json!({
                "evt.num": 1, "proc.name": name, "proc.aname": ancestors, "container.id": id,
                "proc.tty": tty, "user.uid": uid, "user.loginuid": loginuid, "proc.exe": exe,
                "proc.cmdline": cmdline, "proc.is_exe_upper_layer": upper,
                "proc.exec_entered": entered, "thread.cap_effective": capabilities,
                "container.name": if id == "host" { "host" } else { "x" },
            });
            let map = map.as_object_mut().unwrap();
            if let Some(parent) = ancestors.first() {
                map.insert("proc.pname".to_owned(), (*parent).into());
            }
            if let Some(namespace) = namespace {
                map.insert("k8s.ns.name".to_owned(), namespace.into());
                map.insert("container.image.repository".to_owned(), namespace.into());
            }
            std::mem::take(map)
        },
    )
}

/// What happened: `evt.type` and all that depends on it.
fn happening() -> impl Strategy<Value = Map<String, Value>> {
    let numbers = (pick(&[-115_i64, -9, -2, 0, 1, 3]), any::<bool>(), any::<bool>());
    let paths = (pick(PATHS), pick(PATHS), pick(&["../../etc/shadow", "shadow"]));
    let addresses = &["10.0.0.1", "127.0.0.1", "192.0.2.1", "::ffff:10.0.0.1", "fd00::1"];
    let ends = (pick(addresses), pick(addresses), pick(&[22, 443, 5000]), pick(&[443, 40000]));
    let words = (
        pick(&["O_RDONLY", "O_TRUNC|O_WRONLY", "O_RDWR|O_CLOEXEC"]),
        pick(&["PTRACE_ATTACH", "PTRACE_TRACEME", "PTRACE_CONT"]),
        pick(&["tcp", "udp", "<NA>"]),
        pick(&[0, 1, 2]),
    );
    (pick(&EVENT_TYPES), numbers, paths, ends, words).prop_map(
        |(event_type, (result, read, write), (path, other, raw), ends, words)| {
            let (client, server, server_port, client_port) = ends;
            let (flags, request, transport, socket) = words;
            let res = match result {
                -115 => "EINPROGRESS",
                -9 => "EBADF",
                -2 => "ENOENT",
                _ => "SUCCESS",
            };
            let mut map = json!({
                "evt.type": event_type, "evt.rawres": result, "evt.res": res,
                "evt.failed": result < 0,
            });
            let map = map.as_object_mut().unwrap();
            let more = match event_type {
                "open" | "openat" | "creat" => {
                    show_path(map, path);
                    json!({
                        "fd.nameraw": raw, "fd.num": result.max(-1), "evt.arg.name": path,
                        "fd.type": if write { "file" } else { "directory" },
                        "fd.typechar": if write { "f" } else { "d" },
                        "evt.is_open_read": read, "evt.is_open_write": write,
                        "evt.arg.flags": flags,
                    })
                }
                "connect" | "accept" | "sendto" if socket == 0 && event_type == "connect" => json!({
                    "fd.name": "/run/x.sock", "fd.type": "unix", "fd.typechar": "u", "fd.num": 5,
                    "fd.sockfamily": "unix",
                }),
                "connect" | "accept" | "sendto" => {
                    // Whoever the server is, it is one of the two ends.
                    let ((local, local_port), (remote, remote_port)) =
                        match event_type == "connect" || read {
                            true => ((client, client_port), (server, server_port)),
                            false => ((server, server_port), (client, client_port)),
                        };
                    json!({
                        "fd.name": format!("{client}:{client_port}->{server}:{server_port}"),
                        "fd.type": "ipv4", "fd.typechar": "4", "fd.num": 5, "fd.sockfamily": "ip",
                        "fd.cip": client, "fd.sip": server, "fd.cport": client_port,
                        "fd.sport": server_port, "fd.lip": local, "fd.rip": remote,
                        "fd.lport": local_port, "fd.rport": remote_port, "fd.l4proto": transport,
                        "fd.connected": read,
                    })
                }
                "rename" => json!({"evt.arg.oldpath": path, "evt.arg.newpath": other}),
                "unlink" => json!({"evt.arg.path": path}),
                "symlink" => json!({"evt.arg.target": other, "evt.arg.linkpath": path}),
                "ptrace" => json!({"evt.arg.request": request}),
                _ => json!({}),
            };
            map.extend(more.as_object().unwrap().clone());
            std::mem::take(map)
        },
    )
}

fn without(map: &Map<String, Value>, keys: &[&str], bits: u64) -> Map<String, Value> {
    let dropped = |key: &str| {
        keys.iter().position(|one| *one == key).is_some_and(|at| bits >> (at % 64) & 1 == 1)
    };
    map.iter()
        .filter(|(key, _)| !dropped(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_rule_matches_is_let_out(
        conditions in prop::collection::vec(condition(), 1..12),
        happenings in prop::collection::vec(happening(), 24),
        processes in prop::collection::vec(process(), 24),
        bits in prop::collection::vec(any::<u64>(), 24),
        other in pick(PATHS),
    ) {
        let rules = rules(&conditions);
        let projection = rules.projection("syscall");
        for ((mut full, process), bits) in happenings.into_iter().zip(processes).zip(bits) {
            full.extend(process);
            let known = event_of(&full);

            // User space knows less of the process than the kernel.
            let shown = event_of(&without(&full, &MAYBE_HIDDEN, bits));
            assert_sound(&rules, &projection, &shown, &known);

            // Anything may be missing from both, but what shows the same fact goes together.
            let alone: Vec<&str> = full
                .keys()
                .map(String::as_str)
                .filter(|key| !["evt.type", "evt.num"].contains(key))
                .filter(|key| !TOGETHER.iter().any(|group| group.contains(key)))
                .collect();
            let mut fewer = without(&full, &alone, bits & bits.rotate_left(7));
            for (at, group) in TOGETHER.iter().enumerate() {
                if bits >> (at + 40) & 3 == 3 {
                    fewer.retain(|key, _| !group.contains(&key.as_str()));
                }
            }
            let fewer = event_of(&fewer);
            assert_sound(&rules, &projection, &fewer, &fewer);

            // The file that was really opened has another path.
            if full.contains_key("fd.nameraw") {
                full.insert("fd.name.resolved".to_owned(), other.into());
                let both = event_of(&full);
                assert_sound(&rules, &projection, &both, &both);
            }
        }
    }
}
