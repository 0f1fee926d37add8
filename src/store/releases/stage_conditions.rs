//! SQL conditions on early stages. They express the rule [`Stage::holds`](crate::domain::releases::Stage::holds) in
//! SQL, so that the installations of a stage needn't be read to be counted or found.

use entity::{installation_update as update, release_stage as stage};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};

use crate::domain::Instant;
use crate::domain::id::{GroupId, ReleaseId};
use crate::domain::installations::UpdateState;
use crate::domain::releases::{BUCKET_BITS, Buckets, Holds};
use crate::store::column::col;
use crate::store::convert::Stored as _;

/// The condition that the stage of a row of `release_stage` holds the installation of a row of `installation`. An
/// opened stage holds the accounts that were in its groups when it opened; a waiting stage, the accounts that are in
/// them now.
const HOLDS: &str = r#"CASE
    WHEN "release_stage"."hundredths" IS NOT NULL THEN
        {bucket} < "release_stage"."hundredths"
    WHEN "release_stage"."opened_at" IS NOT NULL THEN EXISTS (
        SELECT 1 FROM "release_stage_account" AS "then"
        WHERE "then"."release_id" = "release_stage"."release_id" AND "then"."position" = "release_stage"."position"
            AND "then"."account_id" = "installation"."account_id")
    ELSE {in_groups} END"#;

/// The condition that the account of an installation is in one of a stage's groups now.
const IN_GROUPS: &str = r#"EXISTS (
        SELECT 1 FROM "release_stage_group" AS "of"
        JOIN "account_group_member" AS "now" ON "now"."group_id" = "of"."group_id"
        WHERE "of"."release_id" = "release_stage"."release_id" AND "of"."position" = "release_stage"."position"
            AND "now"."account_id" = "installation"."account_id")"#;

/// The bucket of an installation, with the SQL of a factor and a shift.
fn bucket(factor: &str, shift: &str) -> String {
    let mask = (1_i64 << BUCKET_BITS) - 1;
    format!(r#"((((("installation"."bucket_seed" * {factor}) + {shift}) & {mask}) * 10000) >> {BUCKET_BITS})"#)
}

/// The condition that a row of `release_stage` holds a row of `installation`.
pub(in crate::store) fn holds() -> Expr {
    let bucket = bucket(r#""release_stage"."bucket_factor""#, r#""release_stage"."bucket_shift""#);
    Expr::cust(HOLDS.replace("{bucket}", &bucket).replace("{in_groups}", IN_GROUPS))
}

/// The condition that a planned stage, which has no row, holds a row of `installation`.
pub(in crate::store) fn would_hold(holds: &Holds) -> Expr {
    match holds {
        Holds::Percent(percent, Buckets { factor, shift }) => Expr::cust(format!(
            "{} < {}",
            bucket(&format!("CAST({factor} AS bigint)"), &shift.to_string()),
            percent.hundredths()
        )),
        Holds::Groups(groups) => is_in(groups),
    }
}

fn is_in(groups: &[GroupId]) -> Expr {
    use entity::account_group_member::{Column, Entity};
    let membership = Query::select()
        .expr(Expr::cust("1"))
        .from(Entity)
        .and_where(col(Column::AccountId).eq(Expr::cust(r#""installation"."account_id""#)))
        .and_where(col(Column::GroupId).is_in(groups.iter().map(|group| group.0)))
        .take();
    Expr::exists(membership)
}

/// The condition that a stage of the release with the id `release` holds the installation and has opened by `now`,
/// whether or not that was carried out (R30). While the release `is_paused`, no further stage opens (R56).
pub(in crate::store) fn is_in_open_stage(release: Expr, is_paused: Expr, now: Instant) -> Expr {
    let due = col(stage::Column::StartsAt).lte(now).and(is_paused.not());
    let open = col(stage::Column::OpenedAt).is_not_null().or(due);
    let holding = Query::select()
        .expr(Expr::cust("1"))
        .from(stage::Entity)
        .and_where(col(stage::Column::ReleaseId).eq(release))
        .and_where(open)
        .and_where(holds())
        .take();
    Expr::exists(holding)
}

/// The condition that a stage of the release up to a position holds the installation, which the release hasn't moved
/// yet.
pub(in crate::store) fn is_to_be_moved(release: ReleaseId, position: i32) -> Expr {
    let holding = Query::select()
        .expr(Expr::cust("1"))
        .from(stage::Entity)
        .and_where(col(stage::Column::ReleaseId).eq(release.0))
        .and_where(col(stage::Column::Position).lte(position))
        .and_where(holds())
        .take();
    let settled = Query::select()
        .expr(Expr::cust("1"))
        .from(update::Entity)
        .and_where(col(update::Column::InstallationId).eq(Expr::cust(r#""installation"."id""#)))
        .and_where(col(update::Column::ReleaseId).eq(release.0))
        .and_where(col(update::Column::State).ne(UpdateState::Offered.stored()))
        .take();
    Expr::exists(holding).and(Expr::exists(settled).not())
}

/// The position of the first stage of the release with the id `release` that holds the installation; null if only the
/// last one does.
pub(in crate::store) fn first_stage(release: Expr) -> Expr {
    let first = Query::select()
        .expr(col(stage::Column::Position).min())
        .from(stage::Entity)
        .and_where(col(stage::Column::ReleaseId).eq(release))
        .and_where(holds())
        .take();
    Expr::SubQuery(None, Box::new(first.into()))
}

/// The condition that the account of an installation is in a group of the stage, now or when the stage opened; null for
/// a stage by percent.
pub(in crate::store) fn in_groups_of_stage() -> Expr {
    let of_groups = col(stage::Column::Hundredths).is_null();
    of_groups.and(holds())
}
