//! Builds the schema, in two editions: the public one, and the demo's, which can move the clock. They are separate
//! schemas, because a field that is only hidden could still be called.

use std::sync::{Arc, OnceLock};

use async_graphql::{ObjectType, Request, Response, SDLExportOptions, Schema, SchemaBuilder, ValidationMode};
use futures_util::stream::BoxStream;

use crate::events::hub::Hub;
use crate::gate::{Facts, Location};
use crate::scheduler::Scheduler;
use crate::service::Shared;
use crate::service::access::Caller;
use crate::store::Snapshot;

use super::context::RequestData;
use super::extension::SameExtension;
use super::interfaces::{
    Account, ComponentVersion, Event, LibraryProcess, Node, Pack, PackEvent, PackRelease, PackSnapshot, UserError,
};
use super::introspection::OwnDescription;
use super::mutations::{DemoMutation, Mutation};
use super::panics::Guard;
use super::query::Query;
use super::webhooks::CheckDocument;
use super::written::Rendered;
use crate::graphql::demo::DemoUserError;
use crate::graphql::log::Subscription;

/// The schema's description, in the SDL and for introspection.
pub(super) const DESCRIPTION: &str = "Packwright keeps the record of integration packs: which components a publisher has packaged, which versions of them a pack holds, and which account has which version of which pack, from when on. A *publisher* packages components, composes packs of them, shares the packs with groups of the accounts that it manages, and releases a version to everybody at once or on a date. A *managed account* installs packs, tests what is offered, and is moved when the date comes. Begin with `viewer`: it says which of both your token belongs to. A rule that refuses a mutation answers in the payload's `errors`, with a `code`, a `message` that says what to do, and the `field` at fault; everything else is a GraphQL error with `extensions.code`. Lists are Relay connections. Subscriptions go on `after` a cursor, so that a client that was away misses nothing.";

/// The framework's limit of recursion. It is higher than the gate's limit of nesting.
const RECURSION_MAX: usize = 1_000;

/// The cost of a search for a part of a name. No index supports it, so it reads all rows.
const SEARCH: u64 = 4_000;
/// The cost of a filter that no index supports.
const UNINDEXED: u64 = 200;

/// The schema of one edition. Cheap to clone.
#[derive(Clone)]
pub struct PackwrightSchema(Arc<Edition>);

enum Edition {
    Public(SchemaPair<Mutation>),
    Demo(SchemaPair<DemoMutation>),
}

/// An edition's schema in two variants, because with any extension the framework resolves all fields more slowly.
struct SchemaPair<M> {
    register: Register<M>,
    /// A panic in a resolver fails its field.
    guarded: Schema<Query, M, Subscription>,
    /// A panic in a resolver ends the operation. Built at the first use, because some servers need only the other
    /// variant.
    without_extensions: OnceLock<Schema<Query, M, Subscription>>,
}

/// Registers the types that only one edition has.
type Register<M> = fn(SchemaBuilder<Query, M, Subscription>) -> SchemaBuilder<Query, M, Subscription>;

impl<M: ObjectType + Default + 'static> SchemaPair<M> {
    fn new(register: Register<M>) -> Self {
        let guarded =
            Self::builder(register).extension(SameExtension(Guard)).extension(SameExtension(OwnDescription)).finish();
        Self { register, guarded, without_extensions: OnceLock::new() }
    }

    fn builder(register: Register<M>) -> SchemaBuilder<Query, M, Subscription> {
        common(register(Schema::build(Query::default(), M::default(), Subscription)))
    }

    fn without_extensions(&self) -> &Schema<Query, M, Subscription> {
        // Without federation, the framework searches all types for federation's entities at each root field. The gate
        // reads the SDL of the other variant, so federation's additional fields can't be queried.
        self.without_extensions.get_or_init(|| Self::builder(self.register).enable_federation().finish())
    }
}

impl PackwrightSchema {
    /// Executes a query or a mutation.
    pub async fn execute(&self, request: impl Into<Request>) -> Response {
        match &*self.0 {
            Edition::Public(SchemaPair { guarded, .. }) => guarded.execute(request).await,
            Edition::Demo(SchemaPair { guarded, .. }) => guarded.execute(request).await,
        }
    }

    /// Executes a query without introspection, faster.
    ///
    /// # Panics
    /// When a resolver does. Callers then repeat the query with [`PackwrightSchema::execute`], which reports the field.
    pub async fn execute_without_extensions(&self, request: impl Into<Request>) -> Response {
        match &*self.0 {
            Edition::Public(schemas) => schemas.without_extensions().execute(request).await,
            Edition::Demo(schemas) => schemas.without_extensions().execute(request).await,
        }
    }

    /// Executes any operation. A subscription has several responses.
    pub fn execute_stream(&self, request: impl Into<Request>) -> BoxStream<'static, Response> {
        match &*self.0 {
            Edition::Public(SchemaPair { guarded, .. }) => guarded.execute_stream(request),
            Edition::Demo(SchemaPair { guarded, .. }) => guarded.execute_stream(request),
        }
    }

    /// The schema's SDL.
    #[must_use]
    pub fn sdl(&self) -> String {
        let options =
            SDLExportOptions::new().include_specified_by().prefer_single_line_descriptions().use_space_ident();
        let sdl = match &*self.0 {
            Edition::Public(SchemaPair { guarded, .. }) => guarded.sdl_with_options(options),
            Edition::Demo(SchemaPair { guarded, .. }) => guarded.sdl_with_options(options),
        };
        // The framework doesn't support a description of the schema.
        sdl.replace("\nschema {", &format!("\n\"\"\"\n{DESCRIPTION}\n\"\"\"\nschema {{"))
    }
}

