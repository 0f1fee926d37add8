//! Fills the values that are derived from other rows, after a load: the tallies of installations and releases, whose
//! history begins with the load, and the marks of the components that are in a pack's version.

use sea_orm::ConnectionTrait as _;

use crate::store::{StoreResult, Tx};

const KEPT: [&str; 4] = [
    "UPDATE component SET in_pack_version = true WHERE id IN (SELECT component_id FROM pack_version_item)",
    "INSERT INTO installation_tally (pack_id, version_id, at, installations, accounts, all_installations, all_accounts)
     SELECT pack_id, version_id, MAX(COALESCE(moved_at, installed_at)), COUNT(*), 0, 0, 0
     FROM installation WHERE uninstalled_at IS NULL GROUP BY pack_id, version_id",
    "INSERT INTO installation_tally (pack_id, version_id, at, installations, accounts, all_installations, all_accounts)
     SELECT i.pack_id, p.current_version_id, MAX(i.installed_at), 0, COUNT(DISTINCT i.account_id), 0, 0
     FROM installation i JOIN integration_pack p ON p.id = i.pack_id
     WHERE i.uninstalled_at IS NULL AND p.current_version_id IS NOT NULL GROUP BY i.pack_id, p.current_version_id",
    "INSERT INTO release_tally (release_id, pack_id, at, offered, applied_early, applied_automatically,
         applied_immediately, skipped, failed, now_offered, now_applied, now_applied_early, now_applied_staged, now_skipped,
         now_failed, now_withdrawn, remaining)
     SELECT r.id, r.pack_id, r.created_at, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, COUNT(*)
     FROM pack_release r JOIN installation i ON i.pack_id = r.pack_id
     WHERE r.state IN ('SCHEDULED', 'IN_PROGRESS') AND i.uninstalled_at IS NULL AND i.version_id <> r.version_id
         AND NOT EXISTS (SELECT 1 FROM installation_update u WHERE u.installation_id = i.id AND u.release_id = r.id)
     GROUP BY r.id, r.pack_id, r.created_at",
];

/// Fills the derived values. The indexes already exist.
pub(in crate::store) async fn count(tx: &Tx) -> StoreResult<()> {
    for statement in KEPT {
        tx.conn().execute_unprepared(statement).await?;
    }
    Ok(())
}
