//! A real `nats-server` with JetStream for a test: its own port, its own
//! store, gone on drop.

use std::{
    fs, io,
    net::TcpStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{process::Process, programs::Program};

const START_MAX: Duration = Duration::from_secs(20);

/// A running server. It listens on 127.0.0.1 only.
#[derive(Debug)]
pub struct NatsServer {
    process: Process,
    /// Also what keeps the folder alive: it is removed after the process.
    dir: TempDir,
    config: Option<PathBuf>,
    address: Address,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    scheme: String,
    port: u16,
}

impl NatsServer {
    /// Starts a server that takes anybody, without TLS.
    ///
    /// # Panics
    /// When it does not answer within twenty seconds; the message holds its log.
    pub fn start() -> Self {
        Self::launch(None)
    }

    /// Starts a server with this configuration file.
    ///
    /// Address and port are given on the command line and win over the file, so
    /// the text need not know them. So is JetStream's folder, unless the text
    /// names a `store_dir`: the server takes only one. The rest of the text's
    /// paths (certificates) are the caller's.
    ///
    /// # Panics
    /// When it does not answer within twenty seconds; the message holds its log.
    pub fn start_with_config(config: &str) -> Self {
        Self::launch(Some(config))
    }

    fn launch(config: Option<&str>) -> Self {
        let dir = tempfile::tempdir().expect("make a temporary folder");
        let config = config.map(|text| {
            let path = dir.path().join("nats.conf");
            fs::write(&path, text).expect("write the server's configuration");
            path
        });
        // Port -1 lets the server choose, so two tests never race for one.
        let process = spawn(dir.path(), config.as_deref(), "-1");
        let address = Address { scheme: String::new(), port: 0 };
        let mut server = Self { process, dir, config, address };
        server.address = server.wait_until_it_listens();
        server
    }

    /// Where it listens: `nats://127.0.0.1:PORT`, or `tls://...` when its
    /// configuration has TLS.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.address.scheme, self.address.port)
    }

    /// The port it listens on; a [`restart`](Self::restart) keeps it.
    pub fn port(&self) -> u16 {
        self.address.port
    }

    /// The id of its process; another one after a [`restart`](Self::restart).
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The configuration file, when there is one: rewrite it and call
    /// [`restart`](Self::restart).
    pub fn config_path(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Stops the server as an outage would; its stored streams stay.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Whether it runs: not after a [`kill`](Self::kill).
    pub fn is_running(&mut self) -> bool {
        self.process.exit_status().is_none()
    }

    /// Starts it again on the same port and store, after a kill if it still ran.
    ///
    /// # Panics
    /// As [`start`](Self::start), and when another process took the port.
    pub fn restart(&mut self) {
        self.kill();
        remove_ports_files(self.dir.path()).expect("remove the old ports file");
        let port = self.port().to_string();
        self.process = spawn(self.dir.path(), self.config.as_deref(), &port);
        let address = self.wait_until_it_listens();
        assert_eq!(address, self.address, "nats-server came back elsewhere");
    }

    /// Makes it read its configuration and certificates again.
    ///
    /// # Panics
    /// When it does not run.
    pub fn reload(&self) {
        self.process.signal("HUP");
    }

    /// What the server logged last.
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }

    fn wait_until_it_listens(&mut self) -> Address {
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            self.process.assert_running();
            if let Ok(Some(address)) = read_ports_file(self.dir.path())
                && TcpStream::connect(("127.0.0.1", address.port)).is_ok()
            {
                return address;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let log = self.process.log_tail();
        panic!("nats-server did not answer within {START_MAX:?}; its log ends with:\n{log}");
    }
}

fn spawn(dir: &Path, config: Option<&Path>, port: &str) -> Process {
    let mut args = vec!["--addr".into(), "127.0.0.1".into(), "--port".into(), port.into()];
    if !config.is_some_and(names_a_store) {
        args.extend(["--jetstream".into(), "--store_dir".into()]);
        args.push(dir.join("store").into_os_string());
    }
    args.extend(["--ports_file_dir".into(), dir.as_os_str().to_owned()]);
    if let Some(config) = config {
        args.extend(["--config".into(), config.as_os_str().to_owned()]);
    }
    Process::spawn(&Program::NatsServer.path(), args, &dir.join("log"))
}

fn names_a_store(config: &Path) -> bool {
    fs::read_to_string(config).is_ok_and(|text| text.contains("store_dir"))
}

/// Finds the clients' port in the server's `*.ports` file, if it is there yet:
/// `{"nats":["tls://127.0.0.1:4222"]}`.
fn read_ports_file(dir: &Path) -> io::Result<Option<Address>> {
    for path in ports_files(dir)? {
        let text = fs::read_to_string(path)?;
        let address = text.split("\"nats\"").nth(1).and_then(|rest| {
            let url = rest.split('"').nth(1)?;
            let (scheme, host_port) = url.split_once("://")?;
            let (_host, port) = host_port.rsplit_once(':')?;
            Some(Address { scheme: scheme.to_owned(), port: port.parse().ok()? })
        });
        if address.is_some() {
            return Ok(address);
        }
    }
    Ok(None)
}

fn remove_ports_files(dir: &Path) -> io::Result<()> {
    ports_files(dir)?.iter().try_for_each(fs::remove_file)
}

fn ports_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "ports") {
            files.push(path);
        }
    }
    Ok(files)
}
