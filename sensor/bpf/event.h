/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What crosses the ring buffer: same layout as the structures in
 * sensor/src/decode.rs, which checks the same sizes. Change both together.
 *
 * A record is an event_head, the facts of its kind, and then the kind's
 * variable sections in the order of their `*_len` fields.
 *
 * A path section is one status byte (enum path_status) and then the names of
 * the path from the last to the first, each with a NUL behind it: the walk goes
 * from leaf to root, and turning it round is cheaper in user space.
 */
#pragma once

#include "calls.h"
#include "core_types.h"

/* A family of events; also the index of its counters. */
enum event_kind {
	EVENT_EXEC = 1,
	EVENT_FORK = 2,
	EVENT_EXIT = 3,
	EVENT_OPEN = 4,
	EVENT_CONNECT = 5,
	EVENT_PATH_CALL = 6,
	EVENT_ACCEPT = 7,
	EVENT_SOCKET = 8,  /* socket, listen */
	EVENT_MESSAGE = 9, /* what goes through a socket */
	EVENT_CONTROL = 10,
	EVENT_EXEC_FAILED = 11,
	EVENT_KINDS,
};

enum path_status {
	PATH_ROOTED = 1,   /* the walk ended at the process's root */
	PATH_DETACHED = 2, /* no directory holds it: a memfd, a pipe */
	PATH_CUT = 3,      /* too deep or too long: the first names are missing */
};

struct event_head {
	u64 time_ns;         /* since boot, CLOCK_BOOTTIME */
	u64 start_ns;        /* when the process began, same clock */
	u64 parent_start_ns; /* when its parent began */
	u64 cgroup_id;       /* of the deepest control group it is in, and its hierarchy */
	u32 tgid;            /* in the host's pid namespace, as are all of these */
	u32 tid;
	u32 ppid;
	u32 uid;             /* effective */
	u32 gid;             /* effective */
	u32 loginuid;
	u32 exec_id;        /* how often it and its forebears became another program */
	u32 parent_exec_id; /* the same of its parent */
	u16 kind;           /* enum event_kind */
	u16 call;           /* enum call; CALL_OTHER for fork and exit; see CALL_BY_IO_URING */
	u32 payload_len;    /* bytes after this head */
	char comm[16];
	char parent_comm[16];
};
_Static_assert(sizeof(struct event_head) == 104, "HEAD_LEN in decode.rs");

/* What fork and exec both tell about a process. */
struct process_facts {
	u64 cap_permitted;
	u64 cap_effective;
	u32 tty;   /* device number, 0 for none */
	u32 sid;   /* session */
	u32 pgid;
	u32 vpid;  /* in its own pid namespace, 0 when the group is not of it */
	u32 vpgid;
	u32 pid_namespace; /* inode number */
};
_Static_assert(sizeof(struct process_facts) == 40, "PROCESS_LEN in decode.rs");

/*
 * Ancestors above the parent, which is in the head: the first is the parent's
 * parent. Fewer when the machine's first process is reached.
 */
#define ANCESTORS_MAX 8

struct ancestor {
	u64 start_ns;
	u32 tgid;
	u32 exec_id;
	char comm[16];
};
_Static_assert(sizeof(struct ancestor) == 32, "ANCESTOR_LEN in decode.rs");

struct fork_facts {
	struct process_facts process;
	u64 maker_start_ns; /* of the process that called: with CLONE_PARENT not the parent */
	u32 maker_tgid;
	u32 ancestors_len; /* section: struct ancestor each */
};
_Static_assert(sizeof(struct fork_facts) == 56, "FORK_LEN in decode.rs");

enum exe_bits {
	EXE_UPPER_LAYER = 1, /* overlayfs, and the file is in the upper layer */
	EXE_LOWER_LAYER = 2, /* overlayfs, and it is not */
	EXE_READ_ONLY = 4,   /* the file system is mounted read-only */
	EXE_ARGS_CUT = 8,    /* there are more arguments than were sent */
	EXE_ENV_CUT = 16,    /* the same of the environment */
};

struct exec_facts {
	struct process_facts process;
	u64 exe_ino;
	u64 exe_ctime_ns;
	u64 exe_mtime_ns;
	u32 exe_dev;
	u32 exe_mode;
	u32 exe_uid;
	u32 exe_gid;
	u32 exe_bits;
	u16 ancestors_len; /* struct ancestor each; first, where there is room in any case */
	u16 filename_len;  /* the path asked for, with its NUL */
	u16 exe_len;    /* path section */
	u16 cwd_len;    /* path section */
	u16 cgroup_len; /* path section */
	u16 args_len;   /* NUL-separated */
	u16 env_len;    /* NUL-separated */
	u16 unused[3];
};
_Static_assert(sizeof(struct exec_facts) == 104, "EXEC_LEN in decode.rs");

struct exit_facts {
	u32 exit_code;
	u32 unused;
};
_Static_assert(sizeof(struct exit_facts) == 8, "EXIT_LEN in decode.rs");

/* Added to a mount's id: the directory meant is the mount's own root. */
#define ROOT_OF_MOUNT 0x80000000

