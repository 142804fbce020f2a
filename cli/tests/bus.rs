//! `lanner bus`, by running what docs/bus.md says.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use lanner_bus::layout::Layout;
use lanner_testkit::NatsServer;

const DOC: &str = include_str!("../../docs/bus.md");

/// The blocks of the page that are fenced as `language`.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    DOC.split(fence.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// The commands of the page, each with what it prints.
fn commands() -> Vec<(&'static str, String)> {
    let mut commands: Vec<(&str, String)> = Vec::new();
    for line in blocks("console").into_iter().flat_map(str::lines) {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, String::new())),
            (None, Some((_, output))) => {
                output.push_str(line);
                output.push('\n');
            }
            (None, None) => panic!("{line:?} stands before any command"),
        }
    }
    commands
}

fn shell(dir: &Path, command: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_lanner")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    Command::new("sh").args(["-c", command]).current_dir(dir).env("PATH", path).output().unwrap()
}

#[test]
fn the_page_does_as_it_says() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("layout.yaml"), blocks("yaml")[1]).unwrap();
    let mut server = None;
    let commands = commands();
    assert!(commands.len() >= 10, "the page has lost its commands");
    for (command, expected) in commands {
        if let Some(config) = command.strip_prefix("nats-server --config ") {
            let config = fs::read_to_string(dir.path().join(config)).unwrap();
            server = Some(NatsServer::start_with_config(&config));
            continue;
        }
        let port = server.as_ref().map_or(4222, NatsServer::port);
        let command = command.replace("127.0.0.1:4222", &format!("127.0.0.1:{port}"));
        let output = shell(dir.path(), &command);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "$ {command}\n{errors}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let printed = printed.replace(&format!("127.0.0.1:{port}"), "127.0.0.1:4222");
        let without_dates = |text: &str| -> String {
            text.lines()
                .map(|line| line.split(" until ").next().unwrap().to_owned() + "\n")
                .collect()
        };
        assert_eq!(without_dates(&printed), without_dates(&expected), "$ {command}\n{errors}");
    }
    assert!(server.is_some(), "the page has lost its server");

    let again = shell(dir.path(), "lanner bus certs init --dir pki");
    assert_eq!(again.status.code(), Some(1));
    let error = String::from_utf8(again.stderr).unwrap();
    assert_eq!(error, "error: pki/ca.crt exists, and is not overwritten\n");
}

#[test]
fn the_page_shows_the_default_layout() {
    let parse =
        |text| -> Layout { lanner_service::config::parse(text, Path::new("bus.md")).unwrap() };
    let [shown, with_tags] = blocks("yaml").try_into().unwrap();
    assert_eq!(parse(shown), Layout::default());
    let with_tags = parse(with_tags);
    with_tags.check().unwrap();
    assert_eq!((with_tags.tag_streams.len(), with_tags.restricted_tags.len()), (1, 1));
}

#[test]
fn who_may_not_connect_is_told_why() {
    let dir = tempfile::tempdir().unwrap();
    for (command, error) in [
        (
            "lanner bus check --server nats://10.0.0.1:4222",
            "error: servers: nats://10.0.0.1:4222 would be without TLS; write tls:// instead of nats://, which is for tests on loopback that say insecure_for_tests\n",
        ),
        (
            "lanner bus check --server tls://127.0.0.1:1",
            "error: ca_file: needed for tls:// servers; `lanner bus certs` makes one\n",
        ),
        (
            "lanner bus certs issue --dir nowhere admin",
            "error: cannot read nowhere/ca.crt: No such file or directory (os error 2)\n",
        ),
    ] {
        let output = shell(dir.path(), command);
        assert_eq!(String::from_utf8(output.stderr).unwrap(), error, "$ {command}");
        assert_eq!(output.status.code(), Some(1), "$ {command}");
    }
}

