//! Memory that the C library keeps though nobody uses it any more.
#![allow(unsafe_code, reason = "the C library's own function has no safe form")]

/// Gives it back to the system.
///
/// Loading takes the kernel's types apart, which are ten times what is kept of them, and glibc
/// holds on to freed memory once it has seen large pieces of it (mallopt(3), `M_TRIM_THRESHOLD`).
/// musl does not.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it touches free memory alone, under the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}
