//! The SQL conditions for [`PackStanding::is_due`](crate::domain::packs::PackStanding::is_due). A window that has
//! opened counts as carried out before the stored row shows it (R30). The window of a paused release doesn't open
//! (R56).

use entity::integration_pack as pack;
use sea_orm::sea_query::{Expr, ExprTrait as _};

use crate::domain::Instant;
use crate::store::column::col;

fn starts_at() -> Expr {
    col(pack::Column::PendingStartsAt)
}

fn is_paused() -> Expr {
    col(pack::Column::ReleasePaused)
}

/// Whether the window of the pending release has opened at `now`. Never null, so that it can be negated.
pub(in crate::store) fn is_due(now: Instant) -> Expr {
    starts_at().is_not_null().and(starts_at().lte(now)).and(is_paused().not())
}

/// Whether the window of the pending release, or an early stage of it, has opened at `now` and that wasn't carried out
/// yet.
pub(in crate::store) fn has_due(now: Instant) -> Expr {
    col(pack::Column::PendingDueAt).lte(now).and(is_paused().not())
}

/// Whether no window has opened at `now` that the stored row doesn't show yet.
pub(in crate::store) fn is_not_due(now: Instant) -> Expr {
    starts_at().is_null().or(starts_at().gt(now)).or(is_paused())
}

/// Whether a release is pending at `now`.
pub(in crate::store) fn is_pending(now: Instant) -> Expr {
    starts_at().is_not_null().and(starts_at().gt(now).or(is_paused()))
}

/// Whether no release is pending at `now`.
pub(in crate::store) fn is_not_pending(now: Instant) -> Expr {
    starts_at().is_null().or(starts_at().lte(now).and(is_paused().not()))
}
