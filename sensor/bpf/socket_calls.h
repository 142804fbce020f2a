/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* connect, accept, listen and socket, as they return. */
#pragma once

#include "conversation.h"
#include "filter_socket.h"

#define EINPROGRESS 115

struct socket_request {
	u64 address; /* connect: user address of the sockaddr */
	u32 address_len;
	s32 fd;      /* the socket that the event is about; negative for none */
	s32 waits;   /* accept: the socket that listens */
	u32 asked_type;
	u32 asked_number;
	u16 asked_family;
	u16 kind;
	u16 call;        /* enum call, and CALL_BY_IO_URING */
	bool is_pending; /* it has not been done yet */
	s64 result;
};

REQUESTS(socket_request)

static __always_inline void take_down(struct opened_socket *opened, struct socket_facts *facts,
				      u16 role)
{
	struct message_settings *settings = message_settings_get();
	struct endpoint peer = {.port = facts->remote_port, .family = facts->family};

	/* What goes through streams is seldom asked for. */
	if (facts->type == SOCK_STREAM && settings && !settings->all_sends &&
	    !settings->all_receives) {
		facts->bits |= role | SOCKET_CHANGED;
		return;
	}
	__builtin_memcpy(peer.address, facts->remote, 16);
	facts->bits |= converse(opened, &peer, role) | SOCKET_CHANGED;
}

static __always_inline void fill_connect(struct socket_facts *facts, struct opened_socket *opened,
					 struct socket_request *request)
{
	struct endpoint peer = {};

	if (!request->is_pending && (request->result >= 0 || request->result == -EINPROGRESS)) {
		if (facts->bits & SOCKET_HAS_REMOTE)
			take_down(opened, facts, SOCKET_CLIENT);
		else
			facts->bits |= SOCKET_CLIENT | SOCKET_CHANGED;
	} else {
		/* A call that failed leaves no peer in the socket: only the argument has it. */
		facts->bits &= ~(SOCKET_HAS_REMOTE | SOCKET_CONNECTED);
		facts->bits |= SOCKET_CLIENT;
		if (request->is_pending)
			facts->bits |= SOCKET_CHANGED;
		read_endpoint(&peer, facts->family, request->address, request->address_len);
		if (peer.family)
			set_remote(facts, &peer);
	}
}

REPORT(report_socket_call, socket_request)
{
	struct subject subject = current_subject();
	struct task_struct *task = (void *)subject.address;
	struct scratch *scratch = scratch_get();
	struct opened_socket opened = {};
	struct opened_socket waits = {};
	struct event_head *head;
	struct socket_facts *facts;
	struct sock *names;
	u32 at = sizeof(*head) + sizeof(*facts);

	if (!scratch || !request)
		return 0;
	head = (void *)scratch->data;
	facts = facts_of(scratch);
	__builtin_memset(facts, 0, sizeof(*facts));
	facts->result = request->result;
	facts->fd = request->fd;
	facts->asked_type = request->asked_type;
	facts->asked_number = request->asked_number;
	facts->family = request->asked_family;

	if (request->fd >= 0 && socket_of(&opened, task, request->fd)) {
		facts->ino = opened.ino;
		fill_from_sock((u64)opened.sk);
	}
	names = opened.sk;
	switch (request->kind) {
	case EVENT_CONNECT:
		if (opened.sk)
			fill_connect(facts, &opened, request);
		if (facts->family != AF_UNIX)
			break;
		facts->given_len = append_given_path(scratch, at, request->address,
						     request->address_len);
		at += facts->given_len;
		if (opened.sk && request->result >= 0)
			names = unix_peer(opened.sk);
		else
			names = NULL;
		if (names)
			facts->bits |= SOCKET_CONNECTED;
		break;
	case EVENT_ACCEPT:
		if (socket_of(&waits, task, request->waits)) {
			names = waits.sk;
			facts->queue_len = BPF_CORE_READ(names, sk_ack_backlog);
			facts->queue_max = BPF_CORE_READ(names, sk_max_ack_backlog);
			names = opened.sk;
		}
		if (opened.sk)
			take_down(&opened, facts, SOCKET_SERVER);
		facts->bits |= SOCKET_SERVER | SOCKET_CONNECTED;
		break;
	default:
		if (request->call == CALL_LISTEN)
			facts->bits |= SOCKET_SERVER;
		else
			/* It is bound to nothing yet. */
			facts->bits = 0;
	}
	if (facts->family == AF_UNIX && names) {
		facts->bound_len = append_bound_path(scratch, at, names);
		at += facts->bound_len;
	}
	if (!filter_socket_call(request->call, request->result, opened.sk,
				request->kind == EVENT_CONNECT, false))
		return 0;
	fill_head(head, subject, request->kind, request->call);
	submit(scratch, at, IMPORTANCE_NORMAL);
	return 0;
}

HANDLER_THAT_FILTERS(connect)
{
	struct socket_request request = {
		.kind = EVENT_CONNECT,
		.call = call->call,
		.result = call->result,
		.fd = call->args[0],
		.address = call->args[1],
		.address_len = call->args[2],
	};

	report_socket_call(&request);
}

HANDLER_THAT_FILTERS(accept)
{
	struct socket_request request = {
		.kind = EVENT_ACCEPT,
		.call = call->call,
		.result = call->result,
		.fd = call->result,
		.waits = call->args[0],
		.asked_type = call->call == CALL_ACCEPT4 ? call->args[3] : 0,
	};

	report_socket_call(&request);
}

HANDLER_THAT_FILTERS(listen)
{
	struct socket_request request = {
		.kind = EVENT_SOCKET,
		.call = call->call,
		.result = call->result,
		.fd = call->args[0],
		.asked_number = call->args[1],
	};

	report_socket_call(&request);
}

HANDLER_THAT_FILTERS(socket)
{
	struct socket_request request = {
		.kind = EVENT_SOCKET,
		.call = call->call,
		.result = call->result,
		.fd = call->result,
		.asked_family = call->args[0],
		.asked_type = call->args[1],
		.asked_number = call->args[2],
	};

	report_socket_call(&request);
}
