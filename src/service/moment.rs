//! The instant that a use case goes by, and beginning anew when it waited for too long (R30).
//!
//! A use case waits for locks, and time passes meanwhile: a window opens, a token expires, a day is over. So the
//! clock is read once the locks are held, and nowhere before. What has become due of a locked pack by then is
//! carried out first, in a transaction of its own, and the use case begins anew.

use crate::domain::Instant;
use crate::domain::id::{AccountId, PackId};
use crate::domain::packs::Pack;
use crate::service::releases::opening::{open_all_due, open_if_due};
use crate::store::Tx;
use crate::store::releases::windows;

use super::Services;
use super::error::{Error, Failure, Outcome};

/// How often a use case begins anew. Twice is rare: each time something else has to happen just then.
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
    /// The instant in a transaction: asked for once the locks are held that the use case waits for.
    pub(super) fn now(&self, _held: &Tx) -> Instant {
        self.clock.now()
    }

    /// The same for a use case that holds packs.
    ///
    /// # Errors
    /// [`Failure::Overtaken`] when the window of one has opened and nobody has carried that out.
    pub(super) fn instant<'p>(&self, held: &Tx, packs: impl IntoIterator<Item = &'p Pack>) -> Result<Instant, Failure> {
        let now = self.now(held);
        let is_due = |pack: &Pack| pack.standing.pending.is_some_and(|pending| pending.starts_at <= now);
        if packs.into_iter().any(is_due) { Err(Failure::Overtaken) } else { Ok(now) }
    }

    /// The same for packs that are known by their ids.
    ///
    /// # Errors
    /// The same.
    pub(super) async fn instant_of(&self, held: &Tx, packs: &[PackId]) -> Result<Instant, Failure> {
        let now = self.now(held);
        if windows::any_due(held, packs, now).await? { Err(Failure::Overtaken) } else { Ok(now) }
    }

    /// Carries out what is due of the packs that a use case touches, and then the use case; anew for as long as it
    /// is [overtaken](Failure::Overtaken).
    ///
    /// # Errors
    /// Those of `attempt`, and [`Failure::Unavailable`] when it is overtaken again and again.
    pub(super) async fn once_opened<T, R, F>(&self, touched: Touched, attempt: impl Fn() -> F) -> Outcome<T, R>
    where
        F: Future<Output = Outcome<T, R>>,
    {
        for _ in 0..TRIES {
            let now = self.clock.now();
            match touched {
                Touched::Pack(publisher, pack) => drop(open_if_due(self, Some(publisher), pack, now).await?),
                Touched::PacksOf(publisher) => open_all_due(self, publisher, now).await?,
            }
            match attempt().await {
                Err(Error::Failed(Failure::Overtaken)) => {}
                other => return other,
            }
        }
        let why = "what a call touches kept changing while the call waited for its locks";
        Err(Failure::Unavailable(why.into()).into())
    }
}
