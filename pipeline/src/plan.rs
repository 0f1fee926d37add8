//! The plan: the result of a preview, which can be kept in a file and released later.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::Exit;
use crate::stages::StagesFile;

/// The version of the file's format.
const FORMAT: u32 = 1;

/// An object of the server, with its key if it has one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Named {
    pub id: String,
    pub key: Option<String>,
    pub name: String,
}

/// A component's version in a pack.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Item {
    pub name: String,
    pub version: String,
}

/// A component that changes its version.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    pub name: String,
    pub from: String,
    pub to: String,
    pub is_downgrade: bool,
}

/// The number of installations that a release would skip for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    pub reason: String,
    pub installation_count: i64,
}

/// The number of installations that an early stage would move.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StageOutlook {
    pub name: String,
    pub date: String,
    pub will_move_count: i64,
}

/// A release that waits for its date, and that a release at once would take the place of.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Superseded {
    pub id: String,
    pub number: i64,
    /// The date for which it is scheduled, and its time zone.
    pub date: Option<String>,
    pub time_zone: Option<String>,
}

impl Superseded {
    /// The release in a sentence.
    #[must_use]
    pub fn shown(&self) -> String {
        let Self { id, number, date, time_zone } = self;
        match (date, time_zone) {
            (Some(date), Some(zone)) => format!("{id} of version {number}, which is scheduled for {date} ({zone})"),
            _ => format!("{id} of version {number}, which is scheduled"),
        }
    }
}

/// A warning or a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Remark {
    pub code: String,
    pub message: String,
}

/// The effects of a release, and the options with which it was previewed.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub format: u32,
    pub server: String,
    pub pack: Named,
    /// The server's token for exactly the content that was previewed. It refuses to release anything else under it.
    pub content_token: String,
    pub next_number: i64,
    /// The number of the version that the pack has now.
    pub from_number: Option<i64>,
    /// The date; `None` for a release at once.
    pub on: Option<NaiveDate>,
    pub stages: StagesFile,
    /// The components that the new version would have.
    pub content: Vec<Item>,
    pub added: Vec<Item>,
    pub removed: Vec<Item>,
    pub changed: Vec<Change>,
    pub unchanged_count: i64,
    pub will_move_count: i64,
    pub will_skip: Vec<Skipped>,
    pub stage_outlooks: Vec<StageOutlook>,
    /// Absent in the files of versions that didn't tell it.
    #[serde(default)]
    pub supersedes: Option<Superseded>,
    pub warnings: Vec<Remark>,
    pub refusals: Vec<Remark>,
}

impl Plan {
    /// The version of the plan's format that this program writes.
    #[must_use]
    pub fn format() -> u32 {
        FORMAT
    }

    /// Reads the text of a plan's file.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plan: Self = serde_json::from_str(text)
            .map_err(|error| format!("it isn't a plan that `packwright preview --out` has written: {error}"))?;
        match plan.format {
            FORMAT => Ok(plan),
            other => Err(format!("it has the format {other}, and this version reads {FORMAT}: preview again")),
        }
    }

    /// The exit status of the preview.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self.refusals.as_slice() {
            [] => Exit::Changes,
            refusals if refusals.iter().all(|refusal| refusal.code == "NOTHING_TO_RELEASE") => Exit::Done,
            _ => Exit::Refused,
        }
    }

    /// What becomes of the release that is scheduled; `None` if there is none.
    #[must_use]
    pub fn superseding(&self) -> Option<String> {
        let superseded = self.supersedes.as_ref()?;
        Some(format!("It would supersede the release {}: that one would never be rolled out.", superseded.shown()))
    }

    /// The release notes of a release for which nobody wrote any: a list of the components. The same content always has
    /// the same notes, because the server recognizes a repeated call by its whole input.
    #[must_use]
    pub fn usual_notes(&self) -> String {
        let items = self.content.iter().map(|item| format!("- {} {}\n", item.name, item.version));
        format!("This version holds:\n\n{}", items.collect::<String>())
    }

    /// The changes, one a line.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let added = self.added.iter().map(|item| format!("+ {} {}", item.name, item.version));
        let removed = self.removed.iter().map(|item| format!("- {} {}", item.name, item.version));
        let changed = self.changed.iter().map(|change| {
            let down = if change.is_downgrade { " (an older version)" } else { "" };
            format!("~ {} {} -> {}{down}", change.name, change.from, change.to)
        });
        added.chain(changed).chain(removed).collect()
    }
}
