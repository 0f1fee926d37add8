//! The fields of `Query` for publishers, and about the server.

use async_graphql::{Context, ErrorExtensions as _, ID, Object, Result, SimpleObject};

use crate::domain::accounts::AccountRefusal;
use crate::domain::instant;
use crate::domain::refusal::Refusal as _;
use crate::domain::releases::{RequestedSchedule, WindowFault, release_window};
use crate::graphql::components::{
    Component, ComponentConnection, PackagedComponent, PackagedComponentConnection, packages_connection,
};
use crate::graphql::connection::PageArgs;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::DatabaseKind;
use crate::graphql::error::{BAD_USER_INPUT, ResultExt as _, bad_input, not_found};
use crate::graphql::filters::{
    ComponentFilter, IntegrationPackFilter, IntegrationPackOrder, PackagedComponentFilter, PackagedComponentOrder,
    ReleaseFilter,
};
use crate::graphql::ids;
use crate::graphql::lookup;
use crate::graphql::packs::{IntegrationPack, IntegrationPackConnection, PacksOf, packs_connection};
use crate::graphql::releases::{
    HaltRuleInput, HaltRuleVerdict, PreviewedStages, Release, ReleaseConnection, ReleasePreview, ReleaseScheduleInput,
    ReleaseStageInput, ReleaseWindow, RollBackPreview, releases_connection, verdicts,
};
use crate::graphql::scalars::{Date, DateTime, TimeZoneName};
use crate::store::components::read as components;
use crate::zones::UnknownZone;

#[derive(Default)]
pub struct PublisherQuery;

/// The server.
#[derive(SimpleObject)]
pub struct ServerInfo {
    /// Packwright's version.
    version: &'static str,
    /// The version of the time zone data, for example `2026b`.
    time_zone_data_version: String,
    /// The database system.
    database_kind: DatabaseKind,
    /// The server's clock.
    now: DateTime,
}

#[Object]
impl PublisherQuery {
    /// The server: version, database, clock.
    async fn server_info(&self, ctx: &Context<'_>) -> Result<ServerInfo> {
        ctx.viewer()?;
        Ok(ServerInfo {
            version: env!("CARGO_PKG_VERSION"),
            time_zone_data_version: ctx.services().zones.version().to_string(),
            database_kind: ctx.services().db.kind().into(),
            now: ctx.now().into(),
        })
    }

    /// Publisher: its packs.
    async fn integration_packs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only packs that match all of it.")] filter: Option<IntegrationPackFilter>,
        #[graphql(desc = "The order; by name when left out.")] order_by: Option<IntegrationPackOrder>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<IntegrationPackConnection> {
        packs_connection(ctx, PacksOf::Publisher, filter, order_by, PageArgs::new(first, after, last, before)).await
    }

    /// Publisher: one pack of its own.
    async fn integration_pack(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID of an IntegrationPack; this or `key`.")] id: Option<ID>,
        #[graphql(desc = "Its key; this or `id`.")] key: Option<String>,
    ) -> Option<Result<IntegrationPack>> {
        Some(pack_by_id_or_key(ctx, id, key).await)
    }

    /// Publisher: the packs of which at least one component has a newer shareable version than the one in force; read them at `components(onlyWithNewerShareable: true)`.
    async fn packs_with_newer_shareable_versions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only packs that match all of it.")] filter: Option<IntegrationPackFilter>,
        #[graphql(desc = "The order; by name when left out.")] order_by: Option<IntegrationPackOrder>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<IntegrationPackConnection> {
        packs_connection(ctx, PacksOf::WithNewer, filter, order_by, PageArgs::new(first, after, last, before)).await
    }

    /// The caller's components: a publisher's own, or the copies that a managed account took from the process library. By name.
    async fn components(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only components that match all of it.")] filter: Option<ComponentFilter>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<ComponentConnection> {
        let snapshot = ctx.snapshot()?;
        let request = PageArgs::new(first, after, last, before).request(ctx, components::BY_NAME)?;
        let filter = Box::pin(filter.unwrap_or_default().read(ctx)).await?;
        let page = Box::pin(components::page(&snapshot, &filter, request)).await.or_failure()?;
        Ok(ComponentConnection::of(page, Component))
    }

    /// One component of the caller's.
    async fn component(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID of a Component; this or `key`.")] id: Option<ID>,
        #[graphql(desc = "Its key; this or `id`.")] key: Option<String>,
    ) -> Option<Result<Component>> {
        Some(one_component(ctx, id, key).await)
    }

    /// Publisher: its packaged components; newest first when no order is given.
    async fn packaged_components(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only packaged components that match all of it.")] filter: Option<PackagedComponentFilter>,
        #[graphql(desc = "The order; newest first when left out.")] order_by: Option<PackagedComponentOrder>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<PackagedComponentConnection> {
        ctx.publisher()?;
        let filter = Box::pin(filter.unwrap_or_default().read(ctx)).await?;
        packages_connection(ctx, filter, order_by, PageArgs::new(first, after, last, before)).await
    }

    /// Publisher: one packaged component, deleted or not.
    async fn packaged_component(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID of a PackagedComponent.")] id: ID,
    ) -> Option<Result<PackagedComponent>> {
        Some(one_package(ctx, &id).await)
    }

    /// Publisher: one release of a pack of its own.
    async fn release(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID of a Release.")] id: ID,
    ) -> Option<Result<Release>> {
        Some(one_release(ctx, &id).await)
    }

    /// Publisher: releases of all its packs, newest first.
    async fn releases(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only releases that match all of it.")] filter: Option<ReleaseFilter>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<ReleaseConnection> {
        ctx.publisher()?;
        let filter = Box::pin(filter.unwrap_or_default().read(ctx)).await?;
        releases_connection(ctx, filter, PageArgs::new(first, after, last, before)).await
    }

    /// Publisher: what a release of the pack made now would do.
    async fn release_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID of an IntegrationPack.")] pack_id: ID,
        #[graphql(desc = "The schedule to be judged; IMMEDIATELY when left out.")] schedule: Option<
            ReleaseScheduleInput,
        >,
        #[graphql(desc = "The early stages to be judged, as in releaseIntegrationPack.", default)] stages: Vec<
            ReleaseStageInput,
        >,
        #[graphql(desc = "A former release of the pack whose buckets are used again: the ID of a Release.")]
        cohort_of: Option<ID>,
    ) -> Option<Result<ReleasePreview>> {
        let stages = PreviewedStages { stages, cohort_of };
        Some(Box::pin(release_preview(ctx, &pack_id, schedule, stages)).await)
    }

    /// Publisher: what rolling a release back would do.
    async fn roll_back_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID of a Release.")] release_id: ID,
    ) -> Result<RollBackPreview> {
        RollBackPreview::of(ctx, one_release(ctx, &release_id).await?).await
    }

    /// Publisher: what a halt rule would have done to the last twenty releases of a pack, newest first.
    async fn halt_rule_on_history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID of an IntegrationPack.")] pack_id: ID,
        #[graphql(desc = "The rule.")] halt_when: HaltRuleInput,
    ) -> Result<Vec<HaltRuleVerdict>> {
        one_pack(ctx, &pack_id).await?;
        Box::pin(verdicts(ctx, ids::pack_id(&pack_id)?, halt_when)).await
    }

    /// The release window of any date in any zone. Errors: DATE_DOES_NOT_EXIST, TIME_ZONE_UNKNOWN.
    async fn release_window(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The civil date.")] date: Date,
        #[graphql(desc = "The zone that the date is meant in.")] time_zone: TimeZoneName,
    ) -> Result<ReleaseWindow> {
        ctx.viewer()?;
        let zone = ctx.services().zones.find(&time_zone.0).map_err(unknown_zone)?;
        let window = release_window(date.0, &zone).map_err(no_window)?;
        if !instant::is_representable(window.starts_at) || !instant::is_representable(window.ends_at) {
            return Err(bad_input("Choose a date whose window lies within the years 1 to 9999 in UTC."));
        }
        Ok(window.into())
    }
}

