//! A new playbook to begin with, and its test.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::playbook::names;

/// Writes `NAME.rhai` and `tests/NAME.test.yaml` into `folder`; nothing that is
/// there is overwritten.
///
/// # Errors
/// When the name is not a playbook's, or a file cannot be written.
pub fn write(folder: &Path, name: &str) -> anyhow::Result<[PathBuf; 2]> {
    names::check_playbook(name).map_err(anyhow::Error::msg)?;
    let tests = folder.join("tests");
    fs::create_dir_all(&tests).with_context(|| format!("cannot make {}", tests.display()))?;
    let playbook = folder.join(format!("{name}.rhai"));
    let test = tests.join(format!("{name}.test.yaml"));
    create(&playbook, &playbook_text(name))?;
    create(&test, &test_text(name))?;
    Ok([playbook, test])
}

fn create(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.with_context(|| format!("cannot create {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

fn playbook_text(name: &str) -> String {
    format!(
        r#"// What happened, and why this is the answer.
playbook(#{{
    name:  "{name}",
    owner: "your-team",
    when: #{{
        rules:    ["Terminal shell in container"],
        priority: ">=notice",
    }},
    needs: ["pods:label", "notify"],
    mode:  "observe",
}});

fn respond(alert) {{
    let pod = alert.pod;
    if pod == () {{ return skip("the alert is about no pod"); }}

    label(pod, #{{ "example.com/suspect": "true" }});
    notify("secops", `${{alert.rule}} in ${{pod.namespace}}/${{pod.name}}: ${{alert["proc.cmdline"]}}`);
}}
"#
    )
}

fn test_text(name: &str) -> String {
    format!(
        r#"playbook: {name}
cases:
  - name: a shell in a pod
    alert:
      rule: Terminal shell in container
      pod: shop/cart-7f
      fields: {{ proc.cmdline: bash -i }}
    plan:
      - verb: label
        target: pod shop/cart-7f
        labels: {{ example.com/suspect: "true" }}
      - verb: notify
        channel: secops

  - name: a shell on the host
    alert:
      rule: Terminal shell in container
    skipped: no pod
"#
    )
}
