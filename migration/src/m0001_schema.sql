-- A column `name_key`, `version_key` and the like has the folded form of a text, for uniqueness, order and cursors.
-- Four columns that begin with `actor_` describe the actor that made a change, as the actor was at the time.

CREATE TABLE server_secret (
    id integer PRIMARY KEY CHECK (id = 1),
    secret $bytes NOT NULL
);

CREATE TABLE account (
    id $uuid PRIMARY KEY,
    kind text NOT NULL,
    -- The publisher of a managed account. A publisher account has its own id here.
    publisher_id $uuid NOT NULL REFERENCES account (id),
    name text NOT NULL,
    name_key $key NOT NULL,
    time_zone text,
    status text NOT NULL,
    suspended_at $instant,
    enrolled_at $instant,
    created_at $instant NOT NULL,
    -- The publisher's own key of a managed account (R67).
    key $key
);
CREATE UNIQUE INDEX managed_account_key ON account (publisher_id, key) WHERE key IS NOT NULL;
CREATE UNIQUE INDEX managed_account_name ON account (publisher_id, name_key) WHERE kind = 'MANAGED';
CREATE UNIQUE INDEX publisher_name ON account (name_key) WHERE kind = 'PUBLISHER';
CREATE INDEX account_in_batches ON account (publisher_id, kind, id);
-- Few rows: a query finds all accounts active that aren't in this index.
CREATE INDEX account_not_active ON account (id) WHERE status <> 'ACTIVE';
-- Few rows: most accounts have created their first token.
CREATE INDEX account_not_enrolled ON account (publisher_id, name_key, id) WHERE enrolled_at IS NULL;
CREATE INDEX account_by_name ON account (publisher_id, kind, name_key, id);

CREATE TABLE api_token (
    id $uuid PRIMARY KEY,
    account_id $uuid NOT NULL REFERENCES account (id),
    name text NOT NULL,
    role text NOT NULL,
    secret_hash $bytes NOT NULL UNIQUE,
    created_at $instant NOT NULL,
    actor_kind text NOT NULL,
    actor_name text NOT NULL,
    actor_token_id $uuid,
    actor_account_id $uuid,
    last_used_at $instant,
    expires_at $instant,
    revoked_at $instant,
    -- The token that replaced this one when it was rotated (R1).
    replaced_by $uuid
);
CREATE INDEX api_token_newest ON api_token (account_id, created_at, id);

CREATE TABLE enrolment_token (
    id $uuid PRIMARY KEY,
    -- One row for each account: a reissued enrolment token replaces the one before (R1).
    account_id $uuid NOT NULL UNIQUE REFERENCES account (id),
    secret_hash $bytes NOT NULL UNIQUE,
    created_at $instant NOT NULL,
    expires_at $instant NOT NULL,
    spent_at $instant
);

CREATE TABLE account_group (
    id $uuid PRIMARY KEY,
    publisher_id $uuid NOT NULL REFERENCES account (id),
    name text NOT NULL,
    name_key $key NOT NULL,
    is_all_accounts boolean NOT NULL,
    -- 0 for All Accounts, 1 for other groups, so that All Accounts comes first.
    rank integer NOT NULL,
    created_at $instant NOT NULL,
    -- The publisher's own key (R67).
    key $key,
    UNIQUE (publisher_id, name_key)
);
CREATE UNIQUE INDEX account_group_key ON account_group (publisher_id, key) WHERE key IS NOT NULL;
CREATE UNIQUE INDEX one_all_accounts ON account_group (publisher_id) WHERE is_all_accounts;
CREATE INDEX account_group_by_name ON account_group (publisher_id, rank, name_key, id);

CREATE TABLE account_group_member (
    group_id $uuid NOT NULL REFERENCES account_group (id),
    account_id $uuid NOT NULL REFERENCES account (id),
    PRIMARY KEY (group_id, account_id)
);
CREATE INDEX groups_of_account ON account_group_member (account_id, group_id);

CREATE TABLE component (
    id $uuid PRIMARY KEY,
    owner_id $uuid NOT NULL REFERENCES account (id),
    name text NOT NULL,
    name_key $key NOT NULL,
    component_type text NOT NULL,
    created_at $instant NOT NULL,
    actor_kind text NOT NULL,
    actor_name text NOT NULL,
    actor_token_id $uuid,
    actor_account_id $uuid,
    -- Packaging and deleting update these two (R7, R19). They have no foreign keys, because component_version is
    -- created later.
    latest_shareable_id $uuid,
    latest_publication_id $uuid,
    -- The creation time and the revision of the newest package or publication (R6, R7).
    newest_at $instant,
    newest_revision integer NOT NULL,
    -- The component's highest numeric label (R34), in decimal digits of any number; 0 if it has no numeric label.
    highest_numeric_label text NOT NULL,
    -- Whether a pack version ever contained the component; a release sets this. Then the component can't be renamed
    -- (R69), and its rows may be cached.
    in_pack_version boolean NOT NULL,
    -- The owner's own key (R67).
    key $key
);
CREATE UNIQUE INDEX component_key ON component (owner_id, key) WHERE key IS NOT NULL;
CREATE INDEX component_by_name ON component (owner_id, name_key, id);

