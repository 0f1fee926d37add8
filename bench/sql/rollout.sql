-- The least that a release has to write: batch by batch, each committed, the updates and the installations.
CREATE PROCEDURE bench_rollout(of_release uuid, size integer) LANGUAGE plpgsql AS $$
DECLARE
    release pack_release;
    last uuid := '00000000-0000-0000-0000-000000000000';
    ids uuid[];
BEGIN
    SELECT * INTO release FROM pack_release WHERE id = of_release;
    LOOP
        SELECT array_agg(id ORDER BY id) INTO ids FROM (
            SELECT id FROM installation
            WHERE pack_id = release.pack_id AND uninstalled_at IS NULL AND id > last ORDER BY id LIMIT size
        ) AS batch;
        EXIT WHEN ids IS NULL;
        INSERT INTO installation_update (installation_id, release_id, account_id, publisher_id, pack_id, state, how,
                attempts, from_version_id, to_version_id, offered_at, settled_at)
            SELECT id, release.id, account_id, publisher_id, pack_id, 'APPLIED', 'IMMEDIATE',
                0, version_id, release.version_id, clock_timestamp(), clock_timestamp()
            FROM installation WHERE id = ANY (ids);
        UPDATE installation SET version_id = release.version_id, moved_at = clock_timestamp() WHERE id = ANY (ids);
        last := ids[array_upper(ids, 1)];
        COMMIT;
    END LOOP;
END $$;
