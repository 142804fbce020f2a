/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Whether a call on a socket is one that some rule may want, by the facts that
 * have just been found out about the socket: what user space shows is made of
 * the same facts.
 */
#pragma once

#include "filter_text.h"
#include "local_address.h"
#include "socket.h"

#define AF_NETLINK 16
#define FILTER_SOCKET_PATH_AT 64
#define IPPROTO_RAW_ONLY 255
#define IPPROTO_TCP_NUMBER 6
#define IPPROTO_MPTCP 262 /* on the wire it is TCP */

/* fd.type: an IPv6 socket that talks IPv4 is an IPv4 one. */
static __always_inline u32 filter_socket_type(struct socket_facts *facts)
{
	switch (facts->family) {
	case AF_INET:
		return FILTER_TYPE_IPV4;
	case AF_INET6:
		if (facts->bits & SOCKET_HAS_REMOTE)
			return is_mapped(facts->remote) ? FILTER_TYPE_IPV4 : FILTER_TYPE_IPV6;
		return facts->bits & SOCKET_HAS_LOCAL && is_mapped(facts->local) ?
			       FILTER_TYPE_IPV4 : FILTER_TYPE_IPV6;
	case AF_UNIX:
		return FILTER_TYPE_UNIX;
	case AF_NETLINK:
		return FILTER_TYPE_NETLINK;
	default:
		return FILTER_TYPES;
	}
}

static __always_inline u32 filter_socket_transport(struct filter_program *program,
						   struct socket_facts *facts, u32 alive)
{
	u32 protocol = facts->protocol;

	if (facts->family != AF_INET && facts->family != AF_INET6)
		return alive;
	if (facts->type == SOCK_RAW)
		protocol = IPPROTO_RAW_ONLY;
	else if (protocol == IPPROTO_MPTCP)
		protocol = IPPROTO_TCP_NUMBER;
	/* One that nobody uses yet is shown without. */
	if (protocol != IPPROTO_RAW_ONLY && !(facts->bits & (SOCKET_CLIENT | SOCKET_SERVER)))
		return alive;
	return filter_transport(program, protocol, alive);
}

static __always_inline u32 filter_end_address(struct filter_event *filter, u16 family,
					      const u8 *address, u64 is_peer)
{
	u64 words[2];
	u32 *parts = (u32 *)words;

	if (family == AF_INET) {
		words[0] = 0;
		parts[2] = bpf_htonl(0xffff);
		__builtin_memcpy(&parts[3], address, 4);
	} else {
		__builtin_memcpy(words, address, 16);
	}
	return filter_address(filter->slot, filter->program, words[0], words[1],
			      is_peer << 32 | filter->alive);
}

/*
 * Whose end is whose: rules on connect take this end for the client's, which it
 * is not for a socket that was spoken to before.
 */
static __always_inline bool has_turned(u32 call, struct socket_facts *facts)
{
	return call == CALL_CONNECT && facts->bits & SOCKET_SERVER;
}

/* The clauses that are left by all but the address of this end. */
__noinline u32 filter_socket(u32 slot, u32 program_number, u32 alive, u32 call)
{
	struct filter_image *image = filter_image(slot);
	struct scratch *scratch = scratch_get();
	struct filter_event filter = {.slot = slot, .program = program_number};
	struct filter_program *program;
	struct socket_facts *facts;

	if (!image || !scratch)
		return alive;
	facts = facts_of(scratch);
	program = filter_program(image, program_number);
	alive = filter_type(program, filter_socket_type(facts), alive);
	alive = filter_flag(program, FILTER_CONNECTED, facts->bits & SOCKET_CONNECTED, alive);
	alive = filter_flag(program, FILTER_NAME_CHANGED, facts->bits & SOCKET_CHANGED, alive);
	alive = filter_socket_transport(program, facts, alive);
	if (!alive)
		return 0;
	alive = filter_number(slot, program_number, FILTER_DESCRIPTOR,
			      facts->fd < 0 ? -1 : facts->fd, alive);
	alive = filter_number(slot, program_number, FILTER_CHOICE, facts->family, alive);
	if (!has_turned(call, facts)) {
		if (facts->bits & SOCKET_HAS_LOCAL)
			alive = filter_number(slot, program_number, FILTER_LOCAL_PORT,
					      facts->local_port, alive);
		if (facts->bits & SOCKET_HAS_REMOTE) {
			alive = filter_number(slot, program_number, FILTER_PEER_PORT,
					      facts->remote_port, alive);
			filter.alive = alive;
			alive = filter_end_address(&filter, facts->family, facts->remote, true);
		}
	}
	return filter_subject(slot, program_number, alive);
}

