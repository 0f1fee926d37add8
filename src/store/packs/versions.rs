//! Reads of pack versions and of their contents, for their publisher. What a managed account may see of them is read in
//! [`available`](crate::store::sharing::available).

use std::collections::HashMap;
use std::sync::Arc;

use entity::{component, component_version, content_key, pack_version as version, pack_version_item as item};
use sea_orm::prelude::{DateTimeUtc, Uuid};
use sea_orm::sea_query::{ExprTrait as _, Query};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryTrait as _};

use crate::domain::components::ComponentType;
use crate::domain::id::{AccountId, PackId, PackVersionId};
use crate::domain::packs::{ContentItem, PackVersion};
use crate::store::column::col;
use crate::store::convert::Stored as _;
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest, checked};
use crate::store::reader::Reader;
use crate::store::scope::PublisherScope;
use crate::store::{Snapshot, StoreResult, convert, page};

/// The publisher's versions with these ids.
pub async fn by_ids(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[PackVersionId],
) -> StoreResult<HashMap<PackVersionId, Arc<PackVersion>>> {
    let publisher = snapshot.scope().publisher_id();
    let load = async |ids: Vec<PackVersionId>| {
        let rows = version::Entity::find()
            .filter(snapshot.any_of(col(version::Column::Id), ids.iter().map(|id| id.0)))
            .filter(checked(col(version::Column::PublisherId).eq(publisher.0)))
            .all(snapshot.conn())
            .await?;
        Ok(rows.into_iter().map(|row| (row.id.into(), convert::pack_version(row))).collect())
    };
    snapshot.cache().pack_versions.get(publisher, ids, load).await
}

/// A version from the cache, without a query.
#[must_use]
pub fn cached(snapshot: &Snapshot<PublisherScope>, id: PackVersionId) -> Option<Arc<PackVersion>> {
    snapshot.cache().pack_versions.peek(snapshot.scope().publisher_id(), &id)
}

#[derive(FromQueryResult)]
struct ItemRow {
    pack_version_id: Uuid,
    component_id: Uuid,
    component_version_id: Uuid,
    content_key: Uuid,
    name: String,
    name_key: String,
    component_type: String,
    version: String,
    created_at: DateTimeUtc,
}

/// The contents of these versions, each by name.
pub async fn contents(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[PackVersionId],
) -> StoreResult<HashMap<PackVersionId, Arc<Vec<ContentItem>>>> {
    contents_of(snapshot.reader(), snapshot.scope().publisher_id(), ids).await
}

/// The contents of versions of a publisher. The caller checks that the reader may see them.
pub(in crate::store) async fn contents_of(
    reader: &Reader,
    publisher: AccountId,
    ids: &[PackVersionId],
) -> StoreResult<HashMap<PackVersionId, Arc<Vec<ContentItem>>>> {
    let load = async |ids: Vec<PackVersionId>| {
        let rows = Query::select()
            .columns([
                (item::Entity, item::Column::PackVersionId),
                (item::Entity, item::Column::ComponentId),
                (item::Entity, item::Column::ComponentVersionId),
            ])
            .column((content_key::Entity, content_key::Column::ContentKey))
            .columns([
                (component::Entity, component::Column::Name),
                (component::Entity, component::Column::NameKey),
                (component::Entity, component::Column::ComponentType),
            ])
            .columns([
                (component_version::Entity, component_version::Column::Version),
                (component_version::Entity, component_version::Column::CreatedAt),
            ])
            .from(item::Entity)
            .inner_join(version::Entity, col(version::Column::Id).eq(col(item::Column::PackVersionId)))
            .inner_join(component::Entity, col(component::Column::Id).eq(col(item::Column::ComponentId)))
            .inner_join(
                component_version::Entity,
                col(component_version::Column::Id).eq(col(item::Column::ComponentVersionId)),
            )
            .inner_join(
                content_key::Entity,
                col(content_key::Column::PackId)
                    .eq(col(version::Column::PackId))
                    .and(col(content_key::Column::ComponentId).eq(col(item::Column::ComponentId))),
            )
            .and_where(reader.any_of(col(item::Column::PackVersionId), ids.iter().map(|id| id.0)))
            .and_where(checked(col(version::Column::PublisherId).eq(publisher.0)))
            .take();
        let rows = reader.conn().query_all(&rows).await?;
        let mut rows = rows.iter().map(|row| ItemRow::from_query_result(row, "")).collect::<Result<Vec<_>, _>>()?;
        // Equal names are ordered by content key. An order by component id would reveal something about ids that
        // managed accounts may not know.
        rows.sort_by(|a, b| (&a.name_key, a.content_key).cmp(&(&b.name_key, b.content_key)));
        let mut contents: HashMap<PackVersionId, Vec<ContentItem>> = HashMap::new();
        for row in rows {
            contents.entry(row.pack_version_id.into()).or_default().push(ContentItem {
                component_id: row.component_id.into(),
                component_version_id: row.component_version_id.into(),
                key: row.content_key.into(),
                name: row.name,
                component_type: ComponentType::read(&row.component_type)?,
                version: row.version,
                created_at: row.created_at,
            });
        }
        Ok(contents.into_iter().collect())
    };
    reader.cache().contents.get(publisher, ids, load).await
}

