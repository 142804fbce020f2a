//! Configuration files: strict, and with an error that says where and what instead.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

/// Why a configuration file is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read config {}", path.display())]
    Read { path: PathBuf, source: io::Error },

    /// The message is for people: file, line, column, the line itself, and a
    /// key that the writer may have meant.
    #[error("{text}")]
    Parse { text: String },
}

/// Reads the YAML file at `path`.
///
/// `T` and all types in it should be `deny_unknown_fields`: a key that nobody
/// reads is a typo, and a typo must not silently turn off TLS.
///
/// # Errors
/// When the file cannot be read or does not fit `T`.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(&text, path)
}

/// Reads YAML text that came from `path`, which is only named in errors.
///
/// # Errors
/// When the text does not fit `T`.
pub fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, ConfigError> {
    // A file of comments only sets nothing, which an empty mapping says too.
    let nothing_set = text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---"
    });
    let text = if nothing_set { "{}" } else { text };
    serde_saphyr::from_str(text).map_err(|error| ConfigError::Parse { text: explain(&error, path) })
}

fn explain(error: &serde_saphyr::Error, path: &Path) -> String {
    let plain = error.without_snippet();
    let place = match plain.location() {
        Some(at) => format!("{}:{}:{}", path.display(), at.line(), at.column()),
        None => path.display().to_string(),
    };
    let rendered = error.render().replace("<input>", &path.display().to_string());
    // Its first line is the message behind a place, and we begin with the place.
    let (message, snippet) = rendered.split_once('\n').unwrap_or((&rendered, ""));
    let message = message
        .rsplit_once("column ")
        .map_or(message, |(_, rest)| rest.split_once(": ").map_or(message, |(_, message)| message));
    let snippet = snippet.trim_end();
    let separator = if snippet.is_empty() { "" } else { "\n" };
    match plain {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            let cure = suggest("key", field, expected);
            format!("{place}: unknown key `{field}`{cure}{separator}{snippet}")
        }
        serde_saphyr::Error::SerdeUnknownVariant { variant, expected, .. } => {
            let cure = suggest("value", variant, expected);
            format!("{place}: unknown value `{variant}`{cure}{separator}{snippet}")
        }
        _ => format!("{place}: {message}{separator}{snippet}"),
    }
}

/// `; did you mean ...?` where something is near, else all there is.
fn suggest(kind: &str, given: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min_by_key(|(distance, _)| *distance);
    match near {
        Some((_, name)) => format!("; did you mean `{name}`?"),
        None if known.is_empty() => format!("; no {kind} is taken here"),
        None => format!("; known here: {}", known.join(", ")),
    }
}
