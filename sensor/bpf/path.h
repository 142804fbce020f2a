/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Paths of files and of control groups, by walking up their directories. */
#pragma once

#include "output.h"

/*
 * Calls `step(index, state)` until it returns 1, at most `steps` times. Without
 * the helper (before 5.17) it is a plain loop, which the verifier follows
 * through each turn: so it must be shorter.
 */
#ifdef BASE
#define PATH_STEPS_MAX 48
#define CGROUP_STEPS_MAX 12
#define LOOP(steps, step, state)                         \
	for (u32 turn = 0; turn < (steps); turn++) {     \
		if (step(turn, state))                   \
			break;                           \
	}
#define STEP static __always_inline long
#else
#define PATH_STEPS_MAX 128
#define CGROUP_STEPS_MAX 24
#define LOOP(steps, step, state) bpf_loop(steps, step, state, 0)
#define STEP static long
#endif

#define NAME_LEN_MAX 256

struct path_walk {
	struct dentry *dentry;
	struct mount *mount;
	struct dentry *root_dentry;
	struct vfsmount *root_mount;
	u32 at;
	u32 end;
	u32 status;
};

/* Appends one name; returns false when the section is full. */
static __always_inline bool append_name(u32 *at, u32 end, const void *name)
{
	struct scratch *scratch = scratch_get();
	u32 pos = *at;
	long len;

	if (!scratch || pos + NAME_LEN_MAX > end)
		return false;
	pos &= BUILD_MASK;
	opaque(pos);
	pos &= BUILD_MASK;
	len = bpf_probe_read_kernel_str(&scratch->data[pos], NAME_LEN_MAX, name);
	if (len <= 0)
		return false;
	*at += len;
	return true;
}

STEP path_step(u32 step, struct path_walk *walk)
{
	struct dentry *dentry = walk->dentry;
	struct mount *mount = walk->mount;
	struct vfsmount *vfsmount = (void *)mount + bpf_core_field_offset(struct mount, mnt);
	struct dentry *parent;

	if (dentry == walk->root_dentry && vfsmount == walk->root_mount) {
		walk->status = PATH_ROOTED;
		return 1;
	}
	if (dentry == BPF_CORE_READ(vfsmount, mnt_root)) {
		struct mount *below = BPF_CORE_READ(mount, mnt_parent);

		if (below == mount) {
			walk->status = PATH_ROOTED;
			return 1;
		}
		walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mount = below;
		return 0;
	}
	if (!append_name(&walk->at, walk->end, BPF_CORE_READ(dentry, d_name.name)))
		return 1;
	parent = BPF_CORE_READ(dentry, d_parent);
	if (parent == dentry) {
		walk->status = PATH_DETACHED;
		return 1;
	}
	walk->dentry = parent;
	return 0;
}

/*
 * Appends the path section of `path` as `task` sees it; returns its length.
 *
 * Not static, as some others here: the verifier checks a global function once
 * and by itself. Inlined, its states multiply with those of every caller. What
 * such a function takes and gives are plain numbers, so bounds are set again.
 */
__noinline u32 append_path(u32 at, u64 task_address, u64 path_address)
{
	struct task_struct *task = (void *)task_address;
	struct path *path = (void *)path_address;
	struct scratch *scratch = scratch_get();
	struct vfsmount *vfsmount = BPF_CORE_READ(path, mnt);
	struct path_walk walk = {
		.dentry = BPF_CORE_READ(path, dentry),
		.mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt),
		.root_dentry = BPF_CORE_READ(task, fs, root.dentry),
		.root_mount = BPF_CORE_READ(task, fs, root.mnt),
		.at = at + 1,
		.end = at + SECTION_MAX,
		.status = PATH_CUT,
	};

	if (!scratch || !vfsmount || !walk.dentry)
		return 0;
	LOOP(PATH_STEPS_MAX, path_step, &walk);
	at &= BUILD_MASK;
	opaque(at);
	at &= BUILD_MASK;
	scratch->data[at] = walk.status;
	return walk.at - at;
}

struct cgroup_walk {
	struct kernfs_node *node;
	u32 at;
	u32 end;
	u32 status;
};

static __always_inline struct kernfs_node *node_parent(struct kernfs_node *node)
{
	struct kernfs_node___plain_parent *old = (void *)node;

	if (bpf_core_field_exists(node->__parent))
		return BPF_CORE_READ(node, __parent);
	return BPF_CORE_READ(old, parent);
}

STEP cgroup_step(u32 step, struct cgroup_walk *walk)
{
	struct kernfs_node *node = walk->node;
	struct kernfs_node *parent = node_parent(node);

	if (!parent) {
		walk->status = PATH_ROOTED;
		return 1;
	}
	if (!append_name(&walk->at, walk->end, BPF_CORE_READ(node, name)))
		return 1;
	walk->node = parent;
	return 0;
}

__noinline u32 append_cgroup_path(u32 at, u64 cgroup_address)
{
	struct cgroup *cgroup = (void *)cgroup_address;
	struct scratch *scratch = scratch_get();
	struct cgroup_walk walk = {
		.node = BPF_CORE_READ(cgroup, kn),
		.at = at + 1,
		.end = at + 2048,
		.status = PATH_CUT,
	};

	if (!scratch || !walk.node)
		return 0;
	LOOP(CGROUP_STEPS_MAX, cgroup_step, &walk);
	at &= BUILD_MASK;
	opaque(at);
	at &= BUILD_MASK;
	scratch->data[at] = walk.status;
	return walk.at - at;
}
