/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the rules look for, as the kernel tests it: same layout as the image that
 * sensor/src/source/ebpf/filter/ builds, which checks the same sizes. Change
 * both together.
 *
 * Each system call has a program: up to 32 clauses, one bit each, of which one
 * has to pass. Whatever is known of an event takes away the bits of the clauses
 * that it fails; when none is left the event is not reported. What is not known
 * takes away nothing.
 */
#pragma once

#include "calls.h"
#include "core_types.h"

#define FILTER_PROGRAMS 64
#define FILTER_CLAUSES 32
#define FILTER_PATHS 64
#define FILTER_BLOOM_WORDS 64
#define FILTER_HEAD_WORDS 16
#define FILTER_PREFIX_LENS 32
#define FILTER_SUFFIXES 16
#define FILTER_NEEDLES 16
#define FILTER_BITS 4
#define FILTER_ENTRIES 16384
#define FILTER_NAMES 16384
#define FILTER_PROBES 8
#define FILTER_STEPS 4096
#define FILTER_STEPS_OF_ONE 128
#define FILTER_SUBNETS 2048
#define FILTER_SUBNETS_OF_ONE 64
#define FILTER_TEXT_BYTES (256 << 10)

/* Facts that are numbers. */
enum filter_number {
	FILTER_RESULT,
	FILTER_DESCRIPTOR,
	FILTER_UID,
	FILTER_GID,
	FILTER_LOGINUID,
	FILTER_TTY,
	FILTER_VPID,
	FILTER_LOCAL_PORT,
	FILTER_PEER_PORT,
	/* An argument that is one of a list of names. */
	FILTER_CHOICE,
	FILTER_CHOICE_2,
	FILTER_CHOICE_3,
	FILTER_NUMBERS = 16,
};

/* Facts that are so or not. */
enum filter_flag {
	FILTER_OPEN_READ,
	FILTER_OPEN_WRITE,
	FILTER_OPEN_EXEC,
	FILTER_OPEN_CREATE,
	FILTER_CONNECTED,
	FILTER_NAME_CHANGED,
	FILTER_SID_LEADER,
	FILTER_VPGID_LEADER,
	FILTER_FLAGS,
};

/* Facts that are sets of bits. */
enum filter_bits_of {
	FILTER_ARG_FLAGS,
	FILTER_ARG_MODE,
	FILTER_CAP_EFFECTIVE,
	FILTER_CAP_PERMITTED,
	/* As they are after a call that may change them. */
	FILTER_CAP_EFFECTIVE_NOW,
	FILTER_CAP_PERMITTED_NOW,
	FILTER_BIT_SETS,
};

/* fd.type; the order is that of FD_TYPES in filter/program.rs. */
enum filter_type {
	FILTER_TYPE_FILE,
	FILTER_TYPE_DIRECTORY,
	FILTER_TYPE_IPV4,
	FILTER_TYPE_IPV6,
	FILTER_TYPE_UNIX,
	FILTER_TYPE_NETLINK,
	FILTER_TYPE_PIPE,
	FILTER_TYPES = 8,
};

enum filter_transport {
	FILTER_TCP,
	FILTER_UDP,
	FILTER_ICMP,
	FILTER_RAW,
	FILTER_TRANSPORTS,
};

enum filter_place {
	FILTER_HOST,
	FILTER_CONTAINER,
	FILTER_PLACES,
};

/* Facts that are paths. */
enum filter_path {
	FILTER_PATH,
	FILTER_RAW_PATH,
	FILTER_OLD_PATH,
	FILTER_NEW_PATH,
	FILTER_LINK_TARGET,
	FILTER_PATH_FACTS,
};

/* Which patterns a text is looked up as. */
enum filter_kind {
	FILTER_IS,
	FILTER_IN_DIRECTORY,
	FILTER_HAS_NAME,
	FILTER_STARTS_WITH,
};

/* From `first` up to the next step's, the clauses that pass. */
struct filter_step {
	s64 first;
	u32 pass;
	u32 unused;
};

struct filter_number_test {
	u32 tests; /* the clauses that look at the number */
	u16 at;
	u16 count;
};

