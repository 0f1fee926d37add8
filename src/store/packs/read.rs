//! Reads of packs, for their publisher.

use std::collections::HashMap;
use std::sync::Arc;

use entity::{
    account_group_member as member, draft_row, installation_tally as tally, integration_pack as pack, pack_share,
    pack_version, pack_version_item as item, task,
};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, Query, SelectStatement, SubQueryStatement, UnionType};
use sea_orm::{EntityTrait as _, QueryFilter as _, QuerySelect as _, QueryTrait as _};

use crate::domain::Instant;
use crate::domain::id::{AccountId, ComponentId, ComponentVersionId, GroupId, PackId, ReleaseId};
use crate::domain::own_key::OwnKey;
use crate::domain::packs::{DeploymentModel, InstallationType, Pack, PackState};
use crate::store::by_position::by_position;
use crate::store::column::{by_own_key, col};
use crate::store::components::nothing;
use crate::store::convert::Stored as _;
use crate::store::followup::is_moving;
use crate::store::installations::added_up;
use crate::store::packs::due::{is_due, is_not_due, is_not_pending, is_pending};
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest, checked, contains};
use crate::store::scope::PublisherScope;
use crate::store::{Snapshot, StoreResult, convert, page};

/// The publisher's packs with these ids. Deleted packs are included, because the history still refers to them.
pub async fn by_ids(snapshot: &Snapshot<PublisherScope>, ids: &[PackId]) -> StoreResult<HashMap<PackId, Arc<Pack>>> {
    let named = snapshot.any_of(col(pack::Column::Id), ids.iter().map(|id| id.0));
    let own = checked(col(pack::Column::PublisherId).eq(snapshot.scope().publisher_id().0));
    let rows = pack::Entity::find().filter(named).filter(own).all(snapshot.conn()).await?;
    rows.into_iter().map(|row| Ok((row.id.into(), Arc::new(convert::pack(row)?)))).collect()
}

/// The publisher's packs with these keys (R67).
pub async fn by_keys(snapshot: &Snapshot<PublisherScope>, keys: &[OwnKey]) -> StoreResult<HashMap<OwnKey, Arc<Pack>>> {
    let with_key = col(pack::Column::Key).is_in(keys.iter().map(OwnKey::as_str));
    let rows = pack::Entity::find().filter(own(snapshot.scope())).filter(with_key).all(snapshot.conn()).await?;
    by_own_key(rows, |row| row.key.as_deref(), |row| convert::pack(row).map(Arc::new))
}

/// The publisher's packs that aren't deleted. The two conditions are written separately so that partial indexes match.
fn own(scope: PublisherScope) -> Expr {
    col(pack::Column::PublisherId).eq(scope.publisher_id().0).and(col(pack::Column::DeletedAt).is_null())
}

/// The release that is still moving installations of each of these packs; a pack without one is absent. The pack can't
/// have another release until the moves are done (R49).
pub async fn moving(snapshot: &Snapshot<PublisherScope>, ids: &[PackId]) -> StoreResult<HashMap<PackId, ReleaseId>> {
    let rows: Vec<(Option<Uuid>, Option<Uuid>)> = task::Entity::find()
        .select_only()
        .column(task::Column::PackId)
        .column(task::Column::ReleaseId)
        .filter(snapshot.any_of(col(task::Column::PackId), ids.iter().map(|id| id.0)))
        .filter(checked(col(task::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .filter(is_moving())
        .into_tuple()
        .all(snapshot.conn())
        .await?;
    Ok(rows.into_iter().filter_map(|(pack, release)| Some((PackId(pack?), ReleaseId(release?)))).collect())
}

/// The set of packs that a list is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacksOf {
    /// All packs of the publisher.
    Publisher,
    /// Packs for which a component has a newer version than the one in force (R20).
    WithNewer,
    /// Packs that are shared with this group.
    Group(GroupId),
    /// Packs that a group grants this account.
    GrantedTo(AccountId),
    /// Packs whose current version or pending release contains this version, or whose draft is pinned to it (R8).
    HoldingVersion(ComponentVersionId),
    /// Packs whose current version, pending release or draft has this component.
    WithComponent(ComponentId),
}

/// A filter on packs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PackFilter {
    /// A text that the name contains.
    pub search: Option<String>,
    pub installation_type: Option<InstallationType>,
    pub states: Option<Vec<PackState>>,
    pub has_newer: Option<bool>,
    pub has_pending: Option<bool>,
    pub has_unreleased_changes: Option<bool>,
    pub deployment_model: Option<DeploymentModel>,
    /// A group with which the pack is shared.
    pub group: Option<GroupId>,
}

/// The field that a list of packs is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PackField {
    Name,
    CreatedAt,
    UpdatedAt,
}

/// The order of a list of packs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PackOrder {
    pub field: PackField,
    pub descending: bool,
}

