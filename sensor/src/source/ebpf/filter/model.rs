//! The kernel's tests, made by Rust: what is compiled must let out whatever a rule matches.

use std::net::IpAddr;

use lanner_engine::{
    Event as _, Options, RecordedEvent, RuleSet, SourceFile, load,
    projection::{Fact, Family, KernelFacts, Known, Pattern, ShownFacts},
};
use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value as Json};

use super::{
    filtered_calls,
    image::{AddressTest, Kind, Mask, Parts, Paths, Program, Run},
    program::{
        CHOICE, CHOICE_NUMBERS, CHOICES, FD_TYPES, FLAG_FACTS, NUMBER_FACTS, PATHS, PLACE_NAMES,
        TRANSPORT_NAMES, bit_facts, named_bits, parts,
    },
};

fn admits(parts: &Parts, event_type: &str, facts: &dyn KernelFacts) -> bool {
    let calls = filtered_calls().filter(|(_, name)| *name == event_type);
    let mut programs = calls.map(|(call, _)| parts.program_of[usize::from(call)]);
    let family = Family::of(event_type);
    programs.all(|number| number == 0 || passes(parts, number, family, facts) != 0)
}

/// `filter_begin` and what follows in `bpf/filter*.h`.
fn passes(parts: &Parts, number: u32, family: Option<Family>, facts: &dyn KernelFacts) -> Mask {
    let program = &parts.programs[number as usize];
    let mut alive = program.clauses;
    for (fact, test) in NUMBER_FACTS.iter().zip(&program.numbers) {
        if let Known::Number(value) = facts.known(*fact) {
            alive &= steps(parts, test.steps, value) | !test.tests;
        }
    }
    for (fact, test) in FLAG_FACTS.iter().zip(&program.flags) {
        if let Known::Number(value) = facts.known(*fact) {
            alive &= if value == 0 { test.when_not } else { test.when_so };
        }
    }
    for (fact, shown) in CHOICES {
        let test = &program.numbers[CHOICE];
        if let Some(text) = one_text(facts, fact)
            && let Some(number) =
                CHOICE_NUMBERS.into_iter().flatten().find(|number| shown(*number) == text)
        {
            alive &= steps(parts, test.steps, number.into()) | !test.tests;
        }
    }
    for (all, tests) in bit_facts(family).iter().zip(&program.bits) {
        for fact in *all {
            let Some(text) = one_text(facts, *fact) else { continue };
            let words = text.split(|byte| b"| ".contains(byte)).filter(|word| !word.is_empty());
            let bits = words
                .map(|word| named_bits(*fact, family, &Pattern::Contains(word.to_vec())))
                // What is shown for no bit is shown beside any.
                .filter(|bits| bits.is_power_of_two())
                .fold(0, |all, bits| all | bits);
            for test in tests.iter().filter(|test| bits & test.any == 0) {
                alive &= !test.clauses;
            }
        }
    }
    let choices: [(Fact, &[&str], &[Mask], Mask); 3] = [
        (Fact::FdType, &FD_TYPES, &program.types, program.type_tests),
        (Fact::Transport, &TRANSPORT_NAMES, &program.transports, program.transport_tests),
        (Fact::Place, &PLACE_NAMES, &program.places, program.place_tests),
    ];
    for (fact, names, masks, tests) in choices {
        if let Some(text) = one_text(facts, fact)
            && let Some(at) = names.iter().position(|name| name.as_bytes() == text)
        {
            alive &= masks[at] | !tests;
        }
    }
    if let Some(name) = one_text(facts, Fact::ProcessName) {
        alive &= of_name(program, &name) | !program.name_tests;
    }
    for (fact, test) in [(Fact::LocalAddress, &program.local), (Fact::PeerAddress, &program.peer)] {
        if let Known::Address(address) = facts.known(fact) {
            alive &= of_address(parts, test, address) | !test.tests;
        }
    }
    for (fact, table) in PATHS.iter().zip(program.paths) {
        if let Known::Texts(texts) = facts.known(*fact)
            && table != 0
        {
            let paths = &parts.paths[table as usize];
            alive = texts.iter().fold(0, |left, text| left | of_path(paths, text, alive));
        }
    }
    alive
}