struct filter_flag_test {
	u32 when_not;
	u32 when_so;
};

/* Without any of these bits, the clauses fail. */
struct filter_bits_test {
	u64 any;
	u32 clauses;
	u32 unused;
};

struct filter_subnet {
	u64 address[2]; /* in network order; IPv4 as the IPv6 address that maps it */
	u64 mask[2];
	u32 pass;
	u32 unused;
};

struct filter_address_test {
	u32 tests;
	u32 otherwise; /* clauses that pass outside of all the networks */
	u16 at;
	u16 count; /* networks, those with the longest prefix first */
	u32 unused;
};

struct filter_program {
	u32 clauses; /* all of them */
	u32 name_tests;
	u32 name_otherwise; /* clauses that pass for a name that is not in the image */
	u32 type_tests;
	u32 transport_tests;
	u32 place_tests;
	u32 process_tests; /* clauses that look at what a process_mark holds */
	u32 id_tests;      /* clauses that look at user and group */
	u32 types[FILTER_TYPES];
	u32 transports[FILTER_TRANSPORTS];
	u32 places[FILTER_PLACES];
	u32 paths[FILTER_PATH_FACTS]; /* number of the table, 0 for none */
	u32 unused_2;
	struct filter_flag_test flags[FILTER_FLAGS];
	struct filter_number_test numbers[FILTER_NUMBERS];
	struct filter_bits_test bits[FILTER_BIT_SETS][FILTER_BITS];
	struct filter_address_test local, peer;
};
_Static_assert(sizeof(struct filter_program) == 720, "PROGRAM_LEN in filter/image.rs");

struct filter_suffix {
	u64 word; /* the last eight bytes, or fewer where the mask has zeros */
	u64 mask;
	u64 checks;
	u32 text;
	u32 len;
};

struct filter_needle {
	u64 word;
	u64 mask;
	u64 checks;
};

/* What a clause needs of a text: all of these checks fit it, none of those does. */
struct filter_path_clause {
	u64 wanted;
	u64 unwanted;
};

struct filter_paths {
	u32 when_nothing; /* clauses that pass if no pattern fits */
	u32 is_tests;     /* clauses with patterns of that kind */
	u32 part_tests;   /* in a directory, has a name */
	u32 prefix_tests;
	u32 suffix_tests;
	u32 needle_tests;
	u16 prefix_lens_count;
	u16 suffixes_count;
	u16 needles_count;
	u16 any_head; /* some prefix is shorter than a head */
	u64 heads[FILTER_HEAD_WORDS]; /* bits by the hash of the first four bytes of prefixes */
	u64 bloom[FILTER_BLOOM_WORDS];
	u16 prefix_lens[FILTER_PREFIX_LENS];
	struct filter_suffix suffixes[FILTER_SUFFIXES];
	struct filter_needle needles[FILTER_NEEDLES];
	struct filter_path_clause clauses[FILTER_CLAUSES];
};
_Static_assert(sizeof(struct filter_paths) == 2144, "PATHS_LEN in filter/image.rs");

/* A text that some path table looks for. */
struct filter_entry {
	u64 hash; /* 0 for an empty place */
	u64 checks;
	u32 text;
	u32 len;
	u32 owner; /* table and kind */
	u32 unused;
};

/* A process name that some program looks for. */
struct filter_name {
	u64 comm[2];
	u32 owner; /* number of the program, plus 1; 0 for an empty place */
	u32 pass;
};

struct filter_image {
	u64 seed;
	u32 is_on;
	u32 unused;
	u32 program_of[256]; /* by enum call; 0: not filtered */
	struct filter_program programs[FILTER_PROGRAMS];
	struct filter_paths paths[FILTER_PATHS];
	struct filter_step steps[FILTER_STEPS + FILTER_STEPS_OF_ONE];
	struct filter_subnet subnets[FILTER_SUBNETS + FILTER_SUBNETS_OF_ONE];
	struct filter_name names[FILTER_NAMES + FILTER_PROBES];
	struct filter_entry entries[FILTER_ENTRIES + FILTER_PROBES];
	u8 texts[FILTER_TEXT_BYTES + 512];
};
