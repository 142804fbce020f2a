//! An alert as a line for people, or as JSON. No text in it acts on a terminal.

use std::{
    env,
    io::{self, BufWriter, IsTerminal as _, Stdout, Write as _},
    ops::ControlFlow,
};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use lanner_alert::{Alert, Priority};
use lanner_bus::Seen;
use serde_json::json;

use crate::printable::{Printable, PrintableJson};

/// When to color.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// Prints alerts to standard output.
#[derive(Debug)]
pub(super) struct Printer {
    out: BufWriter<Stdout>,
    json: bool,
    color: bool,
}

/// Goes on, unless whoever read along (`| head`) has seen enough.
pub(super) type Printed = io::Result<ControlFlow<()>>;

impl Printer {
    pub(super) fn new(json: bool, color: Color) -> Self {
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                // https://no-color.org: set and not empty.
                let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !unwanted && io::stdout().is_terminal()
            }
        };
        Self { out: BufWriter::new(io::stdout()), json, color }
    }

    /// Prints an alert; it may stay in memory until [`Printer::flush`].
    pub(super) fn print(&mut self, seen: &Seen, alert: &Alert) -> Printed {
        let line = if self.json { json(seen, alert) } else { line(alert, self.color) };
        stop_when_closed(writeln!(self.out, "{line}"))
    }

    pub(super) fn flush(&mut self) -> Printed {
        stop_when_closed(self.out.flush())
    }
}

fn stop_when_closed(written: io::Result<()>) -> Printed {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(error),
        Ok(()) => Ok(ControlFlow::Continue(())),
    }
}

fn json(seen: &Seen, alert: &Alert) -> String {
    let mut object = json!({ "subject": seen.subject, "alert": alert });
    if let Some(kept) = seen.kept {
        object["sequence"] = kept.sequence.into();
        object["stored"] = kept.time.to_string().into();
    }
    PrintableJson(&object.to_string()).to_string()
}

fn line(alert: &Alert, color: bool) -> String {
    let style = if color { style_of(alert.priority) } else { Style::new() };
    let time = alert.time.strftime("%Y-%m-%d %H:%M:%S.%3fZ");
    let priority = alert.priority.as_str();
    let rest = format!("{}  node={}{}  {}", alert.rule, alert.node, pod(alert), alert.output);
    format!("{time} {style}{priority:<13}{style:#} {}", Printable(&rest))
}

fn style_of(priority: Priority) -> Style {
    let color = |color: AnsiColor| color.on_default();
    match priority {
        Priority::Emergency | Priority::Alert | Priority::Critical => color(AnsiColor::Red).bold(),
        Priority::Error => color(AnsiColor::Red),
        Priority::Warning => color(AnsiColor::Yellow),
        Priority::Notice => color(AnsiColor::Cyan),
        Priority::Informational | Priority::Debug => Style::new().dimmed(),
    }
}

fn pod(alert: &Alert) -> String {
    match (&alert.entity.pod_namespace, &alert.entity.pod_name) {
        (Some(namespace), Some(name)) => format!(" pod={namespace}/{name}"),
        _ => String::new(),
    }
}
