//! What is alike in the messages of one cause: everything that changes from one time to the next
//! is replaced by a word for it, such as `<n>` or `<uuid>`.

use std::net::IpAddr;

/// How much of a message counts. An attacker's command line can be long.
const MESSAGE_BYTES_MAX: usize = 1024;

/// From this port on the system picks them for outgoing connections.
const EPHEMERAL_PORT_MIN: u16 = 32768;

/// What Kubernetes makes the random ends of names of: no vowels, and no digits like them.
const KUBERNETES_RANDOM: &str = "bcdfghjklmnpqrstvwxz2456789";

/// The message with a word for each part that changes.
pub(super) fn pattern(message: &str) -> String {
    let message = cut(message, MESSAGE_BYTES_MAX);
    let mut pattern = String::with_capacity(message.len());
    let mut rest = message;
    let mut key = "";
    while !rest.is_empty() {
        let (word, after) = split_word(rest);
        push_word(&mut pattern, word, key);
        let mut delimiter = after.chars();
        let next = delimiter.next();
        pattern.extend(next);
        key = if next == Some('=') { word } else { "" };
        rest = delimiter.as_str();
    }
    pattern
}

/// Whether a value is of one time only: it holds the name of a process, a temporary file, a pod
/// or the like.
pub(super) fn is_fleeting(value: &str) -> bool {
    let pattern = pattern(value);
    ["<hex>", "<id>", "<uuid>", "<time>", "<temp>", "<pod>", "<port>", "/proc/<n>"]
        .into_iter()
        .any(|word| pattern.contains(word) && !value.contains(word))
}

/// The start of a text, of at most so many bytes, that ends between characters.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

/// A word, and what follows it from its delimiter on.
fn split_word(text: &str) -> (&str, &str) {
    let delimits = |c: char| c.is_whitespace() || "=,()\"'[]{}|;<>&".contains(c);
    let end = text.find(delimits).unwrap_or(text.len());
    let (word, after) = text.split_at_checked(end).unwrap_or((text, ""));
    // The arrow of a connection: `10.0.0.1:51234->10.0.0.2:443`.
    match word.strip_suffix('-') {
        Some(before) if after.starts_with('>') && !before.is_empty() => {
            text.split_at_checked(before.len()).unwrap_or((word, after))
        }
        _ => (word, after),
    }
}

fn push_word(pattern: &mut String, word: &str, key: &str) {
    if looks_like(word, "0000-00-00T") {
        pattern.push_str("<time>");
        return;
    }
    let pod = key.to_ascii_lowercase().contains("pod");
    let mut in_temp = false;
    for (index, part) in word.split('/').enumerate() {
        if index > 0 {
            pattern.push('/');
        }
        if in_temp && is_temporary_name(part) {
            pattern.push_str("<temp>");
        } else if !push_address(pattern, part) {
            push_name(pattern, part, pod);
        }
        in_temp = matches!(part, "tmp" | "shm");
    }
}

/// An address, perhaps with a port. Ports that say which service is meant stay.
fn push_address(pattern: &mut String, text: &str) -> bool {
    // Words such as `a::b` would be addresses, too.
    let digit = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
    let address = |text: &str| digit(text) && text.parse::<IpAddr>().is_ok();
    let with_port = text.rsplit_once(':').filter(|(host, _)| address(host));
    match with_port.and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(port) if port >= EPHEMERAL_PORT_MIN => pattern.push_str("<ip>:<port>"),
        Some(port) => pattern.push_str(&format!("<ip>:{port}")),
        None if address(text) => pattern.push_str("<ip>"),
        None => return false,
    }
    true
}

/// Whether a name below `/tmp` was made up for one use.
fn is_temporary_name(name: &str) -> bool {
    let random = |run: &str| run.len() >= 6 && is_mixed(run);
    name.starts_with("tmp")
        || name.starts_with(".tmp")
        || name.split(|c: char| !c.is_ascii_alphanumeric()).any(random)
}

