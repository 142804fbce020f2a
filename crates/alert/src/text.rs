//! Texts that somebody else wrote.

/// Cuts `text` to `bytes_max` bytes, and puts `_` in place of control characters.
pub(crate) fn tame(text: &mut String, bytes_max: usize) {
    text.truncate(text.floor_char_boundary(bytes_max));
    if text.contains(char::is_control) {
        *text = text.replace(char::is_control, "_");
    }
}