CREATE TABLE component_version (
    id $uuid PRIMARY KEY,
    component_id $uuid NOT NULL REFERENCES component (id),
    owner_id $uuid NOT NULL REFERENCES account (id),
    -- PACKAGE or PUBLICATION (R52).
    kind text NOT NULL,
    version text NOT NULL,
    -- The label, case-folded. Searches use it, and the check for a taken label uses it to select the candidates.
    version_key $key NOT NULL,
    -- A numeric label in a form that sorts as text (R34); null for any other label.
    numeric_key $key,
    shareable boolean NOT NULL,
    notes text,
    revision integer NOT NULL,
    created_at $instant NOT NULL,
    actor_kind text NOT NULL,
    actor_name text NOT NULL,
    actor_token_id $uuid,
    actor_account_id $uuid,
    deleted_at $instant,
    -- The name key of the component, for the order by name.
    component_name_key $key NOT NULL,
    -- JSON: the origin of the package, and the array of its artifacts (R68). Null if the caller gave none.
    source text,
    artifacts text,
    UNIQUE (component_id, kind, version),
    UNIQUE (component_id, kind, created_at)
);
CREATE INDEX version_by_key ON component_version (component_id, version_key);
CREATE INDEX version_by_number ON component_version (component_id, numeric_key);
CREATE INDEX version_newest ON component_version (component_id, created_at, id);
CREATE INDEX version_newest_of_owner ON component_version (owner_id, created_at, id);
CREATE INDEX version_by_component_name ON component_version (owner_id, component_name_key, created_at, id);

CREATE TABLE manifest_entry (
    component_version_id $uuid NOT NULL REFERENCES component_version (id),
    position integer NOT NULL,
    component_id $uuid NOT NULL REFERENCES component (id),
    revision integer NOT NULL,
    -- A JSON array of settings.
    extensibility text NOT NULL,
    PRIMARY KEY (component_version_id, position),
    UNIQUE (component_version_id, component_id)
);
-- Finds out whether a manifest names a component: then the component can't be deleted (R69).
CREATE INDEX manifests_with_component ON manifest_entry (component_id);

CREATE TABLE integration_pack (
    id $uuid PRIMARY KEY,
    publisher_id $uuid NOT NULL REFERENCES account (id),
    name text NOT NULL,
    name_key $key NOT NULL,
    description text NOT NULL,
    installation_type text NOT NULL,
    deployment_model text NOT NULL,
    -- JSON (R17).
    support text NOT NULL,
    revision integer NOT NULL,
    last_number integer NOT NULL,
    component_count integer NOT NULL,
    newer_count integer NOT NULL,
    has_unreleased_changes boolean NOT NULL,
    -- A new random number whenever the draft's rows change, or the newest version or the name of a component in it. A
    -- cached draft is valid as long as the number stays.
    draft_revision bigint NOT NULL,
    -- The pack's current version, its pending release and its running release, as stored. Readers derive transitions
    -- that are due but not stored yet (R30).
    current_version_id $uuid,
    pending_release_id $uuid,
    pending_version_id $uuid,
    pending_starts_at $instant,
    -- When the pending release's next early stage opens; without a further stage, when its window opens (R55).
    pending_due_at $instant,
    running_release_id $uuid,
    -- Whether the pending or the running release is paused. Then no installation is moved to its version, and its
    -- window doesn't open (R56).
    release_paused boolean NOT NULL DEFAULT false,
    -- While the running release is paused, the version before its own: accounts then see this version of the pack, and
    -- new installations get it (R56).
    former_version_id $uuid,
    -- The id of the first row of installation_tally that must be read: that row has the sums of all rows before it.
    tally_base_id bigint NOT NULL DEFAULT 0,
    created_at $instant NOT NULL,
    updated_at $instant NOT NULL,
    actor_kind text NOT NULL,
    actor_name text NOT NULL,
    actor_token_id $uuid,
    actor_account_id $uuid,
    deleted_at $instant,
    -- The publisher's own key. When a pack is deleted, its key and its name become free (R67).
    key $key
);
CREATE UNIQUE INDEX pack_key ON integration_pack (publisher_id, key) WHERE key IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX pack_name ON integration_pack (publisher_id, name_key) WHERE deleted_at IS NULL;
CREATE INDEX pack_in_batches ON integration_pack (publisher_id, id);
CREATE INDEX pack_by_name ON integration_pack (publisher_id, name_key, id);
CREATE INDEX pack_by_creation ON integration_pack (publisher_id, created_at, id);
CREATE INDEX pack_by_edit ON integration_pack (publisher_id, updated_at, id);
CREATE INDEX pack_with_newer ON integration_pack (publisher_id, name_key, id) WHERE newer_count > 0 AND deleted_at IS NULL;
CREATE INDEX pack_deleted ON integration_pack (publisher_id, id) WHERE deleted_at IS NOT NULL;
CREATE INDEX pack_due ON integration_pack (pending_due_at) WHERE pending_due_at IS NOT NULL;

CREATE TABLE draft_row (
    pack_id $uuid NOT NULL REFERENCES integration_pack (id),
    component_id $uuid NOT NULL REFERENCES component (id),
    pinned_version_id $uuid REFERENCES component_version (id),
    marked_for_removal boolean NOT NULL,
    PRIMARY KEY (pack_id, component_id)
);
CREATE INDEX drafts_of_component ON draft_row (component_id, pack_id);
CREATE INDEX drafts_pinned_to ON draft_row (pinned_version_id) WHERE pinned_version_id IS NOT NULL;

