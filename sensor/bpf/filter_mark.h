/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Remembers what fork and exec tell of a process, as user space does. */
#pragma once

#include "filter.h"
#include "process.h"

/* The bytes before the first zero; what stands behind it may be anything. */
static __always_inline void filter_copy_comm(u64 *to, const char *comm)
{
	u64 words[2];
	u64 zeros;

	__builtin_memcpy(words, comm, sizeof(words));
	zeros = (words[0] - 0x0101010101010101ULL) & ~words[0] & 0x8080808080808080ULL;
	zeros &= -zeros;
	if (zeros) {
		words[0] &= (zeros >> 7) - 1;
		words[1] = 0;
	} else {
		zeros = (words[1] - 0x0101010101010101ULL) & ~words[1] & 0x8080808080808080ULL;
		zeros &= -zeros;
		if (zeros)
			words[1] &= (zeros >> 7) - 1;
	}
	to[0] = words[0];
	to[1] = words[1];
}

static __always_inline void filter_remember(struct event_head *head, struct process_facts *facts)
{
	struct process_mark_key key = {.start_ns = head->start_ns, .tgid = head->tgid};
	struct process_mark mark = {
		.cap_permitted = facts->cap_permitted,
		.cap_effective = facts->cap_effective,
		.tty = facts->tty,
		.vpid = facts->vpid,
		.is_sid_leader = facts->sid == head->tgid,
		.is_vpgid_leader = facts->vpgid == facts->vpid,
	};

	filter_copy_comm(mark.comm, head->comm);
	/* Of a process that has no place any more nothing is known, and its events pass. */
	bpf_map_update_elem(&process_marks, &key, &mark, BPF_ANY);
}

static __always_inline void filter_forget(struct event_head *head)
{
	struct process_mark_key key = {.start_ns = head->start_ns, .tgid = head->tgid};

	bpf_map_delete_elem(&process_marks, &key);
}
