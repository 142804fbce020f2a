//! The system calls that the kernel side reports, in the order of `bpf/calls.h`,
//! and their numbers on each machine.

/// Where a call is found in one kind of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Of programs with the machine's own word size.
    pub native: &'static [u32],
    /// Of 32-bit programs on the same machine.
    pub compat: &'static [u32],
}

macro_rules! calls {
    ($($variant:ident = $name:literal, $x86_64:expr, $x86:expr, $arm64:expr, $arm:expr;)*) => {
        /// A system call that can be reported.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Call {
            /// Not one: where the kernel side has nothing to say.
            Other,
            $($variant,)*
        }

        impl Call {
            /// All but [`Call::Other`].
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in `evt.type`.
            pub fn name(self) -> &'static str {
                match self {
                    Self::Other => "other",
                    $(Self::$variant => $name,)*
                }
            }

            /// The kernel's numbers (`arch/x86/entry/syscalls/syscall_{64,32}.tbl`,
            /// `include/uapi/asm-generic/unistd.h`, `arch/arm/tools/syscall.tbl`).
            pub fn numbers(self) -> Numbers {
                #[cfg(target_arch = "x86_64")]
                match self {
                    Self::Other => Numbers { native: &[], compat: &[] },
                    $(Self::$variant => Numbers { native: &$x86_64, compat: &$x86 },)*
                }
                #[cfg(not(target_arch = "x86_64"))]
                match self {
                    Self::Other => Numbers { native: &[], compat: &[] },
                    $(Self::$variant => Numbers { native: &$arm64, compat: &$arm },)*
                }
            }
        }
    };
}

calls! {
    Open = "open", [2], [5], [], [5];
    Openat = "openat", [257], [295], [56], [322];
    Openat2 = "openat2", [437], [437], [437], [437];
    Creat = "creat", [85], [8], [], [8];
    OpenByHandleAt = "open_by_handle_at", [304], [342], [265], [371];
    Execve = "execve", [59], [11], [221], [11];
    Execveat = "execveat", [322], [358], [281], [387];
    Connect = "connect", [42], [362], [203], [283];
    Accept = "accept", [43], [], [202], [285];
    Accept4 = "accept4", [288], [364], [242], [366];
    Listen = "listen", [50], [363], [201], [284];
    Socket = "socket", [41], [359], [198], [281];
    Sendto = "sendto", [44], [369], [206], [290];
    Sendmsg = "sendmsg", [46], [370], [211], [296];
    Sendmmsg = "sendmmsg", [307], [345], [269], [374];
    Recvfrom = "recvfrom", [45], [371], [207], [292];
    Recvmsg = "recvmsg", [47], [372], [212], [297];
    Recvmmsg = "recvmmsg", [299], [337, 417], [243], [365, 417];
    Dup = "dup", [32], [41], [23], [41];
    Dup2 = "dup2", [33], [63], [], [63];
    Dup3 = "dup3", [292], [330], [24], [358];
    Unlink = "unlink", [87], [10], [], [10];
    Unlinkat = "unlinkat", [263], [301], [35], [328];
    Rmdir = "rmdir", [84], [40], [], [40];
    Rename = "rename", [82], [38], [], [38];
    Renameat = "renameat", [264], [302], [38], [329];
    Renameat2 = "renameat2", [316], [353], [276], [382];
    Mkdir = "mkdir", [83], [39], [], [39];
    Mkdirat = "mkdirat", [258], [296], [34], [323];
    Link = "link", [86], [9], [], [9];
    Linkat = "linkat", [265], [303], [37], [330];
    Symlink = "symlink", [88], [83], [], [83];
    Symlinkat = "symlinkat", [266], [304], [36], [331];
    Chmod = "chmod", [90], [15], [], [15];
    Fchmod = "fchmod", [91], [94], [52], [94];
    Fchmodat = "fchmodat", [268], [306], [53], [333];
    Fchmodat2 = "fchmodat2", [452], [452], [452], [452];
    Setuid = "setuid", [105], [23, 213], [146], [23, 213];
    Setns = "setns", [308], [346], [268], [375];
    Unshare = "unshare", [272], [310], [97], [337];
    Ptrace = "ptrace", [101], [26], [117], [26];
    InitModule = "init_module", [175], [128], [105], [128];
    FinitModule = "finit_module", [313], [350], [273], [379];
    Bpf = "bpf", [321], [357], [280], [386];
    Userfaultfd = "userfaultfd", [323], [374], [282], [388];
    Kill = "kill", [62], [37], [129], [37];
    Tkill = "tkill", [200], [238], [130], [238];
    Tgkill = "tgkill", [234], [270], [131], [268];
    RtSigqueueinfo = "rt_sigqueueinfo", [129], [178], [138], [178];
    RtTgsigqueueinfo = "rt_tgsigqueueinfo", [297], [335], [240], [363];
    PidfdSendSignal = "pidfd_send_signal", [424], [424], [424], [424];
}

/// What stands behind 32-bit x86's `socketcall`, by its first argument
/// (`include/uapi/linux/net.h`), and the number of that call.
pub const SOCKETCALL_NUMBER: u32 = 102;
pub const SOCKETCALLS: [(u32, Call); 11] = [
    (1, Call::Socket),
    (3, Call::Connect),
    (4, Call::Listen),
    (5, Call::Accept),
    (11, Call::Sendto),
    (12, Call::Recvfrom),
    (16, Call::Sendmsg),
    (17, Call::Recvmsg),
    (18, Call::Accept4),
    (19, Call::Recvmmsg),
    (20, Call::Sendmmsg),
];

impl Call {
    /// The call of our own number, as records hold it.
    pub fn from_id(id: u16) -> Option<Self> {
        match id.checked_sub(1) {
            None => Some(Self::Other),
            Some(index) => Self::ALL.get(usize::from(index)).copied(),
        }
    }

    /// Our own number.
    pub fn id(self) -> u16 {
        self as u16
    }

    /// The call of a name in `evt.type`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|call| call.name() == name)
    }
}
