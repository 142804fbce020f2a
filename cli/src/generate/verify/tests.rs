//! What is found, from what an alert says.

use std::{collections::BTreeMap, time::Duration};

use expect_test::{Expect, expect};
use jiff::Timestamp;
use lanner_alert::Alert;
use serde_json::{Value, json};

use super::{
    Finding,
    alerts::{Seen, of_run},
    truth::differences,
};
use crate::generate::{
    catalog,
    perform::{Deed, Ended, Performed, Pod},
    told::Facts,
};

const CONTAINER: &str = "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e";

fn deed() -> Deed {
    Deed {
        begun: Timestamp::UNIX_EPOCH,
        pid: Some(4711),
        parent: "application".to_owned(),
        container: Some(CONTAINER.to_owned()),
        on_host: false,
        pod: None,
        facts: Facts {
            name: "cat".to_owned(),
            args: "lg01x02".to_owned(),
            exe: "/tmp/run/lg01x02/cat".to_owned(),
            uid: 0,
            user: Some("root".to_owned()),
            terminal: false,
            fields: [("fd.name".to_owned(), "/etc/shadow".to_owned())].into(),
            server: None,
        },
    }
}

/// What a sensor says of it.
fn alert() -> Value {
    json!({
        "id": "0192f0c1-2b3c-7def-8123-456789abcdef", "schema": 1, "node": "node-1",
        "time": "2026-11-21T11:00:31.654520220Z", "hostname": "node-1",
        "rule": "Read sensitive file untrusted", "priority": "Warning", "source": "syscall",
        "output": "Sensitive file read by cat",
        "output_fields": {
            "proc.name": "cat", "proc.pname": "application", "proc.tty": 0,
            "proc.cmdline": "cat lg01x02", "proc.exepath": "/tmp/run/lg01x02/cat",
            "user.uid": 0, "user.name": "root", "fd.name": "/etc/shadow",
            "container.id": "3ad7b26ded6d",
        },
        "entity": {
            "pid": 4711, "exe_path": "/tmp/run/lg01x02/cat", "uid": 0,
            "container_id": CONTAINER,
        },
    })
}

#[track_caller]
fn check(deed: &Deed, alert: &Value, expect: Expect) {
    let alert = Alert::from_json(alert.to_string().as_bytes()).unwrap();
    let action = catalog::find("read-shadow-in-container").unwrap();
    expect.assert_eq(&differences(action, deed, &alert).join("\n"));
}

#[test]
fn the_truth_has_no_differences() {
    check(&deed(), &alert(), expect![""]);
}

