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

/* The kernel's structure is longer than what we name of it. */
static __always_inline struct upid *number_of(struct pid *pid, u32 level)
{
	void *numbers = (void *)pid + bpf_core_field_offset(struct pid, numbers);

	return numbers + level * bpf_core_type_size(struct upid);
}

/* A process's innermost pid namespace. */
struct pid_place {
	struct pid_namespace *namespace;
	u32 level;
};

/* What `pid` is called there: 0 when it is from outside (kernel/pid.c, pid_nr_ns). */
static __always_inline u32 pid_in_place(struct pid *pid, struct pid_place *place)
{
	struct upid *number = number_of(pid, place->level);

	if (place->level > BPF_CORE_READ(pid, level) ||
	    BPF_CORE_READ(number, ns) != place->namespace)
		return 0;
	return BPF_CORE_READ(number, nr);
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

static __always_inline void fill_capabilities(u64 *permitted, u64 *effective,
					      const struct cred *cred)
{
	/* Two words before 6.3, one after: eight bytes in either case. */
	bpf_core_read(permitted, 8, &cred->cap_permitted);
	bpf_core_read(effective, 8, &cred->cap_effective);
}

static __always_inline void fill_process(struct process_facts *facts, u64 task_address)
{
	struct task_struct *task = (void *)task_address;
	struct signal_struct *signal = BPF_CORE_READ(task, signal);
	struct pid *own = BPF_CORE_READ(task, group_leader, thread_pid);
	struct pid *group = BPF_CORE_READ(signal, pids[PIDTYPE_PGID]);
	struct pid *session = BPF_CORE_READ(signal, pids[PIDTYPE_SID]);
	u32 level = BPF_CORE_READ(own, level);
	struct upid *innermost = number_of(own, level);
	/* On its own: within BPF_CORE_READ the place would count as one of the kernel's types. */
	struct pid_namespace *namespace = BPF_CORE_READ(innermost, ns);
	struct pid_place place = {.namespace = namespace, .level = level};

	fill_capabilities(&facts->cap_permitted, &facts->cap_effective, BPF_CORE_READ(task, cred));
	facts->tty = tty_device((u64)signal);
	facts->sid = pid_in_host(session);
	facts->pgid = pid_in_host(group);
	facts->vpid = BPF_CORE_READ(innermost, nr);
	facts->vpgid = pid_in_place(group, &place);
	facts->pid_namespace = BPF_CORE_READ(namespace, ns.inum);
}

/*
 * Appends who started the parent, and who started that one, and so on; returns
 * the section's length. The whole of it is in the record even if user space
 * never heard of them.
 */
static __always_inline u32 append_ancestors(struct scratch *scratch, u32 at, struct task_struct *task)
{
	struct task_struct *starter = PEEK(task, real_parent);
	struct task_struct *process = PEEK(starter, group_leader);
	u32 len = 0;

	for (int i = 0; i < ANCESTORS_MAX; i++) {
		struct ancestor ancestor = {};
		u32 pos = at + len;

		starter = PEEK(process, real_parent);
		process = PEEK(starter, group_leader);
		ancestor.tgid = PEEK(process, tgid);
		if (!ancestor.tgid)
			break;
		ancestor.start_ns = PEEK(process, start_boottime);
		ancestor.exec_id = PEEK(process, self_exec_id);
		bpf_core_read(&ancestor.comm, sizeof(ancestor.comm), &process->comm);
		pos &= BUILD_MASK;
		opaque(pos);
		pos &= BUILD_MASK;
		__builtin_memcpy(&scratch->data[pos], &ancestor, sizeof(ancestor));
		len += sizeof(ancestor);
	}
	return len;
}
