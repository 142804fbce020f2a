//! `lanner rules check`: Falco's `--validate` result.

use std::{collections::HashSet, fs, path::PathBuf};

use lanner_engine::{Diagnostic, Options, SchemaResult, Severity, SourceFile, load};
use serde_json::{Value as Json, json};

use crate::Verdict;

pub(super) fn run(paths: &[PathBuf], json: bool) -> anyhow::Result<Verdict> {
    let paths = super::files_of(paths)?;
    let mut files = Vec::new();
    let mut diagnostics = Vec::new();
    for path in &paths {
        let name = path.display().to_string();
        match fs::read(path).map(|bytes| SourceFile::from_bytes(&name, bytes)) {
            Ok(Ok(file)) => files.push(file),
            Ok(Err(diagnostic)) => diagnostics.push(*diagnostic),
            Err(error) => {
                diagnostics.push(SourceFile::unreadable(&name, &error.to_string()));
            }
        }
    }
    diagnostics.extend(load(&files, &Options::default()).1);

    let results: Vec<FileResult<'_>> = paths
        .iter()
        .map(|path| {
            let name = path.display().to_string();
            let (errors, warnings) = diagnostics
                .iter()
                .filter(|one| one.file == name)
                .partition(|one| one.severity == Severity::Error);
            let file = files.iter().find(|file| file.name == name);
            let schema = file.filter(|_| json).and_then(SourceFile::check_schema);
            FileResult { name, errors, warnings, schema }
        })
        .collect();
    if json {
        let results: Vec<Json> = results.iter().map(FileResult::to_json).collect();
        println!("{}", json!({ "falco_load_results": results }));
    } else {
        results.iter().for_each(FileResult::print);
    }
    let good = results.iter().all(|result| result.errors.is_empty());
    Ok(if good { Verdict::Good } else { Verdict::BadInput })
}

struct FileResult<'d> {
    name: String,
    errors: Vec<&'d Diagnostic>,
    warnings: Vec<&'d Diagnostic>,
    /// Falco shows it in its JSON; for people it repeats what the warnings say better.
    schema: Option<SchemaResult>,
}

impl FileResult<'_> {
    fn print(&self) {
        let verdict = match (self.errors.is_empty(), self.warnings.is_empty()) {
            (true, true) => "Ok",
            (true, false) => "Ok, with warnings",
            (false, _) => "Invalid",
        };
        println!("{}: {verdict}", self.name);
        // What is wrong with a macro is so in each rule that uses it: one place is shown once.
        let mut shown = HashSet::new();
        for diagnostic in self.errors.iter().chain(&self.warnings) {
            if shown.insert((diagnostic.code, diagnostic.offset, &diagnostic.message)) {
                println!("\n{diagnostic}");
            }
        }
    }

    fn to_json(&self) -> Json {
        let mut json = json!({
            "name": self.name,
            "successful": self.errors.is_empty(),
            "errors": self.errors.iter().map(|one| diagnostic_json(one)).collect::<Vec<_>>(),
            "warnings": self.warnings.iter().map(|one| diagnostic_json(one)).collect::<Vec<_>>(),
        });
        if let Some(schema) = &self.schema {
            json["schema_valid"] = schema.valid.into();
            json["schema_warnings"] = schema.warnings.clone().into();
        }
        json
    }
}

/// A diagnostic in Falco's shape.
fn diagnostic_json(diagnostic: &Diagnostic) -> Json {
    let locations = diagnostic.context.iter().map(|context| {
        let position = &context.position;
        json!({
            "item_type": context.item_type,
            "item_name": context.item_name,
            "position": {
                "name": position.name,
                "line": position.line,
                "column": position.column,
                "offset": position.offset,
            },
        })
    });
    let mut json = json!({
        "context": {
            "locations": locations.collect::<Vec<_>>(),
            "snippet": diagnostic.context_snippet,
        },
        "code": diagnostic.code.as_str(),
        "codedesc": diagnostic.code.long_description(),
        "message": diagnostic.message,
    });
    if let Some(field) = diagnostic.deprecated_field {
        json["deprecated_field"] = field.into();
    }
    json
}