fn one_text(facts: &dyn KernelFacts, fact: Fact) -> Option<Vec<u8>> {
    match facts.known(fact) {
        Known::Texts(texts) => <[Vec<u8>; 1]>::try_from(texts).ok().map(|[text]| text),
        _ => None,
    }
}

fn steps(parts: &Parts, run: Run, value: i128) -> Mask {
    let steps = parts.steps.iter().skip(run.at.into()).take(run.count.into());
    steps
        .take_while(|step| i128::from(step.first) <= value)
        .last()
        .map_or(Mask::MAX, |step| step.pass)
}

fn of_name(program: &Program, name: &[u8]) -> Mask {
    let mut padded = [0; 16];
    padded.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
    let found = program.names.iter().find(|(known, _)| *known == padded);
    found.map_or(program.name_otherwise, |(_, pass)| *pass)
}

fn of_address(parts: &Parts, test: &AddressTest, address: IpAddr) -> Mask {
    let address = match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    };
    let run = test.subnets;
    let mut subnets = parts.subnets.iter().skip(run.at.into()).take(run.count.into());
    let found = subnets.find(|subnet| address & subnet.mask == subnet.address);
    found.map_or(test.otherwise, |subnet| subnet.pass)
}

/// `filter_text` in `bpf/filter_text.h`.
fn of_path(paths: &Paths, text: &[u8], alive: Mask) -> Mask {
    let slash = text.iter().rposition(|byte| *byte == b'/');
    let mut found = 0;
    for (kind, wanted, checks) in &paths.texts {
        let (tests, fits) = match (kind, slash) {
            (Kind::Is, _) => (paths.is_tests, text == wanted),
            (Kind::InDirectory, Some(slash)) => {
                (paths.part_tests, text[..slash.max(1)] == wanted[..])
            }
            (Kind::HasName, Some(slash)) => (paths.part_tests, text[slash + 1..] == wanted[..]),
            (Kind::StartsWith, _) => {
                let len = u16::try_from(wanted.len()).unwrap();
                assert!(paths.prefix_lens.contains(&len));
                (paths.prefix_tests, text.starts_with(wanted))
            }
            _ => continue,
        };
        if alive & tests != 0 && fits {
            found |= checks;
        }
    }
    for suffix in &paths.suffixes {
        if alive & paths.suffix_tests != 0 && text.ends_with(&suffix.text) {
            found |= suffix.checks;
        }
    }
    for needle in &paths.needles {
        let mut windows = text.windows(needle.text.len());
        if alive & paths.needle_tests != 0 && windows.any(|window| window == needle.text) {
            found |= needle.checks;
        }
    }
    if found == 0 {
        return alive & paths.when_nothing;
    }
    paths.clauses.iter().enumerate().fold(alive, |alive, (number, clause)| {
        let passes = found & clause.wanted == clause.wanted && found & clause.unwanted == 0;
        if passes { alive } else { alive & !(1 << number) }
    })
}

const TESTS: [&str; 33] = [
    "evt.arg.flags contains O_TRUNC",
    "evt.arg.flags contains O_CREAT",
    "thread.cap_effective contains CAP_KILL",
    "fd.name=/etc/shadow",
    "fd.name in (/etc/shadow, /etc/sudoers, /x)",
    "fd.name startswith /etc/",
    "fd.name startswith /e",
    "fd.name endswith shadow",
    "fd.name endswith .a_long_suffix",
    "fd.name contains ado",
    "fd.name glob '/home/*/.ssh/*'",
    "fd.name pmatch (/etc, /home/a)",
    "fd.directory=/etc",
    "fd.directory in (/, /home/a/.ssh)",
    "fd.filename=shadow",
    "fd.nameraw contains '../'",
    "evt.arg.name startswith /home",
    "evt.is_open_read=true",
    "evt.is_open_write=true",
    "evt.failed=true",
    "evt.res=ENOENT",
    "fd.num>=0",
    "fd.num in (1, 5)",
    "fd.typechar=f",
    "fd.type=directory",
    "proc.name=cat",
    "proc.name in (cat, sh, a_very_long_process_name)",
    "proc.name startswith c",
    "container.id=host",
    "user.uid=0",
    "user.uid>=1000",
    "proc.tty!=0",
    "user.loginuid=-1",
];

