/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Whether a call by which a process changes itself is one that some rule may want. */
#pragma once

#include "filter_socket.h"

/* fd.type of what a descriptor stands for, as far as that needs no name. */
static __always_inline u32 filter_descriptor_type(struct filter_program *program, s32 fd,
						  u32 alive)
{
	struct task_struct *task = (void *)current_subject().address;
	struct file *file = fd < 0 ? NULL : file_of(task, fd);
	struct opened_socket opened = {};
	struct dentry *dentry;
	struct sock *sk;
	u32 either;

	if (!file)
		return alive;
	switch (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) {
	case S_IFSOCK:
		if (!socket_of(&opened, task, fd))
			return alive;
		sk = opened.sk;
		switch (BPF_CORE_READ(sk, __sk_common.skc_family)) {
		case AF_INET:
			return filter_type(program, FILTER_TYPE_IPV4, alive);
		case AF_INET6:
			/* Whom it talks to would tell which. */
			either = filter_type(program, FILTER_TYPE_IPV4, alive);
			return either | filter_type(program, FILTER_TYPE_IPV6, alive);
		case AF_UNIX:
			return filter_type(program, FILTER_TYPE_UNIX, alive);
		case AF_NETLINK:
			return filter_type(program, FILTER_TYPE_NETLINK, alive);
		}
		return alive;
	case S_IFIFO:
		return filter_type(program, FILTER_TYPE_PIPE, alive);
	case S_IFREG:
	case S_IFCHR:
		dentry = BPF_CORE_READ(file, f_path.dentry);
		/* What has no directory is a memfd or the like: its name would tell. */
		if (BPF_CORE_READ(dentry, d_parent) == dentry)
			return alive;
		return filter_type(program, FILTER_TYPE_FILE, alive);
	}
	return alive;
}

/*
 * Whether to report the call. `choice` is the argument that is one of a list of
 * names, `flags` the one that is a set of them; only those that rules may ask for
 * have tests.
 */
static __always_inline bool filter_control(u32 call, s64 result, s64 choice, u64 flags, s32 fd)
{
	struct filter_program *program;
	struct filter_event filter;
	/* By itself: within BPF_CORE_READ the place would count as one of the kernel's types. */
	struct task_struct *task = (void *)current_subject().address;
	struct filter_image *image;
	u64 permitted, effective;
	u32 alive;

	if (!filter_begin(&filter, call, result))
		return true;
	image = filter_image(filter.slot);
	if (!image)
		return true;
	program = filter_program(image, filter.program);
	fill_capabilities(&permitted, &effective, BPF_CORE_READ(task, cred));
	alive = filter_bits(program, FILTER_ARG_FLAGS, flags, filter.alive);
	alive = filter_bits(program, FILTER_CAP_EFFECTIVE_NOW, effective, alive);
	alive = filter_bits(program, FILTER_CAP_PERMITTED_NOW, permitted, alive);
	alive = filter_number(filter.slot, filter.program, FILTER_CHOICE, choice, alive);
	alive = filter_number(filter.slot, filter.program, FILTER_DESCRIPTOR, fd, alive);
	if (alive & program->type_tests)
		alive = filter_descriptor_type(program, fd, alive);
	alive = filter_subject(filter.slot, filter.program, alive);
	return filter_end(call, alive);
}
