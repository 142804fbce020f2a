//! Names of users and groups, from the container's own files where there is one.
//!
//! The files belong to whoever runs in the container. They are opened inside of
//! its root only (no link leads out), never waited for (neither a pipe nor a
//! file system of theirs blocks us), and read up to a bound.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::patient::Patient;

const FILE_BYTES_MAX: u64 = 1 << 20;

/// Most bytes of one file's names that are kept: a few thousand names.
const NAMES_BYTES_MAX: usize = 256 << 10;

/// The kernel's own bound of a login name's length is 256 (`LOGIN_NAME_MAX`).
const NAME_BYTES_MAX: usize = 255;

/// What a name takes beside its bytes: the map's entry and the allocator's own.
const NAME_OVERHEAD: usize = 56;

/// Most bytes of names that are kept, of all roots together: then those read first go.
const ALL_BYTES_MAX: usize = 4 << 20;

/// Most containers whose names are kept, however short they are.
const ROOTS_MAX: usize = 1024;

/// How long names are believed before the file is read again.
const FRESH: Duration = Duration::from_secs(30);

/// Names by number, of one root directory.
#[derive(Debug, Default)]
struct Names {
    users: HashMap<u32, Vec<u8>>,
    groups: HashMap<u32, Vec<u8>>,
    size_bytes: usize,
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
    size_bytes: usize,
    reader: Patient<PathBuf, Option<Names>>,
    /// Those whose files somebody does not give us: not asked for again while that lasts.
    hanging: Vec<Root>,
}