impl PackOrder {
    /// The default order.
    pub const BY_NAME: Self = Self { field: PackField::Name, descending: false };

    /// The form of cursors into lists in this order.
    #[must_use]
    pub fn form(self) -> CursorForm {
        let form = match self.field {
            PackField::Name => CursorForm::new("pack", &[KeyKind::Text, KeyKind::Id]),
            PackField::CreatedAt => CursorForm::new("pack.created", &[KeyKind::Instant, KeyKind::Id]),
            PackField::UpdatedAt => CursorForm::new("pack.updated", &[KeyKind::Instant, KeyKind::Id]),
        };
        form.reversed(self.descending)
    }

    fn order(self) -> Order<PackRow> {
        let columns = |column| vec![col(column), col(pack::Column::Id)];
        match self.field {
            PackField::Name => Order::new(self.form(), columns(pack::Column::NameKey), |row| {
                vec![Key::Text(row.0.name_key.clone()), Key::Id(row.0.id)]
            }),
            PackField::CreatedAt => Order::new(self.form(), columns(pack::Column::CreatedAt), |row| {
                vec![Key::Instant(row.0.created_at), Key::Id(row.0.id)]
            }),
            PackField::UpdatedAt => Order::new(self.form(), columns(pack::Column::UpdatedAt), |row| {
                vec![Key::Instant(row.0.updated_at), Key::Id(row.0.id)]
            }),
        }
    }
}

/// A row of a page, with the number of installations.
struct PackRow(pack::Model, Option<i64>);

by_position!(PackRow(pack::Model, installations) {
    id: Id, publisher_id: PublisherId, name: Name, name_key: NameKey, description: Description,
    installation_type: InstallationType, deployment_model: DeploymentModel, support: Support, revision: Revision,
    last_number: LastNumber, component_count: ComponentCount, newer_count: NewerCount,
    has_unreleased_changes: HasUnreleasedChanges, draft_revision: DraftRevision, current_version_id: CurrentVersionId,
    pending_release_id: PendingReleaseId, pending_version_id: PendingVersionId, pending_starts_at: PendingStartsAt,
    pending_due_at: PendingDueAt, running_release_id: RunningReleaseId, release_paused: ReleasePaused,
    former_version_id: FormerVersionId, tally_base_id: TallyBaseId, created_at: CreatedAt, updated_at: UpdatedAt,
    actor_kind: ActorKind, actor_name: ActorName, actor_token_id: ActorTokenId, actor_account_id: ActorAccountId,
    deleted_at: DeletedAt, key: Key,
});

/// A page of a list of packs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PacksKey {
    pub of: PacksOf,
    pub filter: PackFilter,
    pub order: PackOrder,
    pub page: PageRequest,
    /// Whether the number of installations comes with each pack.
    pub with_installations: bool,
}

/// A pack of a list.
#[derive(Clone, Debug)]
pub struct ListedPack {
    pub pack: Arc<Pack>,
    /// The number of the pack's installations, if the request asks for it.
    pub installations: Option<i64>,
}

/// Pages of lists of the publisher's packs, with their states at `now`.
pub async fn pages(
    snapshot: &Snapshot<PublisherScope>,
    keys: &[PacksKey],
) -> StoreResult<HashMap<PacksKey, Page<ListedPack>>> {
    let (scope, now) = (snapshot.scope(), snapshot.now());
    let queries = keys.iter().map(|key| {
        // Few packs contain one version, so the database should find them by the version and check the publisher
        // afterwards. The other lists may have all packs of a publisher, so the database should walk an index in the
        // list's order.
        let few = matches!(key.of, PacksOf::HoldingVersion(_) | PacksOf::WithComponent(_));
        let mut select = pack::Entity::find().filter(if few { checked(own(scope)) } else { own(scope) }).into_query();
        select.and_where_option(in_list(key.of, now));
        narrow(&mut select, now, &key.filter);
        select.expr_as(installations(key.with_installations), "installations");
        (key.clone(), ListQuery { select, order: key.order.order(), request: key.page.clone() })
    });
    let pages = page::pages(snapshot.reader(), queries.collect()).await?;
    let read = |PackRow(row, installations): PackRow| -> StoreResult<ListedPack> {
        Ok(ListedPack { pack: Arc::new(convert::pack(row)?), installations })
    };
    pages.into_iter().map(|(key, page)| Ok((key, page.try_map(read)?))).collect()
}

/// The column with the number of a pack's installations, which is null unless `query` is true. All selects have the
/// column, so that they can be parts of one statement.
fn installations(query: bool) -> Expr {
    if !query {
        return Expr::cust("CAST(NULL AS bigint)");
    }
    let sum = Query::select()
        .expr(Func::coalesce([
            added_up(tally::Column::Installations, tally::Column::AllInstallations),
            Expr::cust("0"),
        ]))
        .from(tally::Entity)
        .and_where(col(tally::Column::PackId).eq(col(pack::Column::Id)))
        .and_where(col(tally::Column::Id).gte(col(pack::Column::TallyBaseId)))
        .take();
    SubQueryStatement::from(sum).into()
}

