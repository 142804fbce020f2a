//! Brings what stands on the server to what the layout says.
//!
//! ```text
//! layout ─▶ Wanted ─┐
//!                   ├▶ differences ─▶ losses? room? ─▶ create, update, or leave as it is
//! server ─▶ config ─┘
//! ```
//!
//! Promises:
//! - Nothing that is kept gets lost unless [`Setup::allow_shrink`] says so: a
//!   stream that would keep less stays as it is, and the others go on.
//! - Settings that the layout does not know stay as an operator made them,
//!   those of a newer server too: configurations are handled as the server's JSON.
//! - Nothing is ever deleted.

mod api;
mod difference;
mod room;
mod wanted;

use std::collections::BTreeMap;

use self::{
    api::{Api, Found, Refusal},
    difference::{differences, losses, unchangeable},
    room::Room,
    wanted::{Wanted, wanted},
};
pub use self::{difference::Difference, wanted::Kind};
use crate::{Cause, Connection, layout::Layout};

/// How to set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// Only says what would be done.
    pub dry_run: bool,
    /// Also takes over what makes a stream keep less: fewer bytes, hours or replicas.
    pub allow_shrink: bool,
}

/// Why nothing could be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Our certificate may not: setting up is for the admin.
    #[error("the bus refuses {subject} to our certificate; connect as the admin")]
    Denied {
        /// What the server would not take from us.
        subject: String,
    },
    /// The server did not say what we may store, or is too old.
    #[error("cannot set up on this server")]
    Account {
        /// What went wrong.
        source: Cause,
    },
    /// The server did not say how something stands.
    #[error("cannot set up {kind} {name}")]
    Unanswered {
        /// What of.
        kind: Kind,
        /// Its name.
        name: String,
        /// What went wrong.
        source: Cause,
    },
    /// Something does not stand as the layout says: see [`Connection::set_up_as`],
    /// which says of each how it stands.
    #[error("{0}")]
    Left(Box<Standing>),
}

/// How one thing of the layout stands on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Stream, bucket or consumer.
    pub kind: Kind,
    /// Its name; of a consumer also its stream: `responder of LANNER_ALERTS`.
    pub name: String,
    /// What was done, or with [`Setup::dry_run`] would be.
    pub outcome: Outcome,
}

/// What became of one thing of the layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It stands as it should.
    Unchanged,
    /// It was not there.
    Created,
    /// It was there, and other than it should be.
    Changed(Vec<Difference>),
    /// It differs, and was left as it is.
    Left {
        /// What differs; nothing if it is not there at all.
        differences: Vec<Difference>,
        /// Why it was left, and the cure.
        reason: String,
    },
}

impl Outcome {
    /// Whether it now stands as the layout says, or with [`Setup::dry_run`] would.
    pub fn is_good(&self) -> bool {
        !matches!(self, Self::Left { .. })
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: ", self.kind, self.name)?;
        let list = |differences: &[Difference]| {
            differences.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        match &self.outcome {
            Outcome::Unchanged => f.write_str("unchanged"),
            Outcome::Created => f.write_str("created"),
            Outcome::Changed(differences) => f.write_str(&list(differences)),
            Outcome::Left { differences, reason } if differences.is_empty() => {
                write!(f, "not created: {reason}")
            }
            Outcome::Left { differences, reason } => {
                write!(f, "left as it is, not {}: {reason}", list(differences))
            }
        }
    }
}

impl Connection {
    /// Creates what is missing of `layout` and changes what differs, and would
    /// lose nothing by it.
    ///
    /// # Errors
    /// When something does not stand as it should in the end.
    pub async fn set_up(&self, layout: &Layout) -> Result<Vec<Standing>, SetupError> {
        let standing = self.set_up_as(layout, Setup::default()).await?;
        match standing.iter().find(|standing| !standing.outcome.is_good()) {
            Some(left) => Err(SetupError::Left(Box::new(left.clone()))),
            None => Ok(standing),
        }
    }

    /// As [`Connection::set_up`], and one thing that cannot be does not keep the
    /// others from being set up: each says for itself how it stands.
    ///
    /// # Errors
    /// When the server does not let us, or does not answer.
    pub async fn set_up_as(
        &self,
        layout: &Layout,
        setup: Setup,
    ) -> Result<Vec<Standing>, SetupError> {
        // What is refused is not answered, and would end in a timeout.
        tokio::select! {
            subject = self.refusal_of_jetstream() => Err(SetupError::Denied { subject }),
            done = self.bring_about(layout, setup) => done,
        }
    }

    async fn bring_about(
        &self,
        layout: &Layout,
        setup: Setup,
    ) -> Result<Vec<Standing>, SetupError> {
        let api = Api::new(self);
        let wanted = wanted(layout);
        let mut found = BTreeMap::new();
        for thing in &wanted {
            if let Some(stands) =
                api.find(thing).await.map_err(|source| thing.unanswered(source))?
            {
                found.insert(thing.key(), stands);
            }
        }
        let room = api.room(&wanted, &found).await;
        let mut room = room.map_err(|source| SetupError::Account { source })?;
        let mut standing = Vec::new();
        for thing in &wanted {
            let outcome = bring(&api, thing, found.get(&thing.key()), &mut room, setup).await;
            let outcome = outcome.map_err(|source| thing.unanswered(source))?;
            standing.push(Standing { kind: thing.kind, name: thing.title(), outcome });
        }
        Ok(standing)
    }
}

async fn bring(
    api: &Api,
    thing: &Wanted,
    found: Option<&Found>,
    room: &mut Room,
    setup: Setup,
) -> Result<Outcome, Cause> {
    let Some(found) = found else {
        let left = |reason| Outcome::Left { differences: Vec::new(), reason };
        if let Err(reason) = room.take(thing.reserves(), 0) {
            return Ok(left(reason));
        }
        if setup.dry_run {
            return Ok(Outcome::Created);
        }
        return Ok(match api.create(thing).await? {
            Ok(()) => Outcome::Created,
            Err(refusal) => left(refusal.with_cure()),
        });
    };
    let differences = differences(thing, &found.config);
    if differences.is_empty() {
        return Ok(Outcome::Unchanged);
    }
    let left = |reason| Outcome::Left { differences: differences.clone(), reason };
    if let Some(cure) = unchangeable(thing, &differences) {
        return Ok(left(cure));
    }
    if !setup.allow_shrink
        && let Some(loss) = losses(&differences, found)
    {
        return Ok(left(loss));
    }
    if let Err(reason) = room.take(thing.reserves(), thing.reserved_by(&found.config)) {
        return Ok(left(reason));
    }
    if setup.dry_run {
        return Ok(Outcome::Changed(differences));
    }
    Ok(match api.update(thing, &found.config).await? {
        Ok(()) => Outcome::Changed(differences),
        Err(refusal) => left(Refusal::with_cure(&refusal)),
    })
}
