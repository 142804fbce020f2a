//! A program that makes a few system calls and ends: for those that no safe
//! function makes. It is written as the bytes of a file and run as a program;
//! x86-64 alone.
//!
//! ```text
//! ELF head, one loaded segment │ code: for each call its registers and `syscall` │ exit(0) │ texts
//! ```

use std::{
    fs::File,
    io::Write as _,
    os::unix::{fs::OpenOptionsExt as _, process::CommandExt as _},
    path::Path,
    process::Command,
};

use anyhow::Context as _;

/// Where the file is loaded: below 4 GiB, since 32-bit calls take addresses too.
const BASE: u32 = 0x40_0000;
const HEADS: u32 = 64 + 56;

/// How the kernel is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// `syscall`, with the numbers of `arch/x86/entry/syscalls/syscall_64.tbl`.
    Syscall,
    /// `int 0x80`, with those of `syscall_32.tbl`.
    Int80,
}

/// One call: its number and its first three arguments.
pub(super) struct Call {
    pub(super) gate: Gate,
    pub(super) number: u32,
    pub(super) arguments: [Argument; 3],
}

pub(super) enum Argument {
    Number(u32),
    /// The address of these bytes.
    Bytes(Vec<u8>),
}

/// Writes the program that makes these calls.
pub(super) fn write(file: &Path, calls: &[Call]) -> anyhow::Result<()> {
    let mut program = File::options()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(file)
        .with_context(|| format!("cannot make {}", file.display()))?;
    program.write_all(&program_of(calls)).context("cannot write a program")
}

/// Runs the program in place of this process.
pub(super) fn run(file: &Path, args: &[&str]) -> anyhow::Error {
    let name = file.file_name().unwrap_or_default();
    anyhow::Error::new(Command::new(file).arg0(name).args(args).env_clear().exec())
        .context("cannot run a program of system calls")
}

fn program_of(calls: &[Call]) -> Vec<u8> {
    // Each call is of the same length, so the texts' addresses are known at once.
    const CALL_LEN: u32 = 4 * 5 + 2;
    const EXIT_LEN: u32 = 5 + 2 + 2;
    let count = u32::try_from(calls.len()).unwrap_or(u32::MAX);
    let texts_at = BASE + HEADS + count * CALL_LEN + EXIT_LEN;
    let (mut code, mut texts) = (Vec::new(), Vec::new());
    for call in calls {
        // mov r32, imm32: eax first, then the arguments' registers of this gate.
        let registers: [u8; 3] = match call.gate {
            Gate::Syscall => [0xbf, 0xbe, 0xba], // edi, esi, edx
            Gate::Int80 => [0xbb, 0xb9, 0xba],   // ebx, ecx, edx
        };
        code.push(0xb8);
        code.extend(call.number.to_le_bytes());
        for (register, argument) in registers.into_iter().zip(&call.arguments) {
            let value = match argument {
                Argument::Number(number) => *number,
                Argument::Bytes(bytes) => {
                    let at = texts_at + u32::try_from(texts.len()).unwrap_or_default();
                    texts.extend_from_slice(bytes);
                    at
                }
            };
            code.push(register);
            code.extend(value.to_le_bytes());
        }
        code.extend(match call.gate {
            Gate::Syscall => [0x0f, 0x05],
            Gate::Int80 => [0xcd, 0x80],
        });
    }
    code.push(0xb8); // mov eax, exit
    code.extend(60_u32.to_le_bytes());
    code.extend([0x31, 0xff]); // xor edi, edi
    code.extend([0x0f, 0x05]); // syscall

    let len = u64::from(HEADS) + code.len() as u64 + texts.len() as u64;
    let mut file = elf_heads(len);
    file.extend(code);
    file.extend(texts);
    file
}

/// As in `include/uapi/linux/elf.h`: `Elf64_Ehdr`, and one `Elf64_Phdr`.
fn elf_heads(file_len: u64) -> Vec<u8> {
    let mut heads = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    let half = |heads: &mut Vec<u8>, value: u16| heads.extend(value.to_le_bytes());
    let word = |heads: &mut Vec<u8>, value: u32| heads.extend(value.to_le_bytes());
    let long = |heads: &mut Vec<u8>, value: u64| heads.extend(value.to_le_bytes());
    half(&mut heads, 2); // an executable
    half(&mut heads, 62); // for x86-64
    word(&mut heads, 1);
    long(&mut heads, u64::from(BASE + HEADS)); // its first instruction
    long(&mut heads, 64); // the program heads follow
    long(&mut heads, 0);
    word(&mut heads, 0);
    for value in [64, 56, 1, 0, 0, 0] {
        half(&mut heads, value);
    }
    word(&mut heads, 1); // to be loaded
    word(&mut heads, 7); // to be read, written and run
    long(&mut heads, 0);
    long(&mut heads, u64::from(BASE));
    long(&mut heads, u64::from(BASE));
    long(&mut heads, file_len);
    long(&mut heads, file_len);
    long(&mut heads, 0x1000);
    heads
}
