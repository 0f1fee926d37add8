//! The sources of reads. A read on behalf of an account takes a [`Snapshot`]: one state of the database, whose data the
//! account may see, and the instant that the read refers to. A read on behalf of no account takes the [`WholeServer`].
//! A [`Db`] by itself can't read, so that no read can lack a scope.

use std::sync::Arc;

use super::cache::Cache;
use super::reader::{ReadFrom, Reader, Reads};
use super::scope::{ManagedScope, PublisherScope, Scope};
use super::session::Line;
use super::{DatabaseKind, Db};
use crate::domain::Instant;
use crate::store::accounts::Bearers;

/// One state of the database as one account may see it, at one instant. All reads see the state at the first read.
///
/// Each request has a snapshot, each event that is sent, and the payload of each mutation. A snapshot holds a
/// connection from its first read on, until its last clone is dropped. Cloning it is cheap.
#[derive(Clone)]
pub struct Snapshot<S = Scope> {
    reader: Arc<Reader>,
    scope: S,
    now: Instant,
}

impl<S: Copy> Snapshot<S> {
    /// The account whose data the reads may see.
    #[must_use]
    pub fn scope(&self) -> S {
        self.scope
    }

    /// The instant that the reads refer to.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Returns the connection to the pool. Later reads see the present state, each on its own.
    pub fn end(&self) {
        self.reader.line.0.end();
    }

    /// Makes the snapshot read without a transaction, because a single read is expected. A second read never ends, and
    /// [`Snapshot::wants_more`] reports it; the caller must then read everything again from another snapshot.
    pub fn expect_one_read(&self) {
        self.reader.line.0.expect_one_read();
    }

    /// Returns when a snapshot that expects one read is asked for a second one.
    pub async fn wants_more(&self) {
        self.reader.line.0.wants_more().await;
    }

    /// Refuses each later read with [`StoreError::NotRead`](super::StoreError::NotRead). A caller that has read
    /// everything in advance notices so that something was missing. [`Snapshot::reads`] counts the refusals.
    pub fn close(&self) {
        self.reader.line.0.close();
    }

    /// How many reads have begun.
    #[must_use]
    pub fn reads(&self) -> u32 {
        self.reader.line.0.reads()
    }

    /// The same snapshot for another scope of the same account.
    fn of<T>(&self, scope: T) -> Snapshot<T> {
        Snapshot { reader: self.reader.clone(), scope, now: self.now }
    }

    pub(in crate::store) fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(in crate::store) fn conn(&self) -> &Line<ReadFrom> {
        self.reader.conn()
    }

    /// The cache of immutable rows.
    pub(in crate::store) fn cache(&self) -> &Cache {
        self.reader.cache()
    }
}

impl<S: Copy + Send + Sync> Reads for Snapshot<S> {
    type Conn = Line<ReadFrom>;

    fn source(&self) -> &Self::Conn {
        self.conn()
    }
}

impl Snapshot {
    /// The same snapshot for reads that only publishers have; `None` if the reader is a managed account.
    #[must_use]
    pub fn of_publisher(&self) -> Option<Snapshot<PublisherScope>> {
        match self.scope {
            Scope::Publisher(scope) => Some(self.of(scope)),
            Scope::Managed(_) => None,
        }
    }

    /// The same snapshot for reads that only managed accounts have; `None` if the reader is a publisher.
    #[must_use]
    pub fn of_managed(&self) -> Option<Snapshot<ManagedScope>> {
        match self.scope {
            Scope::Managed(scope) => Some(self.of(scope)),
            Scope::Publisher(_) => None,
        }
    }
}

impl<S: Copy + Into<Scope>> Snapshot<S> {
    /// The same snapshot for reads that both kinds of accounts have.
    #[must_use]
    pub fn of_either(&self) -> Snapshot {
        self.of(self.scope.into())
    }
}

/// The rows of all accounts, for reads on behalf of no account: by the scheduler, the hub of events, authentication and
/// the command line. Each read sees the present state on its own. Resolvers can't get one.
#[derive(Clone)]
pub struct WholeServer(Reader);

impl WholeServer {
    /// A source whose reads all see the state at the first read. It holds a connection from then on.
    pub(crate) fn one_state(&self) -> Self {
        let Reader { db, line } = &self.0;
        Self(Reader { db: db.clone(), line: Line(line.0.one_state()) })
    }

    pub(in crate::store) fn reader(&self) -> &Reader {
        &self.0
    }

    pub(in crate::store) fn conn(&self) -> &Line<ReadFrom> {
        self.0.conn()
    }

    pub(in crate::store) fn kind(&self) -> DatabaseKind {
        self.0.kind()
    }

    /// The cache of tokens.
    pub(in crate::store) fn bearers(&self) -> &Bearers {
        self.0.db.bearers()
    }
}

impl Reads for WholeServer {
    type Conn = Line<ReadFrom>;

    fn source(&self) -> &Self::Conn {
        self.conn()
    }
}

impl Db {
    /// A snapshot of the state at its first read, for an account and an instant.
    #[must_use]
    pub fn snapshot<S: Copy>(&self, scope: S, now: Instant) -> Snapshot<S> {
        let line = Line(self.present().0.one_state());
        Snapshot { reader: Arc::new(Reader { db: self.clone(), line }), scope, now }
    }

    /// The source of reads on behalf of no account.
    #[must_use]
    pub fn whole_server(&self) -> WholeServer {
        WholeServer(Reader { db: self.clone(), line: self.present().clone() })
    }

    /// Like [`Db::whole_server`], on a connection of its own, for reads that must not wait for other reads: the checks
    /// of subscriptions' tokens. The connection is opened at the first use.
    #[must_use]
    pub fn whole_server_apart(&self) -> WholeServer {
        WholeServer(Reader { db: self.clone(), line: self.apart().clone() })
    }
}
