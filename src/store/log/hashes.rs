//! The hashes of sealed audit entries, computed from the first entry of each seal on (R51).

use std::collections::{BTreeMap, HashMap};

use entity::{audit_entry, audit_seal};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{EntityTrait as _, QueryFilter as _, QuerySelect as _, QueryTrait as _};

use crate::domain::id::{AccountId, AuditEntryId};
use crate::domain::log::{Hash, Seal};
use crate::store::column::col;
use crate::store::log::audit::of_reader;
use crate::store::log::links::Span;
use crate::store::log::records::Log;
use crate::store::log::seals::SealLine;
use crate::store::log::{audit_records, links, records};
use crate::store::page::{CursorForm, Key, KeyKind, Order, PageRequest, checked};
use crate::store::{Snapshot, StoreResult, page};

use audit_seal::Column as S;

/// The number of entries for which one statement looks up seals. SQLite accepts 500 parts.
const PARTS: usize = 100;
/// The most positions between two seals that are read together.
const GAP_MAX: i64 = 64;

/// The hashes of the entries among `ids` that belong to the reader's log and are sealed.
pub async fn by_ids(snapshot: &Snapshot, ids: &[AuditEntryId]) -> StoreResult<HashMap<AuditEntryId, Hash>> {
    let mut hashes = HashMap::new();
    for chunk in ids.chunks(PARTS) {
        some_hashes(snapshot, chunk, &mut hashes).await?;
    }
    Ok(hashes)
}

async fn some_hashes(
    snapshot: &Snapshot,
    ids: &[AuditEntryId],
    into: &mut HashMap<AuditEntryId, Hash>,
) -> StoreResult<()> {
    use audit_entry::Column as E;
    let (scope, reader) = (snapshot.scope(), snapshot.reader());
    let rows: Vec<(Uuid, Uuid, i64)> = audit_entry::Entity::find()
        .select_only()
        .columns([E::Id, E::PublisherId, E::Sequence])
        .filter(snapshot.any_of(col(E::Id), ids.iter().map(|id| id.0)))
        .filter(checked(of_reader(scope)))
        .into_tuple()
        .all(snapshot.conn())
        .await?;
    let recorded = records::by_ids(reader, Log::Entries, ids.iter().map(|id| id.0)).await?;
    let recorded = recorded.into_iter().filter(|(_, located)| audit_records::may_see(scope, located));
    let entries: Vec<_> = rows
        .into_iter()
        .chain(recorded.map(|(id, located)| (id, located.batch.publisher_id, located.position)))
        .collect();
    // All entries of a reader are in the log of one publisher.
    let Some(publisher) = entries.first().map(|(_, publisher, _)| AccountId(*publisher)) else { return Ok(()) };
    let seals = covering(snapshot, publisher, entries.iter().map(|(.., position)| *position)).await?;
    let mut spans: Vec<Span> = Vec::new();
    for seal in seals.values() {
        match spans.last_mut() {
            // Entries of other publishers lie between two seals, as many as they have written meanwhile.
            Some(span) if seal.first_position - span.last <= GAP_MAX => span.last = seal.last_position,
            _ => spans.push(Span { first: seal.first_position, last: seal.last_position }),
        }
    }
    let links = links::in_spans(reader, Some(publisher), &spans).await?;
    let mut by_position = BTreeMap::new();
    for seal in seals.values() {
        let of_seal = links.iter().filter(|link| (seal.first_position..=seal.last_position).contains(&link.position));
        by_position.extend(seal.hashes(of_seal.copied()));
    }
    let known = |(id, _, position): (Uuid, Uuid, i64)| Some((AuditEntryId(id), *by_position.get(&position)?));
    into.extend(entries.into_iter().filter_map(known));
    Ok(())
}

/// The seals of a publisher that have entries at these positions, by their last position.
async fn covering(
    snapshot: &Snapshot,
    publisher: AccountId,
    positions: impl Iterator<Item = i64> + Clone,
) -> StoreResult<BTreeMap<i64, Seal>> {
    let part = |position: i64| {
        audit_seal::Entity::find()
            .filter(col(S::PublisherId).eq(publisher.0))
            .filter(col(S::LastPosition).gte(position))
            .into_query()
    };
    let order = Order::new(
        CursorForm::new("seal", &[KeyKind::Number]),
        vec![col(S::LastPosition)],
        |SealLine(seal): &SealLine| vec![Key::Number(seal.last_position)],
    );
    // One row of each part: the first.
    let parts = positions.clone().map(part).collect();
    let found = page::rows_of_parts(snapshot.reader(), parts, order, &PageRequest::first(0)).await?;
    let seals = found.into_iter().map(|SealLine(seal)| seal);
    let covers = |seal: &Seal| positions.clone().any(|at| (seal.first_position..=seal.last_position).contains(&at));
    Ok(seals.filter(covers).map(|seal| (seal.last_position, seal)).collect())
}
