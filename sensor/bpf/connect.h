/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* connect, as it returns. */
#pragma once

#include "file_open.h"

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define EINPROGRESS 115
#define UNIX_PATH_MAX 108

/* The start of every sockaddr: long enough for sockaddr_in6. */
struct address_head {
	u16 family;
	u16 port; /* network order */
	u32 v4;   /* flow label for IPv6 */
	u8 v6[16];
};

static __always_inline struct sock *sock_of(struct task_struct *task, u32 fd)
{
	struct file *file = file_of(task, fd);
	struct socket *socket;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __always_inline void fill_from_sock(struct connect_facts *facts, struct sock *sk)
{
	facts->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	facts->protocol = BPF_CORE_READ(sk, sk_protocol);
	if (facts->family == AF_INET) {
		bpf_core_read(&facts->local, 4, &sk->__sk_common.skc_rcv_saddr);
		bpf_core_read(&facts->remote, 4, &sk->__sk_common.skc_daddr);
	} else if (facts->family == AF_INET6) {
		bpf_core_read(&facts->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_core_read(&facts->remote, 16, &sk->__sk_common.skc_v6_daddr);
	} else {
		return;
	}
	facts->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	facts->remote_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
}

/* A call that failed leaves no peer in the socket: only the argument has it. */
static __always_inline void fill_peer_from_argument(struct connect_facts *facts, u64 address)
{
	struct address_head peer = {};

	if (bpf_probe_read_user(&peer, sizeof(peer), (const void *)address) != 0 &&
	    bpf_probe_read_user(&peer, 8, (const void *)address) != 0)
		return;
	facts->family = peer.family;
	if (peer.family == AF_INET)
		__builtin_memcpy(facts->remote, &peer.v4, 4);
	else if (peer.family == AF_INET6)
		__builtin_memcpy(facts->remote, peer.v6, 16);
	else
		return;
	facts->remote_port = __builtin_bswap16(peer.port);
}

__noinline int report_connect(s32 fd, u64 address, u64 address_len, s64 result)
{
	struct subject subject = current_subject();
	struct task_struct *task = (void *)subject.address;
	struct scratch *scratch = scratch_get();
	struct event_head *head;
	struct connect_facts *facts;
	struct sock *sk;
	u32 at = sizeof(*head) + sizeof(*facts);

	if (!scratch)
		return 0;
	head = (void *)scratch->data;
	facts = (void *)(scratch->data + sizeof(*head));
	fill_head(head, subject, EVENT_CONNECT, CALL_CONNECT);
	__builtin_memset(facts, 0, sizeof(*facts));
	facts->result = result;
	facts->fd = fd;

	sk = sock_of(task, fd);
	if (sk)
		fill_from_sock(facts, sk);
	if (!sk || (result < 0 && result != -EINPROGRESS))
		fill_peer_from_argument(facts, address);
	if (facts->family == AF_UNIX && address_len > 2 && address_len <= 2 + UNIX_PATH_MAX) {
		facts->unix_len = append_user(scratch, at, address + 2, address_len - 2);
		at += facts->unix_len;
	}
	submit(scratch, at, IMPORTANCE_NORMAL);
	return 0;
}

HANDLER(connect)
{
	report_connect(call->args[0], call->args[1], call->args[2], call->result);
}
