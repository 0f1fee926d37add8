//! The support data of a pack (R17).

use async_graphql::SimpleObject;

use crate::domain::packs as pack;
use crate::graphql::scalars::{Markdown, Uri};

/// The publisher's support data on a pack.
#[derive(SimpleObject)]
pub struct SupportInfo {
    /// The contact: a name, an e-mail address or a number; null when there is none.
    pub contact: Option<String>,
    /// The address of the support page; null when there is none.
    pub url: Option<Uri>,
    /// How to install the pack; null when there is no guide.
    pub installation_guide: Option<Guide>,
    /// How to use the pack; null when there is no guide.
    pub user_guide: Option<Guide>,
    /// The prerequisites; null when there are none.
    pub prerequisites: Option<Guide>,
}

/// A text or the address of one; exactly one of both fields is set.
#[derive(SimpleObject)]
pub struct Guide {
    /// The text; null when it is elsewhere.
    pub text: Option<Markdown>,
    /// The address; null when the text is here.
    pub url: Option<Uri>,
}

impl From<&pack::SupportInfo> for SupportInfo {
    fn from(info: &pack::SupportInfo) -> Self {
        let guide = |guide: &Option<pack::Guide>| guide.as_ref().map(Guide::from);
        Self {
            contact: info.contact.clone(),
            url: info.url.clone().map(Uri),
            installation_guide: guide(&info.installation_guide),
            user_guide: guide(&info.user_guide),
            prerequisites: guide(&info.prerequisites),
        }
    }
}

impl From<pack::SupportInfo> for SupportInfo {
    fn from(info: pack::SupportInfo) -> Self {
        Self::from(&info)
    }
}

impl From<&pack::Guide> for Guide {
    fn from(guide: &pack::Guide) -> Self {
        match guide {
            pack::Guide::Text(text) => Self { text: Some(Markdown(text.clone())), url: None },
            pack::Guide::Url(url) => Self { text: None, url: Some(Uri(url.clone())) },
        }
    }
}
