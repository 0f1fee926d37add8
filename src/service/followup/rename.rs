//! The order by name of the installations of a renamed pack.

use crate::domain::id::PackId;
use crate::service::Services;
use crate::service::error::Failure;
use crate::store::Tx;
use crate::store::write::tasks::Task;
use crate::store::write::{installations, packs};

use super::Batch;

impl Services {
    /// Gives the installations of a renamed SINGLE pack its name's key.
    pub(super) async fn rename_batch(&self, tx: &Tx, task: &Task, pack: PackId) -> Result<Batch, Failure> {
        let Some(pack) = packs::hold(tx, pack).await? else { return Ok(Batch::Done) };
        let found = installations::batch(tx, pack.id, task.done_to, self.settings.batch_size).await?;
        let ids: Vec<_> = found.iter().filter(|i| i.override_name.is_none()).map(|i| i.id).collect();
        installations::save_name_key(tx, &ids, &crate::domain::text::key(&pack.name)).await?;
        Ok(self.after_batch(found.len(), found.last().map(|i| i.id.into())).map_or(Batch::Done, Batch::More))
    }
}
