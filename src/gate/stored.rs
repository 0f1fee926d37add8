//! Stored documents, which a client names instead of sending them: trusted documents, from a file given at start, and
//! automatic persisted queries, which a client has sent before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::cache::sha256;
use super::objection::{Code, Objection};
use super::{Checked, Gate};

/// The documents that clients can name instead of sending them.
#[derive(Clone, Debug, Default)]
pub enum Stored {
    /// None.
    Off,
    /// Every document that was sent together with its hash, while it is cached.
    #[default]
    Automatic,
    /// The trusted documents. No other document is executed.
    Trusted(Arc<TrustedDocuments>),
}

/// The documents that a server executes, by their ids.
#[derive(Debug, Default)]
pub struct TrustedDocuments {
    by_id: HashMap<String, Arc<str>>,
    hashes: HashSet<[u8; 32]>,
}

impl TrustedDocuments {
    /// Reads a list in one of the formats of build tools: an object from ids to documents (graphql-codegen, Relay), or
    /// a manifest with `operations` that have `id` and `body` (Apollo). Most ids are the SHA-256 of their document. The
    /// error says what is wrong with the list.
    pub fn parse(json: &str) -> Result<Self, String> {
        // Some editors write a byte order mark.
        let json = json.strip_prefix('\u{feff}').unwrap_or(json);
        let value: Value = serde_json::from_str(json).map_err(|error| format!("it isn't JSON: {error}"))?;
        let Value::Object(object) = value else { return Err("it must be a JSON object from ids to documents".into()) };
        let mut documents = Self::default();
        match object.get("operations") {
            Some(Value::Array(operations)) => {
                for (index, operation) in operations.iter().enumerate() {
                    let part = |name: &str| operation.get(name).and_then(Value::as_str);
                    let (Some(id), Some(body)) = (part("id"), part("body")) else {
                        return Err(format!("operation {index} of the manifest lacks `id` or `body`"));
                    };
                    documents.add(id, body)?;
                }
            }
            _ => {
                for (id, text) in &object {
                    let text = text.as_str().ok_or_else(|| format!("the document `{id}` must be a text"))?;
                    documents.add(id, text)?;
                }
            }
        }
        if documents.by_id.is_empty() {
            return Err("it lists no document, so that nothing could be executed".into());
        }
        Ok(documents)
    }

    fn add(&mut self, id: &str, text: &str) -> Result<(), String> {
        let text: Arc<str> = text.into();
        let hash = sha256(&text);
        if id.starts_with(PREFIX) && hash_of(id) != Some(hash) {
            return Err(format!("the document `{id}` isn't the one whose SHA-256 is its id"));
        }
        self.hashes.insert(hash);
        match self.by_id.insert(normalized(id), text.clone()) {
            Some(other) if other != text => Err(format!("two documents have the id `{id}`")),
            _ => Ok(()),
        }
    }

    /// Ids and documents, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_id.iter().map(|(id, text)| (id.as_str(), &**text))
    }

    fn get(&self, id: &str) -> Option<&Arc<str>> {
        self.by_id.get(&normalized(id))
    }
}

/// The prefix of a hash in the appendix of GraphQL over HTTP.
const PREFIX: &str = "sha256:";

/// An id in the form used for comparison: a hash loses its prefix and becomes lower case.
fn normalized(id: &str) -> String {
    let bare = id.strip_prefix(PREFIX).unwrap_or(id);
    let is_hash = bare.len() == 64 && bare.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hash { bare.to_ascii_lowercase() } else { id.to_owned() }
}

fn hash_of(id: &str) -> Option<[u8; 32]> {
    let hex = normalized(id);
    let mut hash = [0; 32];
    if hex.len() != 64 {
        return None;
    }
    for (i, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(hash)
}

/// How a request identifies its document.
#[derive(Clone, Copy, Debug, Default)]
pub struct DocumentRequest<'a> {
    /// The document's text.
    pub text: Option<&'a str>,
    /// The document's id (`documentId`).
    pub id: Option<&'a str>,
    /// `extensions`, which may have a `persistedQuery`.
    pub extensions: Option<&'a Map<String, Value>>,
}

impl<'a> DocumentRequest<'a> {
    /// The id of the document, if there is one: `documentId`, or `extensions.persistedQuery.sha256Hash`.
    fn named(&self) -> Result<Option<&'a str>, Objection> {
        if self.id.is_some() {
            return Ok(self.id);
        }
        match self.extensions.and_then(|extensions| extensions.get("persistedQuery")) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(named)) if named.get("version").is_none_or(|version| version == 1) => {
                let hash = named.get("sha256Hash").and_then(Value::as_str);
                hash.map(Some).ok_or_else(|| unfit("`persistedQuery` needs a text `sha256Hash`."))
            }
            Some(_) => Err(unfit("`persistedQuery` must be an object of version 1.")),
        }
    }
}

/// The most objections in the error about a trusted document: further ones often follow from these.
const REPORTED_MAX: usize = 3;

fn describe(objection: &Objection) -> String {
    match objection.location {
        Some(at) => format!("{} (line {}, column {})", objection.message, at.line, at.column),
        None => objection.message.clone(),
    }
}

fn unfit(message: &str) -> Objection {
    Objection::new(Code::BadUserInput, message)
}

fn not_found() -> Objection {
    // Clients recognize this error by its message.
    Objection::new(Code::PersistedQueryNotFound, "PersistedQueryNotFound")
}

fn other_text() -> Objection {
    unfit("The document is not the one that its hash or id names.")
}

impl Gate {
    /// Checks all trusted documents, which also fills the cache. The error names the first that the gate refuses, and
    /// why.
    pub(super) fn check_trusted(&self) -> Result<(), String> {
        let Stored::Trusted(trusted) = &self.stored else { return Ok(()) };
        for (id, text) in trusted.iter() {
            if let Err(objections) = &self.check(text).verdict {
                let why = objections.iter().take(REPORTED_MAX).map(describe).collect::<Vec<_>>().join("; ");
                return Err(format!("the trusted document `{id}` may not be executed: {why}"));
            }
        }
        Ok(())
    }

    /// The verdict on the document of a request. Fails when the request identifies none, or one that isn't stored.
    pub fn find(&self, request: DocumentRequest<'_>) -> Result<Arc<Checked>, Objection> {
        let named = request.named()?;
        match (&self.stored, named, request.text) {
            (_, None, None) => Err(unfit("`query` is missing.")),
            (Stored::Trusted(trusted), Some(id), text) => {
                let listed = trusted.get(id).ok_or_else(not_found)?;
                if text.is_some_and(|text| *text != **listed) {
                    return Err(other_text());
                }
                Ok(self.check(listed))
            }
            (Stored::Trusted(trusted), None, Some(text)) => {
                if !trusted.hashes.contains(&sha256(text)) {
                    let message = "Only the documents that this server was started with are executed.";
                    return Err(Objection::new(Code::PersistedQueryRequired, message));
                }
                Ok(self.check(text))
            }
            (Stored::Off, Some(_), None) => {
                Err(Objection::new(Code::PersistedQueryNotSupported, "PersistedQueryNotSupported"))
            }
            (Stored::Automatic, Some(id), None) => {
                hash_of(id).and_then(|hash| self.cache.registered(&hash)).ok_or_else(not_found)
            }
            (Stored::Automatic, Some(id), Some(text)) => {
                let checked = self.check(text);
                if hash_of(id) != Some(checked.hash) {
                    return Err(other_text());
                }
                if checked.verdict.is_ok() {
                    checked.register();
                }
                Ok(checked)
            }
            (_, _, Some(text)) => Ok(self.check(text)),
        }
    }
}
