/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What goes through sockets: sendto, sendmsg, sendmmsg and their counterparts.
 *
 * Rules ask for the first message to or from each peer (`fd.name_changed`). As
 * long as that is all, a message without an address costs next to nothing, and
 * one to an unchanged peer a look at what the socket's last one was.
 */
#pragma once

#include "conversation.h"
#include "filter_socket.h"

#define MSG_ERRQUEUE 0x2000
#define MSG_FASTOPEN 0x20000000
#define DATA_LEN_MAX 256
#define VECTORS_MAX 8

/* sendmmsg takes no more (UIO_MAXIOV); what is beyond ours is counted as lost. */
#ifdef BASE
#define MESSAGES_MAX 64
#else
#define MESSAGES_MAX 1024
#endif

struct message_request {
	u64 name;        /* user address of the peer's sockaddr, or 0 */
	u64 data;        /* user address: the data, or a list of its pieces */
	u64 vectors;     /* how many pieces; 0 if `data` is the data */
	s64 result;
	u32 name_len;
	u32 size;
	u32 flags;
	s32 fd;
	u16 call;
	bool is_receive;
	bool is_compat;
};

REQUESTS(message_request)

/* The start of the kernel's struct user_msghdr, and of its 32-bit shape. */
struct message_header {
	u64 name;
	u32 name_len;
	u32 hole;
	u64 vectors;
	u64 vector_count;
};

struct compat_message_header {
	u32 name;
	u32 name_len;
	u32 vectors;
	u32 vector_count;
};

#define HEADER_LEN 56
#define HEADER_STRIDE 64 /* struct mmsghdr: with the length of the message behind it */
#define COMPAT_HEADER_LEN 28
#define COMPAT_HEADER_STRIDE 32

static __always_inline bool read_header(struct message_request *request, u64 address)
{
	struct compat_message_header compat = {};
	struct message_header header = {};

	if (request->is_compat) {
		if (bpf_probe_read_user(&compat, sizeof(compat), (const void *)address) != 0)
			return false;
		request->name = compat.name;
		request->name_len = compat.name_len;
		request->data = compat.vectors;
		request->vectors = compat.vector_count;
		return true;
	}
	if (bpf_probe_read_user(&header, sizeof(header), (const void *)address) != 0)
		return false;
	request->name = header.name;
	request->name_len = header.name_len;
	request->data = header.vectors;
	request->vectors = header.vector_count;
	return true;
}

/* One piece of a message, from struct iovec or its 32-bit shape. */
static __always_inline bool read_vector(struct message_request *request, u32 index, u64 piece[2])
{
	u32 compat[2] = {};

	if (!request->is_compat)
		return bpf_probe_read_user(piece, 16,
					   (const void *)(request->data + index * 16)) == 0;
	if (bpf_probe_read_user(compat, 8, (const void *)(request->data + index * 8)) != 0)
		return false;
	piece[0] = compat[0];
	piece[1] = compat[1];
	return true;
}

/* Appends one piece of a message, at most `left` bytes of it; returns how many. */
__noinline u32 append_piece(u32 index, u32 at, u32 left)
{
	struct message_request *request = current_message_request();
	struct scratch *scratch = scratch_get();
	u64 piece[2] = {};

	if (!scratch || !request || !read_vector(request, index, piece))
		return 0;
	return append_user(scratch, at, piece[0], piece[1] < left ? piece[1] : left);
}

/* Appends the first bytes of what went through; returns how many. */
static __always_inline u32 append_data(struct scratch *scratch, u32 at,
				       struct message_request *request, u32 len_max)
{
	u32 appended = 0;
	u32 left = len_max < DATA_LEN_MAX ? len_max : DATA_LEN_MAX;

	if (request->result <= 0 || !request->data)
		return 0;
	if (left > request->result)
		left = request->result;
	if (!request->vectors)
		return append_user(scratch, at, request->data, left);
	for (u32 i = 0; i < VECTORS_MAX && i < request->vectors && appended < left; i++)
		appended += append_piece(i, at + appended, left - appended);
	return appended;
}

