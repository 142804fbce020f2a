//! What is tested of the events of one type.

use std::{collections::BTreeSet, net::IpAddr};

use lanner_engine::{
    Field,
    projection::{Check, Clauses, Fact, Family, Known, Pattern, Projection, Wanted},
};

use super::{
    image::{
        AddressTest, BIT_SETS, BITS, BitsTest, CALLS, FLAGS, Mask, NUMBERS, NumberTest, PATH_FACTS,
        PLACES, Parts, Program, Run, STEPS_OF_ONE, SUBNETS_OF_ONE, Step, Subnet, TRANSPORTS,
    },
    paths,
};
use crate::event::names;

/// `enum filter_path`.
pub(super) const PATHS: [Fact; PATH_FACTS] =
    [Fact::Path, Fact::RawPath, Fact::OldPath, Fact::NewPath, Fact::LinkTarget];

/// `enum filter_number`; arguments have a place of their own.
pub(super) const NUMBER_FACTS: [Fact; 9] = [
    Fact::Result,
    Fact::Descriptor,
    Fact::ProcessNumber(Field::UserUid),
    Fact::ProcessNumber(Field::GroupGid),
    Fact::ProcessNumber(Field::UserLoginuid),
    Fact::ProcessNumber(Field::ProcTty),
    Fact::ProcessNumber(Field::ProcVpid),
    Fact::LocalPort,
    Fact::PeerPort,
];
const _: () = assert!(NUMBER_FACTS.len() < NUMBERS);

/// `enum filter_flag`.
pub(super) const FLAG_FACTS: [Fact; FLAGS] = [
    Fact::Flag(Field::EvtIsOpenRead),
    Fact::Flag(Field::EvtIsOpenWrite),
    Fact::Flag(Field::EvtIsOpenExec),
    Fact::Flag(Field::EvtIsOpenCreate),
    Fact::Flag(Field::FdConnected),
    Fact::Flag(Field::FdNameChanged),
    Fact::Flag(Field::ProcIsSidLeader),
    Fact::Flag(Field::ProcIsVpgidLeader),
];

/// `enum filter_bits_of`.
pub(super) const BIT_FACTS: [Fact; BIT_SETS] = [
    Fact::Argument("flags"),
    Fact::Argument("mode"),
    Fact::Capabilities(Field::ThreadCapEffective),
    Fact::Capabilities(Field::ThreadCapPermitted),
];

/// `enum filter_type`.
pub(super) const FD_TYPES: [&str; 5] = ["file", "directory", "ipv4", "ipv6", "unix"];

pub(super) const TRANSPORT_NAMES: [&str; TRANSPORTS] = ["tcp", "udp", "icmp", "raw"];

/// `enum filter_place`.
pub(super) const PLACE_NAMES: [&str; PLACES] = ["host", "container"];

/// All that the kernel is to test, for calls given by their number and the type of their events.
///
/// Calls whose events come whatever the rules say are not among them.
pub(super) fn parts<'c>(
    projection: &Projection,
    calls: impl IntoIterator<Item = (u16, &'c str)>,
) -> Parts {
    let mut parts = Parts {
        is_on: true,
        program_of: vec![0; CALLS],
        programs: vec![Program::default()],
        paths: vec![Default::default()],
        ..Parts::default()
    };
    let nothing = Clauses::default();
    let mut known: Vec<(&Clauses, Option<Family>, u32)> = Vec::new();
    for (call, event_type) in calls {
        let found = projection.event_types().find(|(known, _)| *known == event_type);
        let family = Family::of(event_type);
        let clauses = match found {
            Some((_, clauses)) => clauses,
            None if family.is_some() => &nothing,
            // The kernel has no way to filter these.
            None => continue,
        };
        let same = known.iter().find(|known| known.0 == clauses && known.1 == family);
        let number = match same {
            Some((_, _, number)) => *number,
            None => {
                let program = Compiler { clauses, family, parts: &mut parts }.program();
                let number = u32::try_from(parts.programs.len()).unwrap_or(0);
                parts.programs.push(program);
                known.push((clauses, family, number));
                number
            }
        };
        if let Some(slot) = parts.program_of.get_mut(usize::from(call)) {
            *slot = number;
        }
    }
    parts
}

