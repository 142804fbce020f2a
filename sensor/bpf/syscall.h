/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * From a system call's return to its handler.
 *
 *   tp_btf/sys_exit ─▶ on_sys_exit ─ number ─▶ tail call ─▶ on_sys_exit_NAME ┐
 *   tp/syscalls/sys_exit_* ───────────────────────────────▶ on_return_NAME ──┴▶ handle_NAME
 *
 * Two ways in, of which the loader takes one. The first needs no tracefs and
 * sees 32-bit calls; it runs for every call of the machine, so the number is
 * looked at before anything else. The second costs the calls nobody wants less.
 *
 * What numbers mean is for user space to say: it fills `calls` and
 * `compat_calls` with what the rules want, and may change them at any time.
 */
#pragma once

#include "filter.h"
#include "process.h"

/* The kernel's numbers, to ours (enum call); 0 is a call that nobody wants. */
#define CALL_NUMBERS 512

#define CALL_TABLE(name)                          \
	struct {                                  \
		__uint(type, BPF_MAP_TYPE_ARRAY); \
		__uint(max_entries, CALL_NUMBERS);\
		__type(key, u32);                 \
		__type(value, u32);               \
	} name SEC(".maps")

CALL_TABLE(calls);
CALL_TABLE(compat_calls);
/* What socketcall's first argument means. */
CALL_TABLE(socket_calls);

/* Handlers of on_sys_exit, by enum call. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, CALLS);
	__type(key, u32);
	__type(value, u32);
} handlers SEC(".maps");

/* One call, as it returns. */
struct call_context {
	struct subject subject;
	u64 args[6];
	s64 result;
	u16 call;       /* enum call */
	bool is_compat; /* a 32-bit call: pointers in memory have four bytes */
};

static __always_inline u16 wanted_call(void *table, u32 number)
{
	u32 *call = bpf_map_lookup_elem(table, &number);

	return call ? *call : CALL_OTHER;
}

#if defined(__TARGET_ARCH_x86)

#define TS_COMPAT 2
#define X32_SYSCALL_BIT 0x40000000
#define is_compat_task(task) ((PEEK(task, thread_info.status) & TS_COMPAT) != 0)
#define call_number(regs) (PEEK(regs, orig_ax) & ~X32_SYSCALL_BIT)
#define first_arg(regs, is_compat) ((is_compat) ? PEEK(regs, bx) : PEEK(regs, di))

static __always_inline void read_args(struct call_context *call, struct pt_regs *regs)
{
	if (!call->is_compat) {
		call->args[0] = PEEK(regs, di);
		call->args[1] = PEEK(regs, si);
		call->args[2] = PEEK(regs, dx);
		call->args[3] = PEEK(regs, r10);
		call->args[4] = PEEK(regs, r8);
		call->args[5] = PEEK(regs, r9);
		return;
	}
	call->args[0] = (u32)PEEK(regs, bx);
	call->args[1] = (u32)PEEK(regs, cx);
	call->args[2] = (u32)PEEK(regs, dx);
	call->args[3] = (u32)PEEK(regs, si);
	call->args[4] = (u32)PEEK(regs, di);
	call->args[5] = (u32)PEEK(regs, bp);
}

#elif defined(__TARGET_ARCH_arm64)

#define TIF_32BIT 22
#define is_compat_task(task) ((PEEK(task, thread_info.flags) >> TIF_32BIT & 1) != 0)
#define call_number(regs) PEEK(regs, syscallno)
#define first_arg(regs, is_compat) PEEK(regs, orig_x0)

static __always_inline void read_args(struct call_context *call, struct pt_regs *regs)
{
	/* The first argument's register holds the result by now. */
	call->args[0] = PEEK(regs, orig_x0);
	call->args[1] = PEEK(regs, regs[1]);
	call->args[2] = PEEK(regs, regs[2]);
	call->args[3] = PEEK(regs, regs[3]);
	call->args[4] = PEEK(regs, regs[4]);
	call->args[5] = PEEK(regs, regs[5]);
}

