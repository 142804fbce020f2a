//! All actions, by what they are about.

mod escapes;
mod files;
mod network;
mod persistence;
mod processes;
mod programs;
mod secrets;

use std::sync::LazyLock;

use super::action::Action;

/// Every action, in the order in which people read them.
pub(super) fn all() -> &'static [&'static Action] {
    static ALL: LazyLock<Vec<&'static Action>> = LazyLock::new(|| {
        let themes = [
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
