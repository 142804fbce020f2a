/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* open, openat, openat2 and creat, as they return. */
#pragma once

#include "filter_open.h"
#include "syscall.h"

#define AT_FDCWD (-100)
#define O_ACCMODE 3
#define FMODE_CREATED 0x100000
#define CREAT_FLAGS 01101 /* O_CREAT|O_WRONLY|O_TRUNC */

struct open_request {
	u64 path;  /* user address */
	u64 flags;
	u64 mode;
	s64 result;
	s32 dirfd;
	u16 call;
};

/* The kernel's `struct open_how`, as a program passes it. */
struct open_how_head {
	u64 flags;
	u64 mode;
};

static __always_inline struct file *file_of(struct task_struct *task, u32 fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = NULL;
	struct file **slot;

	if (!table || fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	slot = BPF_CORE_READ(table, fd) + fd;
	bpf_probe_read_kernel(&file, sizeof(file), slot);
	return file;
}

/*
 * Reads the file behind the new descriptor, so that neither a symbolic link nor
 * a path changed in memory after the call can hide what was opened.
 */
static __always_inline u32 append_opened(u32 at, struct task_struct *task,
					 struct open_request *request, struct open_facts *facts)
{
	struct file *file = file_of(task, request->result);
	struct inode *inode;

	if (!file)
		return 0;
	/* Another thread may already have put another file under this number. */
	if ((BPF_CORE_READ(file, f_flags) ^ request->flags) & O_ACCMODE)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	facts->ino = BPF_CORE_READ(inode, i_ino);
	facts->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	facts->inode_mode = BPF_CORE_READ(inode, i_mode);
	if (BPF_CORE_READ(file, f_mode) & FMODE_CREATED)
		facts->bits |= OPEN_CREATED;
	return append_path(at, (u64)task, (u64)&file->f_path);
}

static __always_inline u32 append_base(u32 at, struct task_struct *task, s32 dirfd)
{
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	struct file *directory;

	if (dirfd == AT_FDCWD)
		return append_path(at, (u64)task, (u64)&fs->pwd);
	directory = file_of(task, dirfd);
	if (!directory)
		return 0;
	return append_path(at, (u64)task, (u64)&directory->f_path);
}

__noinline int report_open(struct open_request *request)
{
	struct subject subject = current_subject();
	struct task_struct *task = (void *)subject.address;
	struct scratch *scratch = scratch_get();
	struct event_head *head;
	struct open_facts *facts;
	u32 at = sizeof(*head) + sizeof(*facts);
	bool is_relative;

	if (!scratch || !request)
		return 0;
	head = (void *)scratch->data;
	facts = (void *)(scratch->data + sizeof(*head));
	fill_head(head, subject, EVENT_OPEN, request->call);
	__builtin_memset(facts, 0, sizeof(*facts));
	facts->result = request->result;
	facts->flags = request->flags;
	facts->mode = request->mode;
	facts->dirfd = request->dirfd;

	facts->raw_len = append_user_string(scratch, at, request->path);
	/* Of the copy: the program may change its own meanwhile. */
	is_relative = scratch->data[at] != '/';
	at += facts->raw_len;
	if (request->result >= 0) {
		facts->resolved_len = append_opened(at, task, request, facts);
		at += facts->resolved_len;
	}
	if (is_relative) {
		facts->base_len = append_base(at, task, request->dirfd);
		at += facts->base_len;
	}
	submit(scratch, at, request->flags & O_ACCMODE ? IMPORTANCE_NORMAL : IMPORTANCE_CHEAP);
	return 0;
}

static __always_inline void read_open_how(struct open_request *request, u64 how)
{
	struct open_how_head head = {};

	bpf_probe_read_user(&head, sizeof(head), (const void *)how);
	request->flags = head.flags;
	request->mode = head.mode;
}

HANDLER(open)
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
		break;
	}
	if (filter_open(open.call, open.path, open.flags, open.mode, open.result, open.dirfd))
		report_open(&open);
}