#endif

/* Which call it is, or CALL_OTHER if nobody wants it. */
static __always_inline u16 call_of(struct pt_regs *regs, bool is_compat)
{
	u16 call;

	if (!is_compat)
		return wanted_call(&calls, call_number(regs));
	call = wanted_call(&compat_calls, call_number(regs));
	if (call == CALL_SOCKETCALL)
		return wanted_call(&socket_calls, first_arg(regs, true));
	return call;
}

static __always_inline bool read_call(struct call_context *call, struct pt_regs *regs, s64 result)
{
	u32 words[6] = {};

	call->subject = current_subject();
	call->is_compat = is_compat_task(call->subject.task);
	call->call = call_of(regs, call->is_compat);
	call->result = result;
	if (call->call == CALL_OTHER)
		return false;
	read_args(call, regs);
	/* Behind socketcall's number the arguments are in memory. */
	if (call->is_compat && wanted_call(&compat_calls, call_number(regs)) == CALL_SOCKETCALL) {
		if (bpf_probe_read_user(words, sizeof(words), (const void *)call->args[1]) != 0 &&
		    bpf_probe_read_user(words, sizeof(words) / 2, (const void *)call->args[1]) != 0)
			bpf_probe_read_user(words, 8, (const void *)call->args[1]);
		for (int i = 0; i < 6; i++)
			call->args[i] = words[i];
	}
	return true;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long result)
{
	struct subject subject = current_subject();
	u16 call = call_of(regs, is_compat_task(subject.task));

	if (call == CALL_OTHER || PEEK(subject.task, tgid) == own_tgid)
		return 0;
	bpf_tail_call(ctx, &handlers, call);
	return 0;
}

/* What the kernel's tracepoints of single calls pass (trace_event_raw_sys_exit). */
struct return_record {
	u64 common;
	s64 number;
	s64 result;
};

#ifdef BASE
/* bpf_task_pt_regs came with 5.15: without it there is only the first way in. */
#define RETURN_PROGRAM(name, passes)
#else
#define RETURN_PROGRAM(name, passes)                                                              \
	SEC("tp/syscalls/sys_exit")                                                       \
	int on_return_##name(struct return_record *record)                                \
	{                                                                                 \
		struct call_context call = {};                                            \
		struct task_struct *task = bpf_get_current_task_btf();                    \
                                                                                          \
		if (task->tgid == own_tgid)                                               \
			return 0;                                                         \
		if (read_call(&call, (void *)bpf_task_pt_regs(task), record->result) &&   \
		    passes(&call))                                                        \
			handle_##name(&call);                                             \
		return 0;                                                                 \
	}
#endif

/*
 * Defines a handler of one or several calls, `{ ... }` follows:
 *
 *   HANDLER(open) { ... call->args[0] ... call->result ... }
 *
 * The loader's list (source/ebpf/programs.rs) says which calls it is for. One that
 * asks the kernel filter itself, as it knows more of the event, is a HANDLER_THAT_FILTERS.
 */
#define HANDLER(name) HANDLER_IF(name, filter_by_subject)
#define HANDLER_THAT_FILTERS(name) HANDLER_IF(name, filter_by_itself)

static __always_inline bool filter_by_subject(struct call_context *call)
{
	return filter_call(call->call, call->result);
}

static __always_inline bool filter_by_itself(struct call_context *call)
{
	return true;
}

#define HANDLER_IF(name, passes)                                       \
	static __always_inline void handle_##name(struct call_context *call); \
	SEC("tp_btf/sys_exit")                                         \
	int BPF_PROG(on_sys_exit_##name, struct pt_regs *regs, long result) \
	{                                                              \
		struct call_context call = {};                         \
                                                                       \
		if (read_call(&call, regs, result) && passes(&call))   \
			handle_##name(&call);                          \
		return 0;                                              \
	}                                                              \
	RETURN_PROGRAM(name, passes)                                   \
	static __always_inline void handle_##name(struct call_context *call)