-- Managed accounts see a component of a pack under this random key instead of its id. The key is kept for good (R14).
CREATE TABLE content_key (
    pack_id $uuid NOT NULL REFERENCES integration_pack (id),
    component_id $uuid NOT NULL REFERENCES component (id),
    content_key $uuid NOT NULL UNIQUE,
    PRIMARY KEY (pack_id, component_id)
);

CREATE TABLE pack_version (
    id $uuid PRIMARY KEY,
    pack_id $uuid NOT NULL REFERENCES integration_pack (id),
    publisher_id $uuid NOT NULL REFERENCES account (id),
    number integer NOT NULL,
    notes text NOT NULL,
    release_id $uuid NOT NULL,
    created_at $instant NOT NULL,
    UNIQUE (pack_id, number)
);

CREATE TABLE pack_version_item (
    pack_version_id $uuid NOT NULL REFERENCES pack_version (id),
    component_id $uuid NOT NULL REFERENCES component (id),
    component_version_id $uuid NOT NULL REFERENCES component_version (id),
    PRIMARY KEY (pack_version_id, component_id)
);
CREATE INDEX pack_versions_holding ON pack_version_item (component_version_id, pack_version_id);
CREATE INDEX pack_versions_with_component ON pack_version_item (component_id, pack_version_id);

CREATE TABLE pack_release (
    id $uuid PRIMARY KEY,
    pack_id $uuid NOT NULL REFERENCES integration_pack (id),
    publisher_id $uuid NOT NULL REFERENCES account (id),
    version_id $uuid NOT NULL REFERENCES pack_version (id),
    previous_version_id $uuid REFERENCES pack_version (id),
    -- Whether the release has rows in release_stage. A release without stages then costs no look-up.
    has_stages boolean NOT NULL,
    state text NOT NULL,
    schedule text NOT NULL,
    -- A civil date in ISO 8601.
    date text,
    time_zone text,
    starts_at $instant,
    ends_at $instant,
    -- The version of the time zone data by which both instants were computed. A server with older data doesn't change
    -- them (R42).
    time_zone_data_version text,
    lateness_seconds bigint,
    superseded_by_id $uuid REFERENCES pack_release (id),
    created_at $instant NOT NULL,
    actor_kind text NOT NULL,
    actor_name text NOT NULL,
    actor_token_id $uuid,
    actor_account_id $uuid,
    promoted_at $instant,
    started_at $instant,
    ended_at $instant,
    progressed_at $instant,
    -- The time, the reason and the actor of the present pause; null while the release isn't paused (R56).
    paused_at $instant,
    pause_reason text,
    pause_actor_kind text,
    pause_actor_name text,
    pause_actor_token_id $uuid,
    pause_actor_account_id $uuid,
    -- If the release's halt rule paused it, the numbers by which the rule decided: executed and bad updates (R58).
    pause_executed bigint,
    pause_bad bigint,
    -- When the release was last resumed.
    resumed_at $instant,
    -- The reason that the caller gave for cancelling the release or rolling it back (R59).
    reason text,
    -- When the release's roll back began, and how many installations the roll back had to move (R59).
    roll_back_began_at $instant,
    roll_back_installations bigint,
    -- The halt rule (R58); null if the release has none. The share is in hundredths of a percent.
    halt_hundredths integer,
    halt_at_least integer,
    halt_then text,
    halt_watch_hours integer,
    -- When the halt rule halted the release; a resume sets this to null.
    halted_at $instant,
    -- JSON: the origin of the release's content (R68).
    source text,
    -- The id of the first row of release_tally that must be read: that row has the sums of all rows before it.
    tally_base_id bigint NOT NULL DEFAULT 0
);
-- Enforces R28 and R29 when two calls race.
CREATE UNIQUE INDEX one_pending_release ON pack_release (pack_id) WHERE state = 'SCHEDULED';
CREATE UNIQUE INDEX one_running_release ON pack_release (pack_id) WHERE state IN ('IN_PROGRESS', 'ROLLING_BACK');
CREATE INDEX release_pending ON pack_release (publisher_id, starts_at) WHERE state = 'SCHEDULED';
CREATE INDEX release_newest_of_pack ON pack_release (pack_id, created_at, id);
CREATE INDEX release_newest ON pack_release (publisher_id, created_at, id);

-- The early stages of a release, numbered by `position` in their order (R54).
CREATE TABLE release_stage (
    release_id $uuid NOT NULL REFERENCES pack_release (id),
    position integer NOT NULL,
    name text NOT NULL,
    -- The share of the installations in the stage, in hundredths of a percent; null for a stage of groups. The factor
    -- and the shift turn an installation's bucket_seed into its bucket.
    hundredths integer,
    bucket_factor bigint,
    bucket_shift bigint,
    -- A civil date in ISO 8601, in the release's zone.
    date text NOT NULL,
    starts_at $instant NOT NULL,
    ends_at $instant NOT NULL,
    time_zone_data_version text NOT NULL,
    opened_at $instant,
    completed_at $instant,
    PRIMARY KEY (release_id, position)
);

-- The groups of an early stage. There is no foreign key to the groups, because a group may be deleted before the stage
-- opens.
CREATE TABLE release_stage_group (
    release_id $uuid NOT NULL REFERENCES pack_release (id),
    position integer NOT NULL,
    group_id $uuid NOT NULL,
    PRIMARY KEY (release_id, position, group_id)
);

