-- What PostGraphile and Mercurius need beside the tables: the relations that Packwright keeps up by itself, and an
-- index for the order by name, which has no publisher in it.
ALTER TABLE integration_pack
    ADD FOREIGN KEY (current_version_id) REFERENCES pack_version (id),
    ADD FOREIGN KEY (pending_version_id) REFERENCES pack_version (id);
ALTER TABLE component
    ADD FOREIGN KEY (latest_shareable_id) REFERENCES component_version (id),
    ADD FOREIGN KEY (latest_publication_id) REFERENCES component_version (id);
CREATE INDEX peers_pack_by_name ON integration_pack (name_key, id) WHERE deleted_at IS NULL;
CREATE INDEX peers_installation ON installation (pack_id) WHERE uninstalled_at IS NULL;
COMMENT ON COLUMN integration_pack.deleted_at IS '@behavior +filterBy';
COMMENT ON COLUMN integration_pack.name_key IS '@behavior +orderBy';
COMMENT ON COLUMN installation.uninstalled_at IS '@behavior +filterBy';
ANALYZE;
