-- How many updates of a release came to a state at an instant: one row a transaction, release and
-- instant, only ever added. Written by whatever saves updates, in its transaction.
CREATE TABLE release_tally (
    id $serial,
    release_id $uuid NOT NULL REFERENCES pack_release (id),
    pack_id $uuid NOT NULL REFERENCES integration_pack (id),
    at $instant NOT NULL,
    offered integer NOT NULL,
    applied_early integer NOT NULL,
    applied_automatically integer NOT NULL,
    applied_immediately integer NOT NULL,
    skipped integer NOT NULL,
    -- Goes down again by what a retry applied.
    failed integer NOT NULL
);
CREATE INDEX tally_of_release ON release_tally (release_id, at);
CREATE INDEX tally_of_pack ON release_tally (pack_id, at);

-- In which accounts a pack is installed, and which of those have the grant, is told from this alone.
CREATE INDEX installation_of_account_and_pack ON installation (pack_id, account_id) WHERE uninstalled_at IS NULL;

INSERT INTO release_tally
    (release_id, pack_id, at, offered, applied_early, applied_automatically, applied_immediately, skipped, failed)
SELECT release_id, pack_id, offered_at, COUNT(*), 0, 0, 0, 0, 0
FROM installation_update
GROUP BY release_id, pack_id, offered_at
ORDER BY offered_at;

-- When an update was applied that a cancel took back is not in its row: it counts where it was offered.
INSERT INTO release_tally
    (release_id, pack_id, at, offered, applied_early, applied_automatically, applied_immediately, skipped, failed)
SELECT release_id, pack_id, CASE WHEN how = 'CANCELED_BACK' THEN offered_at ELSE settled_at END AS settled, 0,
    SUM(CASE WHEN how IN ('EARLY', 'CANCELED_BACK') THEN 1 ELSE 0 END),
    SUM(CASE WHEN how = 'AUTOMATIC' THEN 1 ELSE 0 END),
    SUM(CASE WHEN how = 'IMMEDIATE' THEN 1 ELSE 0 END),
    SUM(CASE WHEN state = 'SKIPPED' THEN 1 ELSE 0 END),
    SUM(CASE WHEN state = 'FAILED' THEN 1 ELSE 0 END)
FROM installation_update
WHERE settled_at IS NOT NULL AND (state IN ('APPLIED', 'SKIPPED', 'FAILED') OR how = 'CANCELED_BACK')
GROUP BY release_id, pack_id, settled
ORDER BY settled;