/// Whether two of: upper case after lower case, lower case, digits before a letter.
fn is_mixed(run: &str) -> bool {
    let changes = run.as_bytes().windows(2).filter(|pair| {
        let [first, second] = **pair else { return false };
        (first.is_ascii_lowercase() && second.is_ascii_uppercase())
            || (first.is_ascii_digit() && second.is_ascii_alphabetic())
    });
    changes.count() >= 2
}

/// A word without slashes: names joined by underscores, as in `k8s_app_app-6d4f9-x7k2p_default`.
fn push_name(pattern: &mut String, name: &str, pod: bool) {
    let mut rest = name;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let (before, from) = rest.split_at_checked(start).unwrap_or((rest, ""));
        pattern.push_str(before);
        let prefix = if from.starts_with("pod") { "pod" } else { "" };
        let bare = from.strip_prefix(prefix).unwrap_or(from);
        if is_uuid(bare) {
            pattern.push_str(prefix);
            pattern.push_str("<uuid>");
            rest = bare.get(UUID.len()..).unwrap_or_default();
            continue;
        }
        let end = from.find('_').unwrap_or(from.len());
        let (piece, after) = from.split_at_checked(end).unwrap_or((from, ""));
        if let Some(head) = without_pod_suffix(piece, pod) {
            push_runs(pattern, head);
            pattern.push_str("-<pod>");
            rest = after;
            continue;
        }
        let run = from.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(from.len());
        let (run, after) = from.split_at_checked(run).unwrap_or((from, ""));
        push_run(pattern, run);
        rest = after;
    }
    pattern.push_str(rest);
}

const UUID: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

/// Whether a text begins with a UUID; systemd writes its hyphens as underscores.
fn is_uuid(text: &str) -> bool {
    let fits = |(byte, shape): (u8, u8)| match shape {
        b'-' => matches!(byte, b'-' | b'_'),
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() >= UUID.len()
        && text.bytes().zip(UUID.bytes()).all(fits)
        && !text.as_bytes().get(UUID.len()).is_some_and(u8::is_ascii_alphanumeric)
}

/// The name of a pod without what its controller appended: `app-6d4f9b8c7d-x7k2p`, `agent-x7k2p`.
fn without_pod_suffix(name: &str, pod: bool) -> Option<&str> {
    let random = |text: &str| text.chars().all(|c| KUBERNETES_RANDOM.contains(c));
    let digit = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
    let (head, last) = name.rsplit_once('-')?;
    if last.len() != 5 || !random(last) || !(pod || digit(last)) || head.is_empty() {
        return None;
    }
    match head.rsplit_once('-') {
        Some((app, hash))
            if (6..=10).contains(&hash.len()) && random(hash) && (pod || digit(hash)) =>
        {
            Some(app).filter(|app| !app.is_empty())
        }
        _ => Some(head),
    }
}

fn push_runs(pattern: &mut String, text: &str) {
    for piece in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let run = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        push_run(pattern, run);
        pattern.push_str(piece.strip_prefix(run).unwrap_or_default());
    }
}

/// Letters and digits in a row.
fn push_run(pattern: &mut String, run: &str) {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let has_digit = run.bytes().any(|byte| byte.is_ascii_digit());
    let name = run.trim_end_matches(|c: char| c.is_ascii_digit());
    if digits(run) {
        pattern.push_str("<n>");
    } else if (run.len() >= 8 && has_digit && hex(run)) || run.strip_prefix("0x").is_some_and(hex) {
        pattern.push_str("<hex>");
    } else if run.len() >= 16 && has_digit && is_mixed(run) {
        pattern.push_str("<id>");
    } else if run.len() - name.len() >= 4 {
        // `worker12345`, but not `python3` or `sha256`.
        pattern.push_str(name);
        pattern.push_str("<n>");
    } else {
        pattern.push_str(run);
    }
}

