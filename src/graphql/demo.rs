//! Mutations that exist only in demo mode: moving the clock, and starting over.

use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::{Context, Enum, Interface, Object, OneofObject, Result, SimpleObject};
use chrono::{Duration, Months};
use futures_util::future::{BoxFuture, try_join_all};

use crate::domain::log::EventKind;
use crate::domain::{Instant, instant};
use crate::events::hub::Interest;
use crate::graphql::accounts::AccountError;
use crate::graphql::components::PackagingError;
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::ResultExt as _;
use crate::graphql::installations::InstallationError;
use crate::graphql::interfaces::PackRelease;
use crate::graphql::library::LibraryError;
use crate::graphql::packs::PackError;
use crate::graphql::releases::ReleaseError;
use crate::graphql::scalars::DateTime;
use crate::graphql::sharing::SharingError;
use crate::graphql::webhooks::WebhookError;
use crate::scheduler::advance::advance;
use crate::service::error::Failure;
use crate::store::log::events;

/// How far one call can move the clock.
const FARTHEST: Months = Months::new(120);
/// The most releases in the answer.
const RELEASES_MAX: usize = 100;

/// Resets the demo, and returns the time on its clock. Through this handle the schema reaches the running demo.
#[derive(Clone)]
pub struct ResetDemo(Arc<dyn Fn() -> BoxFuture<'static, std::result::Result<Instant, Failure>> + Send + Sync>);

impl ResetDemo {
    /// A handle that calls `begin`.
    pub fn new(
        begin: impl Fn() -> BoxFuture<'static, std::result::Result<Instant, Failure>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(begin))
    }
}

/// How to move the clock: exactly one field.
#[derive(OneofObject)]
enum DemoAdvanceClockInput {
    /// To this instant.
    To(DateTime),
    /// By this many seconds.
    BySeconds(i32),
}

/// What demoAdvanceClock did.
#[derive(SimpleObject)]
struct DemoAdvanceClockPayload {
    /// The clock after it.
    now: DateTime,
    /// The releases that started or ended meanwhile, in that order, as far as the caller may see them; at most 100.
    releases: Vec<PackRelease>,
    /// Why it was refused; empty when it was done.
    errors: Vec<DemoError>,
}

/// What demoReset did.
#[derive(SimpleObject)]
struct DemoResetPayload {
    /// The clock after it.
    now: DateTime,
}

/// Why the clock was not moved.
#[derive(Clone, Debug)]
pub struct DemoError {
    code: DemoErrorCode,
    field: &'static str,
}

/// The reasons for refusing to move the clock.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DemoErrorCode {
    /// A clock goes forward only.
    NotForward,
    /// More than ten years at once, or past the year 9999.
    TooFar,
}

/// Why the clock was not moved.
#[Object]
impl DemoError {
    /// The rule that refused.
    async fn code(&self) -> DemoErrorCode {
        self.code
    }

    /// A sentence in English that says what to do.
    pub async fn message(&self) -> String {
        match self.code {
            DemoErrorCode::NotForward => "Choose an instant after the clock's present one.".to_owned(),
            DemoErrorCode::TooFar => {
                "Move the clock by at most ten years at once, and not past the year 9999.".to_owned()
            }
        }
    }

    /// The path into `input`; null when no one field is at fault.
    pub async fn field(&self) -> Option<Vec<String>> {
        Some(vec![self.field.to_owned()])
    }
}

/// Why a mutation refused. Each area has its own type with its own enum of codes in a field `code`.
#[allow(clippy::enum_variant_names, reason = "the variants are named as their types")]
#[derive(Interface)]
#[graphql(
    name = "UserError",
    field(
        name = "message",
        ty = "String",
        desc = "A sentence in English that says what to do. May be shown; may change; don't parse it."
    ),
    field(
        name = "field",
        ty = "Option<Vec<String>>",
        desc = "The path into `input`, for example [\"packages\", \"3\", \"version\"]; null when no one field is at fault."
    )
)]
pub enum DemoUserError {
    PackagingError(PackagingError),
    PackError(PackError),
    ReleaseError(ReleaseError),
    SharingError(SharingError),
    AccountError(AccountError),
    InstallationError(InstallationError),
    LibraryError(LibraryError),
    WebhookError(WebhookError),
    DemoError(DemoError),
}

