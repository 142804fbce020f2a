use lanner_alert::Priority;
use lanner_bus::Message;

/// An alert that is taken on: all that is published for it, so that publishing
/// needs no look into it again, also after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// How urgent it is: which log of the spool it waits in.
    pub priority: Priority,
    /// Where it is stored, once.
    pub message: Message,
    /// Its other subjects.
    pub copies: Vec<TagCopy>,
}

/// One more subject that an alert goes to, with the same headers and payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagCopy {
    /// Where to.
    pub subject: String,
    /// The tag in whose stream the copy is stored, published with
    /// acknowledgement under the id `<alert's id>:<tag>`; `None` for a live
    /// copy, to whoever listens now.
    pub stored: Option<String>,
}

impl Outgoing {
    /// The messages that have to be stored: the alert, and its stored copies.
    pub fn stored(&self) -> impl Iterator<Item = Message> + '_ {
        let copies = self.copies.iter().filter_map(|copy| {
            let tag = copy.stored.as_ref()?;
            Some(Message {
                subject: copy.subject.clone(),
                id: format!("{}:{tag}", self.message.id),
                ..self.message.clone()
            })
        });
        std::iter::once(self.message.clone()).chain(copies)
    }

    /// The subjects of its live copies.
    pub fn live(&self) -> impl Iterator<Item = &str> {
        self.copies.iter().filter(|copy| copy.stored.is_none()).map(|copy| copy.subject.as_str())
    }
}
