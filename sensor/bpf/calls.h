/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The system calls that have a handler, by our own numbers: `event_head.call`.
 * What number the kernel gives each on this machine, and its name in events, is
 * in sensor/src/decode/call.rs, in the same order; a test compares the two.
 */
#pragma once

enum call {
	CALL_OTHER,
	CALL_OPEN,
	CALL_OPENAT,
	CALL_OPENAT2,
	CALL_CREAT,
	CALL_OPEN_BY_HANDLE_AT,
	CALL_EXECVE,
	CALL_EXECVEAT,
	CALL_CONNECT,
	CALL_ACCEPT,
	CALL_ACCEPT4,
	CALL_LISTEN,
	CALL_SOCKET,
	CALL_SENDTO,
	CALL_SENDMSG,
	CALL_SENDMMSG,
	CALL_RECVFROM,
	CALL_RECVMSG,
	CALL_RECVMMSG,
	CALL_DUP,
	CALL_DUP2,
	CALL_DUP3,
	CALL_UNLINK,
	CALL_UNLINKAT,
	CALL_RMDIR,
	CALL_RENAME,
	CALL_RENAMEAT,
	CALL_RENAMEAT2,
	CALL_MKDIR,
	CALL_MKDIRAT,
	CALL_LINK,
	CALL_LINKAT,
	CALL_SYMLINK,
	CALL_SYMLINKAT,
	CALL_CHMOD,
	CALL_FCHMOD,
	CALL_FCHMODAT,
	CALL_FCHMODAT2,
	CALL_SETUID,
	CALL_SETNS,
	CALL_UNSHARE,
	CALL_PTRACE,
	CALL_INIT_MODULE,
	CALL_FINIT_MODULE,
	CALL_BPF,
	CALL_USERFAULTFD,
	CALL_KILL,
	CALL_TKILL,
	CALL_TGKILL,
	CALL_RT_SIGQUEUEINFO,
	CALL_RT_TGSIGQUEUEINFO,
	CALL_PIDFD_SEND_SIGNAL,
	CALLS,
	/* 32-bit x86 has all of the socket calls behind one number, too. */
	CALL_SOCKETCALL,
};

/* Added to a call that a program made through a ring of io_uring. */
#define CALL_BY_IO_URING 0x8000
