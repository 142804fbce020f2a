//! What is tested of the events of one type.

use std::{collections::BTreeSet, net::IpAddr, ops::Range};

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
use crate::event::{
    control_names::{self, bpf_command, ptrace_request, signal},
    names,
    socket_arguments::domain,
};

/// `enum filter_path`.
pub(super) const PATHS: [Fact; PATH_FACTS] =
    [Fact::Path, Fact::RawPath, Fact::OldPath, Fact::NewPath, Fact::LinkTarget];

/// `enum filter_number`, up to [`CHOICE`].
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
/// `FILTER_CHOICE`: the argument that is one of a list of names.
pub(super) const CHOICE: usize = NUMBER_FACTS.len();
const _: () = assert!(CHOICE < NUMBERS);

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

/// `enum filter_bits_of`: no call has two of the facts of one set.
pub(super) fn bit_facts(family: Option<Family>) -> [&'static [Fact]; BIT_SETS] {
    const EFFECTIVE: &[Fact] = &[Fact::Capabilities(Field::ThreadCapEffective)];
    const PERMITTED: &[Fact] = &[Fact::Capabilities(Field::ThreadCapPermitted)];
    let flags: &[Fact] = &[Fact::Argument("flags"), Fact::Argument("nstype")];
    let mode: &[Fact] = &[Fact::Argument("mode")];
    match family {
        Some(Family::Control) => [flags, mode, &[], &[], EFFECTIVE, PERMITTED],
        _ => [flags, mode, EFFECTIVE, PERMITTED, &[], &[]],
    }
}

/// `enum filter_type`.
pub(super) const FD_TYPES: [&str; 7] =
    ["file", "directory", "ipv4", "ipv6", "unix", "netlink", "pipe"];

pub(super) const TRANSPORT_NAMES: [&str; TRANSPORTS] = ["tcp", "udp", "icmp", "raw"];

/// `enum filter_place`.
pub(super) const PLACE_NAMES: [&str; PLACES] = ["host", "container"];

/// What a number of an argument is shown as.
pub(super) type Shown = fn(i64) -> Vec<u8>;

/// Arguments that are one of a list of names; no call has two of them.
pub(super) const CHOICES: [(Fact, Shown); 4] = [
    (Fact::Argument("domain"), |number| domain(u16::try_from(number).unwrap_or(u16::MAX))),
    (Fact::Argument("request"), |number| ptrace_request(number.unsigned_abs()).into()),
    (Fact::Argument("cmd"), |number| bpf_command(u32::try_from(number).unwrap_or(u32::MAX))),
    (Fact::Argument("sig"), |number| signal(u32::try_from(number).unwrap_or(u32::MAX))),
];

/// The numbers that have names are among these, and those of `ptrace` behind `PTRACE_SETOPTIONS`.
pub(super) const CHOICE_NUMBERS: [Range<i64>; 2] = [0..64, 0x4200..0x4220];

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
        for (tests, facts) in program.bits.iter_mut().zip(bit_facts(self.family)) {
            let mut all = self.bits(facts);
            self.parts.left_out += u32::try_from(all.len().saturating_sub(BITS)).unwrap_or(0);
            all.truncate(BITS);
            *tests = all;
        }
        (program.names, program.name_otherwise) = self.names();
        program.process_tests = self.process_tests(&program);
        let ids = [Field::UserUid, Field::GroupGid, Field::UserLoginuid];
        program.id_tests =
            ids.iter().fold(0, |mask, field| mask | self.looking_at(Fact::ProcessNumber(*field)));
        for (test, fact) in program.numbers.iter_mut().zip(NUMBER_FACTS) {
            *test = self.number(fact);
        }
        if let Some(test) = program.numbers.get_mut(CHOICE) {
            *test = self.choice();
        }
        program.local = self.address(Fact::LocalAddress);
        program.peer = self.address(Fact::PeerAddress);
        for (number, fact) in program.paths.iter_mut().zip(PATHS) {
            if let Some(table) = paths::table(self.clauses, fact) {
                *number = u32::try_from(self.parts.paths.len()).unwrap_or(0);
                self.parts.left_out += table.left_out;
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
            // The projection asks for whole names alone.
            names.extend(patterns.iter().filter_map(|pattern| match pattern {
                Pattern::Is(text) => Some(text.as_slice()),
                _ => None,
            }));
            if matches!(check.wanted, Wanted::Text(_)) {
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
    fn bits(&self, facts: &[Fact]) -> Vec<BitsTest> {
        let mut tests: Vec<BitsTest> = Vec::new();
        let checks = facts.iter().flat_map(|fact| self.checks(*fact));
        for (clause, check) in checks {
            let Wanted::Text(patterns) = &check.wanted else { continue };
            let named = patterns.iter().map(|pattern| named_bits(check.fact, self.family, pattern));
            let any = named.fold(0, |all, bits| all | bits);
            match tests.iter_mut().find(|test| test.any == any) {
                Some(test) => test.clauses |= clause,
                None => tests.push(BitsTest { any, clauses: clause }),
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
        self.steps(tests, &steps)
    }

    fn steps(&mut self, tests: Mask, steps: &[Step]) -> NumberTest {
        if tests == 0 {
            return NumberTest::default();
        }
        match run(&mut self.parts.steps, steps, STEPS_OF_ONE) {
            Some(steps) => NumberTest { tests, steps },
            None => {
                self.parts.left_out += tests.count_ones();
                NumberTest::default()
            }
        }
    }

    /// The argument that is one of a list of names, told by its number.
    fn choice(&mut self) -> NumberTest {
        let Some((fact, shown)) = CHOICES.iter().find(|(fact, _)| self.looking_at(*fact) != 0)
        else {
            return NumberTest::default();
        };
        // What is not in the list passes: all that this says of it is that it has no name.
        let pass = |number: i64| match CHOICE_NUMBERS.iter().any(|all| all.contains(&number)) {
            true => self.passing(*fact, &Known::Texts(vec![shown(number)])),
            false => Mask::MAX,
        };
        let listed = CHOICE_NUMBERS.iter().flat_map(|all| all.start..=all.end);
        let mut steps = vec![Step { first: i64::MIN, pass: Mask::MAX }];
        for first in listed {
            let pass = pass(first);
            if steps.last().is_some_and(|step| step.pass != pass) {
                steps.push(Step { first, pass });
            }
        }
        self.steps(self.looking_at(*fact), &steps)
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
        if tests == 0 {
            return AddressTest::default();
        }
        match run(&mut self.parts.subnets, &subnets, SUBNETS_OF_ONE) {
            Some(subnets) => AddressTest { tests, otherwise, subnets },
            None => {
                self.parts.left_out += tests.count_ones();
                AddressTest::default()
            }
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

/// The bits whose names fit.
///
/// The projection asks for no name that is shown for several bits or for none.
pub(super) fn named_bits(fact: Fact, family: Option<Family>, pattern: &Pattern) -> u64 {
    let name = |bit: u32| match (fact, family) {
        (Fact::Capabilities(_), _) => names::capabilities(1 << bit).into_bytes(),
        (Fact::Argument("mode"), _) => names::mode(1_u32.checked_shl(bit).unwrap_or(0)).into(),
        (Fact::Argument("flags"), Some(Family::Open)) => {
            names::open_flags(1_u32.checked_shl(bit).unwrap_or(0)).into()
        }
        _ => control_names::clone_flags(1_u32.checked_shl(bit).unwrap_or(0)),
    };
    let fits = |bit: &u32| pattern.matches(&name(*bit));
    (0..u64::BITS).filter(fits).fold(0, |bits, bit| bits | 1 << bit)
}
