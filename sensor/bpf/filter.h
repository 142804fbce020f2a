/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Tests an event against what the rules look for, see filter_image.h.
 *
 * There are two images and a word that says which one counts. An event reads the
 * word once, so it is tested by one set of rules; user space writes the other
 * image, then the word. The functions here take the number of the image and not
 * its address: global functions take plain numbers on all kernels we run on.
 */
#pragma once

#include "filter_image.h"
#include "process.h"

/* What user space shows of a process, as its last exec or fork told it. */
struct process_mark_key {
	u64 start_ns;
	u32 tgid;
	u32 unused;
};

struct process_mark {
	u64 comm[2];
	u64 cap_permitted;
	u64 cap_effective;
	u32 tty;
	u32 vpid;
	u32 is_sid_leader;
	u32 is_vpgid_leader;
};

struct filter_count {
	u64 seen;
	u64 passed;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, struct filter_image);
} filter_images SEC(".maps");

/* Element 0: which image counts. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} filter_slot SEC(".maps");

/* By enum call. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, struct filter_count);
} filter_counts SEC(".maps");

/* The one that was asked for the longest time ago goes: an exit may have been missed. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct process_mark_key);
	__type(value, struct process_mark);
} process_marks SEC(".maps");

/* enum filter_place by event_head's cgroup_id, as user space found it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, u32);
} cgroup_places SEC(".maps");

/* What is known of an event before anything is read of its files and sockets. */
struct filter_event {
	u32 slot;
	u32 program; /* 0: nothing is tested */
	u32 alive;   /* clauses that may still pass */
};

static __always_inline struct filter_image *filter_image(u32 slot)
{
	return bpf_map_lookup_elem(&filter_images, &slot);
}

static __always_inline struct filter_program *filter_program(struct filter_image *image,
							     u32 program)
{
	program &= FILTER_PROGRAMS - 1;
	opaque(program);
	program &= FILTER_PROGRAMS - 1;
	return &image->programs[program];
}

static __always_inline u32 filter_one_number(struct filter_image *image,
					     struct filter_number_test *test, s64 value)
{
	u32 at = test->at & (FILTER_STEPS - 1);
	u32 count = test->count;
	u32 pass = ~0U;
	u32 i;

	for (i = 0; i < FILTER_STEPS_OF_ONE && i < count; i++) {
		struct filter_step *step = &image->steps[at + i];

		if (step->first > value)
			break;
		pass = step->pass;
	}
	return pass | ~test->tests;
}

/* The clauses that are left once a number is known. */
__noinline u32 filter_number(u32 slot, u32 program, u32 number, s64 value, u32 alive)
{
	struct filter_image *image = filter_image(slot);
	struct filter_number_test *test;

	if (!image)
		return alive;
	number &= FILTER_NUMBERS - 1;
	opaque(number);
	number &= FILTER_NUMBERS - 1;
	test = &filter_program(image, program)->numbers[number];
	if (!(alive & test->tests))
		return alive;
	return alive & filter_one_number(image, test, value);
}

static __always_inline u32 filter_flag(struct filter_program *program, u32 flag, bool value,
				       u32 alive)
{
	struct filter_flag_test *test = &program->flags[flag];

	return alive & (value ? test->when_so : test->when_not);
}

static __always_inline u32 filter_bits(struct filter_program *program, u32 set, u64 value,
				       u32 alive)
{
	u32 i;

#pragma unroll
	for (i = 0; i < FILTER_BITS; i++) {
		struct filter_bits_test *test = &program->bits[set][i];

		if (!(value & test->any))
			alive &= ~test->clauses;
	}
	return alive;
}

/* `type` is an enum filter_type, or anything else if it has no name there. */
static __always_inline u32 filter_type(struct filter_program *program, u32 type, u32 alive)
{
	if (type >= FILTER_TYPES)
		return alive;
	return alive & (program->types[type] | ~program->type_tests);
}