-- The members of a stage's groups when the stage opened. An account that joins or leaves a group later changes nothing
-- (R54).
CREATE TABLE release_stage_account (
    release_id $uuid NOT NULL REFERENCES pack_release (id),
    position integer NOT NULL,
    account_id $uuid NOT NULL,
    PRIMARY KEY (release_id, position, account_id)
);

CREATE TABLE pack_share (
    pack_id $uuid NOT NULL REFERENCES integration_pack (id),
    group_id $uuid NOT NULL REFERENCES account_group (id),
    PRIMARY KEY (pack_id, group_id)
);
CREATE INDEX packs_of_group ON pack_share (group_id, pack_id);

-- The accounts to which a pack was announced by PACK_SHARED, without a later PACK_UNSHARED. By these rows the server
-- announces only an account's first and last grant (R50). They don't decide whether an account has a grant.
CREATE TABLE announced_grant (
    pack_id $uuid NOT NULL REFERENCES integration_pack (id),
    account_id $uuid NOT NULL REFERENCES account (id),
    PRIMARY KEY (pack_id, account_id)
);

-- A release moves all installations of a pack. On PostgreSQL each page is only half full, so that the new form of a row
-- fits into the same page and the indexes needn't be written. So no index may contain the version.
CREATE TABLE installation (
    id $uuid PRIMARY KEY,
    pack_id $uuid NOT NULL REFERENCES integration_pack (id),
    account_id $uuid NOT NULL REFERENCES account (id),
    publisher_id $uuid NOT NULL REFERENCES account (id),
    override_name text,
    -- The key of the override name; without one, the key of the pack's name.
    name_key $key NOT NULL,
    -- The name key of the account, for the order by account.
    account_name_key $key NOT NULL,
    -- No foreign key, because a release to a million installations would look it up a million times. A version is never
    -- removed, and an installation only gets versions of its own pack.
    version_id $uuid NOT NULL,
    -- The last 28 bits of the id, from which a release with stages computes the installation's bucket (R54).
    bucket_seed bigint NOT NULL,
    installed_at $instant NOT NULL,
    moved_at $instant,
    uninstalled_at $instant,
    -- When INSTALLATION_FROZEN was announced. Whether the installation is frozen is derived from the grants (R45).
    frozen_at $instant,
    -- The account gets those events of the pack's releases whose sequence numbers in the event log are between these
    -- (R50).
    visible_after bigint NOT NULL,
    visible_until bigint,
    -- The pack of a SINGLE installation; null after the uninstall. So an account has one installation at most (R43).
    single_pack_id $uuid,
    -- The key of a MULTI installation's override name; null after the uninstall. It is unique in the account (R43).
    override_name_key $key,
    -- The account's own key for the installation; null after the uninstall (R67).
    key $key
) $half_full;
CREATE UNIQUE INDEX installation_key ON installation (account_id, key) WHERE key IS NOT NULL;
CREATE UNIQUE INDEX one_single_installation ON installation (account_id, single_pack_id) WHERE single_pack_id IS NOT NULL;
CREATE UNIQUE INDEX one_override_name ON installation (account_id, override_name_key) WHERE override_name_key IS NOT NULL;
CREATE INDEX installation_of_account ON installation (account_id, name_key, id) WHERE uninstalled_at IS NULL;
CREATE INDEX installation_of_publisher ON installation (publisher_id, name_key, id) WHERE uninstalled_at IS NULL;
CREATE INDEX installation_of_pack ON installation (pack_id, name_key, id) WHERE uninstalled_at IS NULL;
CREATE INDEX installation_batch ON installation (pack_id, id);
CREATE INDEX installation_by_account_name ON installation (pack_id, account_name_key, id);
CREATE INDEX installation_visibility ON installation (account_id, pack_id, visible_after);
-- The accounts that have a pack installed are counted from this index alone, without reading rows.
CREATE INDEX installation_of_account_and_pack ON installation (pack_id, account_id) WHERE uninstalled_at IS NULL;

-- Closed intervals of the event log in which an account got the events of a pack's releases. A freeze closed an
-- interval, and the account got a grant again later (R45, R50).
CREATE TABLE past_visibility (
    account_id $uuid NOT NULL REFERENCES account (id),
    pack_id $uuid NOT NULL,
    installation_id $uuid NOT NULL REFERENCES installation (id),
    visible_after bigint NOT NULL,
    visible_until bigint NOT NULL,
    PRIMARY KEY (account_id, pack_id, installation_id, visible_after)
);
CREATE INDEX past_visibility_age ON past_visibility (visible_until);

-- A release to a million installations writes a million rows, so only the two keys of each row are indexed. There are
-- no foreign keys: an update is created in a transaction that has read its release and locked its installation, and
-- these are never removed.
CREATE TABLE installation_update (
    installation_id $uuid NOT NULL,
    release_id $uuid NOT NULL,
    account_id $uuid NOT NULL,
    publisher_id $uuid NOT NULL,
    pack_id $uuid NOT NULL,
    state text NOT NULL,
    how text,
    skip_reason text,
    failure_code text,
    attempts integer NOT NULL,
    next_attempt_at $instant,
    from_version_id $uuid NOT NULL,
    to_version_id $uuid NOT NULL,
    offered_at $instant NOT NULL,
    settled_at $instant,
    actor_kind text,
    actor_name text,
    actor_token_id $uuid,
    actor_account_id $uuid,
    -- The outcome of the newest report; null when there is none (R57).
    outcome text,
    -- One row for each installation and release: an installation moves at most once (R41).
    PRIMARY KEY (installation_id, release_id)
);
CREATE INDEX update_in_batches ON installation_update (release_id, installation_id);
-- Two indexes with few rows: failed updates, and updates that will be tried again. Neither contains the state, because
-- then each change of a state would write all indexes of the row.
CREATE INDEX update_with_failure ON installation_update (release_id, installation_id) WHERE failure_code IS NOT NULL;
CREATE INDEX update_to_be_tried_again ON installation_update (release_id, next_attempt_at)
    WHERE next_attempt_at IS NOT NULL;

