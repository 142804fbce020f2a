/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Who did it: what every event says about its process. */
#pragma once

#include "path.h"

/* The sensor's own process, which must not wake itself up. */
const volatile u32 own_tgid = 0;

static __always_inline struct cgroup *deeper(struct css_set *set, struct cgroup *best, u64 subsys)
{
	struct cgroup_subsys_state *css = NULL;
	struct cgroup *cgroup;

	if (bpf_core_read(&css, sizeof(css), &set->subsys[subsys]) != 0 || !css)
		return best;
	cgroup = BPF_CORE_READ(css, cgroup);
	if (!cgroup || BPF_CORE_READ(cgroup, level) <= BPF_CORE_READ(best, level))
		return best;
	return cgroup;
}

/*
 * With cgroup v2 this is the process's only group. With v1 and the hybrid a
 * runtime may use any hierarchy, so the deepest of the usual ones is taken.
 */
__noinline u64 deepest_cgroup(u64 task_address)
{
	struct task_struct *task = (void *)task_address;
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup *best = BPF_CORE_READ(set, dfl_cgrp);

	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		best = deeper(set, best, bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id));
	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		best = deeper(set, best, bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id));
	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, cpuset_cgrp_id))
		best = deeper(set, best, bpf_core_enum_value(enum cgroup_subsys_id, cpuset_cgrp_id));
	return (u64)best;
}

/*
 * A task, twice: as a pointer whose type the verifier knows, for PEEK, and as
 * the plain number that global functions take.
 */
struct subject {
	struct task_struct *task;
	u64 address;
};

static __always_inline struct subject current_subject(void)
{
	u64 address = bpf_get_current_task();
#ifdef BASE
	struct subject subject = {.task = (void *)address, .address = address};
#else
	struct subject subject = {.task = bpf_get_current_task_btf(), .address = address};
#endif
	return subject;
}

/* Each hierarchy of v1 counts its groups on its own; the one of v2 is number 0. */
static __always_inline u64 cgroup_number(struct cgroup *cgroup)
{
	return BPF_CORE_READ(cgroup, kn, id) ^
	       ((u64)BPF_CORE_READ(cgroup, root, hierarchy_id) << 56);
}

static __always_inline struct cgroup *fill_head(struct event_head *head, struct subject subject,
						u16 kind, u16 call)
{
	struct task_struct *task = subject.task;
	struct cgroup *cgroup = (void *)deepest_cgroup(subject.address);
	struct task_struct *leader = PEEK(task, group_leader);
	struct task_struct *starter = PEEK(task, real_parent);
	struct task_struct *parent = PEEK(starter, group_leader);
	const struct cred *cred = PEEK(task, cred);

	head->time_ns = bpf_ktime_get_boot_ns();
	head->start_ns = PEEK(leader, start_boottime);
	head->parent_start_ns = PEEK(parent, start_boottime);
	head->cgroup_id = cgroup_number(cgroup);
	head->tgid = PEEK(task, tgid);
	head->tid = PEEK(task, pid);
	head->ppid = PEEK(parent, tgid);
	head->uid = PEEK(cred, euid.val);
	head->gid = PEEK(cred, egid.val);
	head->loginuid = PEEK(task, loginuid.val);
	head->exec_id = PEEK(leader, self_exec_id);
	head->parent_exec_id = PEEK(parent, self_exec_id);
	head->kind = kind;
	head->call = call;
	head->payload_len = 0;
	bpf_core_read(&head->comm, sizeof(head->comm), &task->comm);
	bpf_core_read(&head->parent_comm, sizeof(head->parent_comm), &parent->comm);
	return cgroup;
}

static __always_inline u32 pid_in_host(struct pid *pid)
{
	return BPF_CORE_READ(pid, numbers[0].nr);
}

static __always_inline u32 pid_in_own_namespace(struct pid *pid)
{
	u32 level = BPF_CORE_READ(pid, level);
	/* The kernel's structure is longer than the two words we name. */
	u64 size = bpf_core_type_size(struct upid);
	void *numbers = (void *)pid + bpf_core_field_offset(struct pid, numbers);
	struct upid *upid = numbers + level * size;

	return BPF_CORE_READ(upid, nr);
}

__noinline u32 tty_device(u64 signal_address)
{
	struct signal_struct *signal = (void *)signal_address;
	struct tty_struct *tty = BPF_CORE_READ(signal, tty);
	u32 major, minor;

	if (!tty)
		return 0;
	major = BPF_CORE_READ(tty, driver, major);
	minor = BPF_CORE_READ(tty, driver, minor_start) + BPF_CORE_READ(tty, index);
	return (minor & 0xff) | (major << 8) | ((minor & ~0xffU) << 12);
}

static __always_inline void fill_process(struct process_facts *facts, u64 task_address)
{
	struct task_struct *task = (void *)task_address;
	struct signal_struct *signal = BPF_CORE_READ(task, signal);
	struct pid *group = BPF_CORE_READ(signal, pids[PIDTYPE_PGID]);
	struct pid *session = BPF_CORE_READ(signal, pids[PIDTYPE_SID]);
	const struct cred *cred = BPF_CORE_READ(task, cred);

	/* Two words before 6.3, one after: eight bytes in either case. */
	bpf_core_read(&facts->cap_permitted, 8, &cred->cap_permitted);
	bpf_core_read(&facts->cap_effective, 8, &cred->cap_effective);
	facts->tty = tty_device((u64)signal);
	facts->sid = pid_in_host(session);
	facts->pgid = pid_in_host(group);
	facts->vpid = pid_in_own_namespace(BPF_CORE_READ(task, group_leader, thread_pid));
	facts->vpgid = pid_in_own_namespace(group);
	facts->unused = 0;
}