struct Compiler<'a> {
    clauses: &'a Clauses,
    family: Option<Family>,
    parts: &'a mut Parts,
}

impl Compiler<'_> {
    fn program(&mut self) -> Program {
        let count = self.clauses.iter().count();
        let all = (0..count).fold(0, |mask: Mask, clause| mask | 1 << clause);
        let texts = |fact, name: &str| self.passing(fact, &Known::Texts(vec![name.into()]));
        let mut program = Program {
            clauses: all,
            name_tests: self.looking_at(Fact::ProcessName),
            type_tests: self.looking_at(Fact::FdType),
            transport_tests: self.looking_at(Fact::Transport),
            place_tests: self.looking_at(Fact::Place),
            types: [Mask::MAX; 8],
            transports: TRANSPORT_NAMES.map(|name| texts(Fact::Transport, name)),
            places: PLACE_NAMES.map(|name| texts(Fact::Place, name)),
            ..Program::default()
        };
        for (mask, name) in program.types.iter_mut().zip(FD_TYPES) {
            *mask = texts(Fact::FdType, name);
        }
        for (test, fact) in program.flags.iter_mut().zip(FLAG_FACTS) {
            test.when_not = self.passing(fact, &Known::Number(0));
            test.when_so = self.passing(fact, &Known::Number(1));
        }
        for (tests, fact) in program.bits.iter_mut().zip(BIT_FACTS) {
            *tests = self.bits(fact);
        }
        (program.names, program.name_otherwise) = self.names();
        program.process_tests = self.process_tests(&program);
        let ids = [Field::UserUid, Field::GroupGid, Field::UserLoginuid];
        program.id_tests =
            ids.iter().fold(0, |mask, field| mask | self.looking_at(Fact::ProcessNumber(*field)));
        for (test, fact) in program.numbers.iter_mut().zip(NUMBER_FACTS) {
            *test = self.number(fact);
        }
        program.local = self.address(Fact::LocalAddress);
        program.peer = self.address(Fact::PeerAddress);
        for (number, fact) in program.paths.iter_mut().zip(PATHS) {
            if let Some(table) = paths::table(self.clauses, fact) {
                *number = u32::try_from(self.parts.paths.len()).unwrap_or(0);
                self.parts.paths.push(table);
            }
        }
        program
    }

    /// The checks of each clause, with its bit.
    fn checks(&self, fact: Fact) -> impl Iterator<Item = (Mask, &Check)> {
        self.clauses.iter().enumerate().flat_map(move |(number, clause)| {
            let checks = clause.checks().iter().filter(move |check| check.fact == fact);
            checks.map(move |check| (1 << number, check))
        })
    }

    fn looking_at(&self, fact: Fact) -> Mask {
        self.checks(fact).fold(0, |mask, (clause, _)| mask | clause)
    }

    /// The clauses that pass as far as this fact goes.
    fn passing(&self, fact: Fact, known: &Known) -> Mask {
        let failing = self.checks(fact).filter(|(_, check)| !check.passes(known));
        failing.fold(Mask::MAX, |mask, (clause, _)| mask & !clause)
    }

    fn process_tests(&self, program: &Program) -> Mask {
        let facts = [
            Fact::Flag(Field::ProcIsSidLeader),
            Fact::Flag(Field::ProcIsVpgidLeader),
            Fact::Capabilities(Field::ThreadCapEffective),
            Fact::Capabilities(Field::ThreadCapPermitted),
            Fact::ProcessNumber(Field::ProcTty),
            Fact::ProcessNumber(Field::ProcVpid),
        ];
        facts.iter().fold(program.name_tests, |mask, fact| mask | self.looking_at(*fact))
    }

    /// Each name that is asked for with the clauses that pass, and those for any other name.
    fn names(&self) -> (Vec<([u8; 16], Mask)>, Mask) {
        /// With the zero behind it, a name has 16 bytes.
        const NAME_LEN_MAX: usize = 15;
        let mut names: BTreeSet<&[u8]> = BTreeSet::new();
        let mut otherwise = Mask::MAX;
        for (clause, check) in self.checks(Fact::ProcessName) {
            let (Wanted::Text(patterns) | Wanted::NoText(patterns)) = &check.wanted else {
                continue;
            };
            let mut is_known = true;
            for pattern in patterns {
                match pattern {
                    Pattern::Is(text) => names.extend([text.as_slice()]),
                    // Of another name the kernel does not know whether it fits.
                    _ => is_known = false,
                }
            }
            if is_known && matches!(check.wanted, Wanted::Text(_)) {
                otherwise &= !clause;
            }
        }
        names.retain(|name| name.len() <= NAME_LEN_MAX && !name.contains(&0));
        let padded = |name: &[u8]| {
            let mut padded = [0; 16];
            padded.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
            (padded, self.passing(Fact::ProcessName, &Known::Texts(vec![name.to_vec()])))
        };
        (names.into_iter().map(padded).collect(), otherwise)
    }

    /// Tests of names of bits, as tests of the bits.
    fn bits(&self, fact: Fact) -> Vec<BitsTest> {
        let mut tests: Vec<BitsTest> = Vec::new();
        for (clause, check) in self.checks(fact) {
            let Wanted::Text(patterns) = &check.wanted else { continue };
            let named: Option<Vec<u64>> =
                patterns.iter().map(|pattern| named_bits(fact, self.family, pattern)).collect();
            let Some(named) = named else { continue };
            let any = named.into_iter().fold(0, |all, bits| all | bits);
            // One more than fits is left out.
            if let Some(test) = tests.iter_mut().find(|test| test.any == any) {
                test.clauses |= clause;
            } else if tests.len() < BITS {
                tests.push(BitsTest { any, clauses: clause });
            }
        }
        tests
    }

    fn number(&mut self, fact: Fact) -> NumberTest {
        let tests = self.looking_at(fact);
        let mut firsts: BTreeSet<i64> = BTreeSet::from([i64::MIN]);
        for (_, check) in self.checks(fact) {
            let Wanted::Number(ranges) = &check.wanted else { continue };
            for (first, last) in ranges.iter() {
                let behind = last.saturating_add(1);
                firsts
                    .extend([first, behind].into_iter().filter_map(|end| i64::try_from(end).ok()));
            }
        }
        let pass = |first: i64| self.passing(fact, &Known::Number(first.into()));
        let steps: Vec<Step> =
            firsts.into_iter().map(|first| Step { first, pass: pass(first) }).collect();
        match run(&mut self.parts.steps, &steps, STEPS_OF_ONE) {
            Some(steps) if tests != 0 => NumberTest { tests, steps },
            _ => NumberTest::default(),
        }
    }

    fn address(&mut self, fact: Fact) -> AddressTest {
        let tests = self.looking_at(fact);
        let mut networks: BTreeSet<Network> = self
            .checks(fact)
            .flat_map(|(_, check)| networks_of(check))
            .filter(Network::can_match)
            .collect();
        if networks.iter().any(|network| !network.is_v4) {
            // Those around all of IPv4 are not about it.
            networks.insert(Network::of(IpAddr::from([0, 0, 0, 0]), 0));
        }
        // The smallest one that holds an address tells of all that do.
        let subnets: Vec<Subnet> = networks
            .iter()
            .rev()
            .map(|network| Subnet {
                address: network.address,
                mask: network.mask(),
                pass: self.passing_in(fact, Some(network)),
            })
            .collect();
        let otherwise = self.passing_in(fact, None);
        match run(&mut self.parts.subnets, &subnets, SUBNETS_OF_ONE) {
            Some(subnets) if tests != 0 => AddressTest { tests, otherwise, subnets },
            _ => AddressTest::default(),
        }
    }

    /// The clauses that pass for addresses in that network and in none that is inside it.
    fn passing_in(&self, fact: Fact, network: Option<&Network>) -> Mask {
        let failing = self.checks(fact).filter(|(_, check)| {
            let is_in = networks_of(check).any(|wide| network.is_some_and(|own| wide.holds(own)));
            is_in == matches!(check.wanted, Wanted::NoAddress(_))
        });
        failing.fold(Mask::MAX, |mask, (clause, _)| mask & !clause)
    }
}

