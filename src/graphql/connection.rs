//! Connections: the arguments of a page, and the types of pages.

use async_graphql::{Context, Result, SimpleObject};

use super::error::bad_input;
use crate::store::page::{CursorForm, Key, Page, PageRequest};

/// The arguments `first`, `after`, `last` and `before` of a connection.
#[derive(Clone, Debug, Default)]
pub struct PageArgs {
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
}

/// The page size when neither `first` nor `last` is given.
const SIZE: u32 = 20;
/// The largest page size.
const SIZE_MAX: u32 = 100;

impl PageArgs {
    /// The arguments in the order of the schema.
    #[must_use]
    pub fn new(first: Option<i32>, after: Option<String>, last: Option<i32>, before: Option<String>) -> Self {
        Self { first, after, last, before }
    }

    /// The part of a list that the arguments select. The total is requested only if the field's selection has
    /// `totalCount`.
    ///
    /// # Errors
    /// BAD_USER_INPUT for `first` together with `last`, a size outside of 0 to 100, and a cursor of another list or
    /// order.
    pub fn request(&self, ctx: &Context<'_>, form: CursorForm) -> Result<PageRequest> {
        self.request_by(ctx, |cursor| form.decode(cursor))
    }

    /// Like [`PageArgs::request`], with a function that decodes the cursors.
    pub fn request_by(&self, ctx: &Context<'_>, open: impl Fn(&str) -> Option<Vec<Key>>) -> Result<PageRequest> {
        let (size, backward) = match (self.first, self.last) {
            (Some(_), Some(_)) => return Err(bad_input("Give `first` or `last`, not both.")),
            (Some(first), None) => (size(first, "first")?, false),
            (None, Some(last)) => (size(last, "last")?, true),
            (None, None) => (SIZE, false),
        };
        let keys = |cursor: &Option<String>, which: &str| {
            let unfit = || bad_input(format!("`{which}` isn't a cursor of this list in this order."));
            cursor.as_ref().map(|cursor| open(cursor).ok_or_else(unfit)).transpose()
        };
        Ok(PageRequest {
            size,
            backward,
            after: keys(&self.after, "after")?,
            before: keys(&self.before, "before")?,
            count: ctx.look_ahead().field("totalCount").exists(),
        })
    }
}

fn size(given: i32, which: &str) -> Result<u32> {
    u32::try_from(given)
        .ok()
        .filter(|n| (0..=SIZE_MAX).contains(n))
        .ok_or_else(|| bad_input(format!("`{which}` must be 0 to {SIZE_MAX}.")))
}

/// The position of a page in its list.
#[derive(SimpleObject, Clone, Debug)]
pub struct PageInfo {
    /// Whether there are items after this page.
    pub has_next_page: bool,
    /// Whether there are items before this page.
    pub has_previous_page: bool,
    /// The cursor of the first edge; null for an empty page.
    pub start_cursor: Option<String>,
    /// The cursor of the last edge; null for an empty page.
    pub end_cursor: Option<String>,
}

impl PageInfo {
    pub fn of<T>(page: &Page<T>) -> Self {
        Self {
            has_next_page: page.has_next,
            has_previous_page: page.has_previous,
            start_cursor: page.items.first().map(|(cursor, _)| cursor.clone()),
            end_cursor: page.items.last().map(|(cursor, _)| cursor.clone()),
        }
    }
}

/// A count as the schema's `Int`, at most 2,147,483,647.
#[must_use]
pub fn int(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The most characters of a search text.
const SEARCH_MAX: usize = 500;

/// Checks a search text or another free text. Fails with BAD_USER_INPUT when it has U+0000, which no stored text has,
/// or more than 500 characters.
pub fn searchable(search: Option<String>) -> Result<Option<String>> {
    match search {
        Some(text) if text.contains('\0') => Err(bad_input("A text holds U+0000. Leave it out.")),
        Some(text) if text.chars().count() > SEARCH_MAX => {
            Err(bad_input(format!("Search for at most {SEARCH_MAX} characters.")))
        }
        search => Ok(search),
    }
}

/// Defines the two types of a connection, such as `connection!("packs", IntegrationPackConnection, IntegrationPackEdge,
/// IntegrationPack)`. The first argument is the plural in the descriptions.
macro_rules! connection {
    ($plural:literal, $connection:ident, $edge:ident, $node:ty) => {
        #[doc = concat!("A page of ", $plural, ".")]
        #[derive(::async_graphql::SimpleObject)]
        pub struct $connection {
            #[doc = concat!("The ", $plural, " of this page, in order.")]
            pub edges: Vec<$edge>,
            /// Whether there is more before and after the page, and the cursors of its ends.
            pub page_info: $crate::graphql::connection::PageInfo,
            #[doc = concat!(
                "The number of ", $plural, " on all pages; counted only when selected; null when there are too many to count."
            )]
            pub total_count: Option<i32>,
        }

        #[doc = concat!("An item of a page of ", $plural, ", with its cursor.")]
        #[derive(::async_graphql::SimpleObject)]
        pub struct $edge {
            /// The item's cursor, for `after` and `before`.
            pub cursor: String,
            /// The item.
            pub node: $node,
        }

        impl $connection {
            /// Converts a page, and each of its rows with `node`.
            pub fn of<T>(
                page: $crate::store::page::Page<T>,
                mut node: impl FnMut(T) -> $node,
            ) -> Self {
                Self {
                    page_info: $crate::graphql::connection::PageInfo::of(&page),
                    total_count: page.total.map($crate::graphql::connection::int),
                    edges: page.items.into_iter().map(|(cursor, row)| $edge { cursor, node: node(row) }).collect(),
                }
            }
        }
    };
}

pub(crate) use connection;
