/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The sensor's programs, one object for all of them.
 *
 * This file says which system call goes where. `tp_btf/sys_exit` is the base
 * that must do: it needs no tracefs and sees 32-bit calls too. It runs for every
 * system call of the machine, so the number is looked at before anything else.
 */
#include "connect.h"
#include "file_open.h"
#include "lifecycle.h"

struct arguments {
	u64 first, second, third, fourth;
};

#if defined(__TARGET_ARCH_x86)

#define TS_COMPAT 2
#define X32_SYSCALL_BIT 0x40000000
#define SOCKETCALL_CONNECT 3

static __always_inline u16 call_of_64(u64 nr)
{
	switch (nr & ~X32_SYSCALL_BIT) {
	case 2:
		return CALL_OPEN;
	case 42:
		return CALL_CONNECT;
	case 85:
		return CALL_CREAT;
	case 257:
		return CALL_OPENAT;
	case 437:
		return CALL_OPENAT2;
	}
	return CALL_OTHER;
}

static __always_inline u16 call_of_32(u64 nr)
{
	switch (nr) {
	case 5:
		return CALL_OPEN;
	case 8:
		return CALL_CREAT;
	case 102:
		return CALL_SOCKETCALL;
	case 295:
		return CALL_OPENAT;
	case 362:
		return CALL_CONNECT;
	case 437:
		return CALL_OPENAT2;
	}
	return CALL_OTHER;
}

static __always_inline u16 read_call(struct pt_regs *regs, struct arguments *arguments)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 nr = regs->orig_ax;
	u32 words[3] = {};
	u16 call;

	if (!(task->thread_info.status & TS_COMPAT)) {
		call = call_of_64(nr);
		arguments->first = regs->di;
		arguments->second = regs->si;
		arguments->third = regs->dx;
		arguments->fourth = regs->r10;
		return call;
	}
	call = call_of_32(nr);
	arguments->first = (u32)regs->bx;
	arguments->second = (u32)regs->cx;
	arguments->third = (u32)regs->dx;
	arguments->fourth = (u32)regs->si;
	if (call != CALL_SOCKETCALL)
		return call;
	if (arguments->first != SOCKETCALL_CONNECT)
		return CALL_OTHER;
	bpf_probe_read_user(words, sizeof(words), (const void *)arguments->second);
	arguments->first = words[0];
	arguments->second = words[1];
	arguments->third = words[2];
	return CALL_CONNECT;
}

#elif defined(__TARGET_ARCH_arm64)

static __always_inline u16 read_call(struct pt_regs *regs, struct arguments *arguments)
{
	/* The first argument's register holds the result by now. */
	arguments->first = regs->orig_x0;
	arguments->second = regs->regs[1];
	arguments->third = regs->regs[2];
	arguments->fourth = regs->regs[3];
	switch (regs->syscallno) {
	case 56:
		return CALL_OPENAT;
	case 203:
		return CALL_CONNECT;
	case 437:
		return CALL_OPENAT2;
	}
	return CALL_OTHER;
}

#endif

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long result)
{
	struct arguments arguments;
	struct open_request open = {.result = result, .dirfd = AT_FDCWD};
	u16 call = read_call(regs, &arguments);

	if (call == CALL_OTHER || bpf_get_current_pid_tgid() >> 32 == own_tgid)
		return 0;
	switch (call) {
	case CALL_CONNECT:
		report_connect(arguments.first, arguments.second, arguments.third, result);
		return 0;
	case CALL_OPEN:
		open.path = arguments.first;
		open.flags = arguments.second;
		open.mode = arguments.third;
		break;
	case CALL_CREAT:
		open.path = arguments.first;
		open.flags = CREAT_FLAGS;
		open.mode = arguments.second;
		break;
	case CALL_OPENAT:
		open.dirfd = arguments.first;
		open.path = arguments.second;
		open.flags = arguments.third;
		open.mode = arguments.fourth;
		break;
	case CALL_OPENAT2:
		open.dirfd = arguments.first;
		open.path = arguments.second;
		read_open_how(&open, arguments.third);
		break;
	}
	open.call = call;
	report_open(&open);
	return 0;
}

/* The helpers that read kernel memory are for GPL programs only. */
char LICENSE[] SEC("license") = "GPL";