/// A network of IPv6 addresses; one of IPv4 is where they are mapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Network {
    len: u32,
    address: u128,
    is_v4: bool,
}

impl Network {
    fn of(address: IpAddr, prefix_len: u32) -> Self {
        let (len, address, is_v4) = match address {
            IpAddr::V4(address) => (96 + prefix_len, address.to_ipv6_mapped().to_bits(), true),
            IpAddr::V6(address) => (prefix_len, address.to_bits(), false),
        };
        let plain = Self { len, address, is_v4 };
        Self { address: address & plain.mask(), ..plain }
    }

    fn mask(&self) -> u128 {
        u128::MAX.checked_shl(128 - self.len).unwrap_or(0)
    }

    /// A mapped address is tested as IPv4, so it is in no network of IPv6.
    fn can_match(&self) -> bool {
        let v4 = Self::of(IpAddr::from([0, 0, 0, 0]), 0);
        self.is_v4 || self.len < v4.len || self.address & v4.mask() != v4.address
    }

    fn holds(&self, other: &Self) -> bool {
        self.is_v4 == other.is_v4
            && self.len <= other.len
            && other.address & self.mask() == self.address
    }
}

fn networks_of(check: &Check) -> impl Iterator<Item = Network> {
    let subnets = match &check.wanted {
        Wanted::Address(subnets) | Wanted::NoAddress(subnets) => Some(subnets),
        _ => None,
    };
    let network = |subnet: &lanner_engine::projection::Subnet| {
        Network::of(subnet.address(), subnet.prefix_len())
    };
    subnets.into_iter().flatten().map(network)
}

