//! Any bytes as a container runtime's answers: facts of a container, whatever they say.
#![no_main]

use lanner_sensor::enrich::cri::{container_info, sandbox_info, sandbox_of, v1};
use libfuzzer_sys::fuzz_target;
use prost::Message as _;

fuzz_target!(|bytes: &[u8]| {
    let sandbox = v1::PodSandboxStatusResponse::decode(bytes).ok();
    if let Some(sandbox) = &sandbox {
        let _ = sandbox_info(sandbox);
    }
    if let Ok(container) = v1::ContainerStatusResponse::decode(bytes) {
        let _ = sandbox_of(&container);
        let _ = container_info(&container, sandbox.as_ref());
    }
});
