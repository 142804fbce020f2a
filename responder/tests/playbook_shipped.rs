//! The playbooks that we ship pass their own tests.

use std::path::Path;

use lanner_responder::{cases, guard::Guard};

#[test]
fn the_shipped_playbooks_pass_their_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks");
    let report = cases::run(&[folder], &Guard::default()).unwrap();
    assert!(report.is_good(), "{report}");
    assert!(report.untested.is_empty(), "{report}");
    assert!(report.passed >= 3, "{report}");
}
