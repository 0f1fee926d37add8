-- The least that dated releases have to write when they are due: their updates were offered before.
CREATE PROCEDURE bench_midnight(size integer) LANGUAGE plpgsql AS $$
DECLARE
    release pack_release;
    last uuid;
    ids uuid[];
BEGIN
    FOR release IN SELECT * FROM pack_release WHERE state = 'SCHEDULED' AND id IN (SELECT pending_release_id FROM bench_due) LOOP
        last := '00000000-0000-0000-0000-000000000000';
        LOOP
            SELECT array_agg(id ORDER BY id) INTO ids FROM (
                SELECT id FROM installation
                WHERE pack_id = release.pack_id AND uninstalled_at IS NULL AND id > last ORDER BY id LIMIT size
            ) AS batch;
            EXIT WHEN ids IS NULL;
            UPDATE installation_update SET state = 'APPLIED', how = 'AUTOMATIC', settled_at = clock_timestamp()
                WHERE release_id = release.id AND installation_id = ANY (ids);
            UPDATE installation SET version_id = release.version_id, moved_at = clock_timestamp() WHERE id = ANY (ids);
            last := ids[array_upper(ids, 1)];
            COMMIT;
        END LOOP;
    END LOOP;
END $$;
