use super::ClaimsFault;
use crate::domain::id::AccountId;
use crate::domain::own_key::KEY_INVALID;
use crate::domain::refusal::{Field, REUSED, Refusal, path};

/// Why a mutation of accounts or tokens was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountRefusal {
    NameRequired,
    NameTooLong,
    /// Carries the account that has the name; `None` when it gave the name up in the meantime.
    NameTaken {
        taken_by: Option<AccountId>,
    },
    NameNotEditable,
    /// Carries the nearest name of a known zone.
    TimeZoneUnknown {
        nearest: String,
    },
    AlreadySuspended,
    NotSuspended,
    ExpiryNotInFuture,
    ExpiryNotAllowed,
    AlreadyEnrolled,
    AlreadyRevoked,
    LastAdministratorToken,
    /// Carries the account that has the key; `None` when it gave the key up in the meantime.
    KeyTaken {
        taken_by: Option<AccountId>,
    },
    KeyInvalid,
    ClientRequestIdReused,
    /// Another trusted publisher of the account has the name.
    TrustedNameTaken,
    /// Carries the issuers that the operator allows.
    IssuerNotAllowed {
        allowed: Vec<String>,
    },
    ClaimsInvalid(ClaimsFault),
    RoleNotAllowed,
    TooMany,
}

impl Refusal for AccountRefusal {
    fn message(&self) -> String {
        match self {
            Self::NameRequired => "Give a name.",
            Self::NameTooLong => "Shorten the name to 255 characters.",
            Self::NameTaken { .. } => "Another account has this name, whatever the case; choose another.",
            Self::NameNotEditable => "Only the publisher can rename a managed account; leave the name out.",
            Self::TimeZoneUnknown { nearest } => {
                return format!("No time zone of the IANA database has this name; the nearest name is {nearest}.");
            }
            Self::AlreadySuspended => "The account is suspended already.",
            Self::NotSuspended => "The account isn't suspended.",
            Self::ExpiryNotInFuture => {
                "Choose an expiry in the future, or leave expiresAt out for a token that doesn't expire."
            }
            Self::ExpiryNotAllowed => "The first token of an account can't expire; leave expiresAt out.",
            Self::AlreadyEnrolled => "The account is enrolled already; it makes further tokens itself.",
            Self::AlreadyRevoked => "The token is revoked already.",
            Self::LastAdministratorToken => {
                "This is the account's last administrator token that doesn't expire; make another one before you revoke it."
            }
            Self::KeyTaken { .. } => "Another of your managed accounts has this key; choose another.",
            Self::KeyInvalid => KEY_INVALID,
            Self::ClientRequestIdReused => REUSED,
            Self::TrustedNameTaken => {
                "Another trusted publisher of the account has this name, whatever the case; choose another."
            }
            Self::IssuerNotAllowed { allowed } if allowed.is_empty() => {
                "The operator of this server allows no issuer; ask the operator to set --trusted-issuer."
            }
            Self::IssuerNotAllowed { allowed } => {
                return format!("Give an issuer that the operator of this server allows: {}.", allowed.join(", "));
            }
            Self::ClaimsInvalid(fault) => fault.message(),
            Self::RoleNotAllowed => "A trusted publisher can't be an administrator; choose another role.",
            Self::TooMany => "The account has 20 trusted publishers; delete one that is no longer needed.",
        }
        .into()
    }

    fn field(&self) -> Option<Field> {
        match self {
            Self::NameRequired | Self::NameTooLong | Self::NameTaken { .. } | Self::NameNotEditable => path(&["name"]),
            Self::TimeZoneUnknown { .. } => path(&["timeZone"]),
            Self::ExpiryNotInFuture | Self::ExpiryNotAllowed => path(&["expiresAt"]),
            Self::AlreadySuspended | Self::NotSuspended | Self::AlreadyEnrolled => path(&["accountId"]),
            Self::AlreadyRevoked | Self::LastAdministratorToken => path(&["tokenId"]),
            Self::KeyTaken { .. } | Self::KeyInvalid => path(&["key"]),
            Self::ClientRequestIdReused => path(&["clientRequestId"]),
            Self::TrustedNameTaken => path(&["name"]),
            Self::IssuerNotAllowed { .. } => path(&["issuer"]),
            Self::ClaimsInvalid(_) => path(&["claims"]),
            Self::RoleNotAllowed => path(&["role"]),
            Self::TooMany => None,
        }
    }
}