-- The outcomes of updates that accounts reported. All reports are kept, and an update's newest report counts (R57).
CREATE TABLE update_outcome (
    id $uuid PRIMARY KEY,
    installation_id $uuid NOT NULL REFERENCES installation (id),
    release_id $uuid NOT NULL REFERENCES pack_release (id),
    account_id $uuid NOT NULL REFERENCES account (id),
    publisher_id $uuid NOT NULL REFERENCES account (id),
    pack_id $uuid NOT NULL REFERENCES integration_pack (id),
    outcome text NOT NULL,
    comment text NOT NULL,
    -- Always later than the time of the update's previous report.
    reported_at $instant NOT NULL,
    actor_kind text NOT NULL,
    actor_name text NOT NULL,
    actor_token_id $uuid,
    actor_account_id $uuid,
    -- The account's name when it reported.
    account_name text NOT NULL
);
CREATE UNIQUE INDEX outcome_newest ON update_outcome (installation_id, release_id, reported_at);

-- Changes in the numbers of a release's updates. Each transaction that saves updates inserts one row for each release
-- and instant. Rows never change. The first six numbers count how often a state was reached.
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
    -- Negative when a retry applies failed updates.
    failed integer NOT NULL,
    -- The change in the number of updates in each state. The sums are the release's progress.
    now_offered integer NOT NULL,
    now_applied integer NOT NULL,
    now_applied_early integer NOT NULL,
    now_applied_staged integer NOT NULL,
    now_skipped integer NOT NULL,
    now_failed integer NOT NULL,
    now_withdrawn integer NOT NULL,
    -- The number of withdrawn updates whose installation was moved back.
    now_moved_back integer NOT NULL DEFAULT 0,
    -- The change in the number of applied updates by their newest report (R57).
    now_works integer NOT NULL DEFAULT 0,
    now_broken integer NOT NULL DEFAULT 0,
    -- The change in the numbers by which a halt rule is judged (R58). A resume subtracts the sums, so that the rule
    -- counts from 0 again.
    executed integer NOT NULL DEFAULT 0,
    bad integer NOT NULL DEFAULT 0,
    -- How many microseconds after the release's end the change was; null if the release was open, the largest number if
    -- it was taken back. With it a rule can be judged afterwards for any number of watch hours (R60).
    since_end bigint,
    -- Whether the row records that a retry opened the release again. Such a row changes no number, but the rule is
    -- judged at its instant too.
    reopens boolean NOT NULL DEFAULT false,
    -- Whether the row has the sums of all rows before it instead of a change.
    is_sum boolean NOT NULL DEFAULT false,
    -- The change in the number of installations that the release must still reach. Such an installation isn't
    -- uninstalled, has another version, and has no update of the release.
    remaining integer NOT NULL
);
CREATE INDEX tally_of_release ON release_tally (release_id, at);
CREATE INDEX tally_of_release_from ON release_tally (release_id, id);
CREATE INDEX tally_of_pack ON release_tally (pack_id, at);

-- Changes in the number of a pack's installations that have a version. Rows are only added. Each transaction that
-- installs, moves or uninstalls installations adds one, while it has the pack locked.
CREATE TABLE installation_tally (
    id $serial,
    pack_id $uuid NOT NULL REFERENCES integration_pack (id),
    version_id $uuid NOT NULL REFERENCES pack_version (id),
    at $instant NOT NULL,
    installations integer NOT NULL,
    -- The change in the number of accounts that have the pack installed.
    accounts integer NOT NULL,
    -- In a row that compaction wrote, the sums of all earlier rows of the pack.
    all_installations integer NOT NULL,
    all_accounts integer NOT NULL
);
CREATE INDEX installation_tally_from ON installation_tally (pack_id, id);
CREATE INDEX installation_tally_until ON installation_tally (pack_id, at);

-- Tasks: work that a command left to the scheduler, which does it in batches (R49).
CREATE TABLE task (
    id $uuid PRIMARY KEY,
    kind text NOT NULL,
    publisher_id $uuid NOT NULL REFERENCES account (id),
    pack_id $uuid REFERENCES integration_pack (id),
    release_id $uuid REFERENCES pack_release (id),
    account_id $uuid REFERENCES account (id),
    -- Whether the task moves installations. As long as such a task exists, the pack can't have another release (R49).
    moves_installations boolean NOT NULL,
    -- The last object that a batch processed, and the number of objects that were processed so far.
    resume_after $uuid,
    done bigint NOT NULL,
    -- The last object of the task's range, for the range of a rollout or of a roll back; null if it has no upper end.
    until $uuid,
    -- When the task is due. If `deferred` is true, this is the end of a pause; otherwise a batch may begin earlier.
    not_before $instant NOT NULL,
    deferred boolean NOT NULL,
    -- The number of failures since the last progress, and the message of the last failure.
    failures integer NOT NULL,
    last_failure text,
    -- A resume of the task's release sets it to its own instant: so it marks the tasks that it finds.
    created_at $instant NOT NULL,
    -- The trace in which the task was created, in the form of the header `traceparent`; null if no trace was recorded.
    trace_parent text
);
CREATE INDEX task_due ON task (not_before, id);
CREATE INDEX task_of_pack ON task (pack_id, id);
CREATE INDEX task_of_publisher ON task (publisher_id, id);
CREATE INDEX task_of_account ON task (account_id, id) WHERE account_id IS NOT NULL;

