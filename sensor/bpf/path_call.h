/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Calls that make, move or remove names of files, or change a file's mode, as
 * they return. No descriptor comes out of them, and the name may be gone: the
 * paths are those that the program passed, and what they start from.
 */
#pragma once

#include "file.h"
#include "filter_path.h"
#include "syscall.h"

#define NO_DIRFD (-1)

struct path_request {
	u64 path;       /* address; 0 for none */
	u64 other_path; /* address; 0 for none */
	s64 result;
	s32 dirfd;
	s32 other_dirfd;
	u32 flags;
	u32 mode;
	u16 call; /* enum call, and CALL_BY_IO_URING */
	bool paths_in_kernel;
};

REQUESTS(path_request)

static __always_inline u32 file_mode(struct task_struct *task, s32 fd)
{
	struct file *file = fd < 0 ? NULL : file_of(task, fd);

	return file ? BPF_CORE_READ(file, f_inode, i_mode) : 0;
}

REPORT(report_path_call, path_request)
{
	struct subject subject = current_subject();
	struct task_struct *task = (void *)subject.address;
	struct scratch *scratch = scratch_get();
	struct event_head *head;
	struct path_call_facts *facts;
	u32 at = sizeof(*head) + sizeof(*facts);
	bool needs_base, needs_other_base = false;

	if (!scratch || !request)
		return 0;
	head = (void *)scratch->data;
	facts = (void *)(scratch->data + sizeof(*head));
	fill_head(head, subject, EVENT_PATH_CALL, request->call);
	__builtin_memset(facts, 0, sizeof(*facts));
	facts->result = request->result;
	facts->dirfd = request->dirfd;
	facts->other_dirfd = request->other_dirfd;
	facts->flags = request->flags;
	facts->mode = request->mode;
	facts->inode_mode = file_mode(task, request->dirfd);
	facts->root = root_mount(task);

	if (request->path)
		facts->path_len = append_text(scratch, at, request->path, request->paths_in_kernel);
	/* A descriptor is an argument to be shown, whatever the path is. */
	needs_base = is_relative(scratch, at, facts->path_len) || request->dirfd >= 0;
	at += facts->path_len;
	if (request->other_path) {
		facts->other_len =
			append_text(scratch, at, request->other_path, request->paths_in_kernel);
		needs_other_base = request->other_dirfd != NO_DIRFD &&
				   (is_relative(scratch, at, facts->other_len) ||
				    request->other_dirfd >= 0);
		at += facts->other_len;
	}
	if (needs_other_base && request->other_dirfd == request->dirfd) {
		needs_base = true;
		needs_other_base = false;
	}
	if (needs_base) {
		facts->base_len = append_base(at, task, request->dirfd);
		at += facts->base_len;
	}
	if (needs_other_base) {
		facts->other_base_len = append_base(at, task, request->other_dirfd);
		at += facts->other_base_len;
	}
	submit(scratch, at, IMPORTANCE_NORMAL);
	return 0;
}

#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_SYMLINK_FOLLOW 0x400

/* Whether the call is about what a link leads to, if its path is one. */
static __always_inline bool follows_link(struct path_request *request)
{
	switch (request->call) {
	case CALL_CHMOD:
	case CALL_FCHMODAT:
		return true;
	case CALL_FCHMODAT2:
		return !(request->flags & AT_SYMLINK_NOFOLLOW);
	case CALL_LINKAT:
		return request->flags & AT_SYMLINK_FOLLOW;
	}
	return false;
}

/*
 * Whether the argument goes through a directory by its name: that may be a link,
 * and only user space finds out what is behind it.
 */
__noinline u32 filter_has_directory(u64 address)
{
	struct filter_buffer *buffer = filter_buffer_get();
	u32 len = filter_read_raw(address);
	u32 i;

	if (!buffer || !len)
		return 1;
	for (i = 1; i < FILTER_TEXT_MAX && i < len; i += 8) {
		u64 slashes =
			filter_zero_bytes(filter_word(buffer, FILTER_RAW_AT + i) ^ FILTER_SLASHES);

		if (len - i < 8)
			slashes = filter_head(slashes, len - i);
		if (slashes)
			return 1;
	}
	return 0;
}

/* The clauses that are left once a path of the call is known. */
static __always_inline u32 filter_path_argument(u64 slot, u32 table, u32 alive, u64 address,
						s32 dirfd)
{
	if (!table || !alive || filter_has_directory(address))
		return alive;
	return filter_named(slot | table, alive, address, dirfd, false);
}

/* Whether some rule may want the call. */
static __always_inline bool filter_path_call(struct path_request *request)
{
	struct filter_image *image;
	struct filter_program *program;
	struct filter_event filter;
	u64 slot;
	u32 alive;

	if (!filter_begin(&filter, request->call, request->result))
		return true;
	image = filter_image(filter.slot);
	if (!image)
		return true;
	program = filter_program(image, filter.program);
	slot = (u64)filter.slot << 32;
	alive = filter_bits(program, FILTER_ARG_MODE, request->mode, filter.alive);
	alive = filter_subject(filter.slot, filter.program, alive);
	if (!follows_link(request)) {
		alive = filter_path_argument(slot, program->paths[FILTER_PATH], alive,
					     request->path, request->dirfd);
		alive = filter_path_argument(slot, program->paths[FILTER_OLD_PATH], alive,
					     request->path, request->dirfd);
	}
	alive = filter_path_argument(slot, program->paths[FILTER_NEW_PATH], alive,
				     request->other_path, request->other_dirfd);
	alive = filter_named(slot | program->paths[FILTER_LINK_TARGET], alive,
			     request->other_path, NO_DIRFD, true);
	return filter_end(request->call, alive);
}

HANDLER_THAT_FILTERS(path_call)
{
	struct path_request request = {
		.result = call->result,
		.call = call->call,
		.dirfd = AT_FDCWD,
		.other_dirfd = NO_DIRFD,
	};

	switch (call->call) {
	case CALL_UNLINK:
	case CALL_RMDIR:
		request.path = call->args[0];
		break;
	case CALL_MKDIR:
	case CALL_CHMOD:
		request.path = call->args[0];
		request.mode = call->args[1];
		break;
	case CALL_UNLINKAT:
		request.dirfd = call->args[0];
		request.path = call->args[1];
		request.flags = call->args[2];
		break;
	case CALL_MKDIRAT:
	case CALL_FCHMODAT:
	case CALL_FCHMODAT2:
		request.dirfd = call->args[0];
		request.path = call->args[1];
		request.mode = call->args[2];
		if (call->call == CALL_FCHMODAT2)
			request.flags = call->args[3];
		break;
	case CALL_FCHMOD:
		request.dirfd = call->args[0];
		request.mode = call->args[1];
		break;
	case CALL_RENAME:
	case CALL_LINK:
		request.path = call->args[0];
		request.other_path = call->args[1];
		request.other_dirfd = AT_FDCWD;
		break;
	case CALL_RENAMEAT:
	case CALL_RENAMEAT2:
	case CALL_LINKAT:
		request.dirfd = call->args[0];
		request.path = call->args[1];
		request.other_dirfd = call->args[2];
		request.other_path = call->args[3];
		if (call->call != CALL_RENAMEAT)
			request.flags = call->args[4];
		break;
	case CALL_SYMLINK:
		request.other_path = call->args[0];
		request.path = call->args[1];
		break;
	case CALL_SYMLINKAT:
		request.other_path = call->args[0];
		request.dirfd = call->args[1];
		request.path = call->args[2];
		break;
	}
	if (filter_path_call(&request))
		report_path_call(&request);
}
