-- Columns that end in `_key` hold a folded form of a text, for uniqueness, order and cursors.
-- Four columns that begin with `actor_` hold who made a change, as it was at the time.

CREATE TABLE server_secret (
    id integer PRIMARY KEY CHECK (id = 1),
    secret $bytes NOT NULL
);

CREATE TABLE account (
    id $uuid PRIMARY KEY,
    kind text NOT NULL,
    -- For a publisher, its own id.
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
-- Few: it says of all others at once that they are active.
CREATE INDEX account_not_active ON account (id) WHERE status <> 'ACTIVE';
-- Few: most accounts have made their first token.
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
    -- One row for each account: reissuing replaces it (R1).
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
    -- Updated by packaging and deleting (R7, R19). No foreign keys, because versions are inserted later.
    latest_shareable_id $uuid,
    latest_publication_id $uuid,
    -- The creation time and the revision of the newest package or publication (R6, R7).
    newest_at $instant,
    newest_revision integer NOT NULL,
    -- The digits of a whole number of any length; 0 without a numeric label.
    highest_numeric_label text NOT NULL,
    -- Whether a version of the component was ever in a pack's version. Then its name stays (R69), and rows of it may be
    -- cached. A release sets it.
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
    -- The label, case-folded. Searches use it, and the check whether a label is taken narrows down by it.
    version_key $key NOT NULL,
    -- The order of numeric labels (R34); null for any other label.
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
    -- JSON: where the package comes from, and an array of what it stands for (R68). Null for nothing.
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
-- A component in a manifest can't be deleted (R69).
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
    -- A new random number whenever a read of the draft could find other rows, or other newest versions or names of
    -- their components.
    draft_revision bigint NOT NULL,
    -- The standing as stored. Readers derive transitions that are due (R30).
    current_version_id $uuid,
    pending_release_id $uuid,
    pending_version_id $uuid,
    pending_starts_at $instant,
    -- When the pending release's next early stage opens, or else its window (R55).
    pending_due_at $instant,
    running_release_id $uuid,
    -- Whether the pending or the running release is paused. Then nobody is moved to its version, and its window doesn't
    -- open (R56).
    release_paused boolean NOT NULL DEFAULT false,
    -- The version before that of the running release, while this is paused: accounts are offered it, and installations
    -- get it (R56).
    former_version_id $uuid,
    -- The id of the first row of installation_tally that counts: it has the sum of all rows before it.
    tally_base_id bigint NOT NULL DEFAULT 0,
    created_at $instant NOT NULL,
    updated_at $instant NOT NULL,
    actor_kind text NOT NULL,
    actor_name text NOT NULL,
    actor_token_id $uuid,
    actor_account_id $uuid,
    deleted_at $instant,
    -- The publisher's own key. A deleted pack gives it free, like its name (R67).
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

-- The keys by which managed accounts know the components of a pack: random, and kept for good (R14).
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
    -- Whether it has rows of release_stage, so that a release without stages costs no look-up.
    has_stages boolean NOT NULL,
    state text NOT NULL,
    schedule text NOT NULL,
    -- A civil date in ISO 8601.
    date text,
    time_zone text,
    starts_at $instant,
    ends_at $instant,
    -- The version of the time zone data behind both instants. Older data never moves them (R42).
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
    -- Since when the release is paused, why and by whom; null while it isn't (R56).
    paused_at $instant,
    pause_reason text,
    pause_actor_kind text,
    pause_actor_name text,
    pause_actor_token_id $uuid,
    pause_actor_account_id $uuid,
    -- The numbers that decided, if the release's halt rule paused it (R58).
    pause_executed bigint,
    pause_bad bigint,
    -- When the release was resumed last.
    resumed_at $instant,
    -- Why it was taken back, if somebody said (R59).
    reason text,
    -- When its roll back began, and how many installations that had to move (R59).
    roll_back_began_at $instant,
    roll_back_installations bigint,
    -- The halt rule (R58): in hundredths of a percent; null when the release has none.
    halt_hundredths integer,
    halt_at_least integer,
    halt_then text,
    halt_watch_hours integer,
    -- When the rule has halted it, since it was made or resumed.
    halted_at $instant,
    -- JSON: where the content comes from (R68).
    source text,
    -- The id of the first row of release_tally that counts: it has the sum of all rows before it.
    tally_base_id bigint NOT NULL DEFAULT 0
);
-- Enforces R28 and R29 when two calls race.
CREATE UNIQUE INDEX one_pending_release ON pack_release (pack_id) WHERE state = 'SCHEDULED';
CREATE UNIQUE INDEX one_running_release ON pack_release (pack_id) WHERE state IN ('IN_PROGRESS', 'ROLLING_BACK');
CREATE INDEX release_pending ON pack_release (publisher_id, starts_at) WHERE state = 'SCHEDULED';
CREATE INDEX release_newest_of_pack ON pack_release (pack_id, created_at, id);
CREATE INDEX release_newest ON pack_release (publisher_id, created_at, id);

