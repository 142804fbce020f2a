/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Programs that could not be started: the caller goes on as what it is. */
#pragma once

#include "file.h"
#include "syscall.h"

#define FAILED_ARGS_MAX 20
#define FAILED_ARG_LEN_MAX 256

struct exec_request {
	u64 filename; /* user address */
	u64 argv;     /* user address */
	s64 result;
	u32 flags;
	s32 dirfd;
	u16 call;
	u16 pointer_size; /* in memory */
};

REQUESTS(exec_request)

/* Appends what was asked for, which is still the caller's memory. */
static __always_inline u32 append_asked_args(struct scratch *scratch, u32 at,
					     struct exec_request *request)
{
	u32 len = 0;

	for (u32 i = 0; i < FAILED_ARGS_MAX; i++) {
		u64 address = 0;
		u64 slot = request->argv + i * request->pointer_size;
		u32 pos = (at + len) & BUILD_MASK;
		u32 size = request->pointer_size == 4 ? 4 : 8;
		long copied;

		if (len + FAILED_ARG_LEN_MAX > SECTION_MAX)
			break;
		if (bpf_probe_read_user(&address, size, (const void *)slot) != 0 || !address)
			break;
		opaque(pos);
		pos &= BUILD_MASK;
		copied = bpf_probe_read_user_str(&scratch->data[pos], FAILED_ARG_LEN_MAX,
						 (const void *)address);
		if (copied <= 0)
			break;
		len += copied & (2 * FAILED_ARG_LEN_MAX - 1);
	}
	return len;
}

REPORT(report_exec_failed, exec_request)
{
	struct subject subject = current_subject();
	struct task_struct *task = (void *)subject.address;
	struct scratch *scratch = scratch_get();
	struct event_head *head;
	struct exec_failed_facts *facts;
	u32 at = sizeof(*head) + sizeof(*facts);
	bool is_relative;

	if (!scratch || !request)
		return 0;
	head = (void *)scratch->data;
	facts = (void *)(scratch->data + sizeof(*head));
	fill_head(head, subject, EVENT_EXEC_FAILED, request->call);
	__builtin_memset(facts, 0, sizeof(*facts));
	facts->result = request->result;
	facts->dirfd = request->dirfd;
	facts->flags = request->flags;

	facts->filename_len = append_user_string(scratch, at, request->filename);
	is_relative = scratch->data[at] != '/';
	at += facts->filename_len;
	if (is_relative) {
		facts->base_len = append_base(at, task, request->dirfd);
		at += facts->base_len;
	}
	facts->args_len = append_asked_args(scratch, at, request);
	at += facts->args_len;
	submit(scratch, at, IMPORTANCE_NORMAL);
	return 0;
}

HANDLER_THAT_FILTERS(exec_failed)
{
	struct exec_request exec = {
		.result = call->result,
		.call = call->call,
		.dirfd = AT_FDCWD,
		.filename = call->args[0],
		.argv = call->args[1],
		.pointer_size = call->is_compat ? 4 : 8,
	};

	/* One that succeeded was told from the new program's side. */
	if (call->result >= 0 || !filter_call(call->call, call->result))
		return;
	if (call->call == CALL_EXECVEAT) {
		exec.dirfd = call->args[0];
		exec.filename = call->args[1];
		exec.argv = call->args[2];
		exec.flags = call->args[4];
	}
	report_exec_failed(&exec);
}
