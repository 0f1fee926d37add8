//! Entries of the audit log, as the caller's account may see them (R51).

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use crate::domain::accounts::Privilege;
use crate::domain::id::AuditEntryId;
use crate::domain::log::{self, SubjectKey};
use crate::graphql::accounts::Actor;
use crate::graphql::connection::connection;
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::{ResultExt as _, bug};
use crate::graphql::ids::Gid;
use crate::graphql::interfaces::Node;
use crate::graphql::node::visible_node;
use crate::graphql::scalars::DateTime;

connection!("entries", AuditEntryConnection, AuditEntryEdge, AuditEntry);

/// The type `AuditEntry`.
pub struct AuditEntry(log::AuditEntry);

impl From<log::AuditEntry> for AuditEntry {
    fn from(entry: log::AuditEntry) -> Self {
        Self(entry)
    }
}

/// One change, for good.
#[Object]
impl AuditEntry {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::AuditEntry(self.0.id).encode()
    }

    /// The time of the change.
    async fn occurred_at(&self) -> DateTime {
        self.0.occurred_at.into()
    }

    /// The actor.
    async fn actor(&self) -> Actor {
        self.0.actor.clone().into()
    }

    /// The action: the name of the mutation (`releaseIntegrationPack`), or of the scheduler's or command line's step (`scheduler.startRelease`).
    async fn action(&self) -> &str {
        &self.0.action
    }

    /// The ID of what was changed, also when it is gone.
    async fn subject_id(&self) -> Result<ID> {
        id_of(&self.0.subject.key)
    }

    /// Its type in this schema, for example `Release`.
    async fn subject_type(&self) -> &str {
        &self.0.subject.key.type_name
    }

    /// Its name then; null where it has none.
    async fn subject_name(&self) -> Option<&str> {
        self.0.subject.name.as_deref()
    }

    /// The object as it is now; null when it is gone.
    async fn subject(&self, ctx: &Context<'_>) -> Option<Result<Node>> {
        match id_of(&self.0.subject.key) {
            Ok(id) => visible_node(ctx, &id).await.transpose(),
            Err(error) => Some(Err(error)),
        }
    }

    /// The changes, field by field; at most 100. Secrets are never in them.
    async fn changes(&self) -> Vec<AuditChange> {
        self.0.changes.iter().cloned().map(Into::into).collect()
    }

    /// The `X-Request-Id` of the request; null for the scheduler.
    async fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// A SHA-256 over this entry and the hash of the entry before it in its publisher's log, in hexadecimal digits; null until it is sealed.
    async fn hash(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(ctx.loaders().log.hashes.one(self.0.id).await.or_failure()?.map(|hash| hash.to_string()))
    }
}

impl AuditEntry {
    /// The entry with this id, if the caller may see it.
    pub async fn by_id(ctx: &Context<'_>, id: AuditEntryId) -> Result<Option<Self>> {
        let may = ctx.viewer()?.may(Privilege::ViewAuditLog);
        let entry = ctx.loaders().log.audit_entries.one(id).await.or_failure()?;
        Ok(entry.filter(|_| may).map(Self))
    }
}

fn id_of(key: &SubjectKey) -> Result<ID> {
    Gid::of_key(key).map(Gid::encode).ok_or_else(|| bug("an entry of the audit log about nothing that has an ID"))
}

/// One field that changed.
#[derive(SimpleObject)]
pub(crate) struct AuditChange {
    /// The field's path.
    field: String,
    /// Before, as text; null for nothing.
    before: Option<String>,
    /// After, as text; null for nothing.
    after: Option<String>,
}

impl From<log::Change> for AuditChange {
    fn from(change: log::Change) -> Self {
        let log::Change { field, before, after, of, private: _ } = change;
        // Ids are shown in the API's form for this reader.
        let masked = |value: Option<String>| match (value, &of) {
            (Some(id), Some(type_name)) => {
                let key = SubjectKey { type_name: type_name.clone(), id };
                Gid::of_key(&key).map(|gid| gid.encode().0)
            }
            (value, _) => value,
        };
        Self { before: masked(before), after: masked(after), field }
    }
}
