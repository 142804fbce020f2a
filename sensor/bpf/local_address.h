/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Which address a socket that is bound to none sends from.
 *
 * The kernel finds that out for each packet and forgets it. Rules ask for it
 * (`fd.ip != "0.0.0.0"`), so the addresses of the socket's network namespace are
 * looked through: the peer's own, one in the peer's network, or else the first
 * that is more than loopback, as the default route has it on nearly every host.
 */
#pragma once

#include "socket.h"

#define DEVICES_MAX 16
#define ADDRESSES_MAX 4
#define RT_SCOPE_LINK 253

struct device_walk {
	struct list_head *next;
	struct list_head *end;
};

static __always_inline struct device_walk devices_of(struct sock *sk)
{
	struct net *net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	struct list_head *end = (void *)net + bpf_core_field_offset(struct net, dev_base_head);
	struct device_walk walk = {.next = BPF_CORE_READ(end, next), .end = end};

	return walk;
}

static __always_inline struct net_device *next_device(struct device_walk *walk)
{
	struct list_head *now = walk->next;

	if (!now || now == walk->end)
		return NULL;
	walk->next = BPF_CORE_READ(now, next);
	return (void *)now - bpf_core_field_offset(struct net_device, dev_list);
}

/* An answer that no other device can better. */
#define EXACT_IPV4 (1ULL << 32)
#define EXACT_IPV6 1ULL /* the structures' addresses are even */

/*
 * The address of one device, in network order: with EXACT_IPV4 that in the
 * peer's network, or else the first that is for more than one link or host.
 */
__noinline u64 device_ipv4(u64 device_address, u32 peer)
{
	struct net_device *device = (void *)device_address;
	struct in_ifaddr *address = BPF_CORE_READ(device, ip_ptr, ifa_list);
	u64 first = 0;
	u32 ours;

	for (int i = 0; i < ADDRESSES_MAX && address; i++) {
		ours = BPF_CORE_READ(address, ifa_local);
		if (!((ours ^ peer) & BPF_CORE_READ(address, ifa_mask)))
			return ours | EXACT_IPV4;
		if (!first && BPF_CORE_READ(address, ifa_scope) < RT_SCOPE_LINK)
			first = ours;
		address = BPF_CORE_READ(address, ifa_next);
	}
	return first;
}

/* 0 when there is none. */
__noinline u32 local_ipv4(u64 sk_address, u32 peer)
{
	struct device_walk walk = devices_of((void *)sk_address);
	struct net_device *device;
	u64 first = 0;
	u64 found;

	for (int i = 0; i < DEVICES_MAX; i++) {
		device = next_device(&walk);
		if (!device)
			break;
		found = device_ipv4((u64)device, peer);
		if (found & EXACT_IPV4)
			return found;
		if (!first)
			first = found;
	}
	return first;
}

/*
 * The same for IPv6: the kernel's structure that holds the address. Networks
 * are taken to be as long as they nearly always are.
 */
__noinline u64 device_ipv6(u64 device_address, u64 peer_high, u64 peer_low)
{
	struct net_device *device = (void *)device_address;
	struct inet6_ifaddr *found;
	struct inet6_dev *inet;
	struct list_head *end;
	struct list_head *now;
	u64 ours[2];
	u64 first = 0;

	inet = BPF_CORE_READ(device, ip6_ptr);
	if (!inet)
		return 0;
	end = (void *)inet + bpf_core_field_offset(struct inet6_dev, addr_list);
	now = BPF_CORE_READ(end, next);
	for (int i = 0; i < ADDRESSES_MAX && now && now != end; i++) {
		found = (void *)now - bpf_core_field_offset(struct inet6_ifaddr, if_list);
		bpf_core_read(ours, 16, &found->addr);
		if (ours[0] == peer_high &&
		    (BPF_CORE_READ(found, prefix_len) <= 64 || ours[1] == peer_low))
			return (u64)found | EXACT_IPV6;
		if (!first && !BPF_CORE_READ(found, scope))
			first = (u64)found;
		now = BPF_CORE_READ(now, next);
	}
	return first;
}

/* 0 when there is none. */
__noinline u64 local_ipv6(u64 sk_address, u64 peer_high, u64 peer_low)
{
	struct device_walk walk = devices_of((void *)sk_address);
	struct net_device *device;
	u64 first = 0;
	u64 found;

	if (!bpf_core_type_exists(struct inet6_ifaddr))
		return 0;
	for (int i = 0; i < DEVICES_MAX; i++) {
		device = next_device(&walk);
		if (!device)
			break;
		found = device_ipv6((u64)device, peer_high, peer_low);
		if (found & EXACT_IPV6)
			return found & ~EXACT_IPV6;
		if (!first)
			first = found;
	}
	return first;
}

/* Puts the likely address where a socket says "any". */
static __always_inline void infer_local(struct socket_facts *facts, struct sock *sk)
{
	struct inet6_ifaddr *found;
	u64 peer[2];
	u32 ours;

	if (facts->family == AF_INET) {
		__builtin_memcpy(&ours, facts->local, 4);
		if (ours)
			return;
		__builtin_memcpy(&ours, facts->remote, 4);
		ours = local_ipv4((u64)sk, ours);
		__builtin_memcpy(facts->local, &ours, 4);
	} else if (facts->family != AF_INET6 || !is_empty(facts->local)) {
		return;
	} else if (is_mapped(facts->remote)) {
		__builtin_memcpy(&ours, facts->remote + 12, 4);
		ours = local_ipv4((u64)sk, ours);
		__builtin_memcpy(facts->local, facts->remote, 12);
		__builtin_memcpy(facts->local + 12, &ours, 4);
	} else {
		__builtin_memcpy(peer, facts->remote, 16);
		found = (void *)local_ipv6((u64)sk, peer[0], peer[1]);
		if (found)
			bpf_core_read(facts->local, 16, &found->addr);
	}
	facts->bits |= SOCKET_LOCAL_INFERRED;
}
