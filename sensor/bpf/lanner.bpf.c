/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The sensor's programs. Compiled twice: as they are, and with BASE for kernels
 * that lack bpf_loop, typed task pointers and the like.
 */
#include "control.h"
#include "exec_failed.h"
#include "file_open.h"
#include "io_uring.h"
#include "lifecycle.h"
#include "messages.h"
#include "path_call.h"
#include "socket_calls.h"

/* The helpers that read kernel memory are for GPL programs only. */
char LICENSE[] SEC("license") = "GPL";