/* The peer that a message names. A path is told from others by its hash. */
static __always_inline void read_peer(struct endpoint *peer, struct socket_facts *facts,
				      struct message_request *request)
{
	u64 words[(SUN_PATH_MAX + FAMILY_LEN) / 8 + 1] = {};
	u64 *hash = (u64 *)peer->address;
	u64 len = request->name_len;

	if (facts->family != AF_UNIX) {
		read_endpoint(peer, facts->family, request->name, request->name_len);
		return;
	}
	if (len <= FAMILY_LEN || len > FAMILY_LEN + SUN_PATH_MAX)
		return;
	if (bpf_probe_read_user(words, len, (const void *)request->name) != 0)
		return;
	for (u32 i = 0; i < sizeof(words) / 8; i++) {
		hash[0] = (hash[0] ^ words[i]) * 0x9e3779b97f4a7c15;
		hash[1] = (hash[1] + words[i]) * 0xbf58476d1ce4e5b9;
	}
	peer->port = len;
	peer->family = AF_UNIX;
}

/*
 * Who a socket is that no conversation is known of. Whoever speaks first is the
 * client. Where the first message from outside may have gone unseen, a program
 * that chose its port is taken for a server, as programs do that answer.
 */
static __always_inline u16 likely_role(struct message_request *request, struct sock *sk,
				       struct socket_facts *facts,
				       struct message_settings *settings)
{
	if (request->flags & MSG_FASTOPEN)
		return SOCKET_CLIENT;
	if (facts->type == SOCK_STREAM)
		return facts->local_port < facts->remote_port ? SOCKET_SERVER : SOCKET_CLIENT;
	if (facts->bits & SOCKET_CONNECTED)
		return SOCKET_CLIENT;
	if (request->is_receive)
		return SOCKET_SERVER;
	return !settings->sees_receives && chose_port(sk) ? SOCKET_SERVER : SOCKET_CLIENT;
}

REPORT(report_message, message_request)
{
	struct subject subject = current_subject();
	struct message_settings *settings = message_settings_get();
	struct scratch *scratch = scratch_get();
	struct opened_socket opened = {};
	struct endpoint peer = {};
	struct event_head *head;
	struct socket_facts *facts;
	u32 at = sizeof(*head) + sizeof(*facts);
	bool all, moves;

	if (!scratch || !settings || !request)
		return 0;
	all = request->is_receive ? settings->all_receives : settings->all_sends;
	if (!socket_of(&opened, (void *)subject.address, request->fd))
		return 0;
	head = (void *)scratch->data;
	facts = facts_of(scratch);
	__builtin_memset(facts, 0, sizeof(*facts));
	fill_from_sock((u64)opened.sk);
	facts->result = request->result;
	facts->ino = opened.ino;
	facts->fd = request->fd;
	facts->asked_number = request->size;

	/* A stream keeps its peer; this is the one message that can give it one. */
	moves = facts->type != SOCK_STREAM || request->flags & MSG_FASTOPEN;
	if (!all && (!moves || request->result < 0))
		return 0;
	if (moves && request->name && !(request->flags & MSG_ERRQUEUE))
		read_peer(&peer, facts, request);
	if (peer.family == AF_UNIX) {
		/* Its path is a section. */
	} else if (peer.family) {
		if (!(facts->bits & SOCKET_HAS_REMOTE) || facts->type != SOCK_STREAM) {
			facts->bits &= ~SOCKET_CONNECTED;
			set_remote(facts, &peer);
		}
	} else if (facts->bits & SOCKET_HAS_REMOTE) {
		__builtin_memcpy(peer.address, facts->remote, 16);
		peer.port = facts->remote_port;
		peer.family = facts->family;
	}
	if (request->result < 0 || !peer.family || (!all && !request->name))
		facts->bits |= known_role(&opened);
	else
		facts->bits |= converse(&opened, &peer,
					likely_role(request, opened.sk, facts, settings));
	/* A stream's first message after we came is no other peer. */
	if (!moves)
		facts->bits &= ~SOCKET_CHANGED;
	if (!all && !(facts->bits & SOCKET_CHANGED))
		return 0;
	if (!(facts->bits & (SOCKET_CLIENT | SOCKET_SERVER)))
		facts->bits |= likely_role(request, opened.sk, facts, settings);

	if (!filter_socket_call(request->call, request->result, opened.sk, true, true))
		return 0;
	fill_head(head, subject, EVENT_MESSAGE, request->call);
	if (facts->family == AF_UNIX) {
		facts->given_len = append_given_path(scratch, at, request->name,
						     request->name_len);
		at += facts->given_len;
	}
	if (settings->data_len_max) {
		facts->data_len = append_data(scratch, at, request,
						settings->data_len_max);
		at += facts->data_len;
	}
	submit(scratch, at, IMPORTANCE_CHEAP);
	return 0;
}

