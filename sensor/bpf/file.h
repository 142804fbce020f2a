/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What stands behind a descriptor. */
#pragma once

#include "process.h"

#define AT_FDCWD (-100)
#define OVERLAYFS_MAGIC 0x794c7630
#define FMODE_CREATED 0x100000
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFREG 0100000
#define S_IFIFO 0010000
#define S_IFCHR 0020000
#define S_IFLNK 0120000
#define S_IFDIR 0040000

#define O_ACCMODE 3
#define O_RDWR 2
#define O_CREAT 0100
#define O_PATH 010000000
#define TMPFILE_BIT 020000000 /* O_TMPFILE without O_DIRECTORY, which is part of it */
#if defined(__TARGET_ARCH_arm64)
#define O_DIRECTORY 040000
#define O_NOFOLLOW 0100000
#else
#define O_DIRECTORY 0200000
#define O_NOFOLLOW 0400000
#endif

/* What stays in a file of how it was opened, and nobody can change. */
#define FLAGS_KEPT (O_ACCMODE | O_PATH | O_DIRECTORY | O_NOFOLLOW | TMPFILE_BIT)

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
 * Whether this file can be what the call opened. Another thread may have put
 * one of its own under the number since.
 */
static __always_inline bool fits(struct file *file, struct inode *inode, u64 asked)
{
	u32 type = BPF_CORE_READ(inode, i_mode) & S_IFMT;

	/* As fs/open.c: O_PATH drops what it has no use for. */
	if (asked & O_PATH)
		asked &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
	if ((BPF_CORE_READ(file, f_flags) ^ asked) & FLAGS_KEPT)
		return false;
	if (BPF_CORE_READ(file, f_mode) & FMODE_CREATED && !(asked & (O_CREAT | TMPFILE_BIT)))
		return false;
	/* What has no type is in no directory either: an eventfd and its like. */
	if (type == 0)
		return false;
	if (asked & O_PATH)
		return true;
	if (type == S_IFSOCK || type == S_IFLNK)
		return false;
	if (asked & TMPFILE_BIT)
		return type != S_IFDIR;
	if (asked & O_DIRECTORY)
		return type == S_IFDIR;
	return type != S_IFDIR || !(asked & O_ACCMODE);
}

/*
 * A path argument with its NUL: the program's own memory, or the copy that the
 * kernel made of it before it queued the call (io_uring).
 */
static __always_inline u32 append_text(struct scratch *scratch, u32 at, u64 address, bool in_kernel)
{
	long len;

	if (!in_kernel)
		return append_user_string(scratch, at, address);
	at &= BUILD_MASK;
	opaque(at);
	at &= BUILD_MASK;
	len = bpf_probe_read_kernel_str(&scratch->data[at], SECTION_MAX, (const void *)address);
	return len > 0 ? len & SECTION_MAX : 0;
}

/* Whether the text that was appended at `at` starts from a directory of the program's. */
static __always_inline bool is_relative(struct scratch *scratch, u32 at, u32 len)
{
	at &= BUILD_MASK;
	opaque(at);
	at &= BUILD_MASK;
	return len > 0 && scratch->data[at] != '/';
}

/* Appends the path section of what a path argument beside `dirfd` starts from. */
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

/* Tells user space where absolute paths start from; 0 if that is not known. */
static __always_inline u32 root_mount(struct task_struct *task)
{
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	struct vfsmount *vfsmount = BPF_CORE_READ(fs, root.mnt);
	struct mount *mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
	u32 id;

	if (!vfsmount)
		return 0;
	id = BPF_CORE_READ(mount, mnt_id);
	if (BPF_CORE_READ(fs, root.dentry) == BPF_CORE_READ(vfsmount, mnt_root))
		id |= ROOT_OF_MOUNT;
	return id;
}

/*
 * Overlayfs keeps its own inode around the one of the VFS, and the pointer to
 * the upper layer's dentry directly behind it. It is NULL for a file that is
 * still the image's own.
 */
__noinline u32 overlay_layer(u64 inode_address)
{
	struct inode *inode = (void *)inode_address;
	struct dentry *upper = NULL;

	if (BPF_CORE_READ(inode, i_sb, s_magic) != OVERLAYFS_MAGIC)
		return 0;
	bpf_probe_read_kernel(&upper, sizeof(upper), (void *)inode + bpf_core_type_size(struct inode));
	if (upper && BPF_CORE_READ(upper, d_inode))
		return EXE_UPPER_LAYER;
	return EXE_LOWER_LAYER;
}
