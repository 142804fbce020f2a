//! The image that the kernel tests events against: same layout as `struct filter_image` in
//! `bpf/filter_image.h`. Change both together.

mod hash;
mod writer;

use self::{
    hash::{bloom_bits, name_hash, owner, place, put, set_bit, text_hash, word32},
    writer::Writer,
};

/// Most programs, and the number 0 that none has.
pub(super) const PROGRAMS: usize = 64;
/// Clauses of a program: one bit each.
pub(super) const CLAUSES: usize = 32;
/// Most path tables, and the number 0 that none has.
pub(super) const PATHS: usize = 64;
pub(super) const BLOOM_WORDS: usize = 64;
pub(super) const HEAD_WORDS: usize = 16;
pub(super) const PREFIX_LENS: usize = 32;
pub(super) const SUFFIXES: usize = 48;
pub(super) const NEEDLES: usize = 16;
/// Most tests of one set of bits.
pub(super) const BITS: usize = 4;
const ENTRIES: usize = 16_384;
const NAMES: usize = 16_384;
/// Places looked at for one hash.
const PROBES: usize = 8;
const STEPS: usize = 4096;
pub(super) const STEPS_OF_ONE: usize = 128;
const SUBNETS: usize = 2048;
pub(super) const SUBNETS_OF_ONE: usize = 64;
const TEXT_BYTES: usize = 256 << 10;
/// Calls that have a number.
pub(super) const CALLS: usize = 256;

pub(super) const NUMBERS: usize = 16;
pub(super) const FLAGS: usize = 8;
pub(super) const BIT_SETS: usize = 6;
pub(super) const TYPES: usize = 8;
pub(super) const TRANSPORTS: usize = 4;
pub(super) const PLACES: usize = 2;
pub(super) const PATH_FACTS: usize = 5;

const PROGRAM_LEN: usize = 720;
const PATHS_LEN: usize = 3168;
const HEAD_LEN: usize = 16 + CALLS * 4;

/// Bytes of an image.
pub(super) const IMAGE_LEN: usize = HEAD_LEN
    + PROGRAMS * PROGRAM_LEN
    + PATHS * PATHS_LEN
    + (STEPS + STEPS_OF_ONE) * 16
    + (SUBNETS + SUBNETS_OF_ONE) * 40
    + (NAMES + PROBES) * 24
    + (ENTRIES + PROBES) * 32
    + TEXT_BYTES
    + 512;

/// Clauses, one bit each.
pub(super) type Mask = u32;

/// From `first` up to the next step's, the clauses that pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) first: i64,
    pub(super) pass: Mask,
}

/// A run of [`Step`]s or [`Subnet`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) at: u16,
    pub(super) count: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NumberTest {
    pub(super) tests: Mask,
    pub(super) steps: Run,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FlagTest {
    pub(super) when_not: Mask,
    pub(super) when_so: Mask,
}

impl Default for FlagTest {
    fn default() -> Self {
        Self { when_not: Mask::MAX, when_so: Mask::MAX }
    }
}

/// Without any of these bits, the clauses fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BitsTest {
    pub(super) any: u64,
    pub(super) clauses: Mask,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subnet {
    pub(super) address: u128,
    pub(super) mask: u128,
    pub(super) pass: Mask,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AddressTest {
    pub(super) tests: Mask,
    pub(super) otherwise: Mask,
    pub(super) subnets: Run,
}

/// What is tested of one event type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) clauses: Mask,
    pub(super) name_tests: Mask,
    pub(super) name_otherwise: Mask,
    pub(super) type_tests: Mask,
    pub(super) transport_tests: Mask,
    pub(super) place_tests: Mask,
    pub(super) process_tests: Mask,
    pub(super) id_tests: Mask,
    pub(super) types: [Mask; TYPES],
    pub(super) transports: [Mask; TRANSPORTS],
    pub(super) places: [Mask; PLACES],
    pub(super) paths: [u32; PATH_FACTS],
    pub(super) flags: [FlagTest; FLAGS],
    pub(super) numbers: [NumberTest; NUMBERS],
    pub(super) bits: [Vec<BitsTest>; BIT_SETS],
    pub(super) local: AddressTest,
    pub(super) peer: AddressTest,
    /// Process names, filled up with zeros, and the clauses that pass for each.
    pub(super) names: Vec<([u8; 16], Mask)>,
}

/// Which patterns a text is looked up as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Is = 0,
    InDirectory = 1,
    HasName = 2,
    StartsWith = 3,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suffix {
    pub(super) text: Vec<u8>,
    pub(super) checks: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needle {
    pub(super) text: Vec<u8>,
    pub(super) checks: u64,
}

/// What a clause needs of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PathClause {
    pub(super) wanted: u64,
    pub(super) unwanted: u64,
}

/// The patterns for one path of one event type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Paths {
    pub(super) when_nothing: Mask,
    pub(super) is_tests: Mask,
    pub(super) part_tests: Mask,
    pub(super) prefix_tests: Mask,
    pub(super) suffix_tests: Mask,
    pub(super) needle_tests: Mask,
    /// Sorted, each once.
    pub(super) prefix_lens: Vec<u16>,
    pub(super) suffixes: Vec<Suffix>,
    pub(super) needles: Vec<Needle>,
    pub(super) clauses: [PathClause; CLAUSES],
    /// Texts that are looked up, and the checks that they fit.
    pub(super) texts: Vec<(Kind, Vec<u8>, u64)>,
    /// Checks for which there was no room.
    pub(super) left_out: u32,
}