/// Adds the items to the others, and says where they are.
fn run<T: Clone>(all: &mut Vec<T>, items: &[T], max: usize) -> Option<Run> {
    let (at, count) = (u16::try_from(all.len()).ok()?, u16::try_from(items.len()).ok()?);
    if items.len() > max {
        return None;
    }
    all.extend_from_slice(items);
    Some(Run { at, count })
}

/// The bits whose names fit; `None` if that cannot be told by single bits.
fn named_bits(fact: Fact, family: Option<Family>, pattern: &Pattern) -> Option<u64> {
    let bits = |count: u32, name: &dyn Fn(u32) -> String| {
        let fits = |bit: &u32| pattern.matches(name(*bit).as_bytes());
        (0..count).filter(fits).fold(0, |bits, bit| bits | 1_u64 << bit)
    };
    match (fact, family) {
        // Of calls that may change them, user space shows others than the last exec told.
        (Fact::Capabilities(_), Some(Family::Open | Family::FileChange)) => {
            Some(bits(64, &|bit| names::capabilities(1 << bit)))
        }
        // Of an open it is a number, and no mode at all is one, too.
        (Fact::Argument("mode"), Some(Family::FileChange)) if !pattern.matches(b"0") => {
            Some(bits(32, &|bit| names::mode(1 << bit)))
        }
        (Fact::Argument("flags"), Some(Family::Open)) => {
            const SEVERAL_BITS: [&str; 10] = [
                "O_NONE",
                "O_RDONLY",
                "O_WRONLY",
                "O_RDWR",
                "O_SYNC",
                "O_DSYNC",
                "O_TMPFILE",
                "O_F_CREATED",
                "FD_UPPER_LAYER",
                "FD_LOWER_LAYER",
            ];
            if SEVERAL_BITS.iter().any(|name| pattern.matches(name.as_bytes())) {
                return None;
            }
            Some(bits(32, &|bit| names::open_flags(1 << bit)))
        }
        _ => None,
    }
}
