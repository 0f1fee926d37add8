//! Writes of releases, and of the pack versions that they create.

use std::collections::{BTreeMap, BTreeSet};

use entity::pack_release::{ActiveModel, Column, Entity};
use entity::{pack_version, pack_version_item};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect as _};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::{ComponentId, ComponentVersionId, PackId, PackVersionId, ReleaseId};
use crate::domain::packs::PackVersion;
use crate::domain::releases::Release;
use crate::store::components::save_in_pack_version;
use crate::store::convert::{self, Stored as _};
use crate::store::installations::{add_remaining, installations_of_pack};
use crate::store::locks::{ActorColumns, locked};
use crate::store::packs::save_last_number;
use crate::store::releases::halting;
use crate::store::scope::PublisherScope;
use crate::store::{Snapshot, StoreResult, Tx};

/// The pack of one of the publisher's releases. Callers lock the pack before the release.
pub async fn pack_of(snapshot: &Snapshot<PublisherScope>, id: ReleaseId) -> StoreResult<Option<PackId>> {
    let found = Entity::find_by_id(Uuid::from(id))
        .filter(Column::PublisherId.eq(Uuid::from(snapshot.scope().publisher_id())))
        .one(snapshot.conn())
        .await?;
    Ok(found.map(|release| release.pack_id.into()))
}

/// Locks a release. The caller has locked its pack.
pub async fn lock(tx: &Tx, pack: PackId, id: ReleaseId) -> StoreResult<Option<Release>> {
    let select = Entity::find_by_id(Uuid::from(id)).filter(Column::PackId.eq(Uuid::from(pack)));
    locked(select).one(tx.conn()).await?.map(convert::release).transpose()
}

/// A release, without a lock. The caller has locked or held its pack.
pub async fn get(tx: &Tx, pack: PackId, id: ReleaseId) -> StoreResult<Option<Release>> {
    let select = Entity::find_by_id(Uuid::from(id)).filter(Column::PackId.eq(Uuid::from(pack)));
    select.one(tx.conn()).await?.map(convert::release).transpose()
}

/// The releases that created these versions.
pub async fn of_versions(tx: &Tx, versions: &[PackVersionId]) -> StoreResult<BTreeMap<PackVersionId, Release>> {
    let versions: BTreeSet<_> = versions.iter().copied().collect();
    let made: Vec<Uuid> = pack_version::Entity::find()
        .select_only()
        .column(pack_version::Column::ReleaseId)
        .filter(tx.any_of(pack_version::Column::Id.into_expr(), versions.into_iter().map(Uuid::from)))
        .into_tuple()
        .all(tx.conn())
        .await?;
    let releases = get_all(tx, &made.into_iter().map(ReleaseId).collect::<Vec<_>>()).await?;
    Ok(releases.into_iter().map(|release| (release.version_id, release)).collect())
}

/// The releases with these ids. The caller has locked or held their packs.
pub async fn get_all(tx: &Tx, ids: &[ReleaseId]) -> StoreResult<Vec<Release>> {
    let any_of = tx.any_of(Column::Id.into_expr(), ids.iter().map(|id| id.0));
    Entity::find().filter(any_of).all(tx.conn()).await?.into_iter().map(convert::release).collect()
}

/// The time of the release's last progress event.
pub async fn progressed_at(tx: &Tx, id: ReleaseId) -> StoreResult<Option<Instant>> {
    Ok(Entity::find_by_id(Uuid::from(id)).one(tx.conn()).await?.and_then(|m| m.progressed_at))
}

