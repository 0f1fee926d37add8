//! Components, packages and packs of the first publisher.

use serde_json::{Value, json};

use super::{At, TestApp};

/// A packaged component.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Package {
    pub(crate) id: String,
    /// The version label.
    pub(crate) version: String,
    pub(crate) created_at: String,
}

/// A publication.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Publication {
    pub(crate) id: String,
    pub(crate) number: i64,
    pub(crate) created_at: String,
}

/// A pack whose components each have one shareable package.
#[derive(Clone, Debug)]
pub(crate) struct Pack {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The IDs of its components, in the order of the request.
    pub(crate) components: Vec<String>,
    /// Their first packages, version 1.0, in the same order.
    pub(crate) packages: Vec<Package>,
}

impl TestApp {
    /// A component of the type PROCESS.
    pub(crate) async fn component(&self, name: &str) -> String {
        self.component_of(name, "PROCESS").await
    }

    /// A component of any type.
    pub(crate) async fn component_of(&self, name: &str, component_type: &str) -> String {
        let input = json!({ "name": name, "type": component_type });
        self.ok(&self.publisher, "createComponent", input, "component { id }").await.text("/component/id")
    }

    /// A shareable package of a component, with the next label.
    pub(crate) async fn package(&self, component: &str) -> Package {
        self.package_with(component, json!({})).await
    }

    /// A package that isn't shareable, with the next label.
    pub(crate) async fn package_not_shareable(&self, component: &str) -> Package {
        self.package_with(component, json!({ "shareable": false })).await
    }

    /// A package with further fields of PackageInput; shareable by default.
    pub(crate) async fn package_with(&self, component: &str, more: Value) -> Package {
        let mut input = json!({ "componentId": component, "shareable": true });
        input.as_object_mut().unwrap().extend(more.as_object().expect("fields of PackageInput").clone());
        let selection = "packagedComponents { id version createdAt }";
        let payload =
            self.ok(&self.publisher, "createPackagedComponents", json!({ "packages": [input] }), selection).await;
        let made = payload.at("/packagedComponents/0");
        Package { id: made.text("/id"), version: made.text("/version"), created_at: made.text("/createdAt") }
    }

    /// A publication of a component, with the next number.
    pub(crate) async fn publish(&self, component: &str) -> Publication {
        let selection = "publication { id number createdAt }";
        let payload =
            self.ok(&self.publisher, "publishComponent", json!({ "componentId": component }), selection).await;
        let made = payload.at("/publication");
        Publication { id: made.text("/id"), number: made.int("/number"), created_at: made.text("/createdAt") }
    }

    /// Deletes a package.
    pub(crate) async fn delete_package(&self, package: &str) {
        let input = json!({ "packagedComponentId": package });
        self.ok(&self.publisher, "deletePackagedComponent", input, "packagedComponent { id }").await;
    }

    /// Restores a deleted package.
    pub(crate) async fn restore_package(&self, package: &str) {
        let input = json!({ "packagedComponentId": package });
        self.ok(&self.publisher, "restorePackagedComponent", input, "packagedComponent { id }").await;
    }

    /// A component with one shareable package: (component, package 1.0).
    pub(crate) async fn packaged(&self, name: &str) -> (String, Package) {
        let component = self.component(name).await;
        let package = self.package(&component).await;
        (component, package)
    }

    /// `count` components named `prefix 000` and so on, each with one shareable package, created in few calls. Returns
    /// their IDs, in the order of their names.
    pub(crate) async fn many_packaged(&self, prefix: &str, count: usize) -> Vec<String> {
        let mut components = Vec::new();
        for index in 0..count {
            components.push(self.component(&format!("{prefix} {index:03}")).await);
        }
        for chunk in components.chunks(250) {
            let packages: Vec<_> = chunk.iter().map(|c| json!({ "componentId": c, "shareable": true })).collect();
            self.ok(&self.publisher, "createPackagedComponents", json!({ "packages": packages }), "").await;
        }
        components
    }