/// The schema, with or without the demo's fields. Each is built once per process.
#[must_use]
pub fn schema(demo: bool) -> PackwrightSchema {
    static PUBLIC: OnceLock<PackwrightSchema> = OnceLock::new();
    static DEMO: OnceLock<PackwrightSchema> = OnceLock::new();
    let made = if demo {
        DEMO.get_or_init(|| {
            PackwrightSchema(Arc::new(Edition::Demo(SchemaPair::new(
                SchemaBuilder::register_output_type::<DemoUserError>,
            ))))
        })
    } else {
        PUBLIC.get_or_init(|| {
            PackwrightSchema(Arc::new(Edition::Public(SchemaPair::new(
                SchemaBuilder::register_output_type::<UserError>,
            ))))
        })
    };
    made.clone()
}

/// The facts about the schema that the gate can't read from the SDL.
pub const FACTS: Facts = Facts {
    check_scalar: super::scalars::check_scalar,
    list_size: |of, field| match (of, field) {
        // At most one warning per code.
        ("ReleasePreview", "warnings") => Some(5),
        // At most nine early ones and the last one.
        (_, "stages") => Some(10),
        _ => None,
    },
    sized_by: |of, field| match (of, field) {
        ("Adoption", "curve") => Some(("points", 200)),
        _ => None,
    },
    field_reads: |of, field, ty| match (of, field, ty) {
        // These fields count installations.
        (_, _, "Adoption" | "ReleaseProgress") => 100,
        // Up to 500 events are read, to count them.
        ("WebhookEndpoint", "waitingCount", _) => 500,
        ("Query", "releasePreview", _) | ("ReleaseStage", "installationCount", _) => 1_000,
        // Texts of up to 20,000 characters, and of up to 4,000.
        (_, _, "Markdown") => 20,
        (_, "notes", _) => 4,
        _ => 0,
    },
    filter_reads: |of, argument| match (of, argument) {
        (_, "search") => SEARCH,
        // These filters use an index.
        (_, "packId" | "accountId" | "groupId" | "componentId" | "installationId" | "tokenId" | "subjectId") => 0,
        (_, "from" | "to") if of == "AuditLogFilter" => 0,
        _ if of.ends_with("Filter") => UNINDEXED,
        _ => 0,
    },
    check_syntax: |printed| match async_graphql::parser::parse_query(printed) {
        Ok(_) => Ok(()),
        Err(error) => {
            let at = error.positions().next().unwrap_or_default();
            Err(Location { line: at.line, column: at.column })
        }
    },
    tells_a_secret: |mutation| {
        matches!(
            mutation,
            "createApiToken"
                | "createManagedAccount"
                | "createWebhookEndpoint"
                | "reissueEnrolmentToken"
                | "rotateWebhookSecret"
        )
    },
};

/// The SDL of the public schema.
#[must_use]
pub fn sdl() -> String {
    schema(false).sdl()
}

/// The common parts of both editions: interfaces that no field returns, and limits.
fn common<M: ObjectType + 'static>(
    builder: SchemaBuilder<Query, M, Subscription>,
) -> SchemaBuilder<Query, M, Subscription> {
    builder
        .register_output_type::<Node>()
        .register_output_type::<Pack>()
        .register_output_type::<PackSnapshot>()
        .register_output_type::<PackRelease>()
        .register_output_type::<ComponentVersion>()
        .register_output_type::<LibraryProcess>()
        .register_output_type::<Account>()
        .register_output_type::<Event>()
        .register_output_type::<PackEvent>()
        // The gate has validated the document already.
        .validation_mode(ValidationMode::Fast)
        .limit_recursive_depth(RECURSION_MAX)
        .disable_suggestions()
}

/// A handle to the database connection that an operation holds while it is answered.
pub struct ConnectionHandle(Arc<RequestData>);

impl ConnectionHandle {
    /// Releases the connection, and what was loaded. The next event acquires it again.
    pub fn release(&self) {
        self.0.rest();
    }

    /// Called with each answer of a subscription. Releases the connection. `None` if the answer isn't sent, because the
    /// subscription shows its event again from a state of its own.
    #[must_use]
    pub fn end_answer(&self, answer: Response) -> Option<Response> {
        let is_dropped = self.0.drops_answer(!answer.errors.is_empty());
        self.release();
        (!is_dropped).then_some(answer)
    }

    /// Lets the request read without a transaction, because it will probably read once.
    pub fn expect_one_read(&self) {
        if let Some(snapshot) = self.0.loaders().snapshot() {
            snapshot.expect_one_read();
        }
    }

    /// Returns when a request that was expected to read once reads a second time. That read never ends: the request
    /// must be executed again.
    pub async fn wants_more(&self) {
        match self.0.loaders().snapshot() {
            Some(snapshot) => snapshot.wants_more().await,
            None => std::future::pending().await,
        }
    }

    /// How many reads the request has begun.
    #[must_use]
    pub fn reads(&self) -> u32 {
        self.0.loaders().snapshot().map_or(0, Snapshot::reads)
    }
}

/// Attaches the resolvers' data to a request. The handle releases what they hold.
#[must_use]
pub fn prepare(
    request: Request,
    services: Shared,
    hub: Arc<Hub>,
    scheduler: Arc<Scheduler>,
    rendered: Arc<Rendered>,
    check_document: CheckDocument,
    caller: Arc<Caller>,
) -> (Request, ConnectionHandle) {
    let data = Arc::new(RequestData::new(services, hub, scheduler, rendered, check_document, caller));
    (request.data(data.clone()), ConnectionHandle(data))
}
