//! Decides which installations of a batch may be moved (R45, R46).

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::accounts::AccountStatus;
use crate::domain::id::{AccountId, PackId};
use crate::domain::installations::{Installation, SkipReason, reason_to_skip};
use crate::store::installations::write as installations;
use crate::store::sharing::pairs;
use crate::store::{StoreResult, Tx};

/// The grants and account statuses of a batch's installations, of one pack or of many. Read with two statements.
pub(super) struct Eligibility {
    entitled: BTreeSet<(PackId, AccountId)>,
    statuses: BTreeMap<AccountId, AccountStatus>,
}

impl Eligibility {
    /// Reads the grants and statuses of the accounts of these installations.
    pub(super) async fn of(tx: &Tx, found: &[&Installation]) -> StoreResult<Self> {
        let (packs, accounts): (BTreeSet<_>, BTreeSet<_>) = found.iter().map(|i| (i.pack_id, i.account_id)).unzip();
        let (packs, accounts): (Vec<_>, Vec<_>) = (packs.into_iter().collect(), accounts.into_iter().collect());
        Ok(Self {
            entitled: pairs::entitled(tx, &packs, &accounts).await?,
            statuses: installations::account_statuses(tx, &accounts).await?,
        })
    }

    /// Whether a group grants the pack to the installation's account.
    pub(super) fn is_entitled(&self, installation: &Installation) -> bool {
        self.entitled.contains(&(installation.pack_id, installation.account_id))
    }

    /// Why an installation can't be moved now; `None` if it can (R45, R46).
    pub(super) fn reason_to_skip(&self, installation: &Installation) -> Option<SkipReason> {
        let status = self.statuses.get(&installation.account_id).copied().unwrap_or(AccountStatus::Suspended);
        reason_to_skip(self.is_entitled(installation), status)
    }
}