/* Whether anybody wants a message that names no peer, or failed. */
static __always_inline bool wants_all(bool is_receive)
{
	struct message_settings *settings = message_settings_get();

	return settings && (is_receive ? settings->all_receives : settings->all_sends);
}

HANDLER_THAT_FILTERS(message)
{
	struct message_request request = {
		.call = call->call,
		.result = call->result,
		.fd = call->args[0],
		.is_compat = call->is_compat,
		.is_receive = call->call == CALL_RECVFROM || call->call == CALL_RECVMSG,
	};
	bool all = wants_all(request.is_receive);

	if (!all && call->result < 0)
		return;
	switch (call->call) {
	case CALL_SENDTO:
		request.name_len = call->args[5];
		goto flat;
	case CALL_RECVFROM:
		if (call->args[4])
			bpf_probe_read_user(&request.name_len, sizeof(request.name_len),
					    (const void *)call->args[5]);
	flat:
		request.name = call->args[4];
		request.data = call->args[1];
		request.size = call->args[2];
		request.flags = call->args[3];
		break;
	default:
		if (!read_header(&request, call->args[1]) && !all)
			return;
		request.size = call->result > 0 ? call->result : 0;
		request.flags = call->args[2];
	}
	if (all || request.name)
		report_message(&request);
}

struct many_messages {
	struct message_request one;
	u64 address;
	u32 count;
	bool all;
};

STEP report_one(u32 index, struct many_messages *many)
{
	struct message_request *one = &many->one;
	u64 stride = one->is_compat ? COMPAT_HEADER_STRIDE : HEADER_STRIDE;
	u64 header_len = one->is_compat ? COMPAT_HEADER_LEN : HEADER_LEN;
	u64 address = many->address + index * stride;
	u32 len = 0;

	if (index >= many->count || !read_header(one, address))
		return 1;
	bpf_probe_read_user(&len, sizeof(len), (const void *)(address + header_len));
	one->result = len;
	one->size = len;
	if (many->all || one->name)
		report_message(one);
	return 0;
}

HANDLER_THAT_FILTERS(messages)
{
	struct many_messages many = {
		.one = {
			.call = call->call,
			.result = call->result,
			.fd = call->args[0],
			.flags = call->args[3],
			.is_compat = call->is_compat,
			.is_receive = call->call == CALL_RECVMMSG,
		},
		.address = call->args[1],
		.count = call->result,
	};

	many.all = wants_all(many.one.is_receive);
	if (call->result < 0) {
		if (many.all)
			report_message(&many.one);
		return;
	}
	LOOP(MESSAGES_MAX, report_one, &many);
	/* Of the rest one tells for all whether anybody would have wanted it. */
	if (many.count > MESSAGES_MAX && (many.all || many.one.name))
		count_lost_many(EVENT_MESSAGE, LOST_SHED, many.count - MESSAGES_MAX);
}
