//! Calls whose arguments are numbers, and perhaps a descriptor or one string.

use super::{
    Call, KernelPath, Problem, Socket,
    reader::{Reader, until_nul},
};

const CONTROL_LEN: usize = 168;
const _: () = assert!(CONTROL_LEN == 88 + 8 * 8 + 3 * 4 + 2 * 2);

const IS_NAMESPACE: u32 = 1;
const IS_SOCKET: u32 = 2;

/// A process changed what it is or may do, or took hold of another one; or made a copy of a
/// descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    pub result: i64,
    /// As passed. Those of a 32-bit call have their upper half empty.
    pub args: [u64; 4],
    /// After the call.
    pub cap_permitted: u64,
    pub cap_effective: u64,
    /// What the call is about, if that is a descriptor.
    pub descriptor: Option<Descriptor>,
    /// A module's parameters.
    pub text: Vec<u8>,
}

/// What a descriptor stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    pub ino: u64,
    pub dev: u32,
    /// Type and permissions.
    pub mode: u32,
    pub thing: Thing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    Socket(Box<Socket>),
    /// Of this kind, as `/proc/PID/ns` calls it: `net`.
    Namespace(Vec<u8>),
    /// A file, or something that the kernel gives out as one, which has a name of its own:
    /// `[eventfd]`.
    File(Option<KernelPath>),
}

impl Control {
    /// Whether the call, if it went well, gave the process another user namespace: by the flags,
    /// or by the descriptor where those are 0 (setns(2)).
    pub fn enters_user_namespace(&self, call: Call) -> bool {
        const CLONE_NEWUSER: u64 = 0x1000_0000;
        let [first, second, ..] = self.args;
        let is_of_users = || {
            let thing = self.descriptor.as_ref().map(|descriptor| &descriptor.thing);
            matches!(thing, Some(Thing::Namespace(kind)) if kind == b"user")
        };
        match call {
            Call::Unshare => first & CLONE_NEWUSER != 0,
            Call::Setns => second & CLONE_NEWUSER != 0 || is_of_users(),
            _ => false,
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let socket = Socket::read(reader)?;
        let result = reader.i64()?;
        let args = [reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?];
        let cap_permitted = reader.u64()?;
        let cap_effective = reader.u64()?;
        let ino = reader.u64()?;
        let dev = reader.u32()?;
        let mode = reader.u32()?;
        let bits = reader.u32()?;
        let text_len = reader.u16()?;
        let path_len = reader.u16()?;
        let text = until_nul(reader.section(text_len)?).to_vec();
        let path = KernelPath::read(reader.section(path_len)?);
        let thing = if bits & IS_SOCKET != 0 {
            Thing::Socket(Box::new(socket))
        } else if bits & IS_NAMESPACE != 0 {
            let kind = path.as_ref().and_then(|path| path.as_bytes());
            Thing::Namespace(kind.unwrap_or_default().to_vec())
        } else {
            Thing::File(path)
        };
        // Everything that a descriptor can stand for has an inode, if not always with a type.
        let descriptor = (ino != 0).then_some(Descriptor { ino, dev, mode, thing });
        Ok(Self { result, args, cap_permitted, cap_effective, descriptor, text })
    }
}
