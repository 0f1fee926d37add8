//! A token for the content that a release would have, so that a publisher releases exactly what it saw (R34).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::domain::id::{ComponentId, ComponentVersionId, PackId};

/// The token of a pack's content. It depends only on the pack and on its components and their versions.
#[must_use]
pub(crate) fn content_token(pack: PackId, content: &BTreeMap<ComponentId, ComponentVersionId>) -> String {
    let mut hash = Sha256::new();
    hash.update(pack.0.as_bytes());
    for (component, version) in content {
        hash.update(component.0.as_bytes());
        hash.update(version.0.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(hash.finalize())
}
