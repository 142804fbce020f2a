/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Whether a call that opens a file is one that some rule may want. */
#pragma once

#include "file.h"
#include "filter_path.h"

static __always_inline u32 filter_file_facts(struct filter_program *program, u64 file,
					     u32 flags, u32 alive)
{
	bool is_created;
	u32 mode;

	/* Another thread may already have put another file under this number. */
	if (!fits((void *)file, BPF_CORE_READ((struct file *)file, f_inode), flags))
		return alive;
	mode = BPF_CORE_READ((struct file *)file, f_inode, i_mode) & S_IFMT;
	if (mode == S_IFDIR)
		alive = filter_type(program, FILTER_TYPE_DIRECTORY, alive);
	else if (mode == S_IFREG)
		alive = filter_type(program, FILTER_TYPE_FILE, alive);
	/* As user space has it, one without a name was made, too. */
	is_created = BPF_CORE_READ((struct file *)file, f_mode) & FMODE_CREATED ||
		     flags & TMPFILE_BIT;
	return filter_flag(program, FILTER_OPEN_CREATE, is_created, alive);
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
			    (flags & (O_CREAT | TMPFILE_BIT)) && (mode & 0111), alive);
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
	alive = filter_subject(filter->slot, filter->program, alive);
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