/* The clauses that are left by one path of a Unix socket, a section of the record. */
__noinline u32 filter_socket_path(u32 slot, u32 table, u32 alive, u32 at, u32 len)
{
	struct filter_buffer *buffer = filter_buffer_get();
	struct scratch *scratch = scratch_get();
	u32 size = len + 1; /* for the zero behind it */
	long copied;

	if (!buffer || !scratch || len > SUN_PATH_MAX)
		return alive;
	size &= 127;
	opaque(size);
	size &= 127;
	at &= BUILD_MASK;
	opaque(at);
	at &= BUILD_MASK;
	copied = bpf_probe_read_kernel_str(&buffer->data[FILTER_SOCKET_PATH_AT], size,
					   &scratch->data[at]);
	/* The name of an abstract one begins with a zero. */
	if (copied <= 1)
		return alive;
	return filter_text(slot, table, FILTER_SOCKET_PATH_AT, copied - 1, alive);
}

/* A path fits if what the program gave does, or what the server is bound to. */
static __always_inline u32 filter_socket_paths(struct filter_event *filter,
					       struct socket_facts *facts)
{
	struct filter_image *image = filter_image(filter->slot);
	u32 given_at = sizeof(struct event_head) + sizeof(*facts);
	u32 table, given;

	if (!image || facts->family != AF_UNIX || !(facts->given_len | facts->bound_len))
		return filter->alive;
	table = filter_program(image, filter->program)->paths[FILTER_PATH];
	if (!table)
		return filter->alive;
	given = facts->given_len ? filter_socket_path(filter->slot, table, filter->alive, given_at,
						      facts->given_len) : 0;
	if (!facts->bound_len)
		return given;
	return given | filter_socket_path(filter->slot, table, filter->alive,
					  given_at + facts->given_len, facts->bound_len);
}

/*
 * Whether some rule may want the call whose socket's facts are in the scratch
 * space. The address of this end is filled in there, if it has to be guessed.
 * Of messages no rule wants a path.
 */
static __always_inline bool filter_socket_call(u32 call, s64 result, struct sock *sk,
					       bool has_guess, bool is_message)
{
	struct scratch *scratch = scratch_get();
	struct socket_facts *facts;
	struct filter_event filter;
	bool is_tested;

	if (!scratch)
		return false;
	facts = facts_of(scratch);
	is_tested = filter_begin(&filter, call, result);
	if (is_tested && filter.alive)
		filter.alive = filter_socket(filter.slot, filter.program, filter.alive, call);
	if (!is_message && is_tested && filter.alive && call == CALL_CONNECT)
		filter.alive = filter_socket_paths(&filter, facts);
	if (is_tested && !filter.alive)
		return filter_end(call, 0);
	if (has_guess && sk && facts->bits & SOCKET_HAS_REMOTE)
		infer_local(facts, sk);
	if (!is_tested)
		return true;
	if (facts->bits & SOCKET_HAS_LOCAL && !has_turned(call, facts))
		filter.alive = filter_end_address(&filter, facts->family, facts->local, false);
	return filter_end(call, filter.alive);
}
