-- A process that a publisher shares as a template (R53). One row a package for good: a package that comes back
-- after it was withdrawn is the same entry.
CREATE TABLE library_process (
    id $uuid PRIMARY KEY,
    publisher_id $uuid NOT NULL REFERENCES account (id),
    component_version_id $uuid NOT NULL UNIQUE REFERENCES component_version (id),
    -- The component's and the package's, which never change: an account reads them here and nowhere else.
    name text NOT NULL,
    name_key $key NOT NULL,
    version text NOT NULL,
    description text NOT NULL,
    published_at $instant NOT NULL,
    withdrawn_at $instant,
    copy_count bigint NOT NULL
);
CREATE INDEX library_by_name ON library_process (publisher_id, name_key, id) WHERE withdrawn_at IS NULL;

-- With which groups it is shared; nothing of one that is withdrawn.
CREATE TABLE library_share (
    process_id $uuid NOT NULL REFERENCES library_process (id),
    group_id $uuid NOT NULL REFERENCES account_group (id),
    PRIMARY KEY (process_id, group_id)
);
CREATE INDEX library_of_group ON library_share (group_id, process_id);

-- Where a component came from that an account copied, as it was then.
CREATE TABLE library_copy (
    component_id $uuid PRIMARY KEY REFERENCES component (id),
    process_id $uuid NOT NULL REFERENCES library_process (id),
    name text NOT NULL,
    version text NOT NULL
);