/// Whether a text begins with digits where the shape has them, and with the same elsewhere.
fn looks_like(text: &str, shape: &str) -> bool {
    text.len() >= shape.len()
        && text
            .bytes()
            .zip(shape.bytes())
            .all(|(byte, shape)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(message: &str, expected: &str) {
        assert_eq!(pattern(message), expected, "{message:?}");
    }

    #[test]
    fn numbers_and_ids() {
        check("pid=4711 tty=34816 uid=-1", "pid=<n> tty=<n> uid=-<n>");
        check("python3 sha256 x86_64 lib64 v1.22", "python3 sha256 x86_<n> lib64 v1.<n>");
        check("worker12345 at 0x7ffe12", "worker<n> at <hex>");
        check("id 0123456789ab, deadbeef, cafe, accede", "id <hex>, deadbeef, cafe, accede");
        check("container_id=host", "container_id=host");
        check("a 123e4567-e89b-12d3-a456-426614174000 b", "a <uuid> b");
        check("key=AbCd12EfGh34IjKl56", "key=<id>");
        check("at 2026-11-21T13:45:01.123Z it", "at <time> it");
        check("img@sha256:0123456789abcdef0123", "img@sha256:<hex>");
    }

    #[test]
    fn addresses() {
        check("10.1.2.3:51234->10.0.0.2:443", "<ip>:<port>-><ip>:443");
        check("(ip=10.1.2.3 v6=fe80::1)", "(ip=<ip> v6=<ip>)");
        check("https://10.1.2.3:8443/x", "https://<ip>:8443/x");
        check("::1:51234->::1:443", "<ip>:<port>-><ip>:443");
        check("a::b", "a::b");
    }

    #[test]
    fn paths() {
        check("/proc/4711/fd/3", "/proc/<n>/fd/<n>");
        check("/tmp/tmp.aB3dE7fG9h/x /tmp/build.log", "/tmp/<temp>/x /tmp/build.log");
        check("/var/tmp/dpkgA1b2C3d4.deb", "/var/tmp/<temp>");
        check("/dev/shm/sem.XyZaBcDe1f2g", "/dev/shm/<temp>");
        check(
            "/var/lib/kubelet/pods/123e4567-e89b-12d3-a456-426614174000/v",
            "/var/lib/kubelet/pods/<uuid>/v",
        );
        check("kubepods-pod123e4567_e89b_12d3_a456_426614174000.slice", "kubepods-pod<uuid>.slice");
        check("/usr/bin/cat é/鷹", "/usr/bin/cat é/鷹");
    }

    #[test]
    fn pods() {
        check("app-6d4f9b8c7d-x7k2p", "app-<pod>");
        check("agent-x7k2p", "agent-<pod>");
        check(
            "k8s_pod_name=agent-https name=agent-https",
            "k8s_pod_name=agent-<pod> name=agent-https",
        );
        check("backup-28912345-x7k2p", "backup-<n>-<pod>");
        check("db-0", "db-<n>");
        check(
            "k8s_app_app-6d4f9b8c7d-x7k2p_default_123e4567-e89b-12d3-a456-426614174000_0",
            "k8s_app_app-<pod>_default_<uuid>_<n>",
        );
    }

    #[test]
    fn some_values_do_not_last() {
        for value in ["/tmp/tmp.aB3dE7fG9h", "10.1.2.3:51234->10.0.0.2:443", "/proc/12/environ"] {
            assert!(is_fleeting(value), "{value}");
        }
        for value in ["/usr/bin/python3.11", "sleep 600", "/etc/shadow", "nginx:1.27", "<hex>"] {
            assert!(!is_fleeting(value), "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_a_bounded_pattern(message in "(\\PC|[a-f0-9]{1,9}|[-_=/<>:.]|pod|tmp/){0,60}") {
            let pattern = pattern(&message);
            prop_assert!(pattern.len() <= 6 * message.len());
        }

        #[test]
        fn numbers_do_not_matter(first: u32, second: u32, text in "[a-z =/.()]{0,20}") {
            prop_assert_eq!(
                pattern(&format!("{text} {first} {text}")),
                pattern(&format!("{text} {second} {text}"))
            );
        }
    }
}