-- The early stages of a release, oldest first (R54).
CREATE TABLE release_stage (
    release_id $uuid NOT NULL REFERENCES pack_release (id),
    position integer NOT NULL,
    name text NOT NULL,
    -- The part of the installations that a stage holds, in hundredths of a percent; null for a stage of groups. The
    -- factor and the shift turn an installation's id into its bucket.
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

-- The groups that a stage holds. No foreign key to the groups: a group may be deleted before the stage opens.
CREATE TABLE release_stage_group (
    release_id $uuid NOT NULL REFERENCES pack_release (id),
    position integer NOT NULL,
    group_id $uuid NOT NULL,
    PRIMARY KEY (release_id, position, group_id)
);

-- The members of a stage's groups when the stage opened. Whoever joins or leaves a group later changes nothing (R54).
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

-- The accounts to which a pack was announced (PACK_SHARED) without a later PACK_UNSHARED. This tells an account's first
-- and last grant from others (R50). Whether an account has a grant is never read from here.
CREATE TABLE announced_grant (
    pack_id $uuid NOT NULL REFERENCES integration_pack (id),
    account_id $uuid NOT NULL REFERENCES account (id),
    PRIMARY KEY (pack_id, account_id)
);

-- A release moves all installations of a pack: each page has room for its rows once more, so that the indexes, none of
-- which holds the version, stay as they are.
CREATE TABLE installation (
    id $uuid PRIMARY KEY,
    pack_id $uuid NOT NULL REFERENCES integration_pack (id),
    account_id $uuid NOT NULL REFERENCES account (id),
    publisher_id $uuid NOT NULL REFERENCES account (id),
    override_name text,
    -- The key of the override name, or else of the pack's name.
    name_key $key NOT NULL,
    -- The name key of the account, for the order by account.
    account_name_key $key NOT NULL,
    -- No foreign key: it would be looked up a million times by a release to a million installations. A version is
    -- never removed, and an installation comes to none but those of its pack.
    version_id $uuid NOT NULL,
    -- The last 28 bits of the id, from which a release with stages computes the installation's bucket (R54).
    bucket_seed bigint NOT NULL,
    installed_at $instant NOT NULL,
    moved_at $instant,
    uninstalled_at $instant,
    -- When INSTALLATION_FROZEN was announced. Whether the installation is frozen is derived from the grants (R45).
    frozen_at $instant,
    -- The account gets the events of the pack's releases between these sequence numbers of the event log (R50).
    visible_after bigint NOT NULL,
    visible_until bigint,
    -- The pack of a SINGLE installation until it is uninstalled: one for each account (R43).
    single_pack_id $uuid,
    -- The key of a MULTI installation's override name until it is uninstalled: unique in the account (R43).
    override_name_key $key,
    -- The account's own key until the installation is uninstalled (R67).
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
-- This index alone is enough to count the accounts that have a pack installed, and those with a grant.
CREATE INDEX installation_of_account_and_pack ON installation (pack_id, account_id) WHERE uninstalled_at IS NULL;

-- Closed intervals of the event log in which an account got the events of a pack's releases. A freeze closed them, and
-- the grant came back later (R45, R50).
CREATE TABLE past_visibility (
    account_id $uuid NOT NULL REFERENCES account (id),
    pack_id $uuid NOT NULL,
    installation_id $uuid NOT NULL REFERENCES installation (id),
    visible_after bigint NOT NULL,
    visible_until bigint NOT NULL,
    PRIMARY KEY (account_id, pack_id, installation_id, visible_after)
);
CREATE INDEX past_visibility_age ON past_visibility (visible_until);

-- A release to a million installations writes a million rows, so nothing but the two keys is indexed of each. No
-- foreign keys: an update is made of the row of its installation, which its transaction has locked, and of its
-- release's, and none of those is ever removed.
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
-- Few: those that have failed, and those that are tried again. Not by their state, of which each change would write
-- all indexes of the row anew.
CREATE INDEX update_with_failure ON installation_update (release_id, installation_id) WHERE failure_code IS NOT NULL;
CREATE INDEX update_to_be_tried_again ON installation_update (release_id, next_attempt_at)
    WHERE next_attempt_at IS NOT NULL;

-- Accounts' reports of how an update went: all of them are kept, and the newest one counts (R57).
CREATE TABLE update_outcome (
    id $uuid PRIMARY KEY,
    installation_id $uuid NOT NULL REFERENCES installation (id),
    release_id $uuid NOT NULL REFERENCES pack_release (id),
    account_id $uuid NOT NULL REFERENCES account (id),
    publisher_id $uuid NOT NULL REFERENCES account (id),
    pack_id $uuid NOT NULL REFERENCES integration_pack (id),
    outcome text NOT NULL,
    comment text NOT NULL,
    -- Later than that of the update's report before.
    reported_at $instant NOT NULL,
    actor_kind text NOT NULL,
    actor_name text NOT NULL,
    actor_token_id $uuid,
    actor_account_id $uuid,
    -- The account's name when it reported.
    account_name text NOT NULL
);
CREATE UNIQUE INDEX outcome_newest ON update_outcome (installation_id, release_id, reported_at);

-- How many updates of a release reached each state. Each transaction that saves updates inserts one row for each
-- release and instant; rows never change.
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
    -- Decreases when a retry applies failed updates.
    failed integer NOT NULL,
    -- The change in the number of updates in each state. The sums are the release's progress.
    now_offered integer NOT NULL,
    now_applied integer NOT NULL,
    now_applied_early integer NOT NULL,
    now_applied_staged integer NOT NULL,
    now_skipped integer NOT NULL,
    now_failed integer NOT NULL,
    now_withdrawn integer NOT NULL,
    -- The withdrawn updates whose installation was moved back.
    now_moved_back integer NOT NULL DEFAULT 0,
    -- The change in the number of applied updates by their newest report (R57).
    now_works integer NOT NULL DEFAULT 0,
    now_broken integer NOT NULL DEFAULT 0,
    -- The change in the numbers that a halt rule is judged by (R58). A resume subtracts what there was.
    executed integer NOT NULL DEFAULT 0,
    bad integer NOT NULL DEFAULT 0,
    -- How many microseconds before the change the release had ended; null while it was open. So a rule with any watch
    -- can be judged afterwards (R60).
    since_end bigint,
    -- Whether a retry has opened the release again. Such a row changes nothing, and the rule is judged all the same.
    reopens boolean NOT NULL DEFAULT false,
    -- Whether the row is the sum of the rows before it, and so no change.
    is_sum boolean NOT NULL DEFAULT false,
    -- The change in the number of installations that the release has still to reach: they exist, have another version
    -- and no update by the release.
    remaining integer NOT NULL
);
CREATE INDEX tally_of_release ON release_tally (release_id, at);
CREATE INDEX tally_of_release_from ON release_tally (release_id, id);
CREATE INDEX tally_of_pack ON release_tally (pack_id, at);

-- How many installations of a pack more, or fewer, have a version since an instant: only ever added. Written by
-- whatever installs, moves or uninstalls, in its transaction, which holds the pack.
CREATE TABLE installation_tally (
    id $serial,
    pack_id $uuid NOT NULL REFERENCES integration_pack (id),
    version_id $uuid NOT NULL REFERENCES pack_version (id),
    at $instant NOT NULL,
    installations integer NOT NULL,
    -- How many accounts more, or fewer, have the pack installed.
    accounts integer NOT NULL,
    -- What all earlier rows of the pack add up to, in a row that was written so that nobody has to add them up.
    all_installations integer NOT NULL,
    all_accounts integer NOT NULL
);
CREATE INDEX installation_tally_from ON installation_tally (pack_id, id);
CREATE INDEX installation_tally_until ON installation_tally (pack_id, at);

-- Work that follows from a decision for installations or accounts, and is done in batches (R49).
CREATE TABLE task (
    id $uuid PRIMARY KEY,
    kind text NOT NULL,
    publisher_id $uuid NOT NULL REFERENCES account (id),
    pack_id $uuid REFERENCES integration_pack (id),
    release_id $uuid REFERENCES pack_release (id),
    account_id $uuid REFERENCES account (id),
    -- Whether the task moves installations. Then no other release of the pack can be made (R49).
    moves_installations boolean NOT NULL,
    -- The last object that a batch processed, and the number of objects so far.
    resume_after $uuid,
    done bigint NOT NULL,
    -- When the task is due. A batch may begin earlier, unless `deferred` says that this is the end of a pause.
    not_before $instant NOT NULL,
    deferred boolean NOT NULL,
    -- The number of failures since the last progress, and the last one's message.
    failures integer NOT NULL,
    last_failure text,
    created_at $instant NOT NULL,
    -- The trace of whatever added the task, as `traceparent` has it; null if none is recorded.
    trace_parent text
);
CREATE INDEX task_due ON task (not_before, id);
CREATE INDEX task_of_pack ON task (pack_id, id);
CREATE INDEX task_of_publisher ON task (publisher_id, id);
CREATE INDEX task_of_account ON task (account_id, id) WHERE account_id IS NOT NULL;

-- The state of pruning: events with sequence numbers up to `pruned_to` are gone.
CREATE TABLE event_log (
    id integer PRIMARY KEY CHECK (id = 1),
    pruned_to bigint NOT NULL,
    -- The cutoff time of the last pass that removed old rows, and what the clock showed then. The clock may have been
    -- ahead.
    cutoff $instant,
    last_pass_at $instant
);
INSERT INTO event_log (id, pruned_to) VALUES (1, 0);

-- The last pruned event of each audience: of a publisher, of a managed account, and of all accounts that have a pack
-- installed. `owner_id` is the id of the account or of the pack.
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
    -- Null, and the name empty, for an event that concerns no pack.
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
    -- JSON with facts about the time of the event.
    data text NOT NULL
);
CREATE INDEX event_of_publisher ON event (publisher_id, sequence);
CREATE INDEX event_of_account ON event (account_id, sequence) WHERE account_id IS NOT NULL;
CREATE INDEX event_for_installed ON event (pack_id, sequence) WHERE audience = 'PUBLISHER_AND_INSTALLED';
CREATE INDEX event_of_release ON event (release_id, sequence) WHERE release_id IS NOT NULL;
CREATE INDEX event_of_publisher_by_kind ON event (publisher_id, kind, sequence);
CREATE INDEX event_of_pack_by_kind ON event (pack_id, kind, sequence);
CREATE INDEX event_of_installation ON event (installation_id, sequence) WHERE installation_id IS NOT NULL;

