/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The paths of a file, as text to be tested: the one that was really opened, and
 * the one that user space makes of working directory and argument. Only where
 * the two provably are the same is one of them left out.
 */
#pragma once

#include "filter_text.h"

#define FILTER_STEPS_UP 32
#define FILTER_RAW_AT 64
#define FILTER_RESOLVED_END 2048
#define FILTER_LEXICAL_END 3072
#define FILTER_DENTRY_BYTES 128
#define FILTER_INLINE_NAME 32
#define FILTER_AT_FDCWD (-100)

/* Before 6.14 or so; later the short name is in `d_shortname`. */
struct dentry___inline {
	unsigned char d_iname[FILTER_INLINE_NAME];
} __attribute__((preserve_access_index));

struct dentry___shortname {
	struct {
		unsigned char string[FILTER_INLINE_NAME];
	} d_shortname;
} __attribute__((preserve_access_index));

/* Where a walk ends up, and what it went by. */
struct filter_walk {
	u64 base_dentry; /* the directory that a relative argument starts from */
	u64 base_mount;
	u32 base_at;     /* where its path ends in the text, 0 if the walk did not meet it */
	u32 skip;        /* names to leave out, nearest first, because of `..` */
	u32 at;
	u32 name_end;
	u32 leaf_at; /* where the last name's slash stands */
	u32 is_cut;  /* the walk ended early: enough was known */
	u8 dentry[FILTER_DENTRY_BYTES + 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct filter_walk);
} filter_walks SEC(".maps");

static __always_inline struct filter_walk *filter_walk_get(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&filter_walks, &zero);
}

static __always_inline u64 filter_name_offset(void)
{
	struct dentry___inline *before = NULL;
	struct dentry___shortname *now = NULL;

	if (bpf_core_field_exists(before->d_iname))
		return bpf_core_field_offset(before->d_iname);
	if (bpf_core_field_exists(now->d_shortname))
		return bpf_core_field_offset(now->d_shortname);
	return 0;
}

static __always_inline void filter_put_word(struct filter_buffer *buffer, u32 at, u64 word)
{
	u64 *place;

	at &= FILTER_BUFFER_MASK;
	opaque(at);
	at &= FILTER_BUFFER_MASK;
	place = (u64 *)&buffer->data[at];
	*place = word;
}

static __always_inline void filter_put_byte(struct filter_buffer *buffer, u32 at, u8 byte)
{
	at &= FILTER_BUFFER_MASK;
	opaque(at);
	at &= FILTER_BUFFER_MASK;
	buffer->data[at] = byte;
}

/* Puts a short name; what stands before it is lost. */
static __always_inline void filter_put_name(struct filter_buffer *buffer, u32 at, u8 *name, u32 len)
{
	u64 *words = (u64 *)name;
	u32 last = len - 8;
	u64 *tail;

	if (len < 8) {
		filter_put_word(buffer, at + last, words[0] << (64 - 8 * len));
		return;
	}
	last &= FILTER_INLINE_NAME - 1;
	opaque(last);
	last &= FILTER_INLINE_NAME - 1;
	tail = (u64 *)(name + last);
	filter_put_word(buffer, at, words[0]);
	if (len > 16)
		filter_put_word(buffer, at + 8, words[1]);
	if (len > 24)
		filter_put_word(buffer, at + 16, words[2]);
	filter_put_word(buffer, at + last, *tail);
}

/*
 * Writes the path so that it ends at `end`; returns where it begins, or 0 when
 * it has no whole name from the root on. It goes as append_path does, which is
 * what user space shows. With `ends_early` it may be cut off in front, as
 * filter_may_fit takes it.
 */
