SELECT json_agg(page) FROM (
    SELECT pack.name, pack.installation_type AS type, present.number AS current, coming.number AS pending,
        (SELECT COUNT(*) FROM installation
            WHERE installation.pack_id = pack.id AND installation.uninstalled_at IS NULL) AS installations,
        (SELECT json_agg(json_build_object('name', component.name, 'type', component.component_type,
                'current', held.version, 'newest', newest.version) ORDER BY component.name_key, component.id)
            FROM draft_row
            JOIN component ON component.id = draft_row.component_id
            LEFT JOIN pack_version_item AS item
                ON item.pack_version_id = pack.current_version_id AND item.component_id = draft_row.component_id
            LEFT JOIN component_version AS held ON held.id = item.component_version_id
            LEFT JOIN component_version AS newest ON newest.id =
                CASE pack.deployment_model WHEN 'LEGACY' THEN component.latest_publication_id ELSE component.latest_shareable_id END
            WHERE draft_row.pack_id = pack.id) AS components
    FROM integration_pack AS pack
    LEFT JOIN pack_version AS present ON present.id = pack.current_version_id
    LEFT JOIN pack_version AS coming ON coming.id = pack.pending_version_id
    WHERE pack.publisher_id = :publisher::uuid AND pack.deleted_at IS NULL
        AND (pack.name_key, pack.id) > ((SELECT name_key FROM bench_place WHERE n = :n), (SELECT id FROM bench_place WHERE n = :n))
    ORDER BY pack.name_key, pack.id
    LIMIT 20
) AS page;