-- The state of pruning, in one row. Events with sequence numbers up to `pruned_to` were removed.
CREATE TABLE event_log (
    id integer PRIMARY KEY CHECK (id = 1),
    pruned_to bigint NOT NULL,
    -- The time by which the last pruning pass computed ages, and the time that the server's clock showed then. They
    -- differ after the clock was ahead for a while.
    cutoff $instant,
    last_pass_at $instant
);
INSERT INTO event_log (id, pruned_to) VALUES (1, 0);

-- The last pruned event of each audience: of a publisher, of a managed account, or of all accounts that have a pack
-- installed. `owner_id` is the id of this account or pack.
CREATE TABLE event_floor (
    owner_id $uuid PRIMARY KEY,
    sequence bigint NOT NULL,
    event_id $uuid NOT NULL
);

CREATE TABLE event (
    sequence $serial,
    id $uuid NOT NULL UNIQUE,
    kind text NOT NULL,
    audience text NOT NULL,
    publisher_id $uuid NOT NULL REFERENCES account (id),
    account_id $uuid REFERENCES account (id),
    -- Null for an event that concerns no pack; then the name is empty.
    pack_id $uuid,
    pack_name text NOT NULL,
    occurred_at $instant NOT NULL,
    actor_kind text NOT NULL,
    actor_name text NOT NULL,
    actor_token_id $uuid,
    actor_account_id $uuid,
    -- The name of the actor's account at the time. The other account sees it instead of the token's name.
    actor_account_name text,
    release_id $uuid,
    installation_id $uuid,
    update_state text,
    component_version_id $uuid,
    group_id $uuid,
    -- JSON with facts that may change later, as they were when the event occurred.
    data text NOT NULL
);
CREATE INDEX event_of_publisher ON event (publisher_id, sequence);
CREATE INDEX event_of_account ON event (account_id, sequence) WHERE account_id IS NOT NULL;
CREATE INDEX event_for_installed ON event (pack_id, sequence) WHERE audience = 'PUBLISHER_AND_INSTALLED';
CREATE INDEX event_of_release ON event (release_id, sequence) WHERE release_id IS NOT NULL;
CREATE INDEX event_of_publisher_by_kind ON event (publisher_id, kind, sequence);
CREATE INDEX event_of_pack_by_kind ON event (pack_id, kind, sequence);
CREATE INDEX event_of_installation ON event (installation_id, sequence) WHERE installation_id IS NOT NULL;

-- The trace in which a transaction appended the events at these positions, in the form of the header `traceparent`. The
-- webhooks of the events continue the trace. Traces that aren't recorded have no row.
CREATE TABLE event_trace (
    last_sequence $number PRIMARY KEY,
    first_sequence bigint NOT NULL,
    trace_parent text NOT NULL
);

CREATE TABLE audit_entry (
    -- The position in the log, in the order of commits.
    sequence $serial,
    id $uuid NOT NULL UNIQUE,
    publisher_id $uuid NOT NULL REFERENCES account (id),
    account_id $uuid REFERENCES account (id),
    occurred_at $instant NOT NULL,
    actor_kind text NOT NULL,
    actor_name text NOT NULL,
    actor_token_id $uuid,
    actor_account_id $uuid,
    -- The name of the actor's account at the time. The other account sees it instead of the token's name.
    actor_account_name text,
    action text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    subject_name text,
    -- The subject in the managed account's view, if it differs from the publisher's.
    own_subject_type text,
    own_subject_id text,
    own_subject_name text,
    -- A JSON array of the fields that changed.
    changes text NOT NULL,
    request_id text
);
-- These indexes begin with the kind of actor. A reader of all kinds reads each kind, and merges the rows.
CREATE INDEX audit_of_publisher_by_kind ON audit_entry (publisher_id, actor_kind, sequence);
CREATE INDEX audit_of_account_by_kind ON audit_entry (account_id, actor_kind, sequence)
    WHERE account_id IS NOT NULL;
CREATE INDEX audit_of_publisher_by_action ON audit_entry (publisher_id, action, sequence);
CREATE INDEX audit_of_account_by_action ON audit_entry (account_id, action, sequence)
    WHERE account_id IS NOT NULL;
CREATE INDEX audit_of_token ON audit_entry (actor_token_id, sequence) WHERE actor_token_id IS NOT NULL;
CREATE INDEX audit_of_subject ON audit_entry (subject_id, sequence);
CREATE INDEX audit_of_own_subject ON audit_entry (own_subject_id, sequence) WHERE own_subject_id IS NOT NULL;

