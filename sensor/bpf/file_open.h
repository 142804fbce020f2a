/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* open, openat, openat2, creat and open_by_handle_at, as they return. */
#pragma once

#include "file.h"
#include "filter_open.h"
#include "syscall.h"

#define CREAT_FLAGS 01101 /* O_CREAT|O_WRONLY|O_TRUNC */
#define RESOLVE_IN_ROOT 0x10

struct open_request {
	u64 path; /* address; 0 for none */
	u64 flags;
	u64 mode;
	u64 resolve;
	s64 result;
	s32 dirfd;
	u16 call;         /* enum call, and CALL_BY_IO_URING */
	bool path_in_kernel;
	bool is_doubtful; /* it asked for something else than the file was opened for */
	bool is_pending;  /* it has not been done yet: there is no descriptor */
};

REQUESTS(open_request)

/*
 * Reads the file behind the new descriptor, so that neither a symbolic link nor
 * a path changed in memory after the call can hide what was opened.
 */
static __always_inline u32 append_opened(u32 at, struct task_struct *task,
					 struct open_request *request, struct open_facts *facts)
{
	struct file *file = file_of(task, request->result);
	struct inode *inode;
	u32 created, layer;

	facts->bits = OPEN_UNSEEN;
	if (!file)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	created = BPF_CORE_READ(file, f_mode) & FMODE_CREATED ? OPEN_CREATED : 0;
	if (request->is_doubtful) {
		facts->bits |= created;
		return append_path(at, (u64)task, (u64)&file->f_path);
	}
	if (!fits(file, inode, request->flags))
		return 0;
	facts->bits = created;
	facts->ino = BPF_CORE_READ(inode, i_ino);
	facts->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	facts->inode_mode = BPF_CORE_READ(inode, i_mode);
	layer = overlay_layer((u64)inode);
	if (layer)
		facts->bits |= layer == EXE_UPPER_LAYER ? OPEN_UPPER_LAYER : OPEN_LOWER_LAYER;
	return append_path(at, (u64)task, (u64)&file->f_path);
}

REPORT(report_open, open_request)
{
	struct subject subject = current_subject();
	struct task_struct *task = (void *)subject.address;
	struct scratch *scratch = scratch_get();
	struct event_head *head;
	struct open_facts *facts;
	u32 at = sizeof(*head) + sizeof(*facts);
	bool needs_base;

	if (!scratch || !request)
		return 0;
	head = (void *)scratch->data;
	facts = (void *)(scratch->data + sizeof(*head));
	fill_head(head, subject, EVENT_OPEN, request->call);
	__builtin_memset(facts, 0, sizeof(*facts));
	facts->result = request->result;
	facts->flags = request->flags;
	facts->mode = request->mode;
	facts->resolve = request->resolve;
	facts->dirfd = request->dirfd;

	if (request->path)
		facts->raw_len = append_text(scratch, at, request->path, request->path_in_kernel);
	/* Of the copy: the program may change its own meanwhile. */
	needs_base = is_relative(scratch, at, facts->raw_len) || request->resolve & RESOLVE_IN_ROOT;
	at += facts->raw_len;
	if (request->is_pending) {
		facts->bits = OPEN_UNSEEN;
		facts->root = root_mount(task);
	} else if (request->result >= 0) {
		facts->resolved_len = append_opened(at, task, request, facts);
		at += facts->resolved_len;
	}
	if (needs_base) {
		facts->base_len = append_base(at, task, request->dirfd);
		at += facts->base_len;
	}
	submit(scratch, at, request->flags & O_ACCMODE ? IMPORTANCE_NORMAL : IMPORTANCE_CHEAP);
	return 0;
}

/* The kernel's `struct open_how`, as a program passes it. */
struct open_how_argument {
	u64 flags;
	u64 mode;
	u64 resolve;
};

static __always_inline void read_open_how(struct open_request *request, u64 address)
{
	struct open_how_argument how = {};

	bpf_probe_read_user(&how, sizeof(how), (const void *)address);
	request->flags = how.flags;
	request->mode = how.mode;
	request->resolve = how.resolve;
}

/*
 * What openat2 asked for stands in the program's memory, where another thread
 * may have changed it since the kernel read it. The file still has how it was
 * opened; and if it is not what the call opened, the memory may be right. So
 * where the two differ, the event says of both that they were asked for.
 */
static __always_inline void compare_with_file(struct open_request *open)
{
	struct file *file = open->result < 0 ? NULL : file_of(current_subject().task, open->result);
	struct inode *inode;
	u64 found;

	if (!file)
		return;
	inode = BPF_CORE_READ(file, f_inode);
	found = BPF_CORE_READ(file, f_flags);
	if (BPF_CORE_READ(file, f_mode) & FMODE_CREATED)
		open->mode |= BPF_CORE_READ(inode, i_mode) & 0777;
	if (fits(file, inode, open->flags))
		return;
	open->is_doubtful = true;
	if ((found ^ open->flags) & O_ACCMODE)
		open->flags = (open->flags & ~(u64)O_ACCMODE) | O_RDWR;
	open->flags |= found & FLAGS_KEPT & ~(u64)O_ACCMODE;
	if (BPF_CORE_READ(file, f_mode) & FMODE_CREATED)
		open->flags |= O_CREAT;
}

HANDLER_THAT_FILTERS(open)
{
	struct open_request open = {
		.result = call->result,
		.call = call->call,
		.dirfd = AT_FDCWD,
		.path = call->args[0],
		.flags = call->args[1],
		.mode = call->args[2],
	};

	switch (call->call) {
	case CALL_CREAT:
		open.flags = CREAT_FLAGS;
		open.mode = call->args[1];
		break;
	case CALL_OPENAT:
		open.dirfd = call->args[0];
		open.path = call->args[1];
		open.flags = call->args[2];
		open.mode = call->args[3];
		break;
	case CALL_OPENAT2:
		open.dirfd = call->args[0];
		open.path = call->args[1];
		read_open_how(&open, call->args[2]);
		compare_with_file(&open);
		break;
	case CALL_OPEN_BY_HANDLE_AT:
		open.dirfd = call->args[0];
		open.path = 0;
		open.flags = call->args[2];
		open.mode = 0;
		break;
	}
	/* The filter takes an absolute path for one that starts at the root. */
	if (open.resolve & RESOLVE_IN_ROOT || open.is_doubtful ||
	    filter_open(open.call, open.path, open.flags, open.mode, open.result, open.dirfd))
		report_open(&open);
}
