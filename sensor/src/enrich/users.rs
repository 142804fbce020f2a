//! Names of users and groups, from the container's own files where there is one.
//!
//! The files belong to whoever runs in the container. They are opened inside of
//! its root only (no link leads out), never waited for (neither a pipe nor a
//! file system of theirs blocks us), and read up to a bound.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::patient::Patient;

const FILE_BYTES_MAX: u64 = 1 << 20;

/// Most containers whose names are kept.
const ROOTS_MAX: usize = 1024;

/// How long names are believed before the file is read again.
const FRESH: Duration = Duration::from_secs(30);

/// Names by number, of one root directory.
#[derive(Debug, Default)]
struct Names {
    users: HashMap<u32, Vec<u8>>,
    groups: HashMap<u32, Vec<u8>>,
}

/// The two names an event may need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserNames {
    pub user: Option<Vec<u8>>,
    pub group: Option<Vec<u8>>,
    pub login: Option<Vec<u8>>,
}

/// Which root directory's names are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    Host,
    /// By the container's full id.
    Container(String),
}

/// Names of all root directories, as far as they were asked for.
pub struct Users {
    known: HashMap<Root, (Instant, Arc<Names>)>,
    reader: Patient<PathBuf, Names>,
}

impl Default for Users {
    fn default() -> Self {
        let reader = Patient::new("user names", |directory: PathBuf| Names::read(&directory));
        Self { known: HashMap::new(), reader }
    }
}

impl Users {
    /// Looks names up. `directory` is where `root`'s files are at this moment.
    pub fn names(
        &mut self,
        root: Root,
        directory: &Path,
        uid: u32,
        gid: u32,
        loginuid: u32,
        now: Instant,
    ) -> UserNames {
        let names = match self.known.get(&root) {
            Some((read_at, names)) if now.duration_since(*read_at) < FRESH => Arc::clone(names),
            _ => {
                let names = Arc::new(self.reader.ask(directory.to_owned()).unwrap_or_default());
                if self.known.len() >= ROOTS_MAX {
                    self.known.retain(|_, (read_at, _)| now.duration_since(*read_at) < FRESH);
                }
                if self.known.len() < ROOTS_MAX {
                    self.known.insert(root, (now, Arc::clone(&names)));
                }
                names
            }
        };
        let user = |uid: u32| match names.users.get(&uid) {
            Some(name) => Some(name.clone()),
            None => (uid == 0).then(|| b"root".to_vec()),
        };
        UserNames {
            user: user(uid),
            group: names.groups.get(&gid).cloned(),
            login: (loginuid != u32::MAX).then(|| user(loginuid)).flatten(),
        }
    }
}

impl Names {
    fn read(directory: &Path) -> Self {
        let names =
            |file| read_inside(directory, file).map(|text| parse(&text)).unwrap_or_default();
        Self { users: names("etc/passwd"), groups: names("etc/group") }
    }
}

/// `name:x:number:...`, a line each; what does not look so is skipped.
fn parse(text: &[u8]) -> HashMap<u32, Vec<u8>> {
    let mut names = HashMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut columns = line.split(|byte| *byte == b':');
        let (Some(name), Some(_), Some(number)) = (columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        let number = std::str::from_utf8(number).ok().and_then(|text| text.parse().ok());
        if let Some(number) = number
            && !name.is_empty()
        {
            // The first line of a number wins, as in getpwuid.
            names.entry(number).or_insert_with(|| name.to_vec());
        }
    }
    names
}

fn read_inside(root: &Path, file: &str) -> io::Result<Vec<u8>> {
    let directory =
        rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let opened = rustix::fs::openat2(
        &directory,
        file,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
    )?;
    let opened = File::from(opened);
    if !opened.metadata()?.is_file() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let mut bytes = Vec::new();
    opened.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, time::Instant};

    use super::{Root, Users};

    fn user(directory: &std::path::Path, uid: u32) -> Option<String> {
        let root = Root::Container("c".to_owned());
        let names = Users::default().names(root, directory, uid, 0, u32::MAX, Instant::now());
        names.user.map(|name| String::from_utf8(name).unwrap())
    }

    #[test]
    fn names_come_from_inside_the_root() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::create_dir(root.path().join("data")).unwrap();
        fs::write(root.path().join("data/users"), "a:x:0:0\nweb:x:33:33::/:/bin/sh\nbad\n:x:1:1\n")
            .unwrap();
        // An absolute link is followed inside of the root, not to our own files.
        symlink("/data/users", root.path().join("etc/passwd")).unwrap();
        assert_eq!(user(root.path(), 33).as_deref(), Some("web"));
        assert_eq!(user(root.path(), 1), None);
    }

    #[test]
    fn a_pipe_or_a_missing_file_does_not_stop_us() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        assert_eq!(user(root.path(), 0).as_deref(), Some("root"));
        let pipe = root.path().join("etc/passwd");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        assert_eq!(user(root.path(), 33), None);
    }
}