-- The range of the audit log that has the entries of one hour, which is numbered from 1970. The log isn't in the exact
-- order of its instants, so a search by instant finds the range of the hour here, and searches all of it.
CREATE TABLE audit_hour (
    hour bigint PRIMARY KEY,
    first_sequence bigint NOT NULL,
    last_sequence bigint NOT NULL
);

-- A batch: the same change of many installations, made by the scheduler. This row has the common part of their events
-- and audit entries, and log_record has a row for each installation. Each record takes the next position in either log,
-- as if it had an event and an audit entry there.
CREATE TABLE log_batch (
    -- The records' positions in the event log. They have positions there even if they have no events.
    first_sequence $number PRIMARY KEY,
    last_sequence bigint NOT NULL,
    -- The first record's position in the audit log; null if the records have no audit entries.
    first_entry bigint,
    -- The common beginning of the records' ids, and the key that encrypts the rest of an id: the record's index.
    id_base $uuid NOT NULL UNIQUE,
    id_seal $uuid NOT NULL,
    publisher_id $uuid NOT NULL REFERENCES account (id),
    occurred_at $instant NOT NULL,
    pack_id $uuid NOT NULL,
    pack_name text NOT NULL,
    release_id $uuid,
    -- The events' kind, audience and state; null if the records have no events.
    kind text,
    audience text,
    update_state text,
    -- The audit entries' action, whether the managed accounts see the entries too, and a JSON array of the changed
    -- fields without the version.
    action text,
    for_account boolean NOT NULL,
    changes text NOT NULL,
    -- The number of the version that the installations have after the change; null if they kept their versions, or if
    -- they were uninstalled, which version_is_gone says.
    version_after integer,
    version_is_gone boolean NOT NULL
);
CREATE UNIQUE INDEX log_batch_entries ON log_batch (first_entry) WHERE first_entry IS NOT NULL;
CREATE INDEX log_batch_of_publisher_by_kind ON log_batch (publisher_id, kind, first_sequence);
CREATE INDEX log_batch_of_pack_by_kind ON log_batch (pack_id, kind, first_sequence);
CREATE INDEX log_batch_of_release ON log_batch (release_id, first_sequence) WHERE release_id IS NOT NULL;
CREATE INDEX log_batch_entries_by_action ON log_batch (publisher_id, action, first_entry)
    WHERE first_entry IS NOT NULL;
-- These two must come after the narrower indexes above: if two indexes seem equally good, SQLite takes the older one.
CREATE INDEX log_batch_of_publisher ON log_batch (publisher_id, first_sequence);
CREATE INDEX log_batch_entries_of_publisher ON log_batch (publisher_id, first_entry) WHERE first_entry IS NOT NULL;

-- A record: one installation of a batch, or one account. A release to a million installations writes a million rows. So
-- a row has only the part that differs from the batch, no foreign keys and three indexes.
CREATE TABLE log_record (
    sequence $number PRIMARY KEY,
    -- The first sequence of the batch.
    batch bigint NOT NULL,
    account_id $uuid NOT NULL,
    installation_id $uuid,
    version_before integer,
    -- The installation's name; null if it is the pack's name.
    name text
);
CREATE INDEX log_record_of_account ON log_record (account_id, sequence);
CREATE INDEX log_record_of_installation ON log_record (installation_id, sequence) WHERE installation_id IS NOT NULL;

-- The chain of hashes over a publisher's audit entries: its last seal (end), and the last seal that was removed with
-- its entries because of their age (cut). There is no foreign key, so that a damaged row doesn't stop a server.
CREATE TABLE audit_chain (
    publisher_id $uuid PRIMARY KEY,
    end_number bigint NOT NULL,
    -- The position of the last entry in the audit log.
    end_position bigint NOT NULL,
    end_hash $bytes NOT NULL,
    cut_number bigint NOT NULL,
    cut_position bigint NOT NULL,
    cut_hash $bytes NOT NULL
);

-- A seal of consecutive audit entries of a publisher. An entry's hash is computed from its content and the hash of the
-- publisher's entry before it. The seal has only the last entry's hash, and the hash before its first entry. The other
-- hashes are computed when the chain is checked.
CREATE TABLE audit_seal (
    publisher_id $uuid NOT NULL,
    -- 1, 2, 3 … for each publisher.
    number bigint NOT NULL,
    first_position bigint NOT NULL,
    last_position bigint NOT NULL,
    entries bigint NOT NULL,
    -- The latest time of the seal's entries; null if no time can be read.
    newest_at $instant,
    -- A random value that no caller sees. Without it, a reader could test guesses about entries that it may not see.
    salt $uuid NOT NULL,
    hash_before $bytes NOT NULL,
    hash $bytes NOT NULL,
    PRIMARY KEY (publisher_id, number)
);
CREATE UNIQUE INDEX audit_seal_by_position ON audit_seal (publisher_id, last_position);

CREATE TABLE client_request (
    account_id $uuid NOT NULL REFERENCES account (id),
    mutation text NOT NULL,
    client_request_id $key NOT NULL,
    input_hash $bytes NOT NULL,
    -- A JSON array with the ids of the created objects.
    result text NOT NULL,
    created_at $instant NOT NULL,
    PRIMARY KEY (account_id, mutation, client_request_id)
);
CREATE INDEX client_request_age ON client_request (created_at);