    /// An empty SINGLE pack.
    pub(crate) async fn pack(&self, name: &str) -> String {
        self.pack_of_type(name, "SINGLE").await
    }

    /// An empty MULTI pack.
    pub(crate) async fn multi_pack(&self, name: &str) -> String {
        self.pack_of_type(name, "MULTI").await
    }

    /// An empty SINGLE pack of the model LEGACY.
    pub(crate) async fn legacy_pack(&self, name: &str) -> String {
        let input = json!({ "name": name, "installationType": "SINGLE", "deploymentModel": "LEGACY" });
        self.ok(&self.publisher, "createIntegrationPack", input, "integrationPack { id }")
            .await
            .text("/integrationPack/id")
    }

    async fn pack_of_type(&self, name: &str, installation_type: &str) -> String {
        let input = json!({ "name": name, "installationType": installation_type });
        self.ok(&self.publisher, "createIntegrationPack", input, "integrationPack { id }")
            .await
            .text("/integrationPack/id")
    }

    /// Adds components to a draft.
    pub(crate) async fn add(&self, pack: &str, components: &[&str]) {
        let input = json!({ "packId": pack, "componentIds": components });
        self.ok(&self.publisher, "addPackComponents", input, "integrationPack { id }").await;
    }

    /// Removes a component from a draft, which marks or deletes its row.
    pub(crate) async fn remove(&self, pack: &str, component: &str) {
        let input = json!({ "packId": pack, "componentId": component });
        self.ok(&self.publisher, "removePackComponent", input, "integrationPack { id }").await;
    }

    /// Pins a component of a draft to a version.
    pub(crate) async fn pin(&self, pack: &str, component: &str, version: &str) {
        let input = json!({ "packId": pack, "componentId": component, "versionId": version });
        self.ok(&self.publisher, "pinPackComponent", input, "integrationPack { id }").await;
    }

    /// A SINGLE pack with a PROCESS for each name, each with one shareable package; neither shared nor released.
    pub(crate) async fn pack_with(&self, name: &str, components: &[&str]) -> Pack {
        let id = self.pack(name).await;
        self.fill(id, name, components).await
    }

    /// A MULTI pack like that of [`TestApp::pack_with`].
    pub(crate) async fn multi_pack_with(&self, name: &str, components: &[&str]) -> Pack {
        let id = self.multi_pack(name).await;
        self.fill(id, name, components).await
    }

    async fn fill(&self, id: String, name: &str, components: &[&str]) -> Pack {
        let mut pack = Pack { id, name: name.into(), components: Vec::new(), packages: Vec::new() };
        for component in components {
            let (component, package) = self.packaged(component).await;
            pack.components.push(component);
            pack.packages.push(package);
        }
        self.add(&pack.id, &pack.components.iter().map(String::as_str).collect::<Vec<_>>()).await;
        pack
    }

    /// A pack in its publisher's view: `read_pack(id, "state revision")` returns the IntegrationPack.
    pub(crate) async fn read_pack(&self, pack: &str, selection: &str) -> Value {
        let query = format!("query($id: ID!) {{ integrationPack(id: $id) {{ {selection} }} }}");
        self.gql(&self.publisher, &query, json!({ "id": pack })).await.at("/integrationPack").clone()
    }

    /// The rows of a draft, by component name, with all fields of PackComponent.
    pub(crate) async fn rows(&self, pack: &str) -> Vec<Value> {
        let selection = "components { component { id name } inThisContent { id version } current { id version } pending { id version }
            next { id version } latestShareable { id version } newerShareableAvailable pinned markedForRemoval }";
        self.read_pack(pack, selection).await.list("/components").clone()
    }

    /// The revision of a pack.
    pub(crate) async fn revision(&self, pack: &str) -> i64 {
        self.read_pack(pack, "revision").await.int("/revision")
    }
}
