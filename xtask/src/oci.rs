//! OCI images without a docker engine: layers and a configuration in one tar
//! file that `ctr images import`, `docker load` and `podman load` read.
//!
//! The same content gives the same bytes: entries are sorted, owned by root and
//! dated 1970, so an image changes only when what is in it does.

mod layer;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use anyhow::Context as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) use self::layer::{Layer, Tree};

/// What one image is.
pub(crate) struct Image<'a> {
    /// Its full name, e.g. `lanner.local/lanner:dev`.
    pub(crate) name: &'a str,
    pub(crate) layers: Vec<Layer>,
    /// `user[:group]`, as numbers.
    pub(crate) user: &'a str,
    pub(crate) entrypoint: &'a [&'a str],
}

impl Image<'_> {
    /// Writes the image to `path`.
    pub(crate) fn write(self, path: &Path) -> anyhow::Result<()> {
        let write = || -> io::Result<()> {
            let mut archive = tar::Builder::new(BufWriter::new(File::create(path)?));
            self.write_to(&mut archive)?;
            archive.into_inner()?.flush()
        };
        write().with_context(|| format!("cannot write the image {}", path.display()))
    }

    fn write_to(&self, archive: &mut tar::Builder<impl Write>) -> io::Result<()> {
        let layers: Vec<&[u8]> = self.layers.iter().map(Layer::bytes).collect();
        let config = serde_json::to_vec(&self.config(&layers))?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": layers
                .iter()
                .map(|layer| descriptor("application/vnd.oci.image.layer.v1.tar", layer))
                .collect::<Vec<_>>(),
        });
        let manifest = serde_json::to_vec(&manifest)?;

        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
        entry["annotations"] = json!({
            "io.containerd.image.name": self.name,
            "org.opencontainers.image.ref.name": self.name.rsplit(':').next(),
        });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [entry],
        });
        // What docker before version 25 reads instead of the index.
        let docker = json!([{
            "Config": blob_path(&config),
            "RepoTags": [self.name],
            "Layers": layers.iter().map(|layer| blob_path(layer)).collect::<Vec<_>>(),
        }]);

        append(archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        append(archive, "index.json", &serde_json::to_vec(&index)?)?;
        append(archive, "manifest.json", &serde_json::to_vec(&docker)?)?;
        append(archive, &blob_path(&manifest), &manifest)?;
        append(archive, &blob_path(&config), &config)?;
        for layer in layers {
            append(archive, &blob_path(layer), layer)?;
        }
        Ok(())
    }

    fn config(&self, layers: &[&[u8]]) -> Value {
        json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {
                "User": self.user,
                "Entrypoint": self.entrypoint,
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "WorkingDir": "/",
            },
            "rootfs": {
                "type": "layers",
                "diff_ids": layers.iter().map(|layer| digest(layer)).collect::<Vec<_>>(),
            },
        })
    }
}

/// This machine's architecture, in Go's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(content), "size": content.len() })
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex_digest(content))
}

fn blob_path(content: &[u8]) -> String {
    format!("blobs/sha256/{}", hex_digest(content))
}

fn hex_digest(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}

fn append(archive: &mut tar::Builder<impl Write>, path: &str, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    archive.append_data(&mut header, path, content)
}