__noinline u32 filter_walk_up(u64 path_address, u32 end, bool ends_early)
{
	struct filter_buffer *buffer = filter_buffer_get();
	struct filter_walk *walk = filter_walk_get();
	struct task_struct *task = current_subject().task;
	struct fs_struct *fs = PEEK(task, fs);
	u64 parent_at = bpf_core_field_offset(struct dentry, d_parent);
	u64 len_at = bpf_core_field_offset(struct dentry, d_name.len) - parent_at;
	u64 name_at = bpf_core_field_offset(struct dentry, d_name.name) - parent_at;
	u64 inline_at = filter_name_offset() - parent_at;
	u64 root_dentry = (u64)PEEK(fs, root.dentry);
	u64 root_mount = (u64)PEEK(fs, root.mnt);
	u64 mount_root = 0, last_mount = 0;
	u64 path[2] = {};
	u64 dentry, vfsmount;
	u32 at = end;
	u8 *bytes;
	u32 i;

	if (!buffer || !walk)
		return 0;
	bytes = walk->dentry;
	/* Fields that do not stand together are read by nobody here. */
	if (len_at > FILTER_DENTRY_BYTES - 8 || name_at > FILTER_DENTRY_BYTES - 8 ||
	    inline_at > FILTER_DENTRY_BYTES - FILTER_INLINE_NAME)
		return 0;
	if (bpf_probe_read_kernel(path, sizeof(path), (void *)path_address))
		return 0;
	vfsmount = path[bpf_core_field_offset(struct path, mnt) / 8];
	dentry = path[bpf_core_field_offset(struct path, dentry) / 8];
	for (i = 0; i < FILTER_STEPS_UP; i++) {
		u64 parent, name;
		u32 len;

		if (!walk->base_at && dentry == walk->base_dentry && vfsmount == walk->base_mount)
			walk->base_at = at;
		if (dentry == root_dentry && vfsmount == root_mount)
			goto rooted;
		if (vfsmount != last_mount) {
			mount_root = (u64)BPF_CORE_READ((struct vfsmount *)vfsmount, mnt_root);
			last_mount = vfsmount;
		}
		if (dentry == mount_root) {
			struct mount *mount =
				(void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
			struct mount *below = BPF_CORE_READ(mount, mnt_parent);

			if (below == mount)
				goto rooted;
			dentry = (u64)BPF_CORE_READ(mount, mnt_mountpoint);
			vfsmount = (u64)below + bpf_core_field_offset(struct mount, mnt);
			continue;
		}
		if (bpf_probe_read_kernel(bytes, inline_at + FILTER_INLINE_NAME,
					  (void *)(dentry + parent_at)))
			return 0;
		parent = *(u64 *)bytes;
		len = *(u32 *)(bytes + len_at);
		name = *(u64 *)(bytes + name_at);
		/* In no directory: a pipe, a memfd. */
		if (parent == dentry || !len || len > 255)
			return 0;
		if (walk->skip) {
			walk->skip--;
			dentry = parent;
			continue;
		}
		if (at - end + FILTER_TEXT_MAX < len + 16)
			return 0;
		at -= len;
		if (name - (dentry + parent_at) == inline_at && len <= FILTER_INLINE_NAME) {
			filter_put_name(buffer, at, bytes + inline_at, len);
		} else {
			u32 to = at & FILTER_BUFFER_MASK;

			opaque(to);
			to &= FILTER_BUFFER_MASK;
			len &= 0xff;
			opaque(len);
			len &= 0xff;
			if (bpf_probe_read_kernel(&buffer->data[to], len, (void *)name))
				return 0;
		}
		dentry = parent;
		at--;
		filter_put_byte(buffer, at, '/');
		if (!ends_early)
			continue;
		if (!walk->leaf_at)
			walk->leaf_at = at;
		if (walk->leaf_at - at > 9) {
			walk->is_cut = 1;
			return at + 1;
		}
	}
	return 0;
rooted:
	if (at == end) {
		at--;
		filter_put_byte(buffer, at, '/');
	}
	return at;
}

/* Of names that begin with a dot, where the bits of `dots` say: whether one is `.` or `..`. */
__noinline u32 filter_has_dots(u32 at, u64 dots)
{
	struct filter_buffer *buffer = filter_buffer_get();
	u64 second, third;

	if (!buffer)
		return 1;
	second = filter_word(buffer, at + 2);
	third = filter_word(buffer, at + 3);
	if (dots & (filter_zero_bytes(second ^ FILTER_SLASHES) | filter_zero_bytes(second)))
		return 1;
	dots &= filter_zero_bytes(second ^ FILTER_DOTS);
	return (dots & (filter_zero_bytes(third ^ FILTER_SLASHES) | filter_zero_bytes(third))) != 0;
}

/* Whether it is absolute, and none of its names is empty, `.` or `..`. */
__noinline u32 filter_is_plain(u32 at, u32 len)
{
	struct filter_buffer *buffer = filter_buffer_get();
	u32 i;

	if (!buffer || (filter_word(buffer, at) & 0xff) != '/')
		return 0;
	for (i = 0; i < FILTER_TEXT_MAX && i < len; i += 8) {
		u64 slashes = filter_zero_bytes(filter_word(buffer, at + i) ^ FILTER_SLASHES);
		u64 next = filter_word(buffer, at + i + 1);
		u64 left = len - i;

		if (left < 8)
			slashes = filter_head(slashes, left);
		/* A zero is behind the last byte. */
		if (slashes & (filter_zero_bytes(next ^ FILTER_SLASHES) | filter_zero_bytes(next)))
			return 0;
		slashes &= filter_zero_bytes(next ^ FILTER_DOTS);
		if (slashes && filter_has_dots(at + i, slashes))
			return 0;
	}
	return 1;
}

/* Whether two texts of one length are the same. */
__noinline u32 filter_is_same(u32 one, u32 other, u32 len)
{
	struct filter_buffer *buffer = filter_buffer_get();
	u32 i;

	if (!buffer)
		return 0;
	for (i = 0; i < FILTER_TEXT_MAX && i < len; i += 8) {
		u64 word = filter_word(buffer, one + i) ^ filter_word(buffer, other + i);

		if (len - i < 8)
			word = filter_head(word, len - i);
		if (word)
			return 0;
	}
	return 1;
}

/*
 * Puts one name of the argument before those that are there; `.` is none, and
 * `..` takes one away. Returns 0 when that cannot be done.
 */
__noinline u32 filter_put_before(u32 from, u32 len)
{
	struct filter_buffer *buffer = filter_buffer_get();
	struct filter_walk *walk = filter_walk_get();
	u64 name;
	u32 at;

	if (!buffer || !walk)
		return 0;
	name = filter_word(buffer, from);
	if (!len || (len == 1 && (name & 0xff) == '.'))
		return 1;
	if (len == 2 && (name & 0xffff) == 0x2e2e) {
		walk->skip++;
		return 1;
	}
	if (walk->skip) {
		walk->skip--;
		return 1;
	}
	at = walk->at - len;
	walk->at = at - 1;
	filter_put_byte(buffer, at - 1, '/');
	at &= FILTER_BUFFER_MASK;
	opaque(at);
	at &= FILTER_BUFFER_MASK;
	from &= FILTER_BUFFER_MASK;
	opaque(from);
	from &= FILTER_BUFFER_MASK;
	len &= 0xff;
	opaque(len);
	len &= 0xff;
	return !bpf_probe_read_kernel(&buffer->data[at], len, &buffer->data[from]);
}

/*
 * Writes the argument so that it ends at `end`, without empty names, `.`, and
 * `..` with what stands before it. How many more names `..` takes away is left in
 * the walk. Returns where it begins, 0 for one that has too many names.
 */
__noinline u32 filter_normalize(u32 len, u32 end)
{
	struct filter_walk *walk = filter_walk_get();
	u32 i;

	if (!walk || len >= FILTER_TEXT_MAX)
		return 0;
	walk->skip = 0;
	walk->at = end;
	/* In memory: the verifier would follow each of its values. */
	walk->name_end = len;
	for (i = 0; i < FILTER_STEPS_UP; i++) {
		u32 name = filter_last_name(FILTER_RAW_AT, walk->name_end);

		if (!filter_put_before(FILTER_RAW_AT + name, walk->name_end - name))
			return 0;
		if (name < 2)
			return walk->at;
		walk->name_end = name - 1;
	}
	return 0;
}

static __always_inline u64 filter_file_of(struct task_struct *task, u32 fd)
{
	struct files_struct *files = PEEK(task, files);
	struct fdtable *table = PEEK(files, fdt);
	u64 file = 0;

	if (!table || fd >= PEEK(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), (void *)((u64)PEEK(table, fd) + 8ULL * fd));
	return file;
}

/* The directory that an argument starts from, as the address of a struct path. */
static __always_inline u64 filter_base_of(struct subject subject, s32 dirfd)
{
	struct task_struct *task = (void *)subject.address;
	u64 file;

	if (dirfd == FILTER_AT_FDCWD)
		return (u64)BPF_CORE_READ(task, fs) + bpf_core_field_offset(struct fs_struct, pwd);
	file = filter_file_of(subject.task, dirfd);
	return file ? file + bpf_core_field_offset(struct file, f_path) : 0;
}

/* The argument as user space makes it absolute; 0 if that is not known. */
__noinline u32 filter_lexical(u32 len, u64 base, u32 end)
{
	u32 at, start;

	if (!base && filter_is_plain(FILTER_RAW_AT, len))
		return FILTER_RAW_AT;
	at = filter_normalize(len, end);
	if (!at)
		return 0;
	if (base) {
		start = filter_walk_up(base, at, false);
		if (!start)
			return 0;
		/* Of the root, only the slash that the names have already. */
		if (start != at - 1 || at == end)
			at = start;
	}
	if (at == end) {
		struct filter_buffer *buffer = filter_buffer_get();

		at--;
		if (buffer)
			filter_put_byte(buffer, at, '/');
	}
	return at;
}

/* Reads the argument; returns its length, or 0 if it is not known whole. */
__noinline u32 filter_read_raw(u64 address)
{
	struct filter_buffer *buffer = filter_buffer_get();
	long len;

	if (!buffer)
		return 0;
	len = bpf_probe_read_user_str(&buffer->data[FILTER_RAW_AT], FILTER_TEXT_MAX,
				      (void *)address);
	if (len <= 1 || len >= FILTER_TEXT_MAX)
		return 0;
	return len - 1;
}

/* Whether the argument ends as the opened file's path does, behind where both start. */
static __always_inline bool filter_is_below_base(struct filter_walk *walk, u32 raw_len)
{
	u32 at = walk->base_at ? walk->base_at + 1 : FILTER_RESOLVED_END;

	return FILTER_RESOLVED_END - at == raw_len && filter_is_same(FILTER_RAW_AT, at, raw_len);
}

/*
 * Whether the ends of both paths of an open file say that no pattern fits them.
 * Most often they do, and the rest of neither has to be read.
 */
__noinline u32 filter_ends_differ(u64 slot_and_table, u32 alive, u32 raw_len, u64 path)
{
	struct filter_image *image = filter_image(slot_and_table >> 32);
	struct filter_walk *walk = filter_walk_get();
	struct filter_paths *paths;
	u32 at;

	if (!image || !walk)
		return 0;
	paths = &image->paths[slot_and_table & (FILTER_PATHS - 1)];
	if (alive & (paths->prefix_tests | paths->needle_tests))
		return 0;
	at = filter_walk_up(path, FILTER_RESOLVED_END, true);
	if (!at || filter_may_fit(slot_and_table, at, FILTER_RESOLVED_END - at, walk->is_cut, alive))
		return 0;
	if (walk->base_dentry)
		return filter_is_below_base(walk, raw_len);
	return filter_is_plain(FILTER_RAW_AT, raw_len) &&
	       !filter_may_fit(slot_and_table, FILTER_RAW_AT, raw_len, false, alive);
}

/*
 * The clauses that are left once both paths of an open file are known; `file` is
 * 0 for a call that failed. The argument has been read.
 */
__noinline u32 filter_opened(u64 slot_and_table, u32 alive, u32 raw_len, u64 file, s32 dirfd)
{
	struct filter_buffer *buffer = filter_buffer_get();
	struct filter_walk *walk = filter_walk_get();
	u32 slot = slot_and_table >> 32;
	u32 table = slot_and_table;
	u64 base = 0;
	u32 at, len, left = 0;

	if (!buffer || !walk)
		return alive;
	walk->base_dentry = 0;
	walk->base_at = 0;
	walk->skip = 0;
	walk->leaf_at = 0;
	walk->is_cut = 0;
	if ((filter_word(buffer, FILTER_RAW_AT) & 0xff) != '/') {
		u64 path[2] = {};

		base = filter_base_of(current_subject(), dirfd);
		if (!base || bpf_probe_read_kernel(path, sizeof(path), (void *)base))
			return alive;
		walk->base_mount = path[bpf_core_field_offset(struct path, mnt) / 8];
		walk->base_dentry = path[bpf_core_field_offset(struct path, dentry) / 8];
	}
	if (file) {
		file += bpf_core_field_offset(struct file, f_path);
		if (filter_ends_differ(slot_and_table, alive, raw_len, file))
			return filter_when_nothing(slot, table, alive);
		walk->base_at = 0;
		at = filter_walk_up(file, FILTER_RESOLVED_END, false);
		if (!at)
			return alive;
		left = filter_text(slot, table, at, FILTER_RESOLVED_END - at, alive);
		if (base ? filter_is_below_base(walk, raw_len) :
			   FILTER_RESOLVED_END - at == raw_len &&
				   filter_is_same(FILTER_RAW_AT, at, raw_len))
			return left;
	}
	at = filter_lexical(raw_len, base, FILTER_LEXICAL_END);
	if (!at)
		return alive;
	len = at == FILTER_RAW_AT ? raw_len : FILTER_LEXICAL_END - at;
	if (len >= FILTER_TEXT_MAX)
		return alive;
	return left | filter_text(slot, table, at, len, alive);
}

/*
 * The clauses that are left once a path argument is known, `address` being 0
 * where the call has none. User space shows an absolute one as it was written and
 * made plain, so only where that is the same it is tested; `is_text` says that it
 * starts from nowhere.
 */
__noinline u32 filter_named(u64 slot_and_table, u32 alive, u64 address, s32 dirfd, bool is_text)
{
	struct filter_buffer *buffer = filter_buffer_get();
	struct filter_walk *walk = filter_walk_get();
	u32 slot = slot_and_table >> 32;
	u32 table = slot_and_table;
	u32 raw_len, at, len;
	u64 base = 0;

	if (!buffer || !walk || !table || !alive || !address)
		return alive;
	raw_len = filter_read_raw(address);
	if (!raw_len)
		return alive;
	walk->base_dentry = 0;
	if ((filter_word(buffer, FILTER_RAW_AT) & 0xff) != '/') {
		base = is_text ? 0 : filter_base_of(current_subject(), dirfd);
		if (!base)
			return alive;
	}
	at = filter_lexical(raw_len, base, FILTER_LEXICAL_END);
	if (!at)
		return alive;
	len = at == FILTER_RAW_AT ? raw_len : FILTER_LEXICAL_END - at;
	if (len >= FILTER_TEXT_MAX)
		return alive;
	if (!base && (len != raw_len || !filter_is_same(FILTER_RAW_AT, at, len)))
		return alive;
	return filter_text(slot, table, at, len, alive);
}