enum open_bits {
	OPEN_CREATED = 1,     /* this call made the file */
	OPEN_UPPER_LAYER = 2, /* overlayfs, and the file is in the upper layer */
	OPEN_LOWER_LAYER = 4, /* overlayfs, and it is not */
	OPEN_UNSEEN = 8,      /* the descriptor may have another file by now, or none */
};

struct open_facts {
	s64 result; /* the new descriptor, or minus the error number */
	u64 ino;
	u32 dev;
	u32 inode_mode; /* 0 when there is no file */
	u32 flags;      /* as asked, O_* of the machine */
	u32 mode;       /* as asked */
	u32 resolve;    /* as asked, RESOLVE_* of openat2 */
	s32 dirfd;      /* for open_by_handle_at the descriptor of the mount */
	u32 bits;
	u16 raw_len;      /* the path argument, with its NUL */
	u16 resolved_len; /* path section: the file that was really opened */
	u16 base_len;     /* path section: what a relative argument starts from */
	u16 unused;
	u32 root; /* of a call that is still to be done, as in path_call_facts */
};
_Static_assert(sizeof(struct open_facts) == 56, "OPEN_LEN in decode.rs");

enum socket_bits {
	SOCKET_HAS_LOCAL = 1,  /* `local` is known */
	SOCKET_HAS_REMOTE = 2, /* `remote` is known */
	SOCKET_CONNECTED = 4,  /* and the socket itself is bound to talk to it alone */
	SOCKET_CHANGED = 8,    /* this call gave it another peer than the one before */
	SOCKET_CLIENT = 16,    /* the process began the conversation */
	SOCKET_SERVER = 32,    /* the other end did */
	SOCKET_LOCAL_INFERRED = 64, /* bound to any address: `local` is what its peer would see */
};

/* Of all calls on sockets: how the socket is after the call. */
struct socket_facts {
	s64 result;       /* of one message of several: its length */
	u64 ino;          /* of the descriptor; 0 when there is no socket */
	s32 fd;           /* accept and socket: the new one, or minus the error number */
	u32 asked_type;   /* socket: its second argument, flags and all; accept4: its flags */
	u32 asked_number; /* socket: its third argument; listen: how many may wait; messages: bytes */
	u32 queue_len;    /* accept: how many wait still */
	u32 queue_max;
	u16 family;       /* AF_*, 0 when there is no socket */
	u16 type;         /* SOCK_* */
	u16 protocol;     /* IPPROTO_* */
	u16 bits;         /* enum socket_bits */
	u16 local_port;   /* host order, as the other */
	u16 remote_port;
	u8 local[16];     /* 4 bytes used for IPv4 */
	u8 remote[16];
	u16 given_len;    /* section: sun_path as the program gave it */
	u16 bound_len;    /* section: sun_path as its owner bound it */
	u16 data_len;     /* section: what was sent or received, its first bytes */
	u16 unused;
};
_Static_assert(sizeof(struct socket_facts) == 88, "SOCKET_LEN in decode/socket.rs");

/*
 * A call that changes what a directory holds, or a file's mode. The paths are
 * what the program passed: as such a call returns, what it named may be gone.
 */
struct path_call_facts {
	s64 result;
	s32 dirfd;       /* AT_FDCWD where the call has none; the descriptor of fchmod */
	s32 other_dirfd; /* -1 where the other path is no path of this call: a link's target */
	u32 flags;
	u32 mode;
	u32 inode_mode;     /* of the file behind dirfd, 0 for none */
	u16 path_len;       /* the first path argument (of symlink the new link), with its NUL */
	u16 other_len;      /* the second, with its NUL */
	u16 base_len;       /* path section: what the first starts from, and what dirfd is */
	u16 other_base_len; /* path section: the same of the second, unless it is the same */
	u32 root; /* id of the mount that the process's root is on, and ROOT_OF_MOUNT */
};
_Static_assert(sizeof(struct path_call_facts) == 40, "PATH_CALL_LEN in decode.rs");

/* execve or execveat that failed: the process is what it was. */
struct exec_failed_facts {
	s64 result;
	s32 dirfd;
	u32 flags;
	u16 filename_len; /* the path asked for, with its NUL */
	u16 base_len;     /* path section: what a relative one starts from */
	u16 args_len;     /* NUL-separated, as asked for */
	u16 unused;
};
_Static_assert(sizeof(struct exec_failed_facts) == 24, "EXEC_FAILED_LEN in decode.rs");

enum control_bits {
	CONTROL_NAMESPACE = 1, /* the descriptor is a namespace, its path the kind of it */
	CONTROL_SOCKET = 2,    /* the descriptor is a socket */
};

/* A call whose arguments are numbers, and perhaps a descriptor or one string. */
struct control_facts {
	struct socket_facts socket; /* first, where socket.h fills it in; its sections stay empty */
	s64 result;
	u64 args[4]; /* as passed */
	u64 cap_permitted; /* after the call, as all of it */
	u64 cap_effective;
	u64 ino; /* of the descriptor the call is about, as the next two */
	u32 dev;
	u32 inode_mode; /* 0 when there is none */
	u32 bits;
	u16 text_len; /* string, with its NUL */
	u16 path_len; /* path section */
};
_Static_assert(sizeof(struct control_facts) == 168, "CONTROL_LEN in decode.rs");
