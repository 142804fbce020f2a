//! All actions, by what they are about.

mod escapes;
mod files;
mod network;
mod persistence;
mod processes;
mod programs;
mod secrets;
mod sessions;
mod shadow;

use std::sync::LazyLock;

use super::action::Action;

/// Every action, in the order in which they are done.
pub(super) fn all() -> &'static [&'static Action] {
    static ALL: LazyLock<Vec<&'static Action>> = LazyLock::new(|| {
        let themes = [
            programs::POSING,
            sessions::ACTIONS,
            shadow::ACTIONS,
            secrets::ACTIONS,
            files::ACTIONS,
            persistence::ACTIONS,
            programs::ACTIONS,
            processes::ACTIONS,
            network::ACTIONS,
            escapes::ACTIONS,
        ];
        themes.into_iter().flatten().collect()
    });
    &ALL
}

pub(super) fn find(name: &str) -> Option<&'static Action> {
    all().iter().copied().find(|action| action.name == name)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;
    use crate::generate::{action::Place, processes};

    #[test]
    fn every_action_says_what_people_must_know_of_it() {
        let mut names = BTreeSet::new();
        for action in all() {
            let name = action.name;
            assert!(names.insert(name), "{name} is there twice");
            let of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(!name.is_empty() && name.chars().all(of_name), "{name:?}");
            assert!(!["all", "falco"].contains(&name), "{name} means something else");
            for text in [action.does, action.harmless] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{name}: {text:?}");
            }
            assert!(!action.expected().is_empty(), "{name} names no rule");
            let technique = action.mitre.strip_prefix('T').unwrap_or_default();
            let digits = technique.chars().filter(char::is_ascii_digit).count();
            assert!([4, 7].contains(&digits), "{name}: {:?} is no technique", action.mitre);
        }
    }

    #[test]
    fn what_is_removed_is_ours() {
        for action in all() {
            for path in action.leaves {
                let last = path.rsplit('/').next().unwrap_or_default();
                assert!(path.starts_with('/') && last.contains("<token>"), "{path}");
            }
        }
    }

    /// What is written lies in memory, but where the tool is in a container already.
    #[test]
    fn nothing_is_written_on_the_host_but_in_shared_memory() {
        for action in all().iter().filter(|action| action.place == Place::Host) {
            let elsewhere = action.leaves.iter().filter(|path| !path.starts_with("/dev/shm/"));
            assert_eq!(elsewhere.count(), 0, "{}", action.name);
        }
    }

    #[test]
    fn every_process_has_a_name_that_the_kernel_keeps() {
        for action in all() {
            for process in processes::of_action(action, true) {
                assert!((1..=15).contains(&process.program.len()), "{}", process.program);
                assert!(!process.program.contains('/'), "{}", process.program);
            }
        }
    }

    #[test]
    fn the_events_are_events() {
        for action in all() {
            let condition = format!("evt.type = {}", action.event);
            let filter = lanner_engine::Filter::compile(&condition);
            assert!(filter.is_ok(), "{}: {condition}", action.name);
        }
    }

    /// Our rules, by the names that the actions use.
    #[test]
    fn the_rules_are_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
        let files = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        let files = files.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
        let texts: Vec<String> = files.map(|path| fs::read_to_string(path).unwrap()).collect();
        let lines = texts.iter().flat_map(|text| text.lines());
        let rules: BTreeSet<&str> =
            lines.filter_map(|line| line.strip_prefix("- rule: ")).collect();
        let named: BTreeSet<&str> =
            all().iter().flat_map(|action| action.rules.iter().copied()).collect();
        let missing: Vec<_> = named.difference(&rules).collect();
        assert!(missing.is_empty(), "{missing:?} are in no rule file");
    }
}
