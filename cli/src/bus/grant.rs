//! `lanner bus grant`: one more line in the layout file.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use lanner_alert::{Priority, Tag};
use lanner_bus::{
    grant::{Grant, Reader, ReaderName},
    layout::Layout,
};

use super::load_layout;

/// Who may read what.
#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    /// The reader's name: letters a to z, digits and -
    name: ReaderName,
    /// Alerts that have one of these tags, each of `tag_streams` or
    /// `restricted_tags`; without any, all that have no restricted tag
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    tags: Vec<Tag>,
    /// Alerts of this priority and more urgent ones
    #[arg(long, value_name = "PRIORITY")]
    priority: Option<Priority>,
    /// The layout file, as for `permissions` and `setup`; made if there is none
    #[arg(long, value_name = "FILE")]
    layout: PathBuf,
}

pub(crate) fn run(args: GrantArgs) -> anyhow::Result<()> {
    let GrantArgs { name, tags, priority, layout: path } = args;
    let grant = Grant { tags: tags.into_iter().collect::<BTreeSet<Tag>>(), priority };
    let (text, before) = if path.exists() {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        (text, load_layout(&path)?)
    } else {
        (String::new(), Layout::default())
    };
    grant.check(&before)?;
    let mut after = before;
    after.grants.insert(name.clone(), grant.clone());

    let line = line_of(&name, &grant);
    let text = with_line(&text, &name, &line);
    // Whatever the file looked like, what is written says what was asked for.
    let written: Result<Layout, _> = lanner_service::config::parse(&text, &path);
    anyhow::ensure!(
        written.is_ok_and(|written| written == after),
        "{}: `grants` is not written one reader a line; add this line there yourself:\n  {line}",
        path.display()
    );
    replace(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;

    let reader = Reader { name, grant };
    println!("reader.{}.lanner may read", reader.name);
    for source in reader.sources(&after) {
        println!("  stream {}, consumer {}", source.stream, reader.durable());
        for subject in source.subjects {
            println!("    {subject}");
        }
    }
    println!("once it has a certificate (`lanner bus certs issue`), and the server what");
    println!("`lanner bus permissions` and `lanner bus setup` make of {}", path.display());
    Ok(())
}

/// `soc: {tags: [shell], priority: warning}`
fn line_of(name: &ReaderName, grant: &Grant) -> String {
    let tags: Vec<&str> = grant.tags.iter().map(Tag::as_str).collect();
    // Quoted: a name may be a number, and a tag `true`.
    let tags = tags.iter().map(|tag| format!("\"{tag}\"")).collect::<Vec<_>>().join(", ");
    let mut keys = vec![format!("tags: [{tags}]")];
    keys.extend(grant.priority.map(|priority| format!("priority: {}", priority.as_token())));
    format!("\"{name}\": {{{}}}", keys.join(", "))
}

/// The file with this line among its grants, in place of an older one.
fn with_line(text: &str, name: &ReaderName, line: &str) -> String {
    let is_older = |other: &str| {
        let other = other.trim_start().trim_start_matches('"');
        let rest = other.strip_prefix(name.as_str()).unwrap_or_default();
        rest.trim_start_matches('"').starts_with(':')
    };
    let mut result = String::new();
    let (mut inside, mut placed) = (false, false);
    for existing in text.lines() {
        if !existing.starts_with([' ', '#']) && !existing.is_empty() {
            inside = false;
        }
        if inside && is_older(existing) {
            continue;
        }
        result.push_str(existing);
        result.push('\n');
        if existing.trim_end() == "grants:" {
            inside = true;
            placed = true;
            result.push_str(&format!("  {line}\n"));
        }
    }
    if !placed {
        result.push_str(&format!("grants:\n  {line}\n"));
    }
    result
}

/// In one step: whoever reads the file sees the old text or the new one.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    if let Ok(existing) = fs::metadata(path) {
        file.as_file().set_permissions(existing.permissions())?;
    }
    file.persist(path)?;
    Ok(())
}