async fn one_pack(ctx: &Context<'_>, id: &ID) -> Result<IntegrationPack> {
    ctx.publisher()?;
    IntegrationPack::by_id(ctx, ids::pack_id(id)?).await?.ok_or_else(|| not_found(id))
}

async fn pack_by_id_or_key(ctx: &Context<'_>, id: Option<ID>, key: Option<String>) -> Result<IntegrationPack> {
    ctx.publisher()?;
    let by_id = async |id: ID| IntegrationPack::by_id(ctx, ids::pack_id(&id)?).await;
    lookup::one(id, key, by_id, |key| IntegrationPack::by_key(ctx, key)).await
}

async fn one_component(ctx: &Context<'_>, id: Option<ID>, key: Option<String>) -> Result<Component> {
    ctx.viewer()?;
    let by_id = async |id: ID| Component::by_id(ctx, ids::component_id(&id)?).await;
    lookup::one(id, key, by_id, |key| Component::by_key(ctx, key)).await
}

async fn one_package(ctx: &Context<'_>, id: &ID) -> Result<PackagedComponent> {
    ctx.publisher()?;
    PackagedComponent::by_id(ctx, ids::packaged_component_id(id)?).await?.ok_or_else(|| not_found(id))
}

async fn one_release(ctx: &Context<'_>, id: &ID) -> Result<Release> {
    ctx.publisher()?;
    Release::by_id(ctx, ids::release_id(id)?).await?.ok_or_else(|| not_found(id))
}

async fn release_preview(
    ctx: &Context<'_>,
    id: &ID,
    schedule: Option<ReleaseScheduleInput>,
    stages: PreviewedStages,
) -> Result<ReleasePreview> {
    let pack = one_pack(ctx, id).await?;
    ReleasePreview::of(ctx, pack, schedule.map_or(RequestedSchedule::Immediately, Into::into), stages).await
}

fn unknown_zone(UnknownZone { nearest }: UnknownZone) -> async_graphql::Error {
    let refusal = AccountRefusal::TimeZoneUnknown { nearest };
    async_graphql::Error::new(refusal.message())
        .extend_with(|_, extensions| extensions.set("code", "TIME_ZONE_UNKNOWN"))
}

fn no_window(fault: WindowFault) -> async_graphql::Error {
    let (message, code) = match fault {
        WindowFault::DateDoesNotExist => ("The zone has no such day.", "DATE_DOES_NOT_EXIST"),
        WindowFault::OutsideOfYears => {
            ("The window of this date lies outside of the years 0001 to 9999; give a date inside.", BAD_USER_INPUT)
        }
    };
    async_graphql::Error::new(message).extend_with(|_, extensions| extensions.set("code", code))
}
