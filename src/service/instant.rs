//! The instant of a use case, and restarting a use case that waited for too long (R30).
//!
//! While a use case waits for locks, a window can open, a token expire, or a day end. So it reads the clock only once
//! it holds the locks. If a locked pack's window has opened by then, that is carried out first, in its own transaction,
//! and the use case starts again.

use crate::domain::Instant;
use crate::domain::id::{AccountId, PackId};
use crate::domain::packs::Pack;
use crate::service::releases::{open_all_due, open_if_due};
use crate::store::releases::windows::{self, Publishers};
use crate::store::{Snapshot, Tx};

use super::Services;
use super::error::{Error, Failure, Outcome};

/// How often a use case is attempted. More than twice is rare, because something else must become due during each
/// attempt.
const TRIES: usize = 5;

/// The packs that a use case touches.
#[derive(Clone, Copy, Debug)]
pub(super) enum Touched {
    /// One pack of a publisher.
    Pack(AccountId, PackId),
    /// Any of a publisher's packs.
    PacksOf(AccountId),
}

impl Services {
    /// The time in a transaction. To be called once the transaction holds all locks that the use case waits for.
    pub(super) fn now(&self, _tx: &Tx) -> Instant {
        self.clock.now()
    }

    /// A snapshot for a look-up of a caller, before the use case's transaction. Drop it before the transaction begins,
    /// because a call that holds a connection must not wait for another one.
    pub(super) fn look_up<S: Copy>(&self, scope: S) -> Snapshot<S> {
        self.db.snapshot(scope, self.clock.now())
    }

    /// The time for a use case that holds packs.
    ///
    /// # Errors
    /// [`Failure::Overtaken`] when a pack's window, or a stage of its release, has opened and that wasn't carried out
    /// yet.
    pub(super) fn instant<'p>(&self, tx: &Tx, packs: impl IntoIterator<Item = &'p Pack>) -> Result<Instant, Failure> {
        let now = self.now(tx);
        if packs.into_iter().any(|pack| pack.standing.has_due(now)) { Err(Failure::Overtaken) } else { Ok(now) }
    }

    /// The time for a batch that decides by the standings of locked packs.
    ///
    /// # Errors
    /// [`Failure::Overtaken`] when a pack's window has opened by the clock, but the clock isn't trusted (R40). A server
    /// with a trusted clock opens the window, or does the batch. With a trusted clock the batch goes on: a window that
    /// can't be opened must not hold up the grants of a publisher's other packs.
    pub(super) fn instant_of_batch<'p>(
        &self,
        tx: &Tx,
        packs: impl IntoIterator<Item = &'p Pack>,
    ) -> Result<Instant, Failure> {
        if self.clock.is_trusted() { Ok(self.now(tx)) } else { self.instant(tx, packs) }
    }

    /// [`Services::instant`] for packs that are given by their ids.
    pub(super) async fn instant_of(&self, tx: &Tx, packs: &[PackId]) -> Result<Instant, Failure> {
        let now = self.now(tx);
        if windows::any_due(tx, Publishers::All, packs, now).await? { Err(Failure::Overtaken) } else { Ok(now) }
    }

    /// Carries out the due windows of these packs.
    pub(super) async fn open_what_is_due(&self, touched: Touched) -> Result<(), Failure> {
        let now = self.clock.now();
        match touched {
            Touched::Pack(publisher, pack) => {
                open_if_due(self, Publishers::Only(publisher), pack, now).await?;
                Ok(())
            }
            Touched::PacksOf(publisher) => open_all_due(self, publisher, now).await,
        }
    }

    /// Carries out the due windows of the packs that a use case touches, and then runs the use case. Repeats both while
    /// it is [overtaken](Failure::Overtaken).
    ///
    /// # Errors
    /// Those of `attempt`, and [`Failure::Unavailable`] when every attempt was overtaken.
    pub(super) async fn after_due_windows<T, R, F>(&self, touched: Touched, attempt: impl Fn() -> F) -> Outcome<T, R>
    where
        F: Future<Output = Outcome<T, R>>,
    {
        for _ in 0..TRIES {
            self.open_what_is_due(touched).await?;
            match attempt().await {
                Err(Error::Failed(Failure::Overtaken)) => {}
                other => return other,
            }
        }
        let why = "the objects of a call kept changing while the call waited for their locks";
        Err(Failure::Unavailable(why.into()).into())
    }
}
