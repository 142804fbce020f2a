/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What a socket is and whom it talks to, from the kernel's own structures. */
#pragma once

#include "file.h"

#include <bpf/bpf_endian.h>

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define TCP_ESTABLISHED 1
#define TCP_LISTEN 10
#define SOCK_BINDPORT_LOCK 8
#define SUN_PATH_MAX 108
#define FAMILY_LEN 2
#define SOCKADDR_IN_LEN 16
#define SOCKADDR_IN6_LEN 24 /* without the scope, as the kernel takes it */

/* An address and a port in host order; 4 bytes used for IPv4. */
struct endpoint {
	u8 address[16] __attribute__((aligned(8)));
	u16 port;
	u16 family; /* 0 for none */
	u32 unused;
};

/* The start of every sockaddr: all of sockaddr_in and what we want of sockaddr_in6. */
struct address_head {
	u16 family;
	u16 port; /* network order */
	u32 v4;   /* flow label for IPv6 */
	u8 v6[16];
};

/*
 * The addresses of a socket stand together at its start. They are read at once:
 * the call of the helper costs more than the bytes.
 */
#define COMMON_LEN 96

struct common_bytes {
	u8 bytes[COMMON_LEN];
};

#define COMMON(common, member)                              \
	(*(typeof(((struct sock_common *)0)->member) *)     \
	 ((common)->bytes + bpf_core_field_offset(struct sock_common, member)))

static __always_inline void read_common(struct common_bytes *common, struct sock *sk)
{
	/* All or nothing: what cannot be read is zeroed. */
	bpf_probe_read_kernel(common->bytes, COMMON_LEN, sk);
}

struct opened_socket {
	struct sock *sk;
	u64 ino;
};

/* The socket behind a descriptor; false if it is none. */
static __always_inline bool socket_of(struct opened_socket *opened, struct task_struct *task, u32 fd)
{
	struct file *file = file_of(task, fd);
	struct inode *inode;
	struct socket *socket;

	if (!file)
		return false;
	inode = BPF_CORE_READ(file, f_inode);
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return false;
	socket = BPF_CORE_READ(file, private_data);
	opened->ino = BPF_CORE_READ(inode, i_ino);
	opened->sk = BPF_CORE_READ(socket, sk);
	return opened->sk != NULL;
}

static __always_inline bool is_empty(const u8 *address)
{
	const u64 *words = (const u64 *)address;

	return !words[0] && !words[1];
}