-- The trace in which a transaction appended events at these positions, as `traceparent` has it: their webhooks go on in
-- it. Only of recorded traces.
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
-- By kind of actor. A reader of the whole log merges the few kinds.
CREATE INDEX audit_of_publisher_by_kind ON audit_entry (publisher_id, actor_kind, sequence);
CREATE INDEX audit_of_account_by_kind ON audit_entry (account_id, actor_kind, sequence)
    WHERE account_id IS NOT NULL;
CREATE INDEX audit_of_publisher_by_action ON audit_entry (publisher_id, action, sequence);
CREATE INDEX audit_of_account_by_action ON audit_entry (account_id, action, sequence)
    WHERE account_id IS NOT NULL;
CREATE INDEX audit_of_token ON audit_entry (actor_token_id, sequence) WHERE actor_token_id IS NOT NULL;
CREATE INDEX audit_of_subject ON audit_entry (subject_id, sequence);
CREATE INDEX audit_of_own_subject ON audit_entry (own_subject_id, sequence) WHERE own_subject_id IS NOT NULL;

-- The range of the audit log that has the entries of one hour. Instants don't follow the order of commits, so a search
-- by instant goes through the hour. Hours are counted from 1970.
CREATE TABLE audit_hour (
    hour bigint PRIMARY KEY,
    first_sequence bigint NOT NULL,
    last_sequence bigint NOT NULL
);

