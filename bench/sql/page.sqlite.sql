SELECT json_group_array(json_object('name', page.name, 'type', page.type, 'current', page.current, 'pending', page.pending,
    'installations', page.installations, 'components', json(page.components))) FROM (
    SELECT pack.name, pack.installation_type AS type, present.number AS current, coming.number AS pending,
        (SELECT COUNT(*) FROM installation
            WHERE installation.pack_id = pack.id AND installation.uninstalled_at IS NULL) AS installations,
        (SELECT json_group_array(json_object('name', part.name, 'type', part.component_type,
                'current', part.held, 'newest', part.newest)) FROM (
            SELECT component.name, component.component_type, held.version AS held, newest.version AS newest
            FROM draft_row
            JOIN component ON component.id = draft_row.component_id
            LEFT JOIN pack_version_item AS item
                ON item.pack_version_id = pack.current_version_id AND item.component_id = draft_row.component_id
            LEFT JOIN component_version AS held ON held.id = item.component_version_id
            LEFT JOIN component_version AS newest ON newest.id =
                CASE pack.deployment_model WHEN 'LEGACY' THEN component.latest_publication_id ELSE component.latest_shareable_id END
            WHERE draft_row.pack_id = pack.id
            ORDER BY component.name_key, component.id) AS part) AS components
    FROM integration_pack AS pack
    LEFT JOIN pack_version AS present ON present.id = pack.current_version_id
    LEFT JOIN pack_version AS coming ON coming.id = pack.pending_version_id
    WHERE pack.publisher_id = :publisher AND pack.deleted_at IS NULL AND (pack.name_key, pack.id) > (:name_key, :id)
    ORDER BY pack.name_key, pack.id
    LIMIT 20
) AS page
