/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Whether a call that opens a file is one that some rule may want. */
#pragma once

#include "file.h"
#include "filter_path.h"

#define FILTER_S_IFMT 0170000
#define FILTER_S_IFDIR 0040000
#define FILTER_S_IFREG 0100000
#define FILTER_O_CREAT 0100
#define FILTER_O_TMPFILE 020000000
#define FILTER_FMODE_CREATED 0x100000

static __always_inline u32 filter_file_facts(struct filter_program *program, u64 file,
					     u32 flags, u32 alive)
{
	u32 mode;

	/* Another thread may already have put another file under this number. */
	if (!fits((struct file *)file, BPF_CORE_READ((struct file *)file, f_inode), flags))
		return alive;
	if (alive & program->type_tests) {
		mode = BPF_CORE_READ((struct file *)file, f_inode, i_mode) & FILTER_S_IFMT;
		if (mode == FILTER_S_IFDIR)
			alive = filter_type(program, FILTER_TYPE_DIRECTORY, alive);
		else if (mode == FILTER_S_IFREG)
			alive = filter_type(program, FILTER_TYPE_FILE, alive);
	}
	mode = BPF_CORE_READ((struct file *)file, f_mode);
	return filter_flag(program, FILTER_OPEN_CREATE,
			   mode & FILTER_FMODE_CREATED || flags & FILTER_O_TMPFILE, alive);
}

static __always_inline u32 filter_open_alive(struct filter_event *filter, u64 path, u32 flags,
					     u32 mode, s64 result, s32 dirfd, bool is_creat)
{
	struct filter_image *image = filter_image(filter->slot);
	struct task_struct *task = current_subject().task;
	u64 slot = (u64)filter->slot << 32;
	u32 alive = filter->alive;
	struct filter_program *program;
	u32 access = flags & 3;
	u64 file = 0;
	u32 raw_len;

	if (!image)
		return alive;
	program = filter_program(image, filter->program);
	alive = filter_flag(program, FILTER_OPEN_READ, !is_creat && access != 1, alive);
	alive = filter_flag(program, FILTER_OPEN_WRITE, !is_creat && access != 0, alive);
	alive = filter_flag(program, FILTER_OPEN_EXEC,
			    (flags & (FILTER_O_CREAT | FILTER_O_TMPFILE)) && (mode & 0111), alive);
	alive = filter_bits(program, FILTER_ARG_FLAGS, flags, alive);
	alive = filter_bits(program, FILTER_ARG_MODE, mode, alive);
	if (!alive)
		return 0;
	if (result >= 0) {
		file = filter_file_of(task, result);
		if (!file)
			return alive;
	} else {
		alive = filter_flag(program, FILTER_OPEN_CREATE, false, alive);
	}
	raw_len = filter_read_raw(path);
	if (!raw_len)
		return alive;
	if (program->paths[FILTER_RAW_PATH])
		alive = filter_text(filter->slot, program->paths[FILTER_RAW_PATH], FILTER_RAW_AT,
				    raw_len, alive);
	if (alive && program->paths[FILTER_PATH])
		alive = filter_opened(slot | program->paths[FILTER_PATH], alive, raw_len, file,
				      dirfd);
	if (!alive)
		return 0;
	alive = filter_process(filter->slot, filter->program, alive);
	alive = filter_ids(filter->slot, filter->program, alive);
	if (alive & program->place_tests)
		alive = filter_place(filter->slot, filter->program, alive,
				     cgroup_number((void *)deepest_cgroup(current_subject().address)));
	if (alive && file)
		alive = filter_file_facts(program, file, flags, alive);
	return alive;
}

/* Whether to report a call that opened a file, or tried to. */
static __always_inline bool filter_open(u32 call, u64 path, u32 flags, u32 mode, s64 result,
					s32 dirfd)
{
	struct filter_event filter;

	if (!filter_begin(&filter, call, result))
		return true;
	if (filter.alive)
		filter.alive = filter_open_alive(&filter, path, flags, mode, result, dirfd,
						 call == CALL_CREAT);
	return filter_end(call, filter.alive);
}
