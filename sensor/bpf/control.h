/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Calls by which a process changes what it is or may do, or takes hold of
 * another one: their arguments are numbers. And dup, which can make standard
 * input and output out of a connection.
 */
#pragma once

#include "conversation.h"
#include "filter_control.h"
#include "syscall.h"

#define NSFS_MAGIC 0x6e736673
#define PIDFS_MAGIC 0x50494446
#define ANON_INODE_MAGIC 0x09041934
#define PROC_MAGIC 0x9fa0
#define EBADF 9
#define NO_DESCRIPTOR (-1)
#define PTRACE_PEEK_LAST 3 /* PTRACE_PEEKTEXT, PTRACE_PEEKDATA, PTRACE_PEEKUSR */

struct control_request {
	u64 args[4];
	s64 result;
	u64 text; /* user address of a string, 0 for none */
	s32 fd;   /* the descriptor it is about, NO_DESCRIPTOR for none */
	u16 call;
};

REQUESTS(control_request)

/* A namespace's dentry has no name: the kind of it is what `/proc/PID/ns` shows. */
static __always_inline u32 append_namespace(struct scratch *scratch, u32 at, struct inode *inode)
{
	struct ns_common *common = BPF_CORE_READ(inode, i_private);
	u32 end = at + 1;

	if (!append_name(&end, at + SECTION_MAX, BPF_CORE_READ(common, ops, name)))
		return 0;
	at &= BUILD_MASK;
	opaque(at);
	at &= BUILD_MASK;
	scratch->data[at] = PATH_DETACHED;
	return end - at;
}

/* Fills in what the descriptor is; returns the length of its path section. */
static __always_inline u32 append_descriptor(struct scratch *scratch, u32 at,
					     struct control_facts *facts,
					     struct task_struct *task, s32 fd)
{
	struct file *file = file_of(task, fd);
	struct opened_socket opened = {};
	struct inode *inode;
	u16 role;

	if (!file)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	facts->ino = BPF_CORE_READ(inode, i_ino);
	facts->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	facts->inode_mode = BPF_CORE_READ(inode, i_mode);
	if ((facts->inode_mode & S_IFMT) == S_IFSOCK) {
		if (!socket_of(&opened, task, fd))
			return 0;
		facts->bits |= CONTROL_SOCKET;
		facts->socket.fd = fd;
		facts->socket.ino = opened.ino;
		fill_from_sock((u64)opened.sk);
		/* Most that a program makes its input and output are connections of its own. */
		role = known_role(&opened);
		facts->socket.bits |= role ? role : SOCKET_CLIENT;
		return 0;
	}
	if (BPF_CORE_READ(inode, i_sb, s_magic) == NSFS_MAGIC) {
		facts->bits |= CONTROL_NAMESPACE;
		return append_namespace(scratch, at, inode);
	}
	return append_path(at, (u64)task, (u64)&file->f_path);
}

/*
 * The host's id of the process that a pidfd stands for, or a folder of /proc that
 * is as good to pidfd_send_signal; 0 for anything else.
 */
static __always_inline u32 pid_behind(s32 fd)
{
	struct task_struct *task = (void *)current_subject().address;
	struct file *file = file_of(task, fd);
	struct pid *pid = NULL;
	struct inode *inode;
	void *address;

	if (!file)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	switch (BPF_CORE_READ(inode, i_sb, s_magic)) {
	case PIDFS_MAGIC:
		pid = BPF_CORE_READ(inode, i_private);
		break;
	case ANON_INODE_MAGIC: /* before 6.9 */
		pid = BPF_CORE_READ(file, private_data);
		break;
	case PROC_MAGIC:
		address = (void *)inode - bpf_core_field_offset(struct proc_inode, vfs_inode);
		address += bpf_core_field_offset(struct proc_inode, pid);
		bpf_probe_read_kernel(&pid, sizeof(pid), address);
		break;
	}
	return pid ? pid_in_host(pid) : 0;
}

REPORT(report_control, control_request)
{
	struct subject subject = current_subject();
	struct task_struct *task = (void *)subject.address;
	struct scratch *scratch = scratch_get();
	struct event_head *head;
	struct control_facts *facts;
	u32 at = sizeof(*head) + sizeof(*facts);

	if (!scratch || !request)
		return 0;
	head = (void *)scratch->data;
	facts = (void *)(scratch->data + sizeof(*head));
	fill_head(head, subject, EVENT_CONTROL, request->call);
	__builtin_memset(facts, 0, sizeof(*facts));
	facts->result = request->result;
	__builtin_memcpy(facts->args, request->args, sizeof(facts->args));
	fill_capabilities(&facts->cap_permitted, &facts->cap_effective, BPF_CORE_READ(task, cred));

	if (request->text) {
		facts->text_len = append_user_string(scratch, at, request->text);
		at += facts->text_len;
	}
	if (request->fd >= 0) {
		facts->path_len = append_descriptor(scratch, at, facts, task, request->fd);
		at += facts->path_len;
	}
	submit(scratch, at, IMPORTANCE_NORMAL);
	return 0;
}

HANDLER_THAT_FILTERS(control)
{
	struct control_request control = {
		.args = {call->args[0], call->args[1], call->args[2], call->args[3]},
		.result = call->result,
		.call = call->call,
		.fd = NO_DESCRIPTOR,
	};
	s64 choice = 0;
	u32 flags = 0;

	switch (call->call) {
	case CALL_DUP:
	case CALL_DUP2:
	case CALL_DUP3:
		control.fd = call->result >= 0 ? call->result : call->args[0];
		break;
	case CALL_SETNS:
		control.fd = call->args[0];
		flags = call->args[1];
		break;
	case CALL_UNSHARE:
		flags = call->args[0];
		break;
	case CALL_KILL:
	case CALL_TKILL:
	case CALL_RT_SIGQUEUEINFO:
		choice = (u32)call->args[1];
		break;
	case CALL_PIDFD_SEND_SIGNAL:
		choice = (u32)call->args[1];
		/* In place of the address of what the signal says. */
		control.args[2] = call->result == -EBADF ? 0 : pid_behind(call->args[0]);
		break;
	case CALL_RT_TGSIGQUEUEINFO:
	case CALL_TGKILL:
		choice = (u32)call->args[2];
		break;
	case CALL_FINIT_MODULE:
		control.fd = call->args[0];
		control.text = call->args[1];
		break;
	case CALL_INIT_MODULE:
		control.text = call->args[2];
		break;
	case CALL_BPF:
		choice = (u32)call->args[0];
		/* Fall through. */
	case CALL_USERFAULTFD:
		control.fd = call->result >= 0 ? call->result : NO_DESCRIPTOR;
		break;
	case CALL_PTRACE:
		choice = call->args[0];
		/* The word that was read is where the caller wanted it. */
		if (call->result >= 0 && call->args[0] >= 1 && call->args[0] <= PTRACE_PEEK_LAST)
			bpf_probe_read_user(&control.args[3], call->is_compat ? 4 : 8,
					    (const void *)call->args[3]);
		break;
	}
	if (filter_control(call->call, call->result, choice, flags, control.fd))
		report_control(&control);
}
