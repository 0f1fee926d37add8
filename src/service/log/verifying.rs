//! Verifies the audit log against its seals (R51).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::accounts::Account;
use crate::domain::id::AccountId;
use crate::domain::log::{Chain, Hash, Verification, Verified};
use crate::service::Services;
use crate::service::error::Failure;
use crate::store::accounts::write as accounts;
use crate::store::log::seals;

/// The copy of a seal that was kept outside the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentSeal {
    pub publisher: AccountId,
    pub number: i64,
    pub hash: Hash,
}

impl SentSeal {
    /// The seal on a line of JSON.
    fn read(line: &Value) -> Option<Self> {
        let text = |name: &str| line.get(name).and_then(Value::as_str);
        let digits = text("hash")?;
        let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<_>> = (0..digits.len()).step_by(2).map(byte).collect();
        let publisher = AccountId::parse(text("publisher")?)?;
        Some(Self { publisher, number: line.get("seal")?.as_i64()?, hash: Hash::read(&bytes?)? })
    }
}

/// The seals in a file that keeps them, or in a server's log in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentSeals {
    pub seals: Vec<SentSeal>,
    /// The numbers of the lines that aren't JSON, or whose seal isn't complete.
    pub damaged: Vec<usize>,
    /// Whether the last line is incomplete, because the server died while it wrote the line. The line is ignored.
    pub is_torn: bool,
}

impl SentSeals {
    /// Reads the lines of a file. Skips empty lines, and lines of a server's log that aren't about seals.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut sent = Self::default();
        for (index, line) in text.split_inclusive('\n').enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let value: Option<Value> = serde_json::from_str(line).ok();
            let is_of_another_thing = |value: &Value| value.get("seal").is_none() && value.get("hash").is_none();
            match (value.as_ref().and_then(SentSeal::read), value) {
                (Some(seal), _) => sent.seals.push(seal),
                (None, Some(value)) if value.is_object() && is_of_another_thing(&value) => {}
                (None, None) if !line.ends_with('\n') => sent.is_torn = true,
                (None, _) => sent.damaged.push(index + 1),
            }
        }
        sent
    }
}

/// The result of verifying a publisher's log.
#[derive(Clone, Debug)]
pub struct VerifiedLog {
    /// The publisher; `None` if there is no such account.
    pub account: Option<Account>,
    pub verified: Verified,
}

/// Verifies the logs of all publishers, each up to its first contradiction. Reads the whole log in one snapshot. `sent`
/// holds the copies of seals that were kept outside the database.
///
/// # Errors
/// When the database can't be read.
pub async fn verify_audit(cx: &Services, sent: &[SentSeal]) -> Result<Vec<VerifiedLog>, Failure> {
    let source = cx.db.whole_server().one_state();
    let sealed_to = seals::sealed_to(&source).await?;
    let mut checks: BTreeMap<AccountId, Verification> = BTreeMap::new();
    let begin = |chain: Chain| {
        let of_publisher = sent.iter().filter(|seal| seal.publisher == chain.publisher_id);
        Verification::new(chain, sealed_to, of_publisher.map(|seal| (seal.number, seal.hash)).collect())
    };
    let known = seals::chains(&source).await?.into_iter();
    checks.extend(known.map(|chain| (chain.publisher_id, begin(chain))));
    for seal in sent {
        checks.entry(seal.publisher).or_insert_with(|| begin(Chain::empty(seal.publisher)));
    }
    let mut position = i64::MIN;
    while let Some((links, read_to)) = seals::links_after(&source, position).await? {
        position = read_to;
        for link in links {
            let check = checks.entry(link.publisher_id).or_insert_with(|| begin(Chain::empty(link.publisher_id)));
            if let Some(number) = check.wants_seals_after() {
                check.add_seals(seals::seals_after(&source, link.publisher_id, number).await?);
            }
            check.add_entry(link);
        }
    }
    let mut position = i64::MIN;
    while let Some((strays, searched_to)) = seals::strays_after(&source, position).await? {
        position = searched_to;
        for (publisher, position) in strays {
            checks.entry(publisher).or_insert_with(|| begin(Chain::empty(publisher))).add_stray(position);
        }
    }
    let accounts = accounts::all(&source).await?;
    let mut logs = Vec::new();
    for (publisher, mut check) in checks {
        if let Some(number) = check.wants_seals_after() {
            check.add_seals(seals::seals_after(&source, publisher, number).await?);
        }
        let account = accounts.iter().find(|account| account.id == publisher).cloned();
        logs.push(VerifiedLog { account, verified: check.end() });
    }
    Ok(logs)
}
