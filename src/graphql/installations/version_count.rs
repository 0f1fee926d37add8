//! The number of installations of a version.

use async_graphql::{Context, Object, Result};

use crate::domain::id::PackVersionId;
use crate::graphql::connection::int;
use crate::graphql::packs::PackVersion;

/// The type `VersionCount`: a version and its number of installations at the time of the read.
#[derive(Clone, Copy, Debug)]
pub struct VersionCount {
    version: PackVersionId,
    installations: i64,
}

impl VersionCount {
    /// Callers check that the reader may see the version.
    #[must_use]
    pub fn new(version: PackVersionId, installations: i64) -> Self {
        Self { version, installations }
    }
}

/// How many installations have a version.
#[Object]
impl VersionCount {
    /// The version.
    pub async fn version(&self, ctx: &Context<'_>) -> Result<PackVersion> {
        PackVersion::must(ctx, self.version).await
    }

    /// How many installations have it.
    pub async fn installation_count(&self) -> i32 {
        int(self.installations)
    }
}