impl DemoAdvanceClockInput {
    fn field(&self) -> &'static str {
        match self {
            Self::To(_) => "to",
            Self::BySeconds(_) => "bySeconds",
        }
    }

    /// The new time; refused when it isn't after `now` or is too far.
    fn instant(&self, now: Instant) -> std::result::Result<Instant, DemoErrorCode> {
        let to = match self {
            Self::To(to) => to.0,
            Self::BySeconds(seconds) => now + Duration::seconds(i64::from(*seconds)),
        };
        match now.checked_add_months(FARTHEST) {
            _ if to <= now => Err(DemoErrorCode::NotForward),
            Some(farthest) if to <= farthest && instant::is_representable(to) => Ok(to),
            _ => Err(DemoErrorCode::TooFar),
        }
    }
}

/// The mutations that only a demo's schema has.
#[derive(Default)]
pub struct Demo;

#[Object]
impl Demo {
    /// Moves the demo's clock forward as if the time had passed with the server running: it stops at each instant at which something is due and lets the scheduler finish it, so that nothing is late. Codes: NOT_FORWARD, TOO_FAR.
    async fn demo_advance_clock(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The instant to move the clock to, or by how many seconds.")] input: DemoAdvanceClockInput,
    ) -> Result<DemoAdvanceClockPayload> {
        ctx.viewer()?;
        let clock = &ctx.services().clock;
        let from = clock.now();
        let to = match input.instant(from) {
            Ok(to) => to,
            Err(code) => {
                let errors = vec![DemoError { code, field: input.field() }];
                return Ok(DemoAdvanceClockPayload { now: from.into(), releases: Vec::new(), errors });
            }
        };
        let before_advancing = events::position(&ctx.snapshot()?).await.or_failure()?.sequence;
        ctx.end_snapshot();
        advance(&ctx.data_of_request().scheduler, clock, to).await.or_failure()?;
        ctx.renew();
        let releases = releases_after(ctx, before_advancing).await?;
        Ok(DemoAdvanceClockPayload { now: clock.now().into(), releases, errors: Vec::new() })
    }

    /// Resets the demo: its world and its clock are as at the start, with the same ids and tokens. Open subscriptions end. Send it alone: later mutations of the same operation would change the former world.
    async fn demo_reset(&self, ctx: &Context<'_>) -> Result<DemoResetPayload> {
        ctx.viewer()?;
        let reset = ctx.data_unchecked::<ResetDemo>().0();
        // The reset runs in a task of its own, so that it is completed even when the client has gone.
        let reset = tokio::spawn(reset).await.unwrap_or_else(|error| Err(Failure::bug(error.to_string())));
        Ok(DemoResetPayload { now: reset.or_failure()?.into() })
    }
}

/// The releases that started or ended after a position of the log, in that order, as far as the caller may see them.
async fn releases_after(ctx: &Context<'_>, before_advancing: i64) -> Result<Vec<PackRelease>> {
    let kinds = Some(vec![EventKind::ReleaseStarted, EventKind::ReleaseCompleted]);
    let interest = Interest { kinds, ..Interest::default() };
    // A release has at most two such events: that it started, and that it ended.
    let limit = u32::try_from(2 * RELEASES_MAX).unwrap_or(u32::MAX);
    let next = events::after(&ctx.snapshot()?, before_advancing, &interest, limit).await.or_failure()?;
    let mut seen = HashSet::new();
    let ids = next.events.into_iter().filter_map(|event| event.event.release_id).filter(|id| seen.insert(*id));
    let found = try_join_all(ids.take(RELEASES_MAX).map(|id| PackRelease::by_id(ctx, id))).await?;
    Ok(found.into_iter().flatten().collect())
}
