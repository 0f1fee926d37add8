//! The artifacts that a managed account may read: of packages in the versions that it has installed or is offered
//! (R68).

use std::collections::HashMap;
use std::sync::Arc;

use entity::{component_version as package, installation, integration_pack as pack, pack_version_item as item};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{EntityTrait as _, QueryFilter as _, QuerySelect as _};

use crate::domain::id::ComponentVersionId;
use crate::domain::source::Artifact;
use crate::store::column::col;
use crate::store::page::checked;
use crate::store::scope::{ManagedScope, Scope};
use crate::store::sharing::grants::{entitled, installation_is_visible};
use crate::store::{Snapshot, StoreResult, convert};

/// The artifacts of the packages among `ids` that the account has installed, or is offered by a release that waits for
/// its date or is being rolled out. Others are absent.
pub async fn of_versions(
    snapshot: &Snapshot<ManagedScope>,
    ids: &[ComponentVersionId],
) -> StoreResult<HashMap<ComponentVersionId, Arc<Vec<Artifact>>>> {
    let scope = snapshot.scope();
    let version = || col(item::Column::PackVersionId);
    let rolled_out =
        version().eq(col(pack::Column::CurrentVersionId)).and(col(pack::Column::RunningReleaseId).is_not_null());
    let offered = entitled().and(version().eq(col(pack::Column::PendingVersionId)).or(rolled_out));
    let has_or_gets = Query::select()
        .expr(Expr::cust("1"))
        .from(installation::Entity)
        .inner_join(pack::Entity, col(pack::Column::Id).eq(col(installation::Column::PackId)))
        .inner_join(item::Entity, col(item::Column::ComponentId).eq(col(package::Column::ComponentId)))
        .and_where(col(installation::Column::AccountId).eq(scope.account_id().0))
        .and_where(installation_is_visible(Scope::Managed(scope)))
        .and_where(col(item::Column::ComponentVersionId).eq(col(package::Column::Id)))
        .and_where(version().eq(col(installation::Column::VersionId)).or(offered))
        .take();
    let rows: Vec<(Uuid, Option<String>)> = package::Entity::find()
        .select_only()
        .columns([package::Column::Id, package::Column::Artifacts])
        .filter(snapshot.any_of(col(package::Column::Id), ids.iter().map(|id| id.0)))
        .filter(checked(col(package::Column::OwnerId).eq(scope.publisher_id().0)))
        .filter(Expr::exists(has_or_gets))
        .into_tuple()
        .all(snapshot.conn())
        .await?;
    let read = |artifacts: Option<String>| artifacts.as_deref().map(convert::from_json).transpose();
    rows.into_iter().map(|(id, artifacts)| Ok((id.into(), Arc::new(read(artifacts)?.unwrap_or_default())))).collect()
}
