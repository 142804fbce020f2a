/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Which of the rules' texts a path is, begins with, ends with or has in it. */
#pragma once

#include "filter.h"

/* The longest path that is tested; a longer one passes. */
#define FILTER_TEXT_MAX 256
#define FILTER_BUFFER_MASK 0xfff
#define FILTER_ONES 0x0101010101010101ULL
#define FILTER_SLASHES 0x2f2f2f2f2f2f2f2fULL
#define FILTER_DOTS 0x2e2e2e2e2e2e2e2eULL
#define FILTER_LOW_BITS 0x7f7f7f7f7f7f7f7fULL

/* Texts stand in here; whoever makes one leaves eight bytes before and behind it. */
struct filter_buffer {
	u8 data[FILTER_BUFFER_MASK + 1 + FILTER_TEXT_MAX + 64];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct filter_buffer);
} filter_buffer SEC(".maps");

static __always_inline struct filter_buffer *filter_buffer_get(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&filter_buffer, &zero);
}

/*
 * The eight bytes at an offset. Through a pointer of its own: of an array of
 * bytes the compiler would read them one by one.
 */
static __always_inline u64 filter_word(struct filter_buffer *buffer, u32 at)
{
	u64 *word;

	at &= FILTER_BUFFER_MASK;
	opaque(at);
	at &= FILTER_BUFFER_MASK;
	word = (u64 *)&buffer->data[at];
	return *word;
}

/* The first `len` bytes of a word, 1 to 8. */
static __always_inline u64 filter_head(u64 word, u32 len)
{
	return word & (~0ULL >> (64 - 8 * len));
}

/* The highest bit of each byte that is zero. */
static __always_inline u64 filter_zero_bytes(u64 word)
{
	return ~(((word & FILTER_LOW_BITS) + FILTER_LOW_BITS) | word | FILTER_LOW_BITS);
}

/*
 * The last eight bytes of a text, as a number; of a shorter one all that there
 * are. By these alone most texts are told from all that the rules look for.
 */
static __always_inline u64 filter_tail(struct filter_buffer *buffer, u32 at, u32 len)
{
	s32 missing = 8 - (s32)len;
	s32 is_long = missing >> 31;

	/* Without a branch: the verifier would follow both, for each text. */
	opaque(is_long);
	missing &= ~is_long;
	/* In two steps: all of the eight may be missing. */
	return filter_word(buffer, at + len - 8) >> 4 * missing >> 4 * missing;
}

/* Whether the rules may look for a text with this end, as that kind of pattern. */
static __always_inline bool filter_may_have(u64 seed, struct filter_paths *paths, u32 owner,
					    u64 tail)
{
	u64 hash = filter_mix(filter_mix(seed, owner), tail);
	u32 first = (hash >> 32) & (FILTER_BLOOM_WORDS * 64 - 1);
	u32 second = (hash >> 48) & (FILTER_BLOOM_WORDS * 64 - 1);

	return paths->bloom[first / 64] >> (first & 63) & paths->bloom[second / 64] >>
	       (second & 63) & 1;
}

/* Whether that text of the image stands here, too. */
__noinline u32 filter_is_text(u32 slot, u32 text, u32 at, u32 len)
{
	struct filter_buffer *buffer = filter_buffer_get();
	struct filter_image *image = filter_image(slot);
	u32 i;

	if (!buffer || !image)
		return 0;
	text &= FILTER_TEXT_BYTES - 1;
	for (i = 0; i < FILTER_TEXT_MAX && i < len; i += 8) {
		u64 *wanted = (u64 *)&image->texts[text + i];
		u64 word = filter_word(buffer, at + i) ^ *wanted;

		if (len - i < 8)
			word = filter_head(word, len - i);
		if (word)
			return 0;
	}
	return 1;
}

__noinline u64 filter_hash(u64 seed, u32 owner, u32 at, u32 len)
{
	struct filter_buffer *buffer = filter_buffer_get();
	u64 hash = filter_mix(seed, ((u64)owner << 32) | len);
	u32 i;

	if (!buffer)
		return 0;
	for (i = 0; i < FILTER_TEXT_MAX; i += 8) {
		if (i + 8 >= len) {
			if (i < len)
				hash = filter_mix(hash, filter_head(filter_word(buffer, at + i), len - i));
			break;
		}
		hash = filter_mix(hash, filter_word(buffer, at + i));
	}
	return hash ? hash : 1;
}

/* The checks that a text fits as a whole. */
__noinline u64 filter_find(u32 slot, u32 owner, u32 at, u32 len)
{
	struct filter_image *image = filter_image(slot);
	u32 place, i;
	u64 hash;

	if (!image)
		return 0;
	hash = filter_hash(image->seed, owner, at, len);
	place = hash & (FILTER_ENTRIES - 1);
	for (i = 0; i < FILTER_PROBES; i++) {
		struct filter_entry *entry = &image->entries[place + i];

		if (!entry->hash)
			break;
		if (entry->hash == hash && entry->owner == owner && entry->len == len &&
		    filter_is_text(slot, entry->text, at, len))
			return entry->checks;
	}
	return 0;
}