#[test]
fn a_daemons_own_settings_name_the_bus() {
    let dir = tempfile::tempdir().unwrap();
    let check = |bus: &str| {
        let file = format!("node: node-1\n{bus}inputs:\n  stdin: true\n");
        fs::write(dir.path().join("forwarder.yaml"), file).unwrap();
        let output = shell(dir.path(), "lanner bus check --config forwarder.yaml");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let server = NatsServer::start();
    assert_eq!(
        check(&format!("bus: {{servers: [\"{}\"], insecure_for_tests: true}}\n", server.url())),
        (Some(1), String::new())
    );
    let (code, error) = check("bus: {servers: [\"nats://127.0.0.1:1\"], ca_flie: x}\n");
    assert_eq!(code, Some(1));
    let expected = "forwarder.yaml:2:40: unknown key `ca_flie`; did you mean `ca_file`?";
    assert!(error.contains(expected), "{error}");
    let (code, error) = check("");
    assert_eq!(code, Some(1));
    assert!(error.contains("missing field `bus`"), "{error}");
}

#[test]
fn the_bus_is_named_once() {
    let dir = tempfile::tempdir().unwrap();
    for command in [
        "lanner bus check",
        "lanner plan list --config x.yaml --server nats://127.0.0.1:1",
        "lanner alerts tail --config x.yaml --ca ca.crt",
        "lanner alerts tail --ca ca.crt",
    ] {
        assert_eq!(shell(dir.path(), command).status.code(), Some(2), "$ {command}");
    }
}

#[test]
fn several_servers_and_a_hub_are_configured_by_flags() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("hub.yaml"), "edges: [eu-1]\n").unwrap();
    fs::write(dir.path().join("edge.yaml"), "cluster: eu-1\n").unwrap();
    let cluster = "--cluster-name lanner --server-name nats-0 --route";
    for (flags, code, expected) in [
        (format!("{cluster} tls://nats-0:6222"), 0, "verify_cert_and_check_known_urls: true"),
        (
            format!("{cluster} tls://10.0.0.1:6222"),
            1,
            "route tls://10.0.0.1:6222: write tls://HOST:PORT",
        ),
        (
            "--layout hub.yaml --edges-listen 0.0.0.0:7422".to_owned(),
            0,
            "user: \"cluster.eu-1.lanner\"",
        ),
        ("--edges-listen 0.0.0.0:7422".to_owned(), 1, "edges connect to a layout with `edges`"),
        ("--layout edge.yaml --hub tls://hub:7422 --hub-dir hub".to_owned(), 0, "cluster.eu-1.key"),
        ("--hub tls://hub:7422 --hub-dir hub".to_owned(), 1, "name it as `cluster`"),
        ("--hub tls://hub:7422".to_owned(), 2, "--hub-dir"),
    ] {
        let output = shell(dir.path(), &format!("lanner bus permissions --dir pki {flags}"));
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(output.status.code(), Some(code), "{flags}\n{text}");
        assert!(text.contains(expected), "{flags}\n{text}");
    }
}

#[test]
fn nodes_come_from_a_file_as_well() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("nodes.txt"), "node/a.b\n# gone: node/c\n\nd\n").unwrap();
    let output = shell(
        dir.path(),
        "lanner bus permissions --dir pki --nodes-file nodes.txt --node d --node e",
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let users: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("user: \"forwarder."))
        .filter_map(|rest| rest.strip_suffix(".lanner\""))
        .collect();
    assert_eq!(users, ["a_b", "d", "e"]);
}

#[test]
fn grants_are_kept_in_the_layout_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("layout.yaml");
    let bounds = "{size_bytes_max: 1048576, age_hours_max: 24}";
    let start = format!(
        "# ours\ntag_streams:\n  shell: {bounds} # the shells\ngrants:\n  # the night shift\n  night: {{}}\nreplicas: 1\n"
    );
    fs::write(&path, start).unwrap();
    let grant = |arguments: &str| {
        let output =
            shell(dir.path(), &format!("lanner bus grant --layout layout.yaml {arguments}"));
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(grant("soc --tags Shell --priority warning"), (Some(0), String::new()));
    assert_eq!(grant("night --priority critical"), (Some(0), String::new()));
    assert_eq!(grant("soc --tags shell"), (Some(0), String::new()));
    let expected = format!(
        "# ours\ntag_streams:\n  shell: {bounds} # the shells\ngrants:\n  \"soc\": {{tags: [\"shell\"]}}\n  \"night\": {{tags: [], priority: critical}}\n  # the night shift\nreplicas: 1\n"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);

    let (code, error) = grant("net --tags network");
    assert_eq!(code, Some(1));
    assert!(error.starts_with("error: tag network has no stream of its own; add it to"), "{error}");
    assert_eq!(grant("../x").0, Some(2));
    assert_eq!(fs::read_to_string(&path).unwrap(), expected, "a refusal changes nothing");

    fs::write(&path, "grants: {night: {}}\n").unwrap();
    let (code, error) = grant("soc");
    assert_eq!(code, Some(1));
    assert!(error.contains("add this line there yourself:\n  \"soc\": {tags: []}"), "{error}");
}

#[test]
fn a_layout_that_contradicts_itself_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = "{size_bytes_max: 1048576, age_hours_max: 24}";
    for (layout, error) in [
        (
            format!("tag_streams: {{pci: {bounds}}}\nrestricted_tags: {{PCI!: {bounds}}}\n"),
            "error: layout.yaml: restricted_tags: pci_ is like pci of tag_streams; a tag is one or the other\n",
        ),
        (
            "subject_template: lanner.<priority>.<rule>\n".to_owned(),
            "error: layout.yaml: subject_template: lanner.<priority>.<rule> lies below lanner, which is for Lanner's own subjects\n",
        ),
        (
            "grants: {soc: {tags: [shell]}}\n".to_owned(),
            "error: layout.yaml: grants: soc: tag shell has no stream of its own; add it to tag_streams of the layout file and of every forwarder, or to restricted_tags, and run `lanner bus permissions` and `lanner bus setup` again\n",
        ),
    ] {
        fs::write(dir.path().join("layout.yaml"), layout).unwrap();
        let output = shell(dir.path(), "lanner bus permissions --dir pki --layout layout.yaml");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), error);
        assert_eq!(output.status.code(), Some(1));
    }
}
