/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Calls that a program puts into a ring of io_uring, as the kernel takes each
 * out of it: no system call of that name ever returns. Nothing has been done by
 * then, so there is no result and no file yet. The end of a request would tell,
 * but a program can have none told (IOSQE_CQE_SKIP_SUCCESS), put it off for
 * good (IORING_SETUP_DEFER_TASKRUN), or ask for a file without a descriptor.
 *
 * io_uring/opdef.c: by the time of the tracepoint (since 6.4) the request's own
 * structure is filled, paths copied from the program's memory.
 */
#pragma once

#include "file_open.h"
#include "path_call.h"
#include "socket_calls.h"

#define REQUEST_FIXED_FILE 1 /* the file is one of the ring's own, without a descriptor */

/* IORING_OP_*, to ours (enum call); 0 is a call that nobody wants. */
CALL_TABLE(ring_calls);

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct filename {
	const char *name;
};

struct open_how {
	u64 flags;
	u64 mode;
	u64 resolve;
};

/* The request of each operation takes its place. */
struct io_cmd_data {
	struct file *file;
};

struct io_cqe {
	s32 fd;
};

struct io_kiocb {
	struct io_cmd_data cmd;
	u8 opcode;
	u32 flags;
	struct io_cqe cqe;
};

struct io_open {
	int dfd;
	struct filename *filename;
	struct open_how how;
};

struct io_unlink {
	int dfd;
	int flags;
	struct filename *filename;
};

struct io_mkdir {
	int dfd;
	u16 mode;
	struct filename *filename;
};

struct io_rename {
	int old_dfd;
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
	int flags;
};

struct io_link {
	int old_dfd;
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
	int flags;
};

struct sockaddr;

struct io_connect {
	struct sockaddr *addr;
	int addr_len;
};

struct io_socket {
	int domain;
	int type;
	int protocol;
};

#pragma clang attribute pop

static __always_inline void report_ring_open(void *command, u16 call)
{
	struct io_open *queued = command;
	struct open_request open = {
		.path = (u64)BPF_CORE_READ(queued, filename, name),
		.flags = BPF_CORE_READ(queued, how.flags),
		.mode = BPF_CORE_READ(queued, how.mode),
		.resolve = BPF_CORE_READ(queued, how.resolve),
		.dirfd = BPF_CORE_READ(queued, dfd),
		.call = call | CALL_BY_IO_URING,
		.path_in_kernel = true,
		.is_pending = true,
	};

	report_open(&open);
}

static __always_inline void report_ring_path_call(void *command, u16 call)
{
	struct io_unlink *unlink = command;
	struct io_mkdir *mkdir = command;
	struct io_rename *rename = command;
	struct io_link *link = command;
	struct path_request request = {
		.other_dirfd = NO_DIRFD,
		.call = call | CALL_BY_IO_URING,
		.paths_in_kernel = true,
	};

	switch (call) {
	case CALL_UNLINKAT:
		request.dirfd = BPF_CORE_READ(unlink, dfd);
		request.path = (u64)BPF_CORE_READ(unlink, filename, name);
		request.flags = BPF_CORE_READ(unlink, flags);
		break;
	case CALL_MKDIRAT:
		request.dirfd = BPF_CORE_READ(mkdir, dfd);
		request.path = (u64)BPF_CORE_READ(mkdir, filename, name);
		request.mode = BPF_CORE_READ(mkdir, mode);
		break;
	case CALL_RENAMEAT2:
		request.dirfd = BPF_CORE_READ(rename, old_dfd);
		request.path = (u64)BPF_CORE_READ(rename, oldpath, name);
		request.other_dirfd = BPF_CORE_READ(rename, new_dfd);
		request.other_path = (u64)BPF_CORE_READ(rename, newpath, name);
		request.flags = BPF_CORE_READ(rename, flags);
		break;
	case CALL_LINKAT:
		request.dirfd = BPF_CORE_READ(link, old_dfd);
		request.path = (u64)BPF_CORE_READ(link, oldpath, name);
		request.other_dirfd = BPF_CORE_READ(link, new_dfd);
		request.other_path = (u64)BPF_CORE_READ(link, newpath, name);
		request.flags = BPF_CORE_READ(link, flags);
		break;
	case CALL_SYMLINKAT:
		request.dirfd = BPF_CORE_READ(link, new_dfd);
		request.path = (u64)BPF_CORE_READ(link, newpath, name);
		request.other_path = (u64)BPF_CORE_READ(link, oldpath, name);
		break;
	default:
		return;
	}
	report_path_call(&request);
}

/* The address is read where the kernel read it, a moment before. */
static __always_inline void report_ring_connect(struct io_kiocb *queued, void *command)
{
	struct io_connect *connect = command;
	bool has_descriptor = !(BPF_CORE_READ(queued, flags) & REQUEST_FIXED_FILE);
	struct socket_request request = {
		.kind = EVENT_CONNECT,
		.call = CALL_CONNECT | CALL_BY_IO_URING,
		.fd = has_descriptor ? BPF_CORE_READ(queued, cqe.fd) : -1,
		.address = (u64)BPF_CORE_READ(connect, addr),
		.address_len = BPF_CORE_READ(connect, addr_len),
		.is_pending = true,
	};

	bpf_probe_read_user(&request.asked_family, sizeof(request.asked_family),
			    (const void *)request.address);
	report_socket_call(&request);
}

static __always_inline void report_ring_socket(void *command)
{
	struct io_socket *socket = command;
	struct socket_request request = {
		.kind = EVENT_SOCKET,
		.call = CALL_SOCKET | CALL_BY_IO_URING,
		.fd = -1,
		.asked_family = BPF_CORE_READ(socket, domain),
		.asked_type = BPF_CORE_READ(socket, type),
		.asked_number = BPF_CORE_READ(socket, protocol),
		.is_pending = true,
	};

	report_socket_call(&request);
}

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(on_ring_request, struct io_kiocb *request)
{
	struct subject subject = current_subject();
	u16 call = wanted_call(&ring_calls, PEEK(request, opcode));
	void *command = (void *)request + bpf_core_field_offset(struct io_kiocb, cmd);

	if (call == CALL_OTHER || PEEK(subject.task, tgid) == own_tgid)
		return 0;
	switch (call) {
	case CALL_OPENAT:
	case CALL_OPENAT2:
		report_ring_open(command, call);
		break;
	case CALL_CONNECT:
		report_ring_connect(request, command);
		break;
	case CALL_SOCKET:
		report_ring_socket(command);
		break;
	default:
		report_ring_path_call(command, call);
	}
	return 0;
}