/// Of sockets and of what processes do to each other.
const OTHER_TESTS: [&str; 36] = [
    "fd.name=/run/a.sock",
    "fd.name in (/run/a.sock, /run/b.sock, @hidden)",
    "fd.name startswith /run/",
    "fd.sip=10.0.0.1",
    "fd.sip!=10.0.0.1",
    "fd.snet in ('10.0.0.0/8', 'fd00::/8')",
    "fd.cip=127.0.0.1",
    "fd.lip=127.0.0.1",
    "fd.rnet=10.0.0.0/8",
    "fd.ip=10.0.0.1",
    "fd.net!=10.0.0.0/8",
    "fd.sport in (22, 443)",
    "fd.sport<=1024",
    "fd.cport>1024",
    "fd.port=443",
    "fd.port!=443",
    "fd.l4proto=tcp",
    "fd.l4proto!=tcp",
    "fd.typechar in (4, 6)",
    "fd.type=unix",
    "fd.type!=ipv4",
    "fd.sockfamily=ip",
    "fd.num>=0",
    "fd.connected=true",
    "fd.name_changed=true",
    "evt.rawres in (0, 1, 2)",
    "evt.failed=false",
    "evt.arg.domain contains AF_PACKET",
    "evt.arg.request=PTRACE_ATTACH",
    "evt.arg.request startswith PTRACE_PEEK",
    "evt.arg.sig in (SIGKILL, SIGTERM)",
    "evt.arg.flags contains CLONE_NEWNS",
    "proc.name=cat",
    "container.id!=host",
    "user.uid=0",
    "thread.cap_effective contains CAP_KILL",
];

fn condition(tests: &'static [&'static str]) -> impl Strategy<Value = String> {
    let leaf = select(tests).prop_map(str::to_owned).boxed();
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("not ({one})")),
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|all| format!("({})", all.join(" and "))),
            prop::collection::vec(inner, 2..4).prop_map(|all| format!("({})", all.join(" or "))),
        ]
    })
}

const FILES: [&str; 10] = [
    "/etc/shadow",
    "/etc/shadows",
    "/etc",
    "/",
    "/x",
    "/home/a/.ssh/id",
    "/home/b",
    "/var/shadow",
    "/opt/x.a_long_suffix",
    "/e",
];

fn event() -> impl Strategy<Value = Map<String, Json>> {
    let file = || select(&FILES[..]);
    let flags = any::<(bool, bool, bool)>();
    let result = select(&[-2_i64, -13, 0, 1, 5, 1000][..]);
    let process = (select(&["cat", "sh", "cc", "dd"][..]), select(&["host", "0123456789ab"][..]));
    let numbers = (
        select(&[0_u64, 1, 1000, 5000][..]),
        select(&[0_u64, 34816][..]),
        select(&[-1_i64, 0, 7][..]),
    );
    (file(), prop::option::of(file()), flags, result, process, numbers).prop_map(
        |(
            name,
            resolved,
            (read, write, directory),
            result,
            (process, container),
            (uid, tty, login),
        )| {
            let mut event = Map::new();
            let mut add = |key: &str, value: Json| event.insert(key.to_owned(), value);
            add("evt.type", "openat".into());
            add("fd.name", name.into());
            add("evt.arg.name", name.into());
            add("fd.nameraw", if read { format!("/a/..{name}") } else { name.to_owned() }.into());
            if let Some(resolved) = resolved.filter(|resolved| *resolved != name) {
                add("fd.name.resolved", resolved.into());
            }
            add("evt.is_open_read", read.into());
            add("evt.is_open_write", write.into());
            add("fd.type", if directory { "directory" } else { "file" }.into());
            add("fd.typechar", if directory { "d" } else { "f" }.into());
            add("evt.rawres", result.into());
            add("fd.num", result.max(-1).into());
            add("evt.failed", (result < 0).into());
            add(
                "evt.res",
                match result {
                    -2 => "ENOENT",
                    -13 => "EACCES",
                    _ => "SUCCESS",
                }
                .into(),
            );
            add("proc.name", process.into());
            add("container.id", container.into());
            add("user.uid", uid.into());
            add("user.loginuid", login.into());
            add("proc.tty", tty.into());
            add(
                "evt.arg.flags",
                if write { "O_TRUNC|O_WRONLY" } else { "O_CREAT|O_RDONLY" }.into(),
            );
            add("thread.cap_effective", if uid == 0 { "CAP_CHOWN CAP_KILL" } else { "" }.into());
            event
        },
    )
}