#[test]
fn each_fact_that_is_not_so_is_told() {
    let mut lie = alert();
    lie["entity"] = json!({"pid": 4712, "exe_path": "/bin/cat", "uid": 1});
    lie["output_fields"] = json!({
        "proc.name": "dog", "proc.pname": null, "proc.tty": 34816, "proc.cmdline": "cat",
        "user.uid": 1, "user.name": "daemon", "fd.name": "/etc/passwd", "container.id": "host",
    });
    check(
        &deed(),
        &lie,
        expect![[r#"
            entity.pid is 4712, not 4711
            entity.exe_path is "/bin/cat", not "/tmp/run/lg01x02/cat"
            entity.uid is 1, not 0
            entity.container_id is missing, not "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e"
            container.id is "host", not "3ad7b26ded6d"
            proc.name is "dog", not "cat"
            proc.pname is "null", not "application"
            proc.cmdline is "cat", not "cat lg01x02"
            user.uid is "1", not "0"
            user.name is "daemon", not "root"
            proc.tty is 34816, not 0
            fd.name is "/etc/passwd", not "/etc/shadow""#]],
    );
}

/// A rule may match with what the program called the file.
#[test]
fn either_name_of_a_file_is_so() {
    let mut told = alert();
    told["output_fields"]["fd.name"] = "/proc/self/root/etc/shadow".into();
    told["output_fields"]["fd.name.resolved"] = "/etc/shadow".into();
    check(&deed(), &told, expect![""]);
    told["output_fields"]["fd.name.resolved"] = "/etc/passwd".into();
    check(
        &deed(),
        &told,
        expect![[r#"fd.name is "/proc/self/root/etc/shadow", not "/etc/shadow""#]],
    );
}

/// What an alert of a connection shows is enough, in whichever field, and must be so.
#[test]
fn a_connection_is_to_the_server() {
    let server = |text: &str| {
        let facts =
            Facts { fields: BTreeMap::new(), server: Some(text.parse().unwrap()), ..deed().facts };
        Deed { facts, ..deed() }
    };
    let shows = |fields: Value| {
        let mut told = alert();
        told["output_fields"] = fields;
        told
    };
    let name = shows(json!({"fd.name": "192.0.2.2:40000->198.51.100.7:31337"}));
    check(&server("198.51.100.7:31337"), &name, expect![""]);
    check(
        &server("198.51.100.7:1337"),
        &name,
        expect![[
            r#"fd.name is "192.0.2.2:40000->198.51.100.7:31337", not to "198.51.100.7:1337""#
        ]],
    );
    check(&server("[::1]:8080"), &shows(json!({"fd.name": "::1:40000->::1:8080"})), expect![""]);
    check(&server("[::1]:8080"), &shows(json!({"fd.name": "::1:8080"})), expect![""]);
    let ends = shows(json!({"fd.sip": "198.51.100.7", "fd.sport": 31338}));
    check(&server("198.51.100.7:31337"), &ends, expect![[r#"fd.sport is "31338", not "31337""#]]);
    check(
        &server("198.51.100.7:31337"),
        &shows(json!({"proc.name": "cat"})),
        expect!["nothing to compare: it has no fd.name"],
    );
}

#[test]
fn an_argument_is_found_among_all() {
    let fields = [("evt.arg.path".to_owned(), "/x/.bash_history".to_owned())];
    let deed = Deed { facts: Facts { fields: fields.into(), ..deed().facts }, ..deed() };
    let shows = |arguments: &str| {
        let mut told = alert();
        told["output_fields"] = json!({ "evt.args": arguments });
        told
    };
    check(&deed, &shows("res=0 path=/x/.bash_history"), expect![""]);
    check(
        &deed,
        &shows("res=0 path=/x/.bash_history2"),
        expect![[r#"evt.args is "res=0 path=/x/.bash_history2", without "path=/x/.bash_history""#]],
    );
    check(&deed, &alert(), expect!["nothing to compare: it has no evt.arg.path"]);
}

#[test]
fn a_pod_is_the_pod_we_are_in() {
    let pod = Pod { namespace: "shop".to_owned(), name: "cart".to_owned() };
    let deed = Deed { pid: None, container: None, pod: Some(pod), ..deed() };
    let mut told = alert();
    told["entity"]["pod_namespace"] = json!("shop");
    told["output_fields"]["k8s.ns.name"] = json!("shop");
    told["output_fields"]["k8s.pod.name"] = json!("card");
    check(
        &deed,
        &told,
        expect![[r#"
            entity.pod_name is missing, not "cart"
            k8s.pod.name is "card", not "cart""#]],
    );
    told["entity"]["pod_name"] = json!("cart");
    told["output_fields"]["k8s.pod.name"] = json!("cart");
    check(&deed, &told, expect![""]);
}

#[test]
fn a_deed_on_the_host_is_in_no_container() {
    let deed = Deed { container: None, on_host: true, ..deed() };
    check(
        &deed,
        &alert(),
        expect![[r#"
            entity.container_id is "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e", not missing
            container.id is "3ad7b26ded6d", not "host""#]],
    );
}

#[test]
fn alerts_are_read_as_the_sensor_and_the_tool_write_them() {
    let of_sensor = alert();
    let of_tool = json!({"subject": "lanner.alerts.warning.x.y.z", "alert": alert()});
    for (line, run, found) in [
        (of_sensor.to_string(), "lg01", true),
        (of_tool.to_string(), "lg01", true),
        (of_sensor.to_string(), "lg02", false),
        (of_tool.to_string(), "lg02", false),
        (json!({"alert": "lg01"}).to_string(), "lg01", false),
        ("lg01".to_owned(), "lg01", false),
    ] {
        assert_eq!(of_run(line.as_bytes(), run).is_some(), found, "{run} in {line}");
    }
}

/// A better alert takes the place of a worse one, and never the other way.
#[test]
fn the_best_alert_counts() {
    let action = catalog::find("read-shadow-in-container").unwrap();
    let mut finding = Finding::new(Performed {
        action,
        rules: action.expected(),
        token: "lg01x02".to_owned(),
        ended: Ended::Acted(Box::new(deed())),
    });
    let mut seen = |change: fn(&mut Value)| {
        let mut told = alert();
        change(&mut told);
        let alert = Alert::from_json(told.to_string().as_bytes()).unwrap();
        let at = alert.time + Duration::from_millis(3);
        finding.consider(&Seen { alert, at });
        finding.notice.as_ref().map(|notice| (notice.wrong.len(), notice.milliseconds))
    };
    let other_rule = seen(|told| told["rule"] = json!("Write below etc"));
    assert_eq!(other_rule, None, "another rule noticed something");
    let other_deed = seen(|told| {
        told["output_fields"]["proc.cmdline"] = json!("cat lg01x03");
        told["output_fields"]["proc.exepath"] = json!("/bin/cat");
        told["entity"]["exe_path"] = json!("/bin/cat");
    });
    assert_eq!(other_deed, None, "another run of it");
    let wrong = seen(|told| told["output_fields"]["proc.pname"] = json!("sh"));
    assert_eq!(wrong, Some((1, 3.0)));
    assert_eq!(seen(|_| ()), Some((0, 3.0)));
    let worse = seen(|told| told["output_fields"]["proc.pname"] = json!("sh"));
    assert_eq!(worse, Some((0, 3.0)));
}