-- The processes of the process library (R53). A package has at most one row: if a withdrawn package is published again,
-- it uses its row again.
CREATE TABLE library_process (
    id $uuid PRIMARY KEY,
    publisher_id $uuid NOT NULL REFERENCES account (id),
    component_version_id $uuid NOT NULL UNIQUE REFERENCES component_version (id),
    -- Copies of the names of the component and the package. Managed accounts read them only here.
    name text NOT NULL,
    name_key $key NOT NULL,
    version text NOT NULL,
    description text NOT NULL,
    published_at $instant NOT NULL,
    withdrawn_at $instant,
    copy_count bigint NOT NULL
);
CREATE INDEX library_by_name ON library_process (publisher_id, name_key, id) WHERE withdrawn_at IS NULL;

-- The groups with which a process is shared. Withdrawing the process deletes the rows.
CREATE TABLE library_share (
    process_id $uuid NOT NULL REFERENCES library_process (id),
    group_id $uuid NOT NULL REFERENCES account_group (id),
    PRIMARY KEY (process_id, group_id)
);
CREATE INDEX library_of_group ON library_share (group_id, process_id);

-- The origin of a copied component, with names as they were at the time.
CREATE TABLE library_copy (
    component_id $uuid PRIMARY KEY REFERENCES component (id),
    process_id $uuid NOT NULL REFERENCES library_process (id),
    name text NOT NULL,
    version text NOT NULL
);

-- Pipelines that act for an account without a stored secret.
CREATE TABLE trusted_publisher (
    id $uuid PRIMARY KEY,
    account_id $uuid NOT NULL REFERENCES account (id),
    name text NOT NULL,
    name_key $key NOT NULL,
    issuer text NOT NULL,
    -- A JSON object: the names of the claims, and the text that a token must have for each.
    claims text NOT NULL,
    -- A hash of the issuer and one claim, by which the publisher for a token is found.
    lookup_key $bytes NOT NULL,
    role text NOT NULL,
    created_at $instant NOT NULL,
    actor_kind text NOT NULL,
    actor_name text NOT NULL,
    actor_token_id $uuid,
    actor_account_id $uuid,
    last_used_at $instant
);
CREATE UNIQUE INDEX trusted_publisher_name ON trusted_publisher (account_id, name_key);
CREATE INDEX trusted_publisher_by_name ON trusted_publisher (account_id, name_key, id);
CREATE INDEX trusted_publisher_lookup ON trusted_publisher (lookup_key);

-- Webhook endpoints: subscribers of the event log whose position the server saves. The secrets are encrypted with the
-- server's secret.
CREATE TABLE webhook_endpoint (
    id $uuid PRIMARY KEY,
    account_id $uuid NOT NULL REFERENCES account (id),
    name text NOT NULL,
    name_key $key NOT NULL,
    url text NOT NULL,
    -- A JSON array of the event kinds that are sent; null for all kinds.
    kinds text,
    pack_id $uuid,
    installation_id $uuid,
    release_id $uuid,
    about_account_id $uuid,
    document text,
    state text NOT NULL,
    disabled_reason text,
    secret $bytes NOT NULL,
    former_secret $bytes,
    former_secret_until $instant,
    -- The endpoint's position: its receiver accepted all of its events up to here.
    place bigint NOT NULL,
    place_event $uuid NOT NULL,
    -- The last event that the receiver accepted.
    delivered bigint,
    delivered_event $uuid,
    -- The failed attempts of the event after the position, and when this event is tried again.
    failed_attempts integer NOT NULL,
    failing_since $instant,
    next_attempt_at $instant,
    -- The number of all attempts so far.
    attempts bigint NOT NULL,
    -- The revision increases with each change that the serving server must notice. served_revision is the revision that
    -- this server knows.
    revision integer NOT NULL,
    served_revision integer NOT NULL,
    -- In which revision a call set the place.
    place_revision integer NOT NULL,
    server_id $uuid,
    created_at $instant NOT NULL,
    actor_kind text NOT NULL,
    actor_name text NOT NULL,
    actor_token_id $uuid,
    actor_account_id $uuid
);
CREATE UNIQUE INDEX webhook_endpoint_name ON webhook_endpoint (account_id, name_key);
CREATE INDEX webhook_endpoint_by_name ON webhook_endpoint (account_id, name_key, id);
CREATE INDEX webhook_endpoint_of_server ON webhook_endpoint (server_id) WHERE state IN ('ACTIVE', 'FAILING');
CREATE INDEX webhook_endpoint_changed ON webhook_endpoint (server_id) WHERE served_revision <> revision;

-- Attempts to deliver events to an endpoint, about fifty in a row.
CREATE TABLE webhook_attempts (
    endpoint_id $uuid NOT NULL REFERENCES webhook_endpoint (id),
    first_number bigint NOT NULL,
    newest_at $instant NOT NULL,
    -- A JSON array.
    attempts text NOT NULL,
    PRIMARY KEY (endpoint_id, first_number)
);
CREATE INDEX webhook_attempts_age ON webhook_attempts (newest_at);

-- The servers that serve endpoints. Until when each is taken for alive, and until when for one that takes endpoints, are
-- seconds since 1970 by the database's clock. The vocabulary is how many values of events its program can read.
CREATE TABLE webhook_server (
    id $uuid PRIMARY KEY,
    alive_until double precision NOT NULL,
    takes_until double precision NOT NULL,
    vocabulary integer NOT NULL,
    -- Whether it gives its endpoints back, and takes no others.
    ends boolean NOT NULL DEFAULT false
);