const OTHER_CALLS: [&str; 8] =
    ["connect", "accept", "sendto", "socket", "dup", "ptrace", "kill", "unshare"];

/// A call on a socket, or one of the others.
fn other_event() -> impl Strategy<Value = Map<String, Json>> {
    let address = || select(&["10.0.0.1", "127.0.0.1", "192.0.2.1", "fd00::1"][..]);
    let port = || select(&[22_u64, 443, 5000][..]);
    let ends = ((address(), port()), prop::option::of((address(), port())));
    let bits = any::<[bool; 4]>();
    let words = (
        select(&["tcp", "udp", "<NA>"][..]),
        select(&["/run/a.sock", "/run/b.sock", "@hidden"][..]),
        select(&["AF_PACKET", "AF_INET"][..]),
        select(&["PTRACE_ATTACH", "PTRACE_PEEKTEXT", "PTRACE_CONT"][..]),
        select(&["SIGKILL", "SIGTERM", "SIGCHLD", "40"][..]),
        select(&["CLONE_NEWNS", "CLONE_FS|CLONE_NEWNS", "0"][..]),
    );
    let process = (select(&["cat", "sh"][..]), select(&["host", "0123456789ab"][..]));
    let result = select(&[-111_i64, 0, 1, 7][..]);
    (select(&OTHER_CALLS[..]), ends, bits, words, process, result).prop_map(
        |(call, (local, remote), bits, words, (process, container), result)| {
            let [is_client, is_unix, is_connected, is_changed] = bits;
            let (transport, path, domain, request, signal, flags) = words;
            let mut event = Map::new();
            let mut add = |key: &str, value: Json| event.insert(key.to_owned(), value);
            add("evt.type", call.into());
            add("evt.rawres", result.into());
            add("evt.failed", (result < 0).into());
            add("proc.name", process.into());
            add("container.id", container.into());
            add("user.uid", u64::from(is_client).into());
            add("thread.cap_effective", if is_connected { "CAP_KILL" } else { "" }.into());
            match call {
                "socket" => add("evt.arg.domain", domain.into()),
                "ptrace" => add("evt.arg.request", request.into()),
                "kill" => add("evt.arg.sig", signal.into()),
                "unshare" => add("evt.arg.flags", flags.into()),
                _ => add("fd.num", result.max(-1).into()),
            };
            if !["connect", "accept", "sendto", "dup"].contains(&call) {
                return event;
            }
            let (kind, letter, family) = match (is_unix, local.0.contains(':')) {
                (true, _) => ("unix", "u", "unix"),
                (_, true) => ("ipv6", "6", "ip"),
                (_, false) => ("ipv4", "4", "ip"),
            };
            add("fd.type", kind.into());
            add("fd.typechar", letter.into());
            add("fd.sockfamily", family.into());
            if call == "dup" {
                return event;
            }
            add("fd.connected", is_connected.into());
            add("fd.name_changed", is_changed.into());
            if is_unix {
                add("fd.name", path.into());
                return event;
            }
            add("fd.l4proto", transport.into());
            // Of `connect` this end is the client's.
            let is_client = is_client || call == "connect";
            let (client, server) = match is_client {
                true => (Some(local), remote),
                false => (remote, Some(local)),
            };
            for (end, address, port) in [
                (Some(local), "fd.lip", "fd.lport"),
                (remote, "fd.rip", "fd.rport"),
                (client, "fd.cip", "fd.cport"),
                (server, "fd.sip", "fd.sport"),
            ] {
                let Some((shown, number)) = end else { continue };
                add(address, shown.into());
                add(port, number.into());
            }
            event
        },
    )
}

fn rules(conditions: &[String]) -> RuleSet {
    rules_of(&["open", "openat"], conditions)
}