impl Default for Users {
    fn default() -> Self {
        let reader = Patient::new("user names", |directory: PathBuf| Names::read(&directory));
        Self { known: HashMap::new(), size_bytes: 0, reader, hanging: Vec::new() }
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
            _ => self.read(root, directory, now),
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

impl Users {
    /// Questions that no file answered in time.
    pub(super) fn unanswered(&self) -> u64 {
        self.reader.unanswered()
    }

    fn read(&mut self, root: Root, directory: &Path, now: Instant) -> Arc<Names> {
        if !self.reader.is_stuck() {
            self.hanging.clear();
        }
        let may_answer = !self.hanging.contains(&root);
        let is_asked = may_answer && !self.reader.is_spent();
        let names = may_answer.then(|| self.reader.ask(directory.to_owned())).flatten();
        if names.is_none() && is_asked {
            self.hanging.push(root.clone());
        }
        match names.flatten() {
            Some(names) => {
                let names = Arc::new(names);
                self.keep(root, &names, now);
                names
            }
            // Old names are better than none.
            None => self.known.get(&root).map(|(_, names)| Arc::clone(names)).unwrap_or_default(),
        }
    }

    fn keep(&mut self, root: Root, names: &Arc<Names>, now: Instant) {
        if let Some((_, before)) = self.known.remove(&root) {
            self.size_bytes -= before.size_bytes;
        }
        self.size_bytes += names.size_bytes;
        self.known.insert(root, (now, Arc::clone(names)));
        if self.size_bytes > ALL_BYTES_MAX || self.known.len() > ROOTS_MAX {
            self.forget_older_half();
        }
    }

    fn forget_older_half(&mut self) {
        let mut times: Vec<_> = self.known.values().map(|(read_at, _)| *read_at).collect();
        let middle = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(middle);
        self.known.retain(|_, (read_at, _)| *read_at > *middle);
        self.size_bytes = self.known.values().map(|(_, names)| names.size_bytes).sum();
    }
}

impl Names {
    /// `None` if the directory is gone, as it is with the process that it was found by: another one
    /// of the same root may still tell.
    fn read(directory: &Path) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(directory, flags, Mode::empty()).ok()?;
        let names = |file| read_inside(&root, file).map(|text| parse(&text)).unwrap_or_default();
        let (users, users_bytes) = names("etc/passwd");
        let (groups, groups_bytes) = names("etc/group");
        Some(Self { users, groups, size_bytes: users_bytes + groups_bytes })
    }
}

/// `name:x:number:...`, a line each; what does not look so is skipped. With the names
/// come the bytes that they take.
fn parse(text: &[u8]) -> (HashMap<u32, Vec<u8>>, usize) {
    let (mut names, mut size_bytes) = (HashMap::new(), 0);
    for line in text.split(|byte| *byte == b'\n') {
        let mut columns = line.split(|byte| *byte == b':');
        let (Some(name), Some(_), Some(number)) = (columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        let number = std::str::from_utf8(number).ok().and_then(|text| text.parse().ok());
        let Some(number) = number else { continue };
        // The first line of a number wins, as in getpwuid.
        let is_fit = (1..=NAME_BYTES_MAX).contains(&name.len()) && !names.contains_key(&number);
        if is_fit {
            size_bytes += name.len() + NAME_OVERHEAD;
            if size_bytes > NAMES_BYTES_MAX {
                return (names, size_bytes);
            }
            names.insert(number, name.to_vec());
        }
    }
    (names, size_bytes)
}

fn read_inside(root: &OwnedFd, file: &str) -> io::Result<Vec<u8>> {
    let opened = rustix::fs::openat2(
        root,
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
    use std::{
        fs,
        os::unix::fs::symlink,
        path::{Path, PathBuf},
        sync::{
            Mutex, OnceLock,
            mpsc::{Receiver, sync_channel},
        },
        time::{Duration, Instant},
    };

    use super::{ALL_BYTES_MAX, Names, Patient, Root, Users};

    /// Hangs until the other end is gone.
    static HANG: OnceLock<Mutex<Receiver<()>>> = OnceLock::new();

    fn user(directory: &std::path::Path, uid: u32) -> Option<String> {
        let root = Root::Container("c".to_owned());
        let names = Users::default().names(root, directory, uid, 0, u32::MAX, Instant::now());
        names.user.map(|name| String::from_utf8(name).unwrap())
    }

    /// Whoever can make one hang can do so again and again.
    #[test]
    fn a_root_that_hangs_is_asked_once() {
        let (hold, until) = sync_channel::<()>(1);
        let _ = HANG.set(Mutex::new(until));
        let reader = Patient::new("test", |directory: PathBuf| {
            if directory.ends_with("hangs") {
                let _ = HANG.get().unwrap().lock().unwrap().recv();
            }
            Some(Names::default())
        });
        let mut users = Users { reader: reader.without_budget(), ..Users::default() };
        let ask = |users: &mut Users, root: &str, directory: &str| {
            let root = Root::Container(root.to_owned());
            users.names(root, Path::new(directory), 7, 0, u32::MAX, Instant::now());
            users.unanswered()
        };
        for _ in 0..10 {
            assert_eq!(ask(&mut users, "evil", "/hangs"), 1);
        }
        assert_eq!(ask(&mut users, "good", "/x"), 1);
        drop(hold);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !users.known.contains_key(&Root::Container("evil".to_owned())) {
            assert!(Instant::now() < deadline, "it never came back");
            ask(&mut users, "evil", "/hangs");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_process_that_is_gone_takes_no_names_from_the_others_of_its_container() {
        let mut users = Users::default();
        let now = Instant::now();
        let mut ask = |directory: &Path, after: Duration| {
            let root = Root::Container("c".to_owned());
            users.names(root, directory, 33, 0, u32::MAX, now + after).user
        };
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/passwd"), "web:x:33:33::/:\n").unwrap();
        let gone = root.path().join("gone");
        assert_eq!(ask(&gone, Duration::ZERO), None);
        assert_eq!(ask(root.path(), Duration::ZERO).as_deref(), Some(&b"web"[..]));
        // Nor later, when they are read again.
        assert_eq!(ask(&gone, Duration::from_secs(60)).as_deref(), Some(&b"web"[..]));
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

    /// Names that fill memory are an attack on us, not on the container.
    #[test]
    fn files_full_of_names_are_bounded() {
        let reader = Patient::new("test", |directory: PathBuf| Names::read(&directory));
        let mut users = Users { reader: reader.without_budget(), ..Users::default() };
        let now = Instant::now();
        let text: String = (0..60_000).map(|uid| format!("u{uid}:x:{uid}:\n")).collect();
        for number in 0..100 {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir(root.path().join("etc")).unwrap();
            fs::write(root.path().join("etc/passwd"), &text).unwrap();
            let of = Root::Container(number.to_string());
            let now = now + Duration::from_millis(number);
            let names = users.names(of, root.path(), 7, 0, u32::MAX, now);
            assert_eq!(names.user.as_deref(), Some(&b"u7"[..]));
            assert!(users.size_bytes <= ALL_BYTES_MAX, "{} bytes", users.size_bytes);
        }
        assert!(users.known.len() > 5, "some are kept: {}", users.known.len());
    }

    #[test]
    fn no_link_leads_out_of_the_root() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("passwd"), "secret:x:33:33::/:\n").unwrap();
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let passwd = root.path().join("etc/passwd");
        let up = "../".repeat(20);
        let outside = outside.path().join("passwd");
        for target in [outside.display().to_string(), format!("{up}{}", outside.display())] {
            symlink(&target, &passwd).unwrap();
            assert_eq!(user(root.path(), 33), None, "{target}");
            fs::remove_file(&passwd).unwrap();
        }
        // By way of a directory of links.
        fs::remove_dir(root.path().join("etc")).unwrap();
        symlink(outside.parent().unwrap(), root.path().join("etc")).unwrap();
        assert_eq!(user(root.path(), 33), None);
        // To itself.
        fs::remove_file(root.path().join("etc")).unwrap();
        symlink("etc", root.path().join("etc")).unwrap();
        assert_eq!(user(root.path(), 0).as_deref(), Some("root"));
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
