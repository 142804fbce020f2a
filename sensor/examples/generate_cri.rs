//! Makes `src/enrich/cri/runtime.v1.rs` from `proto/cri.proto`, without protoc.
//!
//! The result is committed: `cargo run -p lanner-sensor --example generate_cri`
//! after a change of the proto file, and only then.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sensor = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile(["cri.proto"], [sensor.join("proto")])?;
    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        // Labels in one order, whatever the runtime's.
        .btree_map(".")
        .out_dir(sensor.join("src/enrich/cri"))
        .compile_fds(descriptors)?;
    Ok(())
}
