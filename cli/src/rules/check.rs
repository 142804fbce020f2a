//! `lanner rules check`: Falco's `--validate` result.

use std::{fs, path::PathBuf};

use lanner_engine::{Code, Diagnostic, Options, Severity, SourceFile, load};
use serde_json::{Value as Json, json};

use crate::Verdict;

pub(super) fn run(paths: &[PathBuf], json: bool) -> anyhow::Result<Verdict> {
    let mut files = Vec::new();
    let mut diagnostics = Vec::new();
    for path in paths {
        let name = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => files.push(SourceFile { name, text }),
            Err(error) => diagnostics.push(unreadable(name, &error)),
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
            FileResult { name, errors, warnings }
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
}

impl FileResult<'_> {
    fn print(&self) {
        let verdict = match (self.errors.is_empty(), self.warnings.is_empty()) {
            (true, true) => "Ok",
            (true, false) => "Ok, with warnings",
            (false, _) => "Invalid",
        };
        println!("{}: {verdict}", self.name);
        for diagnostic in self.errors.iter().chain(&self.warnings) {
            println!("\n{diagnostic}");
        }
    }

    fn to_json(&self) -> Json {
        json!({
            "name": self.name,
            "successful": self.errors.is_empty(),
            "errors": self.errors.iter().map(|one| diagnostic_json(one)).collect::<Vec<_>>(),
            "warnings": self.warnings.iter().map(|one| diagnostic_json(one)).collect::<Vec<_>>(),
        })
    }
}

/// A diagnostic in Falco's shape, whose lines and columns count from 0.
fn diagnostic_json(diagnostic: &Diagnostic) -> Json {
    let position = json!({
        "name": diagnostic.file,
        "line": diagnostic.line.saturating_sub(1),
        "column": diagnostic.column.saturating_sub(1),
        "offset": diagnostic.offset,
    });
    let start = json!({ "name": diagnostic.file, "line": 0, "column": 0, "offset": 0 });
    let mut locations =
        vec![json!({ "item_type": "rules content", "item_name": "", "position": start })];
    locations.extend(diagnostic.context.iter().map(|context| {
        json!({
            "item_type": context.item_type,
            "item_name": context.item_name,
            "position": position,
        })
    }));
    let caret = " ".repeat(diagnostic.caret);
    json!({
        "context": {
            "locations": locations,
            "snippet": format!("{}\n{caret}^\n", diagnostic.snippet),
        },
        "code": diagnostic.code.as_str(),
        "codedesc": diagnostic.code.description(),
        "message": diagnostic.message,
    })
}

fn unreadable(file: String, error: &std::io::Error) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: Code::FileRead,
        message: error.to_string(),
        context: Vec::new(),
        file,
        line: 1,
        column: 1,
        offset: 0,
        snippet: String::new(),
        caret: 0,
        suggestion: None,
    }
}
