-- Where the event log begins: what stood at this place or before it was pruned.
CREATE TABLE event_log (
    id integer PRIMARY KEY CHECK (id = 1),
    pruned_to bigint NOT NULL
);
INSERT INTO event_log (id, pruned_to) VALUES (1, 0);

-- The intervals of the event log in which an account heard of a pack's releases, and that ended while the
-- pack stayed installed: by a freeze, before the grant came back (R45, R50).
CREATE TABLE heard_before (
    account_id $uuid NOT NULL REFERENCES account (id),
    pack_id $uuid NOT NULL,
    installation_id $uuid NOT NULL REFERENCES installation (id),
    heard_from bigint NOT NULL,
    heard_until bigint NOT NULL,
    PRIMARY KEY (account_id, pack_id, installation_id, heard_from)
);
CREATE INDEX heard_before_age ON heard_before (heard_until);

-- In the order of the log, whatever it is filtered by.
CREATE INDEX event_of_publisher_by_kind ON event (publisher_id, kind, sequence);
CREATE INDEX event_of_pack_by_kind ON event (pack_id, kind, sequence);
CREATE INDEX event_of_installation ON event (installation_id, sequence) WHERE installation_id IS NOT NULL;