/* IPv4 as IPv6 writes it, ::ffff:a.b.c.d. */
static __always_inline bool is_mapped(const u8 *address)
{
	const u32 *words = (const u32 *)address;

	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

static __always_inline struct socket_facts *facts_of(struct scratch *scratch)
{
	return (void *)(scratch->data + sizeof(struct event_head));
}

/* What a socket is, and its two ends: into the facts that are being built. */
__noinline int fill_from_sock(u64 sk_address)
{
	struct sock *sk = (void *)sk_address;
	struct scratch *scratch = scratch_get();
	struct common_bytes common = {};
	struct socket_facts *facts;
	u16 state;

	if (!scratch)
		return 0;
	facts = facts_of(scratch);
	read_common(&common, sk);
	facts->family = COMMON(&common, skc_family);
	facts->type = BPF_CORE_READ(sk, sk_type);
	facts->protocol = BPF_CORE_READ(sk, sk_protocol);
	if (facts->family == AF_INET) {
		__builtin_memcpy(facts->local, &COMMON(&common, skc_rcv_saddr), 4);
		__builtin_memcpy(facts->remote, &COMMON(&common, skc_daddr), 4);
	} else if (facts->family == AF_INET6 &&
		   bpf_core_field_exists(((struct sock_common *)0)->skc_v6_daddr)) {
		__builtin_memcpy(facts->local, &COMMON(&common, skc_v6_rcv_saddr), 16);
		__builtin_memcpy(facts->remote, &COMMON(&common, skc_v6_daddr), 16);
	} else {
		return 0;
	}
	state = COMMON(&common, skc_state);
	facts->bits |= SOCKET_HAS_LOCAL;
	/* A raw socket has its protocol where others have their port. */
	if (facts->type != SOCK_RAW) {
		facts->local_port = COMMON(&common, skc_num);
		facts->remote_port = bpf_ntohs(COMMON(&common, skc_dport));
	}
	if (state != TCP_LISTEN && (facts->remote_port || state == TCP_ESTABLISHED))
		facts->bits |= SOCKET_HAS_REMOTE | SOCKET_CONNECTED;
	return 0;
}

static __always_inline void set_remote(struct socket_facts *facts, const struct endpoint *remote)
{
	__builtin_memcpy(facts->remote, remote->address, 16);
	facts->remote_port = facts->type == SOCK_RAW ? 0 : remote->port;
	facts->bits |= SOCKET_HAS_REMOTE;
}

/*
 * The address that a program passes for a socket of `family`, by the kernel's
 * own rules (udp_sendmsg, udpv6_sendmsg): what is shorter than it must be is
 * none, and IPv4 sockets take an address of no family for one of theirs.
 */
static __always_inline void read_endpoint(struct endpoint *endpoint, u16 family, u64 address,
					  u32 len)
{
	struct address_head head = {};

	if (!address || len < SOCKADDR_IN_LEN)
		return;
	if (len >= SOCKADDR_IN6_LEN) {
		if (bpf_probe_read_user(&head, SOCKADDR_IN6_LEN, (const void *)address) != 0)
			return;
	} else if (bpf_probe_read_user(&head, 8, (const void *)address) != 0) {
		return;
	}
	if (head.family == AF_INET || (head.family == AF_UNSPEC && family == AF_INET)) {
		if (family == AF_INET6) {
			endpoint->address[10] = 0xff;
			endpoint->address[11] = 0xff;
			__builtin_memcpy(endpoint->address + 12, &head.v4, 4);
		} else {
			__builtin_memcpy(endpoint->address, &head.v4, 4);
		}
	} else if (head.family == AF_INET6 && family == AF_INET6 && len >= SOCKADDR_IN6_LEN) {
		__builtin_memcpy(endpoint->address, head.v6, 16);
	} else {
		return;
	}
	endpoint->family = family;
	endpoint->port = bpf_ntohs(head.port);
}

/* Appends sun_path of an address that a program passed. */
static __always_inline u32 append_given_path(struct scratch *scratch, u32 at, u64 address, u64 len)
{
	u16 family = 0;

	if (!address || len <= FAMILY_LEN || len > FAMILY_LEN + SUN_PATH_MAX)
		return 0;
	bpf_probe_read_user(&family, sizeof(family), (const void *)address);
	if (family != AF_UNIX)
		return 0;
	return append_user(scratch, at, address + FAMILY_LEN, len - FAMILY_LEN);
}

/* Appends sun_path that a Unix socket is bound to. */
static __always_inline u32 append_bound_path(struct scratch *scratch, u32 at, struct sock *sk)
{
	struct unix_sock *unix_sock = (void *)sk;
	struct unix_address *address;
	struct sockaddr_un *name;
	u64 len;

	if (!bpf_core_type_exists(struct unix_sock))
		return 0;
	address = BPF_CORE_READ(unix_sock, addr);
	if (!address)
		return 0;
	len = (u32)BPF_CORE_READ(address, len);
	if (len <= FAMILY_LEN || len > FAMILY_LEN + SUN_PATH_MAX)
		return 0;
	len -= FAMILY_LEN;
	name = (void *)address + bpf_core_field_offset(struct unix_address, name);
	at &= BUILD_MASK;
	opaque(at);
	at &= BUILD_MASK;
	opaque(len);
	len &= SECTION_MAX;
	if (bpf_probe_read_kernel(&scratch->data[at], len, (void *)name + FAMILY_LEN) != 0)
		return 0;
	return len;
}

static __always_inline struct sock *unix_peer(struct sock *sk)
{
	struct unix_sock *unix_sock = (void *)sk;

	if (!bpf_core_type_exists(struct unix_sock))
		return NULL;
	return BPF_CORE_READ(unix_sock, peer);
}