/// The SQL condition for [`PackStanding::state`](crate::domain::packs::PackStanding::state) at `now`.
fn in_state(state: PackState, now: Instant) -> Expr {
    let running = || col(pack::Column::RunningReleaseId);
    let resting = || running().is_null().and(col(pack::Column::PendingStartsAt).is_null());
    let current = || col(pack::Column::CurrentVersionId);
    match state {
        PackState::Releasing => running().is_not_null().or(is_due(now).and(current().is_not_null())),
        PackState::Testing => running().is_null().and(is_pending(now)).and(current().is_not_null()),
        PackState::FirstReleaseScheduled => running().is_null().and(is_pending(now)).and(current().is_null()),
        // A first release moves no installations, so it succeeds as soon as its window opens (R23).
        PackState::Current => resting().and(current().is_not_null()).or(is_due(now).and(current().is_null())),
        PackState::NeverReleased => resting().and(current().is_null()),
    }
}

/// A literal and not a bound value, because the database otherwise doesn't see that the partial index matches.
fn has_newer() -> Expr {
    Expr::cust(r#""integration_pack"."newer_count" > 0"#)
}

fn narrow(select: &mut SelectStatement, now: Instant, filter: &PackFilter) {
    let in_states = |states: &Vec<PackState>| {
        states.iter().map(|state| in_state(*state, now)).reduce(|any, one| any.or(one)).unwrap_or_else(nothing)
    };
    select
        .and_where_option(filter.search.as_ref().map(|search| contains(col(pack::Column::NameKey), search)))
        .and_where_option(filter.installation_type.map(|t| col(pack::Column::InstallationType).eq(t.stored())))
        .and_where_option(filter.states.as_ref().map(in_states))
        .and_where_option(filter.has_newer.map(|yes| if yes { has_newer() } else { has_newer().not() }))
        .and_where_option(filter.has_pending.map(|yes| if yes { is_pending(now) } else { is_not_pending(now) }))
        .and_where_option(filter.has_unreleased_changes.map(|yes| col(pack::Column::HasUnreleasedChanges).eq(yes)))
        .and_where_option(filter.deployment_model.map(|model| col(pack::Column::DeploymentModel).eq(model.stored())))
        .and_where_option(filter.group.map(|group| col(pack::Column::Id).in_subquery(shared_with(group))));
}

fn in_list(of: PacksOf, now: Instant) -> Option<Expr> {
    let packs = match of {
        PacksOf::Publisher => return None,
        PacksOf::WithNewer => return Some(has_newer()),
        PacksOf::Group(group) => shared_with(group),
        PacksOf::GrantedTo(account) => Query::select()
            .column((pack_share::Entity, pack_share::Column::PackId))
            .from(pack_share::Entity)
            .inner_join(member::Entity, col(member::Column::GroupId).eq(col(pack_share::Column::GroupId)))
            .and_where(col(member::Column::AccountId).eq(account.0))
            .take(),
        PacksOf::HoldingVersion(version) => in_force(col(item::Column::ComponentVersionId).eq(version.0), now)
            .union(UnionType::All, drafts(col(draft_row::Column::PinnedVersionId).eq(version.0)))
            .take(),
        PacksOf::WithComponent(component) => in_force(col(item::Column::ComponentId).eq(component.0), now)
            .union(UnionType::All, drafts(col(draft_row::Column::ComponentId).eq(component.0)))
            .take(),
    };
    Some(col(pack::Column::Id).in_subquery(packs))
}

/// The packs that are shared with a group.
fn shared_with(group: GroupId) -> SelectStatement {
    Query::select()
        .column(pack_share::Column::PackId)
        .from(pack_share::Entity)
        .and_where(col(pack_share::Column::GroupId).eq(group.0))
        .take()
}

fn drafts(with: Expr) -> SelectStatement {
    Query::select().column(draft_row::Column::PackId).from(draft_row::Entity).and_where(with).take()
}

/// The packs whose current version or pending release at `now` has an item that meets the condition.
fn in_force(with: Expr, now: Instant) -> SelectStatement {
    let version = || col(pack_version::Column::Id);
    Query::select()
        .column((pack::Entity, pack::Column::Id))
        .from(item::Entity)
        .inner_join(pack_version::Entity, version().eq(col(item::Column::PackVersionId)))
        .inner_join(pack::Entity, col(pack::Column::Id).eq(col(pack_version::Column::PackId)))
        .and_where(with)
        .and_where(
            col(pack::Column::PendingVersionId)
                .eq(version())
                .or(col(pack::Column::CurrentVersionId).eq(version()).and(is_not_due(now))),
        )
        .take()
}
