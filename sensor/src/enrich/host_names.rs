//! Which host names an address has, of those that rules ask for.
//!
//! ```text
//! rules ─ names ─▶ Lookups ─▶ threads that ask the resolver ─ addresses ─▶ names by address ◀─ events
//! ```
//!
//! An event never waits: names are looked up when rules are loaded and again in the background, more
//! seldom the less changes. Until the first answer an address has no name. An answer that does not
//! come leaves what was known.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    net::{IpAddr, ToSocketAddrs as _},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock},
    thread,
    time::{Duration, Instant},
};

use tracing::{info, warn};

/// Most names that are looked up, of all rules together.
pub const NAMES_MAX: usize = 1024;

/// Most addresses of one name that are kept.
const ADDRESSES_MAX: usize = 256;

/// As RFC 1035 has it.
const NAME_BYTES_MAX: usize = 253;

/// Threads that ask. A resolver that nobody answers holds each for half a minute.
const THREADS_MAX: usize = 4;

/// Until a name is looked up again: doubled each time that nothing changed, as in Falco
/// (`userspace/libsinsp/dns_manager.h`).
const WAIT_MIN: Duration = Duration::from_secs(10);
const WAIT_MAX: Duration = Duration::from_secs(320);

type Resolve = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;
type ByAddress = HashMap<IpAddr, Vec<Arc<str>>>;

/// The names. The threads end with it.
pub struct HostNames(Arc<Shared>);

struct Shared {
    resolve: Box<Resolve>,
    lookups: Mutex<Lookups>,
    changed: Condvar,
    by_address: RwLock<ByAddress>,
}

#[derive(Default)]
struct Lookups {
    names: BTreeMap<Arc<str>, Lookup>,
    threads: usize,
    has_ended: bool,
}

#[derive(Default)]
struct Lookup {
    addresses: BTreeSet<IpAddr>,
    /// `None` for at once.
    due: Option<Instant>,
    wait: Duration,
    is_asked: bool,
}

impl Default for HostNames {
    /// With the host's own resolver.
    fn default() -> Self {
        Self::new(|name| Ok((name, 0).to_socket_addrs()?.map(|found| found.ip()).collect()))
    }
}

impl HostNames {
    pub fn new(resolve: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared {
            resolve: Box::new(resolve),
            lookups: Mutex::default(),
            changed: Condvar::new(),
            by_address: RwLock::default(),
        }))
    }

    /// Looks these names up from now on, and no other. What is no host name is left out.
    pub fn want(&self, names: impl IntoIterator<Item = Vec<u8>>) {
        let mut wanted = BTreeSet::new();
        let mut left_out = 0;
        for name in names {
            match host_name(name) {
                Some(name) if wanted.len() < NAMES_MAX => {
                    wanted.insert(name);
                }
                _ => left_out += 1,
            }
        }
        if left_out > 0 {
            warn!(left_out, names_max = NAMES_MAX, "host names of rules are not looked up");
        }
        let mut lookups = self.0.lookups();
        lookups.names.retain(|name, _| wanted.contains(name));
        for name in wanted {
            lookups.names.entry(name).or_default();
        }
        self.0.publish(&lookups);
        self.0.changed.notify_all();
        let threads = THREADS_MAX.min(lookups.names.len());
        while lookups.threads < threads {
            let shared = Arc::clone(&self.0);
            let thread = thread::Builder::new().name("host names".to_owned());
            if let Err(error) = thread.spawn(move || shared.look_up()) {
                warn!(%error, "cannot start a thread; addresses have no names");
                return;
            }
            lookups.threads += 1;
        }
    }

    /// The names of an address, in their order.
    pub fn of(&self, address: IpAddr) -> Vec<Arc<str>> {
        let known = self.0.by_address.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&address.to_canonical()).cloned().unwrap_or_default()
    }
}