/// All that is to be tested, before it is laid out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) is_on: bool,
    /// Program of each call by its number in `enum call`; 0 for none.
    pub(super) program_of: Vec<u32>,
    /// Number 0 is of nobody.
    pub(super) programs: Vec<Program>,
    /// Number 0 is of nobody.
    pub(super) paths: Vec<Paths>,
    pub(super) steps: Vec<Step>,
    pub(super) subnets: Vec<Subnet>,
    /// Checks for which there is no room: their clauses pass more than the projection says.
    pub(super) left_out: u32,
}

/// Why there is no image of all the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rules look for too many {what} at once")]
pub struct TooMany {
    pub(super) what: &'static str,
}

impl Parts {
    /// An image for which no event is withheld.
    pub(super) fn off() -> Self {
        Self::default()
    }

    /// Lays everything out.
    ///
    /// # Errors
    /// When something does not fit, so that the caller leaves the filter off.
    pub(super) fn image(&self) -> Result<Vec<u8>, TooMany> {
        /// Seeds tried until no hash has too many neighbors.
        const SEEDS: u64 = 16;
        let first: u64 = 0x6c61_6e6e_6572;
        (first..first + SEEDS)
            .find_map(|seed| self.image_with(seed).transpose())
            .unwrap_or(Err(TooMany { what: "texts" }))
    }

    /// `None` when another seed may do better.
    fn image_with(&self, seed: u64) -> Result<Option<Vec<u8>>, TooMany> {
        let mut names = vec![None; NAMES + PROBES];
        let mut entries = vec![None; ENTRIES + PROBES];
        let mut texts = Texts::default();
        for (number, program) in self.programs.iter().enumerate() {
            for (name, pass) in &program.names {
                let owner = word32(number) + 1;
                let place = place(name_hash(seed, name, owner), NAMES);
                if !put(&mut names, place, (*name, owner, *pass)) {
                    return Ok(None);
                }
            }
        }
        let mut blooms = vec![[0_u64; BLOOM_WORDS]; self.paths.len()];
        for (number, (paths, bloom)) in self.paths.iter().zip(&mut blooms).enumerate() {
            for (kind, text, checks) in &paths.texts {
                let owner = owner(word32(number), *kind);
                let hash = text_hash(seed, owner, text);
                let at = texts.add(text)?;
                if !put(&mut entries, place(hash, ENTRIES), (hash, *checks, at, text.len(), owner))
                {
                    return Ok(None);
                }
                for bit in bloom_bits(seed, owner, text) {
                    set_bit(bloom, bit);
                }
            }
        }
        let mut out = Writer(Vec::with_capacity(IMAGE_LEN));
        out.u64(seed);
        out.u32(self.is_on.into());
        out.u32(0);
        let calls = self.program_of.iter().copied().chain(std::iter::repeat(0));
        calls.take(CALLS).for_each(|program| out.u32(program));
        out.all("kinds of events", &self.programs, PROGRAMS, PROGRAM_LEN, Writer::program)?;
        let tables: Vec<_> = self.paths.iter().zip(blooms).collect();
        let at = std::cell::RefCell::new(&mut texts);
        out.all("lists of paths", &tables, PATHS, PATHS_LEN, |out, (paths, bloom)| {
            out.paths(paths, seed, bloom, &mut at.borrow_mut())
        })?;
        out.all("numbers", &self.steps, STEPS, 16, |out, step| {
            out.i64(step.first);
            out.u64(step.pass.into());
            Ok(())
        })?;
        out.zeros(STEPS_OF_ONE * 16);
        out.all("networks", &self.subnets, SUBNETS, 40, |out, subnet| {
            out.bytes(&subnet.address.to_be_bytes());
            out.bytes(&subnet.mask.to_be_bytes());
            out.u64(subnet.pass.into());
            Ok(())
        })?;
        out.zeros(SUBNETS_OF_ONE * 40);
        for name in &names {
            let (comm, owner, pass) = name.unwrap_or_default();
            out.bytes(&comm);
            out.u32(owner);
            out.u32(pass);
        }
        for entry in &entries {
            let (hash, checks, text, len, owner) = entry.unwrap_or_default();
            out.u64(hash);
            out.u64(checks);
            out.u32(text);
            out.u32(word32(len));
            out.u32(owner);
            out.u32(0);
        }
        let mut bytes = texts.bytes;
        bytes.resize(TEXT_BYTES + 512, 0);
        out.bytes(&bytes);
        out.zeros(IMAGE_LEN - out.0.len());
        Ok(Some(out.0))
    }
}

/// The texts, one behind the other.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    known: std::collections::HashMap<Vec<u8>, u32>,
}

impl Texts {
    fn add(&mut self, text: &[u8]) -> Result<u32, TooMany> {
        if let Some(at) = self.known.get(text) {
            return Ok(*at);
        }
        let at = self.bytes.len();
        if at + text.len() > TEXT_BYTES {
            return Err(TooMany { what: "texts" });
        }
        self.bytes.extend_from_slice(text);
        let at = word32(at);
        self.known.insert(text.to_vec(), at);
        Ok(at)
    }
}

impl Paths {
    /// Whether a prefix has no whole head.
    pub(super) fn has_short_prefix(&self) -> bool {
        self.prefix_lens.first().is_some_and(|len| *len < 4)
    }
}