static __always_inline u64 filter_looked_up(struct filter_image *image,
					    struct filter_paths *paths,
					    struct filter_buffer *buffer, u32 slot, u32 table,
					    u32 kind, u32 at, u32 len)
{
	u32 owner = table * 4 + kind;

	if (!filter_may_have(image->seed, paths, owner, filter_tail(buffer, at, len)))
		return 0;
	return filter_find(slot, owner, at, len);
}

/* Where in the text its last name begins: behind its last slash, 0 if there is none. */
__noinline u32 filter_last_name(u32 at, u32 len)
{
	struct filter_buffer *buffer = filter_buffer_get();
	u32 end = len;
	u32 i;

	if (!buffer)
		return 0;
	for (i = 0; i < FILTER_TEXT_MAX / 8; i++) {
		u64 slashes = filter_zero_bytes(filter_word(buffer, at + end - 8) ^ FILTER_SLASHES);
		u32 byte = 0;

		/* What stands before the text is not of it. */
		if (end < 8)
			slashes = end ? slashes >> (64 - 8 * end) << (64 - 8 * end) : 0;
		if (slashes) {
			if (slashes >> 32) {
				slashes >>= 32;
				byte += 4;
			}
			if (slashes >> 16) {
				slashes >>= 16;
				byte += 2;
			}
			if (slashes >> 8)
				byte += 1;
			return end - 8 + byte + 1;
		}
		if (end <= 8)
			break;
		end -= 8;
	}
	return 0;
}

__noinline u64 filter_prefixes(u32 slot, u32 table, u32 at, u32 len)
{
	struct filter_buffer *buffer = filter_buffer_get();
	struct filter_image *image = filter_image(slot);
	struct filter_paths *paths;
	u64 found = 0;
	u32 head, count, i;

	if (!buffer || !image)
		return 0;
	paths = &image->paths[table & (FILTER_PATHS - 1)];
	head = filter_word(buffer, at);
	head = filter_mix(image->seed, head) >> 40 & (FILTER_HEAD_WORDS * 64 - 1);
	if (!paths->any_head && (len < 4 || !(paths->heads[head / 64] >> (head & 63) & 1)))
		return 0;
	count = paths->prefix_lens_count;
	for (i = 0; i < FILTER_PREFIX_LENS && i < count; i++) {
		u32 wanted = paths->prefix_lens[i];

		/* The shortest one first. */
		if (wanted > len)
			break;
		found |= filter_looked_up(image, paths, buffer, slot, table, FILTER_STARTS_WITH, at,
					  wanted);
	}
	return found;
}

/*
 * Whether the whole of a suffix fits, of which the last bytes do. Of a text that
 * is cut off in front, one that is longer than what is known may.
 */
__noinline u32 filter_is_suffix(u32 slot, u64 text_and_len, u32 at, u32 len, bool is_cut)
{
	u32 wanted = text_and_len;

	if (wanted > len)
		return is_cut;
	return wanted <= 8 || filter_is_text(slot, text_and_len >> 32, at + len - wanted, wanted);
}

__noinline u64 filter_suffixes(u32 slot, u32 table, u32 at, u32 len, bool is_cut)
{
	struct filter_buffer *buffer = filter_buffer_get();
	struct filter_image *image = filter_image(slot);
	struct filter_paths *paths;
	u64 found = 0;
	u64 last;
	u32 count, i;

	if (!buffer || !image)
		return 0;
	paths = &image->paths[table & (FILTER_PATHS - 1)];
	last = filter_word(buffer, at + len - 8);
	count = paths->suffixes_count;
	for (i = 0; i < FILTER_SUFFIXES && i < count; i++) {
		struct filter_suffix *suffix = &paths->suffixes[i];

		if (!((last ^ suffix->word) & suffix->mask) &&
		    filter_is_suffix(slot, (u64)suffix->text << 32 | suffix->len, at, len, is_cut))
			found |= suffix->checks;
	}
	return found;
}

/* Whether the needle stands at one of the eight places from there. */
__noinline u32 filter_is_needle(u64 word, u64 mask, u32 at)
{
	struct filter_buffer *buffer = filter_buffer_get();
	u32 i;

	if (!buffer)
		return 0;
	for (i = 0; i < 8; i++) {
		if (!((filter_word(buffer, at + i) ^ word) & mask))
			return 1;
	}
	return 0;
}