impl Drop for HostNames {
    fn drop(&mut self) {
        self.0.lookups().has_ended = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lookups(&self) -> MutexGuard<'_, Lookups> {
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of the threads.
    fn look_up(&self) {
        let mut lookups = self.lookups();
        while !lookups.has_ended {
            let now = Instant::now();
            let next = lookups.names.iter_mut().filter(|(_, lookup)| !lookup.is_asked);
            let Some((name, lookup)) = next.min_by_key(|(_, lookup)| lookup.due) else {
                lookups = self.changed.wait(lookups).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if let Some(left) = lookup.due.and_then(|due| due.checked_duration_since(now))
                && !left.is_zero()
            {
                let waited = self.changed.wait_timeout(lookups, left);
                lookups = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            lookup.is_asked = true;
            let name = Arc::clone(name);
            drop(lookups);
            let found = (self.resolve)(&name);
            lookups = self.lookups();
            self.take(&mut lookups, &name, found);
        }
    }

    fn take(&self, lookups: &mut Lookups, name: &str, found: io::Result<Vec<IpAddr>>) {
        // Nobody may want it any more.
        let Some(lookup) = lookups.names.get_mut(name) else { return };
        let before = std::mem::take(&mut lookup.addresses);
        lookup.addresses = match found {
            Ok(found) => {
                found.into_iter().map(|found| found.to_canonical()).take(ADDRESSES_MAX).collect()
            }
            Err(error) => {
                if lookup.wait.is_zero() {
                    info!(name, %error, "a host name of a rule has no address");
                }
                before.clone()
            }
        };
        let has_changed = lookup.addresses != before;
        lookup.wait = if has_changed { WAIT_MIN } else { lookup.wait * 2 };
        lookup.wait = lookup.wait.clamp(WAIT_MIN, WAIT_MAX);
        lookup.due = Some(Instant::now() + lookup.wait);
        lookup.is_asked = false;
        if has_changed {
            self.publish(lookups);
        }
        self.changed.notify_all();
    }

    fn publish(&self, lookups: &Lookups) {
        let mut by_address = ByAddress::new();
        for (name, lookup) in &lookups.names {
            for address in &lookup.addresses {
                by_address.entry(*address).or_default().push(Arc::clone(name));
            }
        }
        *self.by_address.write().unwrap_or_else(PoisonError::into_inner) = by_address;
    }
}

/// What a resolver may be asked for.
fn host_name(name: Vec<u8>) -> Option<Arc<str>> {
    let is_fitting = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    let name = String::from_utf8(name).ok()?;
    let is_name =
        (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|b| is_fitting(&b));
    is_name.then(|| name.into())
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        io,
        net::IpAddr,
        sync::{Arc, Mutex},
        time::{Duration, Instant},
    };

    use super::{HostNames, NAMES_MAX};

    /// What a resolver would say; a name that is not there has no answer.
    type Zone = Arc<Mutex<BTreeMap<String, Vec<IpAddr>>>>;

    fn names(zone: &[(&str, &[&str])]) -> (HostNames, Zone) {
        let zone: BTreeMap<_, Vec<IpAddr>> = zone
            .iter()
            .map(|(name, found)| {
                ((*name).to_owned(), found.iter().map(|found| found.parse().unwrap()).collect())
            })
            .collect();
        let zone = Arc::new(Mutex::new(zone));
        let asked = Arc::clone(&zone);
        let resolve = move |name: &str| {
            asked.lock().unwrap().get(name).cloned().ok_or_else(|| io::Error::other("no answer"))
        };
        (HostNames::new(resolve), zone)
    }

    fn of(names: &HostNames, address: &str) -> Vec<String> {
        names.of(address.parse().unwrap()).iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn wait_for(names: &HostNames, address: &str, expected: &[&str]) {
        let until = Instant::now() + Duration::from_secs(20);
        while of(names, address) != expected {
            assert!(Instant::now() < until, "{address}: {:?}", of(names, address));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn want(names: &HostNames, wanted: &[&str]) {
        names.want(wanted.iter().map(|name| name.as_bytes().to_vec()));
    }

    #[test]
    fn an_address_has_the_names_that_lead_to_it() {
        let (names, _zone) = names(&[
            ("a.example", &["192.0.2.1", "2001:db8::1"]),
            ("b.example", &["192.0.2.1"]),
            ("unasked.example", &["192.0.2.1"]),
        ]);
        assert!(of(&names, "192.0.2.1").is_empty());
        want(&names, &["b.example", "a.example", "nobody.example"]);
        wait_for(&names, "192.0.2.1", &["a.example", "b.example"]);
        wait_for(&names, "2001:db8::1", &["a.example"]);
        // The same address, in the other form.
        wait_for(&names, "::ffff:192.0.2.1", &["a.example", "b.example"]);
        assert!(of(&names, "192.0.2.2").is_empty());
        // Other rules.
        want(&names, &["b.example"]);
        assert_eq!(of(&names, "192.0.2.1"), ["b.example"]);
        assert!(of(&names, "2001:db8::1").is_empty());
    }

    #[test]
    fn a_name_that_moves_is_followed_and_one_without_answer_stays() {
        let (names, zone) = names(&[("a.example", &["192.0.2.1"])]);
        want(&names, &["a.example"]);
        wait_for(&names, "192.0.2.1", &["a.example"]);
        let again = |names: &HostNames| {
            let mut lookups = names.0.lookups();
            lookups.names.values_mut().for_each(|lookup| lookup.due = None);
            drop(lookups);
            names.0.changed.notify_all();
        };
        zone.lock().unwrap().insert("a.example".to_owned(), vec!["192.0.2.2".parse().unwrap()]);
        again(&names);
        wait_for(&names, "192.0.2.2", &["a.example"]);
        wait_for(&names, "192.0.2.1", &[]);
        zone.lock().unwrap().clear();
        again(&names);
        let until = Instant::now() + Duration::from_secs(20);
        while names.0.lookups().names.values().any(|lookup| lookup.due.is_none()) {
            assert!(Instant::now() < until);
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(of(&names, "192.0.2.2"), ["a.example"]);
    }

    #[test]
    fn what_is_asked_is_bounded() {
        let (names, _zone) = names(&[]);
        let long = "x".repeat(254);
        want(&names, &["", "a b", "a\0", "a/../b", "\u{e9}", &long]);
        assert!(names.0.lookups().names.is_empty());
        let many: Vec<String> = (0..2 * NAMES_MAX).map(|number| format!("n{number}")).collect();
        want(&names, &many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(names.0.lookups().names.len(), NAMES_MAX);
    }
}
