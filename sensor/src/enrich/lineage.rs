//! Ancestors without holes, whatever was lost and however old they are.
//!
//! ```text
//! fork, exec: the kernel's own list ─▶ those that are not known ─▶ /proc, or else the name alone
//! a rule asks: the chain by who started whom ─▶ a hole ─▶ who took it over
//! ```

use std::sync::Arc;

use super::{
    Node,
    process::{ANCESTORS_MAX, Process, ProcessKey},
};
use crate::decode::{Ancestor, EventHead, Exec, exe_bits};

/// Most holes that are mended for one event.
const HOLES_MAX: usize = 4;

/// No process has this id: nothing is above it.
const NOBODY: ProcessKey = ProcessKey { pid: 0, start_ticks: 0 };

impl Node {
    /// Takes in who is above a process that was made or became another program, as far as nothing
    /// is known of them.
    pub(super) fn learn_ancestors(&self, head: &EventHead, ancestors: &[Ancestor]) {
        let parent = Ancestor {
            tgid: head.ppid,
            start_ns: head.parent_start_ns,
            exec_id: head.parent_exec_id,
            comm: head.parent_comm.clone(),
        };
        let mut above = ancestors.iter();
        let mut next = Some(&parent);
        while let Some(ancestor) = next {
            next = above.next();
            let key = ProcessKey::new(ancestor.tgid, ancestor.start_ns);
            if ancestor.tgid == 0 || self.processes.has(key) {
                continue;
            }
            let parent = next.map_or(NOBODY, |next| ProcessKey::new(next.tgid, next.start_ns));
            let found = self.read_process(ancestor.tgid).filter(|found| found.key == key);
            // Its own events may be on their way, in another ring: they count for more. `/proc`
            // tells what it was then; a name alone tells nothing of what it runs.
            let (known, exec_id) = match found {
                Some(found) => (found, ancestor.exec_id),
                None => {
                    (Process::from_ancestor(ancestor, parent), ancestor.exec_id.saturating_sub(1))
                }
            };
            // Above the last of the list `/proc` knows more.
            let parent = if next.is_some() { parent } else { known.parent };
            self.processes.add_running(Process { parent, exec_id: Some(exec_id), ..known });
        }
    }

    /// The parent first.
    pub fn ancestors_of(&self, head: &EventHead, process: &Arc<Process>) -> Vec<Arc<Process>> {
        let mut ancestors = self.processes.ancestors(process);
        // As it was when the event happened; it may be another program by now.
        if let Some(first) = ancestors.first_mut()
            && first.key == ProcessKey::new(head.ppid, head.parent_start_ns)
            && let Some(then) = self.processes.at_exec(first.key, head.parent_exec_id)
        {
            *first = then;
        }
        for _ in 0..HOLES_MAX {
            let last = ancestors.last().unwrap_or(process);
            if last.parent.pid == 0 || ancestors.len() >= ANCESTORS_MAX {
                break;
            }
            // The one that started it is forgotten: whoever took it over is its parent now.
            let adopter = if ancestors.is_empty() {
                ProcessKey::new(head.ppid, head.parent_start_ns)
            } else {
                self.adopter_of(last)
            };
            let adopter = self.processes.get(adopter).filter(|found| found.key != last.key);
            let Some(adopter) = adopter else { break };
            let further = self.processes.ancestors(&adopter);
            ancestors.push(adopter);
            ancestors.extend(further);
        }
        ancestors.truncate(ANCESTORS_MAX);
        ancestors
    }

    /// Who is the parent now of a process whose first one is forgotten. Looked up once.
    fn adopter_of(&self, orphan: &Process) -> ProcessKey {
        let found = self.read_process(orphan.key.pid).filter(|found| found.key == orphan.key);
        let parent = found.map_or(NOBODY, |found| found.parent);
        self.processes.replace(Process { parent, ..orphan.clone() });
        parent
    }

    /// The leader of a session: its id is nobody else's while the session lasts.
    pub fn session_leader(&self, sid: u32) -> Option<Arc<Process>> {
        self.processes.newest_of(sid).or_else(|| {
            if sid == 0 {
                return None;
            }
            let found = self.read_process(sid).filter(|found| found.facts.sid == sid)?;
            self.processes.add_running(found);
            self.processes.newest_of(sid)
        })
    }

    /// The kernel side sends 4095 bytes of the arguments and of the environment. Who hides behind
    /// more of them is looked up, if what was sent is the beginning of what is found.
    pub(super) fn complete_arguments(&self, head: &EventHead, exec: &mut Exec) {
        if exec.exe_bits & (exe_bits::ARGS_CUT | exe_bits::ENV_CUT) == 0 {
            return;
        }
        let key = ProcessKey::new(head.tgid, head.start_ns);
        let Some(found) = self.read_process(head.tgid).filter(|found| found.key == key) else {
            return;
        };
        if exec.exe_bits & exe_bits::ARGS_CUT != 0 && exec.args.is_beginning_of(&found.image.args) {
            exec.args.clone_from(&found.image.args);
        }
        if exec.exe_bits & exe_bits::ENV_CUT != 0 && exec.env.is_beginning_of(&found.image.env) {
            exec.env.clone_from(&found.image.env);
        }
    }
}
