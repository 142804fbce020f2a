//! Makes the gRPC clients in `src/enrich/{cri,containerd}` from `proto`, without protoc.
//!
//! The result is committed: `cargo run -p lanner-sensor --example generate_grpc`
//! after a change of a proto file, and only then.

use std::path::Path;

const CONTAINERD: [&str; 5] = [
    "containerd/containers.proto",
    "containerd/events.proto",
    "containerd/images.proto",
    "containerd/namespaces.proto",
    "containerd/tasks.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sensor = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (files, into) in [(&["cri.proto"][..], "cri"), (&CONTAINERD[..], "containerd/v1")] {
        let descriptors = protox::compile(files, [sensor.join("proto")])?;
        tonic_prost_build::configure()
            .build_server(false)
            .build_transport(false)
            // Labels in one order, whatever the runtime's.
            .btree_map(".")
            .out_dir(sensor.join("src/enrich").join(into))
            .compile_fds(descriptors)?;
    }
    Ok(())
}