/// Saves the time of a progress event.
pub async fn save_progressed_at(tx: &Tx, id: ReleaseId, at: Instant) -> StoreResult<()> {
    Entity::update(ActiveModel { id: Set(id.into()), progressed_at: Set(Some(at)), ..Default::default() })
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// A row without `progressed_at` and `tally_base_id`.
pub(in crate::store) fn row(release: &Release) -> StoreResult<ActiveModel> {
    let actor = ActorColumns::from(&release.created_by);
    let window = release.window.as_ref();
    let row = ActiveModel {
        id: Set(release.id.into()),
        pack_id: Set(release.pack_id.into()),
        publisher_id: Set(release.publisher_id.into()),
        version_id: Set(release.version_id.into()),
        previous_version_id: Set(release.previous_version_id.map(Into::into)),
        has_stages: Set(release.has_stages),
        state: Set(release.state.stored().into()),
        schedule: Set(release.schedule.stored().into()),
        date: Set(window.map(|w| w.date.to_string())),
        time_zone: Set(window.map(|w| w.time_zone.clone())),
        starts_at: Set(window.map(|w| w.starts_at)),
        ends_at: Set(window.map(|w| w.ends_at)),
        time_zone_data_version: Set(window.map(|w| w.data_version.to_string())),
        lateness_seconds: Set(release.lateness_seconds),
        superseded_by_id: Set(release.superseded_by.map(Into::into)),
        created_at: Set(release.created_at),
        actor_kind: Set(actor.kind),
        actor_name: Set(actor.name),
        actor_token_id: Set(actor.token_id),
        actor_account_id: Set(actor.account_id),
        promoted_at: Set(release.promoted_at),
        started_at: Set(release.started_at),
        ended_at: Set(release.ended_at),
        resumed_at: Set(release.resumed_at),
        reason: Set(release.reason.clone()),
        roll_back_began_at: Set(release.roll_back.map(|it| it.began_at)),
        roll_back_installations: Set(release.roll_back.map(|it| it.installations)),
        halted_at: Set(release.halted_at),
        source: Set(release.source.as_ref().map(convert::to_json).transpose()?),
        progressed_at: sea_orm::ActiveValue::NotSet,
        tally_base_id: sea_orm::ActiveValue::NotSet,
        ..Default::default()
    };
    Ok(halting::columns(row, release.pause.as_ref(), release.halt.as_ref()))
}

/// Adds a release. Counts all installations of its pack as installations that the release must reach. A first release
/// reaches none.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if another release of the pack is pending or running.
pub async fn insert(tx: &Tx, release: &Release) -> StoreResult<()> {
    Entity::insert(ActiveModel { progressed_at: Set(None), ..row(release)? }).exec_without_returning(tx.conn()).await?;
    if release.previous_version_id.is_none() {
        return Ok(());
    }
    let remaining = installations_of_pack(tx, release.pack_id).await?;
    add_remaining(tx, (release.id, release.pack_id), release.created_at, remaining).await
}

/// Saves all columns of a release, which exists already.
pub async fn save(tx: &Tx, release: &Release) -> StoreResult<()> {
    Entity::update(row(release)?).exec(tx.conn()).await?;
    Ok(())
}

/// Saves the release that superseded `old` (R29). Both rows exist already.
pub async fn save_superseded_by(tx: &Tx, old: ReleaseId, by: ReleaseId) -> StoreResult<()> {
    let row = ActiveModel { id: Set(old.into()), superseded_by_id: Set(Some(by.into())), ..Default::default() };
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Adds a version with its content (R22), and saves its number as the pack's last one.
pub async fn insert_version(
    tx: &Tx,
    version: &PackVersion,
    content: &BTreeMap<ComponentId, ComponentVersionId>,
) -> StoreResult<()> {
    pack_version::Entity::insert(version_row(version)).exec_without_returning(tx.conn()).await?;
    let items = item_rows(version.id, content);
    pack_version_item::Entity::insert_many(items).exec_without_returning(tx.conn()).await?;
    save_in_pack_version(tx, content.keys().copied()).await?;
    save_last_number(tx, version.pack_id, version.number).await
}

pub(in crate::store) fn version_row(version: &PackVersion) -> pack_version::ActiveModel {
    pack_version::ActiveModel {
        id: Set(version.id.into()),
        pack_id: Set(version.pack_id.into()),
        publisher_id: Set(version.publisher_id.into()),
        number: Set(version.number),
        notes: Set(version.notes.clone()),
        release_id: Set(version.release_id.into()),
        created_at: Set(version.created_at),
    }
}

/// The rows of a version's content.
pub(in crate::store) fn item_rows(
    version: PackVersionId,
    content: &BTreeMap<ComponentId, ComponentVersionId>,
) -> impl Iterator<Item = pack_version_item::ActiveModel> {
    content.iter().map(move |(component, component_version)| pack_version_item::ActiveModel {
        pack_version_id: Set(version.into()),
        component_id: Set((*component).into()),
        component_version_id: Set((*component_version).into()),
    })
}
