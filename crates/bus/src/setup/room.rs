/// What the account may store, and what of it is spoken for.
///
/// The server reserves the bytes of each stream from its start, for each replica.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// `None`: the account has no bound of its own, and only the server knows.
    max: Option<u64>,
    taken: u64,
}

impl Room {
    pub(super) fn new(max: Option<u64>, taken: u64) -> Self {
        Self { max, taken }
    }

    /// Sets `wanted` bytes aside, in place of `before`; or says why they do not fit.
    pub(super) fn take(&mut self, wanted: u64, before: u64) -> Result<(), String> {
        let others = self.taken.saturating_sub(before);
        let left = self.max.map_or(u64::MAX, |max| max.saturating_sub(others));
        // What is there already, or gets smaller, is not asked whether it fits.
        if wanted > left && wanted > before {
            return Err(format!(
                "it needs {wanted} bytes, with its replicas, and {left} of the {} that the \
                 account may store are left; make streams smaller, or raise max_file_store \
                 and max_file (`lanner bus permissions --layout` prints what they have to be)",
                self.max.unwrap_or_default()
            ));
        }
        self.taken = others.saturating_add(wanted);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Room;

    #[test]
    fn the_sum_has_to_fit() {
        let mut room = Room::new(Some(100), 30);
        room.take(50, 0).unwrap();
        let error = room.take(30, 0).unwrap_err();
        assert!(error.starts_with("it needs 30 bytes, with its replicas, and 20 of"), "{error}");
        room.take(60, 50).unwrap();
        room.take(10, 0).unwrap();
        room.take(1, 0).unwrap_err();
        room.take(0, 0).unwrap();
        Room::new(None, 5).take(u64::MAX, 0).unwrap();
        Room::new(Some(1), 10).take(5, 10).unwrap();
    }
}
