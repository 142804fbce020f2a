/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The buffer an event is built in, the ring it leaves by, and the loss count. */
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

/* The loader sets the size. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} events SEC(".maps");

/* Events the ring had no room for, by kind. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EVENT_KINDS);
	__type(key, u32);
	__type(value, u64);
} lost SEC(".maps");

static __always_inline struct scratch *scratch_get(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

/* Keeps the compiler from forgetting a bound that the verifier must see. */
#define opaque(value) asm volatile("" : "+r"(value))

static __always_inline void submit(struct scratch *scratch, u64 len)
{
	struct event_head *head = (struct event_head *)scratch->data;
	u32 kind = head->kind;
	u64 *count;

	/* Two tests: one range test of the compiler's making loses the upper bound. */
	if (len < sizeof(*head))
		return;
	opaque(len);
	if (len > BUILD_SIZE)
		return;
	head->payload_len = len - sizeof(*head);
	if (bpf_ringbuf_output(&events, scratch->data, len, 0) == 0)
		return;
	count = bpf_map_lookup_elem(&lost, &kind);
	if (count)
		*count += 1;
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
