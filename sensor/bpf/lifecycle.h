/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Processes begin, become another program, and end. */
#pragma once

#include "file.h"
#include "filter_mark.h"

#define SB_RDONLY 1

static __always_inline void fill_inode_times(struct exec_facts *facts, struct inode *inode)
{
	struct inode___private_ctime *private = (void *)inode;
	struct inode___plain_ctime *plain = (void *)inode;

	if (bpf_core_field_exists(inode->i_ctime_sec)) {
		facts->exe_ctime_ns = BPF_CORE_READ(inode, i_ctime_sec) * 1000000000ULL +
				      BPF_CORE_READ(inode, i_ctime_nsec);
		facts->exe_mtime_ns = BPF_CORE_READ(inode, i_mtime_sec) * 1000000000ULL +
				      BPF_CORE_READ(inode, i_mtime_nsec);
		return;
	}
	if (bpf_core_field_exists(private->__i_ctime))
		facts->exe_ctime_ns = BPF_CORE_READ(private, __i_ctime.tv_sec) * 1000000000ULL +
				      BPF_CORE_READ(private, __i_ctime.tv_nsec);
	else
		facts->exe_ctime_ns = BPF_CORE_READ(plain, i_ctime.tv_sec) * 1000000000ULL +
				      BPF_CORE_READ(plain, i_ctime.tv_nsec);
	if (bpf_core_field_exists(private->__i_mtime))
		facts->exe_mtime_ns = BPF_CORE_READ(private, __i_mtime.tv_sec) * 1000000000ULL +
				      BPF_CORE_READ(private, __i_mtime.tv_nsec);
	else
		facts->exe_mtime_ns = BPF_CORE_READ(plain, i_mtime.tv_sec) * 1000000000ULL +
				      BPF_CORE_READ(plain, i_mtime.tv_nsec);
}

static __always_inline void fill_exe(struct exec_facts *facts, struct file *exe)
{
	struct inode *inode = BPF_CORE_READ(exe, f_inode);

	facts->exe_ino = BPF_CORE_READ(inode, i_ino);
	facts->exe_dev = BPF_CORE_READ(inode, i_sb, s_dev);
	facts->exe_mode = BPF_CORE_READ(inode, i_mode);
	facts->exe_uid = BPF_CORE_READ(inode, i_uid.val);
	facts->exe_gid = BPF_CORE_READ(inode, i_gid.val);
	facts->exe_bits = overlay_layer((u64)inode);
	if (BPF_CORE_READ(inode, i_sb, s_flags) & SB_RDONLY)
		facts->exe_bits |= EXE_READ_ONLY;
	fill_inode_times(facts, inode);
}

/* Longer ones are cut: all sections together must fit into the buffer. */
#define FILENAME_LEN_MAX 1024

static __always_inline u32 append_filename(struct scratch *scratch, u32 at, const char *filename)
{
	long len;

	at &= BUILD_MASK;
	opaque(at);
	at &= BUILD_MASK;
	len = bpf_probe_read_kernel_str(&scratch->data[at], FILENAME_LEN_MAX, filename);
	return len > 0 ? len & (2 * FILENAME_LEN_MAX - 1) : 0;
}

/* The new image is in place: nothing of what is read here can be raced by the old one. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *unused, s32 old_pid, struct linux_binprm *program)
{
	struct subject subject = current_subject();
	struct task_struct *task = (void *)subject.address;
	struct scratch *scratch = scratch_get();
	struct event_head *head;
	struct exec_facts *facts;
	struct cgroup *cgroup;
	struct mm_struct *mm;
	struct fs_struct *fs;
	struct file *exe;
	u64 from, to;
	u32 at = sizeof(*head) + sizeof(*facts);

	if (!scratch)
		return 0;
	head = (void *)scratch->data;
	facts = (void *)(scratch->data + sizeof(*head));
	cgroup = fill_head(head, subject, EVENT_EXEC, CALL_EXECVE);
	__builtin_memset(facts, 0, sizeof(*facts));
	fill_process(&facts->process, subject.address);
	filter_remember(head, &facts->process);

	facts->ancestors_len = append_ancestors(scratch, at, subject.task);
	at += facts->ancestors_len;
	facts->filename_len = append_filename(scratch, at, PEEK(program, filename));
	at += facts->filename_len;

	mm = BPF_CORE_READ(task, mm);
	exe = BPF_CORE_READ(mm, exe_file);
	if (exe) {
		fill_exe(facts, exe);
		facts->exe_len = append_path(at, (u64)task, (u64)&exe->f_path);
		at += facts->exe_len;
	}
	fs = BPF_CORE_READ(task, fs);
	facts->cwd_len = append_path(at, (u64)task, (u64)&fs->pwd);
	at += facts->cwd_len;
	facts->cgroup_len = append_cgroup_path(at, (u64)cgroup);
	at += facts->cgroup_len;

	from = BPF_CORE_READ(mm, arg_start);
	to = BPF_CORE_READ(mm, arg_end);
	if (from < to) {
		facts->args_len = append_user(scratch, at, from, to - from);
		at += facts->args_len;
		if (to - from > SECTION_MAX)
			facts->exe_bits |= EXE_ARGS_CUT;
	}
	from = BPF_CORE_READ(mm, env_start);
	to = BPF_CORE_READ(mm, env_end);
	if (from < to) {
		facts->env_len = append_user(scratch, at, from, to - from);
		at += facts->env_len;
		if (to - from > SECTION_MAX)
			facts->exe_bits |= EXE_ENV_CUT;
	}
	submit(scratch, at, IMPORTANCE_LIFECYCLE);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *trusted)
{
	struct subject child = {.task = trusted};
	struct subject maker = current_subject();
	struct task_struct *leader = PEEK(maker.task, group_leader);
	struct scratch *scratch;
	struct event_head *head;
	struct fork_facts *facts;

	if (PEEK(trusted, pid) != PEEK(trusted, tgid))
		return 0; /* a thread */
	bpf_probe_read_kernel(&child.address, sizeof(child.address), &ctx[1]);
	scratch = scratch_get();
	if (!scratch)
		return 0;
	head = (void *)scratch->data;
	fill_head(head, child, EVENT_FORK, CALL_OTHER);
	facts = (void *)(scratch->data + sizeof(*head));
	fill_process(&facts->process, child.address);
	filter_remember(head, &facts->process);
	facts->maker_start_ns = PEEK(leader, start_boottime);
	facts->maker_tgid = PEEK(leader, tgid);
	facts->ancestors_len =
		append_ancestors(scratch, sizeof(*head) + sizeof(*facts), child.task);
	submit(scratch, sizeof(*head) + sizeof(*facts) + facts->ancestors_len, IMPORTANCE_LIFECYCLE);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit)
{
	struct subject subject = current_subject();
	struct scratch *scratch;
	struct event_head *head;
	struct exit_facts *facts;
	struct signal_struct *signal = PEEK(subject.task, signal);

	if (PEEK(signal, live.counter) > 0)
		return 0; /* other threads go on */
	scratch = scratch_get();
	if (!scratch)
		return 0;
	head = (void *)scratch->data;
	facts = (void *)(scratch->data + sizeof(*head));
	fill_head(head, subject, EVENT_EXIT, CALL_OTHER);
	filter_forget(head);
	facts->exit_code = PEEK(subject.task, exit_code);
	facts->unused = 0;
	submit(scratch, sizeof(*head) + sizeof(*facts), IMPORTANCE_LIFECYCLE);
	return 0;
}