static __always_inline u32 filter_transport(struct filter_program *program, u32 protocol,
					    u32 alive)
{
	u32 transport;

	switch (protocol) {
	case 6:
		transport = FILTER_TCP;
		break;
	case 17:
		transport = FILTER_UDP;
		break;
	case 1:
	case 58:
		transport = FILTER_ICMP;
		break;
	case 255:
		transport = FILTER_RAW;
		break;
	default:
		return alive;
	}
	return alive & (program->transports[transport] | ~program->transport_tests);
}

static __always_inline u64 filter_mix(u64 hash, u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 29);
}

static __always_inline u32 filter_process_name(struct filter_image *image, u32 program,
					       const u64 *comm, u32 otherwise)
{
	u32 owner = program + 1;
	u64 hash = filter_mix(filter_mix(filter_mix(image->seed, comm[0]), comm[1]), owner);
	u32 at = hash & (FILTER_NAMES - 1);
	u32 i;

	for (i = 0; i < FILTER_PROBES; i++) {
		struct filter_name *name = &image->names[at + i];

		if (!name->owner)
			break;
		if (name->owner == owner && name->comm[0] == comm[0] && name->comm[1] == comm[1])
			return name->pass;
	}
	return otherwise;
}

static __always_inline bool has_host_pid(void)
{
	struct task_struct *task = (void *)current_subject().address;
	struct pid *pid = BPF_CORE_READ(task, group_leader, thread_pid);

	return !BPF_CORE_READ(pid, level);
}

/* Whose control group it is, when user space has told. */
__noinline u32 filter_place(u32 slot, u32 program_number, u32 alive, u64 cgroup_id)
{
	struct filter_image *image = filter_image(slot);
	struct filter_program *program;
	u32 *place;

	if (!image)
		return alive;
	program = filter_program(image, program_number);
	place = bpf_map_lookup_elem(&cgroup_places, &cgroup_id);
	if (!place || (*place == FILTER_PLACE_BY_PID && !has_host_pid()))
		return alive;
	/* No other is told of: a container has processes of the host in it, too. */
	return alive & (program->places[FILTER_HOST] | ~program->place_tests);
}

/* What the last exec or fork told of the process. */
__noinline u32 filter_process(u32 slot, u32 program_number, u32 alive)
{
	struct task_struct *task = current_subject().task;
	struct task_struct *leader = PEEK(task, group_leader);
	struct filter_image *image = filter_image(slot);
	struct process_mark_key key = {};
	struct filter_program *program;
	struct process_mark *mark;
	u32 pass;

	if (!image)
		return alive;
	program = filter_program(image, program_number);
	if (!(alive & program->process_tests))
		return alive;
	key.tgid = PEEK(leader, tgid);
	key.start_ns = PEEK(leader, start_boottime);
	mark = bpf_map_lookup_elem(&process_marks, &key);
	if (!mark)
		return alive;
	if (alive & program->name_tests) {
		pass = filter_process_name(image, program_number, mark->comm,
					   program->name_otherwise);
		alive &= pass | ~program->name_tests;
	}
	alive = filter_bits(program, FILTER_CAP_EFFECTIVE, mark->cap_effective, alive);
	alive = filter_bits(program, FILTER_CAP_PERMITTED, mark->cap_permitted, alive);
	alive = filter_flag(program, FILTER_SID_LEADER, mark->is_sid_leader, alive);
	alive = filter_flag(program, FILTER_VPGID_LEADER, mark->is_vpgid_leader, alive);
	alive = filter_number(slot, program_number, FILTER_TTY, mark->tty, alive);
	alive = filter_number(slot, program_number, FILTER_VPID, mark->vpid, alive);
	return alive;
}

