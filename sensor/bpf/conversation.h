/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Whom each socket talked to last, and who began.
 *
 * It answers `fd.name_changed`, so that of a thousand datagrams to one server
 * the first is an event and the others are nothing. Storage at the socket itself
 * would be freed with it, but its helper wants a socket that the verifier knows
 * the type of, and what a descriptor table leads to is none. So the oldest are
 * forgotten when there are too many: their next message is then an event again.
 */
#pragma once

#include "socket.h"

#define CONVERSATIONS_MAX 8192

struct conversation_key {
	u64 sk;
	u64 ino; /* another socket at the same address has another */
};

struct conversation {
	struct endpoint peer;
	u64 role; /* SOCKET_CLIENT or SOCKET_SERVER */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CONVERSATIONS_MAX);
	__type(key, struct conversation_key);
	__type(value, struct conversation);
} conversations SEC(".maps");

/* What user space wants of messages; it may change this at any time. */
struct message_settings {
	u32 all_sends;     /* those to an unchanged peer, and those that failed, too */
	u32 all_receives;
	u32 data_len_max;  /* bytes of each message that a rule looks at */
	u32 sees_receives; /* the calls that receive are reported */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct message_settings);
} message_settings SEC(".maps");

static __always_inline struct message_settings *message_settings_get(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&message_settings, &zero);
}

/*
 * Takes down that the socket talks to `peer` now. Returns its role, and
 * SOCKET_CHANGED if that is not the peer it had; `role` is for a new socket.
 */
static __always_inline u16 converse(const struct opened_socket *opened,
				    const struct endpoint *peer, u16 role)
{
	struct conversation_key key = {.sk = (u64)opened->sk, .ino = opened->ino};
	struct conversation *known = bpf_map_lookup_elem(&conversations, &key);
	struct conversation begun;
	const u64 *now = (const u64 *)peer->address;
	u64 *before;

	if (!known) {
		begun.peer = *peer;
		begun.role = role;
		bpf_map_update_elem(&conversations, &key, &begun, BPF_ANY);
		return role | SOCKET_CHANGED;
	}
	before = (u64 *)known->peer.address;
	if (before[0] == now[0] && before[1] == now[1] && known->peer.port == peer->port)
		return known->role;
	known->peer = *peer;
	return known->role | SOCKET_CHANGED;
}

/* The role that was taken down for a socket; 0 if none was. */
static __always_inline u16 known_role(const struct opened_socket *opened)
{
	struct conversation_key key = {.sk = (u64)opened->sk, .ino = opened->ino};
	struct conversation *known = bpf_map_lookup_elem(&conversations, &key);

	return known ? known->role : 0;
}

/* Whether the program chose the port itself, as servers do. */
static __always_inline bool chose_port(struct sock *sk)
{
	return BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & SOCK_BINDPORT_LOCK;
}
