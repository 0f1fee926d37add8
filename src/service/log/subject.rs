//! The subjects of audit entries, with the id under which each reader knows them (R51).

use crate::domain::accounts::Account;
use crate::domain::components::VersionKind;
use crate::domain::id::{
    AccountId, ComponentId, ComponentVersionId, GroupId, InstallationId, LibraryProcessId, PackId, ReleaseId, TokenId,
    TrustedPublisherId, UpdateId, WebhookId,
};
use crate::domain::log::{self, SubjectKey};

/// The subject of an audit entry: its type in the schema, and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Component(ComponentId),
    PackagedComponent(ComponentVersionId),
    Publication(ComponentVersionId),
    PublishedProcess(LibraryProcessId),
    AvailableProcess(LibraryProcessId),
    IntegrationPack(PackId),
    AvailablePack(PackId),
    Release(ReleaseId),
    AnnouncedRelease(ReleaseId),
    AccountGroup(GroupId),
    PublisherAccount(AccountId),
    ManagedAccount(AccountId),
    OwnAccount(AccountId),
    ApiToken(TokenId),
    Installation(InstallationId),
    InstallationUpdate(UpdateId),
    WebhookEndpoint(WebhookId),
    TrustedPublisher(TrustedPublisherId),
}

impl Subject {
    /// The subject's type in the GraphQL schema, and its id in the log.
    pub(in crate::service) fn type_and_id(self) -> (&'static str, String) {
        match self {
            Self::Component(id) => ("Component", id.0.to_string()),
            Self::PackagedComponent(id) => ("PackagedComponent", id.0.to_string()),
            Self::Publication(id) => ("Publication", id.0.to_string()),
            Self::PublishedProcess(id) => ("PublishedProcess", id.0.to_string()),
            Self::AvailableProcess(id) => ("AvailableProcess", id.0.to_string()),
            Self::IntegrationPack(id) => ("IntegrationPack", id.0.to_string()),
            Self::AvailablePack(id) => ("AvailablePack", id.0.to_string()),
            Self::Release(id) => ("Release", id.0.to_string()),
            Self::AnnouncedRelease(id) => ("AnnouncedRelease", id.0.to_string()),
            Self::AccountGroup(id) => ("AccountGroup", id.0.to_string()),
            Self::PublisherAccount(id) => ("PublisherAccount", id.0.to_string()),
            Self::ManagedAccount(id) => ("ManagedAccount", id.0.to_string()),
            Self::OwnAccount(id) => ("OwnAccount", id.0.to_string()),
            Self::ApiToken(id) => ("ApiToken", id.0.to_string()),
            Self::Installation(id) => ("Installation", id.0.to_string()),
            Self::WebhookEndpoint(id) => ("WebhookEndpoint", id.0.to_string()),
            Self::TrustedPublisher(id) => ("TrustedPublisher", id.0.to_string()),
            Self::InstallationUpdate(id) => ("InstallationUpdate", format!("{}+{}", id.installation.0, id.release.0)),
        }
    }

    /// The subject as the publisher and as the managed account `account` know it. Neither may see ids of the other's
    /// objects.
    pub(in crate::service) fn for_both(self, account: AccountId) -> (Self, Self) {
        match self {
            Self::Installation(_) | Self::InstallationUpdate(_) => (self, self),
            Self::IntegrationPack(id) | Self::AvailablePack(id) => (Self::IntegrationPack(id), Self::AvailablePack(id)),
            Self::Release(id) | Self::AnnouncedRelease(id) => (Self::Release(id), Self::AnnouncedRelease(id)),
            Self::PublishedProcess(id) | Self::AvailableProcess(id) => {
                (Self::PublishedProcess(id), Self::AvailableProcess(id))
            }
            Self::ManagedAccount(_) | Self::OwnAccount(_) => (Self::ManagedAccount(account), Self::OwnAccount(account)),
            Self::AccountGroup(_) | Self::PublisherAccount(_) => (self, Self::OwnAccount(account)),
            Self::ApiToken(_)
            | Self::WebhookEndpoint(_)
            | Self::TrustedPublisher(_)
            | Self::Component(_)
            | Self::PackagedComponent(_)
            | Self::Publication(_) => (Self::ManagedAccount(account), self),
        }
    }

    /// The subject `shown_as` with a name: the account's, if an account replaces the original subject, or else `name`.
    pub(in crate::service) fn named(
        self,
        shown_as: Self,
        name: &Option<String>,
        account_name: &Option<String>,
    ) -> log::Subject {
        let is_account = |subject| matches!(subject, Self::ManagedAccount(_) | Self::OwnAccount(_));
        let replaced = is_account(shown_as) && !is_account(self);
        let (type_name, id) = shown_as.type_and_id();
        let key = SubjectKey { type_name: type_name.into(), id };
        log::Subject { key, name: if replaced { account_name.clone() } else { name.clone() } }
    }

    /// The subject for a version of a component.
    #[must_use]
    pub fn version(kind: VersionKind, id: ComponentVersionId) -> Self {
        match kind {
            VersionKind::Package => Self::PackagedComponent(id),
            VersionKind::Publication => Self::Publication(id),
        }
    }

    /// The subject for an account: a publisher's or a managed one.
    #[must_use]
    pub fn account(account: &Account) -> Self {
        if account.id == account.publisher_id {
            Self::PublisherAccount(account.id)
        } else {
            Self::ManagedAccount(account.id)
        }
    }
}
