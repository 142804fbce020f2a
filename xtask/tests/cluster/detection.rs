//! A node that Lanner watches: what is done in its pods is told as what it is and of
//! which pod, and what runs the node is not told of.
//!
//! ```text
//! pods     what runs on the node, what is known of it, and all that the sensor told
//! deeds    `lanner generate` in pods, by `kubectl exec`; a person at a terminal
//! starts   containers that may do too much, there before the sensor and after it
//! silence  the node's own programs and Lanner's
//! ```

mod deeds;
mod pods;
mod silence;
mod starts;

use lanner_testkit::not_run;

use self::pods::Node;
use crate::{Xtask, bus::Forward, one_at_a_time};

#[test]
fn what_happens_in_pods_is_told_and_what_runs_the_node_is_not() {
    if !rustix::process::geteuid().is_root() {
        not_run("what is told of a real node", "it needs root");
        return;
    }
    let _alone = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let xtask = Xtask { dir: folder.path().join("cluster") };
    xtask.cluster(&["up"]).unwrap();
    let node = Node { xtask: &xtask };
    node.start(pods::BEFORE_LANNER);
    // No playbook may end the pod in the midst of it.
    xtask.cluster(&["deploy", "--profile", "dev"]).unwrap();
    node.start(pods::AFTER_LANNER);
    let forward = Forward::to_the_bus(&xtask, folder.path());

    deeds::every_deed_is_told_with_its_pod(&node, &forward);
    deeds::a_terminal_is_seen(&node);
    starts::each_is_told_once(&node);
    silence::holds(&node);
}