-- A change that the scheduler made alike to many installations, one after the other: the common part of their events
-- and audit entries. They have consecutive positions in either log, as if each had a row there.
CREATE TABLE log_batch (
    -- Their positions in the event log, also when they have no events.
    first_sequence $number PRIMARY KEY,
    last_sequence bigint NOT NULL,
    -- The position of the first one in the audit log; null when they have no entries.
    first_entry bigint,
    -- The common beginning of their ids, and the key that seals the rest: each one's index.
    id_base $uuid NOT NULL UNIQUE,
    id_seal $uuid NOT NULL,
    publisher_id $uuid NOT NULL REFERENCES account (id),
    occurred_at $instant NOT NULL,
    pack_id $uuid NOT NULL,
    pack_name text NOT NULL,
    release_id $uuid,
    -- Of the event; null when they have no events.
    kind text,
    audience text,
    update_state text,
    -- Of the audit entry, with the fields that changed beside the version: a JSON array.
    action text,
    for_account boolean NOT NULL,
    changes text NOT NULL,
    -- The number of the version that each has since; null when it kept its own, or is gone.
    version_after integer,
    version_is_gone boolean NOT NULL
);
CREATE UNIQUE INDEX log_batch_entries ON log_batch (first_entry) WHERE first_entry IS NOT NULL;
CREATE INDEX log_batch_of_publisher_by_kind ON log_batch (publisher_id, kind, first_sequence);
CREATE INDEX log_batch_of_pack_by_kind ON log_batch (pack_id, kind, first_sequence);
CREATE INDEX log_batch_of_release ON log_batch (release_id, first_sequence) WHERE release_id IS NOT NULL;
CREATE INDEX log_batch_entries_by_action ON log_batch (publisher_id, action, first_entry)
    WHERE first_entry IS NOT NULL;