/// The content of a version from the cache, without a query.
#[must_use]
pub fn cached_content(snapshot: &Snapshot<PublisherScope>, id: PackVersionId) -> Option<Arc<Vec<ContentItem>>> {
    snapshot.cache().contents.peek(snapshot.scope().publisher_id(), &id)
}

/// Versions by pack and number. The map may have more versions than `keys`.
pub async fn by_numbers(
    snapshot: &Snapshot<PublisherScope>,
    keys: &[(PackId, i32)],
) -> StoreResult<HashMap<(PackId, i32), Arc<PackVersion>>> {
    // Selects all packs with all numbers, because SQLite doesn't accept a long chain of pairs. The loader ignores the
    // surplus.
    let rows = version::Entity::find()
        .filter(snapshot.any_of(col(version::Column::PackId), keys.iter().map(|(pack, _)| pack.0)))
        .filter(col(version::Column::Number).is_in(keys.iter().map(|(_, number)| *number)))
        .filter(checked(col(version::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .all(snapshot.conn())
        .await?;
    Ok(rows.into_iter().map(|row| ((row.pack_id.into(), row.number), Arc::new(convert::pack_version(row)))).collect())
}

/// The form of cursors into lists of [`pages`].
pub const NEWEST: CursorForm = CursorForm::new("version", &[KeyKind::Number]).reversed(true);

/// Pages of the lists of these packs' versions, newest first.
pub async fn pages(
    snapshot: &Snapshot<PublisherScope>,
    keys: &[(PackId, PageRequest)],
) -> StoreResult<HashMap<(PackId, PageRequest), Page<Arc<PackVersion>>>> {
    let queries = keys.iter().map(|key| {
        let select = version::Entity::find()
            .filter(col(version::Column::PackId).eq(key.0.0))
            .filter(checked(col(version::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
            .into_query();
        let order = Order::new(NEWEST, vec![col(version::Column::Number)], |row: &version::Model| {
            vec![Key::Number(row.number.into())]
        });
        (key.clone(), ListQuery { select, order, request: key.1.clone() })
    });
    let pages = page::pages(snapshot.reader(), queries.collect()).await?;
    Ok(pages.into_iter().map(|(key, page)| (key, page.map(|row| Arc::new(convert::pack_version(row))))).collect())
}

/// The number of installations that have each of these versions now. A version without installations is absent.
pub async fn installation_counts(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[PackVersionId],
) -> StoreResult<HashMap<PackVersionId, i64>> {
    crate::store::installations::installations_of_versions(snapshot, ids).await
}
