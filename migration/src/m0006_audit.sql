-- The name that the account of the actor had then: the other reader is told it in the place of the token's.
ALTER TABLE audit_entry ADD COLUMN actor_account_name text;
-- The subject as the managed account knows it, where that is another than the publisher's.
ALTER TABLE audit_entry ADD COLUMN own_subject_type text;
ALTER TABLE audit_entry ADD COLUMN own_subject_id text;
ALTER TABLE audit_entry ADD COLUMN own_subject_name text;

-- The same of what was written before; names of accounts are taken as they are now.
UPDATE audit_entry SET actor_account_name = (SELECT name FROM account WHERE account.id = audit_entry.actor_account_id)
    WHERE actor_account_id IS NOT NULL;
-- What an update would have brought is not for an account that had lost the grant (R45).
UPDATE audit_entry SET account_id = NULL WHERE subject_type = 'Installation' AND changes LIKE '%"NOT_ENTITLED"%';
UPDATE audit_entry SET subject_name = (SELECT name FROM account WHERE account.id = audit_entry.account_id)
    WHERE action = 'enrolManagedAccount';
UPDATE audit_entry SET own_subject_type = 'OwnAccount', own_subject_id = subject_id, own_subject_name = subject_name
    WHERE subject_type = 'ManagedAccount' AND account_id IS NOT NULL;
UPDATE audit_entry SET own_subject_type = 'OwnAccount', own_subject_id = $account,
        own_subject_name = (SELECT name FROM account WHERE account.id = audit_entry.account_id)
    WHERE subject_type = 'AccountGroup' AND account_id IS NOT NULL;
UPDATE audit_entry SET own_subject_type = subject_type, own_subject_id = subject_id, own_subject_name = subject_name,
        subject_type = 'ManagedAccount', subject_id = $account,
        subject_name = (SELECT name FROM account WHERE account.id = audit_entry.account_id)
    WHERE subject_type IN ('ApiToken', 'Component') AND account_id IS NOT NULL;

-- By kind of actor; the whole log is the few kinds together.
DROP INDEX audit_of_publisher;
DROP INDEX audit_of_account;
CREATE INDEX audit_of_publisher_by_kind ON audit_entry (publisher_id, actor_kind, occurred_at, id);
CREATE INDEX audit_of_account_by_kind ON audit_entry (account_id, actor_kind, occurred_at, id)
    WHERE account_id IS NOT NULL;
CREATE INDEX audit_of_publisher_by_action ON audit_entry (publisher_id, action, occurred_at, id);
CREATE INDEX audit_of_account_by_action ON audit_entry (account_id, action, occurred_at, id)
    WHERE account_id IS NOT NULL;
CREATE INDEX audit_of_token ON audit_entry (actor_token_id, occurred_at, id) WHERE actor_token_id IS NOT NULL;
CREATE INDEX audit_of_subject ON audit_entry (subject_id, occurred_at, id);
CREATE INDEX audit_of_own_subject ON audit_entry (own_subject_id, occurred_at, id) WHERE own_subject_id IS NOT NULL;