-- After the narrower ones: of two that seem as good, SQLite takes the older.
CREATE INDEX log_batch_of_publisher ON log_batch (publisher_id, first_sequence);
CREATE INDEX log_batch_entries_of_publisher ON log_batch (publisher_id, first_entry) WHERE first_entry IS NOT NULL;

-- One installation of a batch, or one account. A release to a million installations writes a million rows, so they
-- hold what differs and nothing else, point nowhere by a foreign key, and have three indexes.
CREATE TABLE log_record (
    sequence $number PRIMARY KEY,
    -- The first sequence of the batch.
    batch bigint NOT NULL,
    account_id $uuid NOT NULL,
    installation_id $uuid,
    version_before integer,
    -- The installation's name, where that is another than the pack's.
    name text
);
CREATE INDEX log_record_of_account ON log_record (account_id, sequence);
CREATE INDEX log_record_of_installation ON log_record (installation_id, sequence) WHERE installation_id IS NOT NULL;

-- The chain of hashes over a publisher's audit entries: its last seal, and the last seal that was cut off with its
-- entries because of their age. Without a foreign key, as a server must not stop at a damaged row.
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

-- Consecutive entries of a publisher that were sealed together. The hash of an entry is over its content and the hash
-- of the publisher's entry before it. A seal keeps the last entry's hash; the others are computed from it.
CREATE TABLE audit_seal (
    publisher_id $uuid NOT NULL,
    -- 1, 2, 3 … for each publisher.
    number bigint NOT NULL,
    first_position bigint NOT NULL,
    last_position bigint NOT NULL,
    entries bigint NOT NULL,
    -- The latest time of an entry; null when no time can be read.
    newest_at $instant,
    -- Random, and shown to nobody: without it a reader could test guesses about entries that it may not see.
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

-- The processes that publishers share as templates (R53). A package has one row for good: publishing a withdrawn
-- package again uses the same row.
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
    -- JSON with the names and the texts.
    claims text NOT NULL,
    -- A hash of the issuer and of one of the claims: a token is looked up by it.
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

-- Subscribers of the event log whose place the server keeps. Secrets are sealed with the server's secret.
CREATE TABLE webhook_endpoint (
    id $uuid PRIMARY KEY,
    account_id $uuid NOT NULL REFERENCES account (id),
    name text NOT NULL,
    name_key $key NOT NULL,
    url text NOT NULL,
    -- JSON with the names of the kinds; null for all.
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
    -- All of its events up to this position were taken.
    place bigint NOT NULL,
    place_event $uuid NOT NULL,
    -- The last event that was taken.
    delivered bigint,
    delivered_event $uuid,
    -- Of the event after the place.
    failed_attempts integer NOT NULL,
    next_attempt_at $instant,
    -- How many attempts there were at all.
    attempts bigint NOT NULL,
    -- Increases with each change that the server which serves it must notice, and which one that server knows.
    revision integer NOT NULL,
    served_revision integer NOT NULL,
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

-- Attempts of an endpoint, about fifty a row.
CREATE TABLE webhook_attempts (
    endpoint_id $uuid NOT NULL REFERENCES webhook_endpoint (id),
    first_number bigint NOT NULL,
    newest_at $instant NOT NULL,
    -- JSON.
    attempts text NOT NULL,
    PRIMARY KEY (endpoint_id, first_number)
);
CREATE INDEX webhook_attempts_age ON webhook_attempts (newest_at);

-- The servers that serve endpoints, and until when each is taken for alive: seconds since 1970 by the database's clock.
CREATE TABLE webhook_server (
    id $uuid PRIMARY KEY,
    alive_until double precision NOT NULL
);
