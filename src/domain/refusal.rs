//! Why a rule refuses: one enum for each area of the API, with the data that helps a caller.
//!
//! `message` is a sentence that says what to do; `field` is the path into the mutation's `input`.

mod account;
mod installation;
mod library;
mod pack;
mod packaging;
mod release;
mod sharing;

pub use account::AccountRefusal;
pub use installation::InstallationRefusal;
pub use library::LibraryRefusal;
pub use pack::PackRefusal;
pub use packaging::PackagingRefusal;
pub use release::ReleaseRefusal;
pub use sharing::SharingRefusal;

/// The path into a mutation's `input`.
pub type Field = Vec<String>;

pub(super) fn path(parts: &[&str]) -> Option<Field> {
    Some(parts.iter().map(|part| (*part).to_owned()).collect())
}

/// What every refusal can say of itself.
pub trait Refusal {
    /// A sentence in English that says what to do.
    fn message(&self) -> String;
    /// The path into `input`; `None` when no one field is at fault.
    fn field(&self) -> Option<Field>;
}

/// What each says of a `clientRequestId` that came with another input.
pub(super) const REUSED: &str =
    "This clientRequestId came with another input in the last 24 hours; use a new one for a new request.";