__noinline u32 filter_one_needle(u64 word, u64 mask, u32 at, u32 len)
{
	struct filter_buffer *buffer = filter_buffer_get();
	u64 firsts = (word & 0xff) * FILTER_ONES;
	u64 seconds = (word >> 8 & 0xff) * FILTER_ONES;
	/* All ones for a needle of one byte, which no second one follows. */
	u64 any_second = (s64)((mask >> 8 & 0xff) - 1) >> 63;
	u32 i;

	if (!buffer)
		return 0;
	opaque(any_second);
	/* Where there is a zero behind the text, there is none in a needle. */
	for (i = 0; i < FILTER_TEXT_MAX && i < len; i += 8) {
		u64 hits = filter_zero_bytes(filter_word(buffer, at + i) ^ firsts);

		hits &= filter_zero_bytes(filter_word(buffer, at + i + 1) ^ seconds) | any_second;
		if (hits && filter_is_needle(word, mask, at + i))
			return 1;
	}
	return 0;
}

__noinline u64 filter_needles(u32 slot, u32 table, u32 at, u32 len)
{
	struct filter_image *image = filter_image(slot);
	struct filter_paths *paths;
	u64 found = 0;
	u32 count, i;

	if (!image)
		return 0;
	paths = &image->paths[table & (FILTER_PATHS - 1)];
	count = paths->needles_count;
	for (i = 0; i < FILTER_NEEDLES && i < count; i++) {
		struct filter_needle *needle = &paths->needles[i];

		if (filter_one_needle(needle->word, needle->mask, at, len))
			found |= needle->checks;
	}
	return found;
}

/*
 * Whether some pattern may fit a text; 0 is certain. Its end decides: a text that
 * is cut off in front has more than eight bytes before its last slash.
 */
__noinline u32 filter_may_fit(u64 slot_and_table, u32 at, u32 len, bool is_cut, u32 alive)
{
	struct filter_buffer *buffer = filter_buffer_get();
	u32 slot = slot_and_table >> 32;
	u32 table = slot_and_table & (FILTER_PATHS - 1);
	struct filter_image *image = filter_image(slot);
	struct filter_paths *paths;
	u32 owner = table * 4;
	u32 name;

	if (!buffer || !image)
		return 1;
	paths = &image->paths[table];
	if (alive & (paths->prefix_tests | paths->needle_tests))
		return 1;
	if (alive & paths->is_tests &&
	    filter_may_have(image->seed, paths, owner + FILTER_IS, filter_tail(buffer, at, len)))
		return 1;
	if (alive & paths->part_tests) {
		name = filter_last_name(at, len);
		/* The root, and what has none, have too little before it. */
		if (name < 2 ||
		    filter_may_have(image->seed, paths, owner + FILTER_IN_DIRECTORY,
				    filter_tail(buffer, at, name - 1)) ||
		    filter_may_have(image->seed, paths, owner + FILTER_HAS_NAME,
				    filter_tail(buffer, at + name, len - name)))
			return 1;
	}
	return alive & paths->suffix_tests &&
	       filter_suffixes(slot, table, at, len, is_cut);
}

/* The clauses that no pattern has to fit. */
__noinline u32 filter_when_nothing(u32 slot, u32 table, u32 alive)
{
	struct filter_image *image = filter_image(slot);

	return image ? alive & image->paths[table & (FILTER_PATHS - 1)].when_nothing : alive;
}

/* The clauses that are left once a text is known. */
__noinline u32 filter_text(u32 slot, u32 table, u32 at, u32 len, u32 alive)
{
	struct filter_buffer *buffer = filter_buffer_get();
	struct filter_image *image = filter_image(slot);
	struct filter_paths *paths;
	u64 found = 0;
	u32 name, i;

	table &= FILTER_PATHS - 1;
	if (!buffer || !image || !table || !alive)
		return alive;
	paths = &image->paths[table];
	if (alive & paths->is_tests)
		found |= filter_looked_up(image, paths, buffer, slot, table, FILTER_IS, at, len);
	if (alive & paths->part_tests) {
		name = filter_last_name(at, len);
		if (name) {
			found |= filter_looked_up(image, paths, buffer, slot, table,
						  FILTER_IN_DIRECTORY, at,
						  name > 1 ? name - 1 : 1);
			found |= filter_looked_up(image, paths, buffer, slot, table,
						  FILTER_HAS_NAME, at + name, len - name);
		}
	}
	if (alive & paths->prefix_tests)
		found |= filter_prefixes(slot, table, at, len);
	if (alive & paths->suffix_tests)
		found |= filter_suffixes(slot, table, at, len, false);
	if (alive & paths->needle_tests)
		found |= filter_needles(slot, table, at, len);
	if (!found)
		return alive & paths->when_nothing;
	for (i = 0; i < FILTER_CLAUSES; i++) {
		struct filter_path_clause *clause = &paths->clauses[i];
		u64 fails = (~found & clause->wanted) | (found & clause->unwanted);

		/* Without a branch for each, as above. */
		fails |= -fails;
		opaque(fails);
		alive &= ~((u32)(fails >> 63) << i);
	}
	return alive;
}
