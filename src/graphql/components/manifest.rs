//! The manifest of a package.

use async_graphql::{ComplexObject, Context, Result, SimpleObject};

use crate::domain::components as domain;
use crate::domain::id::ComponentId;
use crate::graphql::components::component::Component;

/// A component inside a package.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct ManifestEntry {
    #[graphql(skip)]
    component_id: ComponentId,
    /// Its revision.
    pub revision: i32,
    /// The settings that managed accounts may override in it, by name; at most 200.
    pub extensibility: Vec<ExtensibilitySetting>,
}

/// A setting that a managed account may override in a component. It never has a value, so that no secret can be in it.
#[derive(SimpleObject)]
pub struct ExtensibilitySetting {
    /// The setting's name, for example `connection.url`; unique in its manifest entry.
    pub name: String,
    /// Whether a managed account may override it.
    pub extensible: bool,
    /// Whether the packaged value is used where it isn't overridden.
    pub uses_default: bool,
}

#[ComplexObject]
impl ManifestEntry {
    /// The component.
    async fn component(&self, ctx: &Context<'_>) -> Result<Component> {
        Component::must(ctx, self.component_id).await
    }
}

impl From<&domain::ManifestEntry> for ManifestEntry {
    fn from(entry: &domain::ManifestEntry) -> Self {
        let mut extensibility: Vec<_> = entry.extensibility.iter().map(ExtensibilitySetting::from).collect();
        extensibility.sort_by(|a, b| a.name.cmp(&b.name));
        Self { component_id: entry.component_id, revision: entry.revision, extensibility }
    }
}

impl From<&domain::ExtensibilitySetting> for ExtensibilitySetting {
    fn from(setting: &domain::ExtensibilitySetting) -> Self {
        let domain::ExtensibilitySetting { name, extensible, uses_default } = setting.clone();
        Self { name, extensible, uses_default }
    }
}