/* The ids that are the thread's at this moment; an unset one is -1. */
__noinline u32 filter_ids(u32 slot, u32 program, u32 alive)
{
	struct task_struct *task = current_subject().task;
	const struct cred *cred = PEEK(task, cred);
	u32 loginuid = PEEK(task, loginuid.val);

	alive = filter_number(slot, program, FILTER_UID, PEEK(cred, euid.val), alive);
	alive = filter_number(slot, program, FILTER_GID, PEEK(cred, egid.val), alive);
	return filter_number(slot, program, FILTER_LOGINUID,
			     loginuid == ~0U ? -1 : (s64)loginuid, alive);
}

/* The clauses that are left once the process is known. */
static __always_inline u32 filter_subject(u32 slot, u32 program_number, u32 alive)
{
	struct filter_image *image = filter_image(slot);
	struct filter_program *program;
	u64 cgroup;

	if (!image || !alive)
		return alive;
	program = filter_program(image, program_number);
	alive = filter_process(slot, program_number, alive);
	if (alive & program->id_tests)
		alive = filter_ids(slot, program_number, alive);
	if (alive & program->place_tests) {
		cgroup = deepest_cgroup(current_subject().address);
		alive = filter_place(slot, program_number, alive, cgroup_number((void *)cgroup));
	}
	return alive;
}

static __always_inline bool filter_subnet_has(struct filter_subnet *subnet, const u64 *address)
{
	return !((address[0] ^ subnet->address[0]) & subnet->mask[0]) &&
	       !((address[1] ^ subnet->address[1]) & subnet->mask[1]);
}

/* One end of a connection; `high` and `low` are its IPv6 address in network order. */
__noinline u32 filter_address(u32 slot, u32 program_number, u64 high, u64 low, u64 is_peer_alive)
{
	struct filter_image *image = filter_image(slot);
	u64 address[2] = {high, low};
	struct filter_address_test *test;
	struct filter_program *program;
	u32 alive = is_peer_alive;
	u32 pass, at, count, i;

	if (!image)
		return alive;
	program = filter_program(image, program_number);
	test = is_peer_alive >> 32 ? &program->peer : &program->local;
	if (!(alive & test->tests))
		return alive;
	pass = test->otherwise;
	at = test->at & (FILTER_SUBNETS - 1);
	count = test->count;
	for (i = 0; i < FILTER_SUBNETS_OF_ONE && i < count; i++) {
		struct filter_subnet *subnet = &image->subnets[at + i];

		if (filter_subnet_has(subnet, address)) {
			pass = subnet->pass;
			break;
		}
	}
	return alive & (pass | ~test->tests);
}

/*
 * Begins the test of one call. Returns whether there is anything to test: an
 * event of a call without a program passes.
 */
static __always_inline bool filter_begin(struct filter_event *filter, u32 call, s64 result)
{
	struct filter_image *image;
	u32 zero = 0;
	u32 *slot = bpf_map_lookup_elem(&filter_slot, &zero);

	filter->program = 0;
	if (!slot)
		return false;
	filter->slot = *slot;
	image = filter_image(filter->slot);
	if (!image || !image->is_on || call >= 256)
		return false;
	filter->program = image->program_of[call];
	if (!filter->program)
		return false;
	filter->alive = filter_program(image, filter->program)->clauses;
	filter->alive = filter_number(filter->slot, filter->program, FILTER_RESULT, result,
				      filter->alive);
	return true;
}

/* Counts the event, and says whether it is to be reported. */
static __always_inline bool filter_end(u32 call, u32 alive)
{
	struct filter_count *count = bpf_map_lookup_elem(&filter_counts, &call);

	if (count) {
		count->seen++;
		count->passed += !!alive;
	}
	return alive;
}

/*
 * Whether to report a call, as far as its result and its process go. Calls with
 * paths are tested by their own handlers.
 */
static __always_inline bool filter_call(u32 call, s64 result)
{
	struct filter_event filter;

	if (!filter_begin(&filter, call, result))
		return true;
	filter.alive = filter_subject(filter.slot, filter.program, filter.alive);
	return filter_end(call, filter.alive);
}