fn rules_of(calls: &[&str], conditions: &[String]) -> RuleSet {
    let calls = calls.join(", ");
    let rule = |(number, condition): (usize, &String)| {
        format!(
            "- rule: rule {number}\n  desc: x\n  condition: evt.type in ({calls}) and {condition}\n  \
             output: x\n  priority: INFO\n  warn_evttypes: false\n"
        )
    };
    let text = conditions.iter().enumerate().map(rule).collect();
    let (rules, _) = load(&[SourceFile { name: "rules".to_owned(), text }], &Options::default());
    assert_eq!(rules.rules().count(), conditions.len());
    rules
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_rule_matches_is_let_out(
        conditions in prop::collection::vec(condition(&TESTS), 1..10),
        events in prop::collection::vec(event(), 32),
    ) {
        let rules = rules(&conditions);
        let projection = rules.projection("syscall");
        let parts = parts(&projection, filtered_calls());
        prop_assert!(parts.image().is_ok());
        for event in events {
            let has_one_path = !event.contains_key("fd.name.resolved");
            let event = RecordedEvent::from_map(&event).unwrap();
            let facts = ShownFacts::new(&event);
            let admitted = admits(&parts, "openat", &facts);
            let matched = rules.evaluate("syscall", &event);
            prop_assert!(admitted || matched.is_empty(), "withheld from {}", matched[0].rule.name);
            // A file with two paths is tested with each by itself, which is narrower.
            let is_asked_for = projection.admits("openat", &facts);
            prop_assert!(!admitted || is_asked_for || parts.left_out > 0, "let out");
            prop_assert!(admitted || !has_one_path || !is_asked_for, "withheld");
        }
    }

    #[test]
    fn other_calls_are_tested_as_the_projection_says(
        conditions in prop::collection::vec(condition(&OTHER_TESTS), 1..10),
        events in prop::collection::vec(other_event(), 32),
    ) {
        let rules = rules_of(&OTHER_CALLS, &conditions);
        let projection = rules.projection("syscall");
        let parts = parts(&projection, filtered_calls());
        prop_assert!(parts.image().is_ok());
        for event in events {
            let event = RecordedEvent::from_map(&event).unwrap();
            let facts = ShownFacts::new(&event);
            let call = event.event_type().to_owned();
            let admitted = admits(&parts, &call, &facts);
            let matched = rules.evaluate("syscall", &event);
            prop_assert!(admitted || matched.is_empty(), "withheld from {}", matched[0].rule.name);
            let is_asked_for = projection.admits(&call, &facts);
            prop_assert!(!admitted || is_asked_for || parts.left_out > 0, "let out");
            prop_assert!(admitted || !is_asked_for, "withheld");
        }
    }
}

#[test]
fn what_no_rule_wants_is_kept_in() {
    let rules = rules(&["fd.name startswith /etc/ and proc.name=cat".to_owned()]);
    let parts = parts(&rules.projection("syscall"), filtered_calls());
    let open = |name: &str, process: &str| {
        let event =
            format!(r#"{{"evt.type":"openat","fd.name":"{name}","proc.name":"{process}"}}"#);
        let event = RecordedEvent::from_json(&event).unwrap();
        admits(&parts, "openat", &ShownFacts::new(&event))
    };
    assert!(open("/etc/x", "cat"));
    assert!(!open("/etc/x", "sh"));
    assert!(!open("/usr/x", "cat"));
    // No rule looks at these; others the kernel does not filter.
    let nothing = RecordedEvent::from_json(r#"{"evt.type":"creat"}"#).unwrap();
    assert!(!admits(&parts, "creat", &ShownFacts::new(&nothing)));
    assert!(!admits(&parts, "kill", &ShownFacts::new(&nothing)));
    assert!(admits(&parts, "close", &ShownFacts::new(&nothing)));
}

/// Most lists of one check do not fit: the check is left out and the clause passes more.
#[test]
fn what_does_not_fit_passes() {
    let needles: Vec<String> = (0..40).map(|n| format!("fd.name contains needle{n:02}")).collect();
    let rules = rules(&[format!("({})", needles.join(" or "))]);
    let parts = parts(&rules.projection("syscall"), filtered_calls());
    assert!(parts.left_out > 0);
    let event =
        RecordedEvent::from_json(r#"{"evt.type":"openat","fd.name":"/x/needle39"}"#).unwrap();
    assert!(admits(&parts, "openat", &ShownFacts::new(&event)));
    assert!(parts.image().is_ok());
}
