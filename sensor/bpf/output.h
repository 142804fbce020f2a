/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The buffer an event is built in, the rings it leaves by, and the loss counts. */
#pragma once

#include "event.h"

/* One section is at most this long, and starts before BUILD_MASK. */
#define SECTION_MAX 4095
#define BUILD_MASK 0x3fff
#define BUILD_SIZE (BUILD_MASK + 1 + SECTION_MAX + 1)

struct scratch {
	u8 data[BUILD_SIZE];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

/*
 * Rings, each with a reader of its own; a process keeps to one, so that its
 * events stay in order. The loader sets how many are used and how large they are.
 */
#define RINGS_MAX 4

const volatile u32 ring_count = 1;
const volatile u64 ring_bytes = 8 << 20;

#define RING(name)                                  \
	struct {                                    \
		__uint(type, BPF_MAP_TYPE_RINGBUF); \
		__uint(max_entries, 8 << 20);       \
	} name SEC(".maps")

RING(ring_0);
RING(ring_1);
RING(ring_2);
RING(ring_3);

/* For each ring: its reader sleeps, or is about to, and wants to be woken. User space maps it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, RINGS_MAX);
	__type(key, u32);
	__type(value, u32);
} sleepers SEC(".maps");

enum loss_cause {
	LOST_FULL, /* no room in the ring */
	LOST_SHED, /* of a cheap class, while the ring was filling up */
	LOSS_CAUSES,
};

/* Events that did not leave the kernel though they should have: kind, then cause. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EVENT_KINDS * LOSS_CAUSES);
	__type(key, u32);
	__type(value, u64);
} lost SEC(".maps");

/* Which events go first when user space is too slow. */
enum importance {
	IMPORTANCE_LIFECYCLE, /* exec, fork, exit: never while there is any room */
	IMPORTANCE_NORMAL,    /* when less than an eighth of the ring is free */
	IMPORTANCE_CHEAP,     /* when less than a quarter is */
};

/*
 * What a handler found, on its way to the function that reports it. That one is looked
 * at by the verifier once, however often it is called, and on its own: up to Linux
 * 5.11 such a function takes plain numbers and no pointers, so it finds this here.
 */
#define REQUESTS(request_type)                                          \
	struct {                                                        \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                \
		__uint(max_entries, 1);                                 \
		__type(key, u32);                                       \
		__type(value, struct request_type);                     \
	} request_type##s SEC(".maps");                                 \
	static __always_inline struct request_type *current_##request_type(void) \
	{                                                               \
		u32 zero = 0;                                           \
                                                                        \
		return bpf_map_lookup_elem(&request_type##s, &zero);    \
	}

/* Defines `name(request)`, `{ ... }` follows and ends with 0. */
#define REPORT(name, request_type)                                      \
	static __always_inline int name##_now(struct request_type *request); \
	__noinline int name##_current(void)                             \
	{                                                               \
		struct request_type *request = current_##request_type(); \
                                                                        \
		return request ? name##_now(request) : 0;               \
	}                                                               \
	static __always_inline int name(struct request_type *found)     \
	{                                                               \
		struct request_type *request = current_##request_type(); \
                                                                        \
		if (!request)                                           \
			return 0;                                       \
		*request = *found;                                      \
		return name##_current();                                \
	}                                                               \
	static __always_inline int name##_now(struct request_type *request)

static __always_inline struct scratch *scratch_get(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

/* Keeps the compiler from forgetting a bound that the verifier must see. */
#define opaque(value) asm volatile("" : "+r"(value))

static __always_inline void count_lost_many(u32 kind, u32 cause, u32 events)
{
	u32 slot = kind * LOSS_CAUSES + cause;
	u64 *count = bpf_map_lookup_elem(&lost, &slot);

	if (count)
		*count += events;
}

static __always_inline void count_lost(u32 kind, u32 cause)
{
	count_lost_many(kind, cause, 1);
}

/*
 * Wakes a reader that sleeps. The flag is looked at after the record is in the
 * ring and set before the reader looks at the ring for the last time, so one of
 * the two always sees the other.
 */
static __always_inline void wake_reader(void *ring, u32 index)
{
	u32 *sleeps = bpf_map_lookup_elem(&sleepers, &index);
	void *nothing;

	if (!sleeps || !*sleeps)
		return;
	*sleeps = 0;
	nothing = bpf_ringbuf_reserve(ring, 8, 0);
	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void put(void *ring, u32 index, struct scratch *scratch, u64 len,
				u32 kind, enum importance importance)
{
	u64 unread = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
	u64 most = ring_bytes;

	if (importance == IMPORTANCE_NORMAL)
		most -= ring_bytes / 8;
	else if (importance == IMPORTANCE_CHEAP)
		most -= ring_bytes / 4;
	if (unread > most) {
		count_lost(kind, LOST_SHED);
		return;
	}
	if (bpf_ringbuf_output(ring, scratch->data, len, BPF_RB_NO_WAKEUP) != 0) {
		count_lost(kind, LOST_FULL);
		/* A reader that slept all this time must learn of it. */
		wake_reader(ring, index);
		return;
	}
	/* Fork and exit tell nothing by themselves: who reads the next event reads them. */
	if (kind != EVENT_FORK && kind != EVENT_EXIT)
		wake_reader(ring, index);
	else if (unread > ring_bytes / 4)
		wake_reader(ring, index);
}

/* Sends what is built in `scratch`, `len` bytes in all, head included. */
static __always_inline void submit(struct scratch *scratch, u64 len, enum importance importance)
{
	struct event_head *head = (struct event_head *)scratch->data;
	u32 kind = head->kind;

	/* Two tests: one range test of the compiler's making loses the upper bound. */
	if (len < sizeof(*head))
		return;
	opaque(len);
	if (len > BUILD_SIZE)
		return;
	head->payload_len = len - sizeof(*head);
	switch (ring_count > 1 ? head->tgid % ring_count : 0) {
	case 0:
		put(&ring_0, 0, scratch, len, kind, importance);
		return;
	case 1:
		put(&ring_1, 1, scratch, len, kind, importance);
		return;
	case 2:
		put(&ring_2, 2, scratch, len, kind, importance);
		return;
	case 3:
		put(&ring_3, 3, scratch, len, kind, importance);
		return;
	}
}

/* Appends `size` bytes of user memory; returns how many there are now in it. */
static __always_inline u32 append_user(struct scratch *scratch, u32 at, u64 address, u64 size)
{
	if (size > SECTION_MAX)
		size = SECTION_MAX;
	at &= BUILD_MASK;
	opaque(at);
	at &= BUILD_MASK;
	opaque(size);
	size &= SECTION_MAX;
	if (bpf_probe_read_user(&scratch->data[at], size, (const void *)address) != 0)
		return 0;
	return size;
}

/* Appends a string of user memory with its NUL; returns its length, NUL included. */
static __always_inline u32 append_user_string(struct scratch *scratch, u32 at, u64 address)
{
	long len;

	at &= BUILD_MASK;
	opaque(at);
	at &= BUILD_MASK;
	len = bpf_probe_read_user_str(&scratch->data[at], SECTION_MAX, (const void *)address);
	return len > 0 ? len & SECTION_MAX : 0;
}
