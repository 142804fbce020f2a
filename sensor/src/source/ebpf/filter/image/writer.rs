//! Lays the parts of an image out.

use super::{
    BITS, BLOOM_WORDS, BitsTest, HEAD_WORDS, Kind, NEEDLES, PREFIX_LENS, Paths, Program, Run,
    SUFFIXES, Texts, TooMany,
    hash::{head_bit, set_bit, word, word32},
};

/// Bytes of an image, as far as it is written.
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn u16(&mut self, number: u16) {
        self.bytes(&number.to_ne_bytes());
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.bytes(&number.to_ne_bytes());
    }

    pub(super) fn u64(&mut self, number: u64) {
        self.bytes(&number.to_ne_bytes());
    }

    pub(super) fn i64(&mut self, number: i64) {
        self.bytes(&number.to_ne_bytes());
    }

    pub(super) fn zeros(&mut self, count: usize) {
        self.0.resize(self.0.len() + count, 0);
    }

    /// Each of `items` in `len` bytes, and as many empty ones as make `max` of them.
    pub(super) fn all<T>(
        &mut self,
        what: &'static str,
        items: &[T],
        max: usize,
        len: usize,
        write: impl Fn(&mut Self, &T) -> Result<(), TooMany>,
    ) -> Result<(), TooMany> {
        if items.len() > max {
            return Err(TooMany { what });
        }
        for item in items {
            let start = self.0.len();
            write(self, item)?;
            assert_eq!(self.0.len() - start, len, "{what} have another size in the kernel");
        }
        self.zeros((max - items.len()) * len);
        Ok(())
    }

    pub(super) fn program(&mut self, program: &Program) -> Result<(), TooMany> {
        for mask in [
            program.clauses,
            program.name_tests,
            program.name_otherwise,
            program.type_tests,
            program.transport_tests,
            program.place_tests,
            program.process_tests,
            program.id_tests,
        ] {
            self.u32(mask);
        }
        let masks = program.types.iter().chain(&program.transports).chain(&program.places);
        masks.chain(&program.paths).for_each(|mask| self.u32(*mask));
        self.u32(0);
        for flag in program.flags {
            self.u32(flag.when_not);
            self.u32(flag.when_so);
        }
        for number in program.numbers {
            self.u32(number.tests);
            self.run(number.steps);
        }
        for set in &program.bits {
            for at in 0..BITS {
                let test = set.get(at).copied().unwrap_or(BitsTest { any: 0, clauses: 0 });
                self.u64(test.any);
                self.u64(test.clauses.into());
            }
        }
        for test in [program.local, program.peer] {
            self.u32(test.tests);
            self.u32(test.otherwise);
            self.run(test.subnets);
            self.u32(0);
        }
        Ok(())
    }

    fn run(&mut self, run: Run) {
        self.u16(run.at);
        self.u16(run.count);
    }

    pub(super) fn paths(
        &mut self,
        paths: &Paths,
        seed: u64,
        bloom: &[u64; BLOOM_WORDS],
        texts: &mut Texts,
    ) -> Result<(), TooMany> {
        let count = |what, count: usize, max: usize| {
            if count > max { Err(TooMany { what }) } else { Ok(u16::try_from(count).unwrap_or(0)) }
        };
        for mask in [
            paths.when_nothing,
            paths.is_tests,
            paths.part_tests,
            paths.prefix_tests,
            paths.suffix_tests,
            paths.needle_tests,
        ] {
            self.u32(mask);
        }
        self.u16(count("lengths of prefixes", paths.prefix_lens.len(), PREFIX_LENS)?);
        self.u16(count("suffixes", paths.suffixes.len(), SUFFIXES)?);
        self.u16(count("needles", paths.needles.len(), NEEDLES)?);
        self.u16(paths.has_short_prefix().into());
        let mut heads = [0_u64; HEAD_WORDS];
        for (kind, text, _) in &paths.texts {
            if let (Kind::StartsWith, Some(head)) = (kind, text.first_chunk::<4>()) {
                set_bit(&mut heads, head_bit(seed, *head));
            }
        }
        heads.iter().chain(bloom).for_each(|word| self.u64(*word));
        let lens = paths.prefix_lens.iter().copied().chain(std::iter::repeat(0));
        lens.take(PREFIX_LENS).for_each(|len| self.u16(len));
        for at in 0..SUFFIXES {
            let Some(suffix) = paths.suffixes.get(at) else {
                self.zeros(32);
                continue;
            };
            let len = suffix.text.len();
            let last = suffix.text.get(len.saturating_sub(8)..).unwrap_or_default();
            let high = |word: u64| word << (64 - 8 * last.len().max(1));
            self.u64(high(word(last)));
            self.u64(high(low_bytes(last.len())));
            self.u64(suffix.checks);
            self.u32(texts.add(&suffix.text)?);
            self.u32(word32(len));
        }
        for at in 0..NEEDLES {
            let Some(needle) = paths.needles.get(at) else {
                self.zeros(24);
                continue;
            };
            self.u64(word(&needle.text));
            self.u64(low_bytes(needle.text.len()));
            self.u64(needle.checks);
        }
        for clause in paths.clauses {
            self.u64(clause.wanted);
            self.u64(clause.unwanted);
        }
        Ok(())
    }
}

/// As many bytes of ones, 1 to 8.
fn low_bytes(count: usize) -> u64 {
    u64::MAX >> (64 - 8 * count.clamp(1, 8))
}
