//! How many installations have a version.

use async_graphql::{Context, Object, Result};

use super::pack_version::PackVersion;
use crate::domain::id::PackVersionId;
use crate::graphql::connection::int;

/// A version of a pack with its number of installations, as a read counted them.
#[derive(Clone, Copy, Debug)]
pub struct VersionCount {
    version: PackVersionId,
    installations: i64,
}

impl VersionCount {
    /// Of a version that the publisher may see.
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
