//! One layer of an image: a tar of files, sorted, with nothing of this machine
//! (owner, dates) in it.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// A finished layer.
pub(crate) struct Layer(Vec<u8>);

/// A layer in the making: paths in the image without the leading slash.
#[derive(Default)]
pub(crate) struct Tree(BTreeMap<PathBuf, Node>);

enum Node {
    Dir { mode: u32 },
    File { mode: u32, content: Vec<u8> },
    Link { target: PathBuf },
}

impl Layer {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Tree {
    /// Adds a folder and those above it.
    pub(crate) fn dir(&mut self, path: impl AsRef<Path>, mode: u32) -> &mut Self {
        self.parents(path.as_ref());
        self.0.insert(path.as_ref().to_owned(), Node::Dir { mode });
        self
    }

    /// Adds a file.
    pub(crate) fn file(
        &mut self,
        path: impl AsRef<Path>,
        mode: u32,
        content: impl Into<Vec<u8>>,
    ) -> &mut Self {
        self.parents(path.as_ref());
        self.0.insert(path.as_ref().to_owned(), Node::File { mode, content: content.into() });
        self
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, path: impl AsRef<Path>, target: impl Into<PathBuf>) -> &mut Self {
        self.parents(path.as_ref());
        self.0.insert(path.as_ref().to_owned(), Node::Link { target: target.into() });
        self
    }

    /// Adds what lies below `root` on this machine, with its modes, as far as
    /// `wanted` says so of a path relative to `root`.
    pub(crate) fn copy_from(
        &mut self,
        root: &Path,
        wanted: impl Fn(&Path) -> bool,
    ) -> anyhow::Result<&mut Self> {
        let mut dirs = vec![root.to_owned()];
        while let Some(dir) = dirs.pop() {
            let entries =
                fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))?;
            for entry in entries {
                let path = entry.with_context(|| format!("cannot list {}", dir.display()))?.path();
                let inside = path.strip_prefix(root).context("an entry lies in its folder")?;
                if wanted(inside) {
                    let node = Node::read(&path)
                        .with_context(|| format!("cannot read {}", path.display()))?;
                    self.parents(inside);
                    self.0.insert(inside.to_owned(), node);
                }
                if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
                    dirs.push(path);
                }
            }
        }
        Ok(self)
    }

    /// Whether something is at this path.
    pub(crate) fn contains(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    /// Packs it.
    pub(crate) fn pack(&self) -> io::Result<Layer> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, node) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            match node {
                Node::Dir { mode } => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(*mode);
                    header.set_size(0);
                    archive.append_data(&mut header, path, io::empty())?;
                }
                Node::File { mode, content } => {
                    header.set_mode(*mode);
                    header.set_size(content.len() as u64);
                    archive.append_data(&mut header, path, content.as_slice())?;
                }
                Node::Link { target } => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_mode(0o777);
                    header.set_size(0);
                    archive.append_link(&mut header, path, target)?;
                }
            }
        }
        Ok(Layer(archive.into_inner()?))
    }

    fn parents(&mut self, path: &Path) {
        for parent in path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()) {
            self.0.entry(parent.to_owned()).or_insert(Node::Dir { mode: 0o755 });
        }
    }
}

impl Node {
    fn read(path: &Path) -> io::Result<Self> {
        let metadata = path.symlink_metadata()?;
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_dir() {
            Ok(Self::Dir { mode })
        } else if metadata.is_symlink() {
            Ok(Self::Link { target: path.read_link()? })
        } else {
            Ok(Self::File { mode, content: fs::read(path)? })
        }
    }
}
