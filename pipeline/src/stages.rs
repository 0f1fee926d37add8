//! `stages.toml`: the early stages of a release, and the rule by which it stops.

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StagesFile {
    /// The early stages, oldest first.
    #[serde(default, rename = "stage")]
    pub stages: Vec<Stage>,
    /// When the release stops by itself.
    pub halt: Option<Halt>,
    /// A former release of the pack whose buckets are used again.
    pub cohort_of: Option<String>,
}

/// A stage. It opens on a date, or a number of days before the release's own; it holds groups or a percentage.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stage {
    pub name: String,
    pub on: Option<NaiveDate>,
    pub days_before: Option<u16>,
    /// The keys or the ids of account groups.
    pub groups: Option<Vec<String>>,
    pub percent: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Halt {
    pub percent: f64,
    #[serde(default = "twenty")]
    pub at_least: i64,
    #[serde(default)]
    pub then: Then,
    #[serde(default = "a_day")]
    pub watch_hours: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    #[default]
    Pause,
    RollBack,
}

fn twenty() -> i64 {
    20
}

fn a_day() -> i64 {
    24
}

/// Whom a stage holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Holds {
    Groups(Vec<String>),
    Percent(f64),
}

impl StagesFile {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// A sentence that says where the file is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for stage in &file.stages {
            stage.holds()?;
            if stage.on.is_some() == stage.days_before.is_some() {
                return Err(format!("the stage {} needs either `on` or `days-before`", stage.name));
            }
        }
        Ok(file)
    }
}

impl Stage {
    /// Whom the stage holds.
    ///
    /// # Errors
    /// A sentence when it doesn't say so, or says it twice.
    pub fn holds(&self) -> Result<Holds, String> {
        match (&self.groups, self.percent) {
            (Some(groups), None) => Ok(Holds::Groups(groups.clone())),
            (None, Some(percent)) => Ok(Holds::Percent(percent)),
            _ => Err(format!("the stage {} needs either `groups` or `percent`", self.name)),
        }
    }

    /// The date on which the stage opens, in a release for everybody on `last`.
    ///
    /// # Errors
    /// A sentence when there is no such date.
    pub fn date(&self, last: Option<NaiveDate>) -> Result<NaiveDate, String> {
        match (self.on, self.days_before, last) {
            (Some(date), _, _) => Ok(date),
            (None, Some(days), Some(last)) => last
                .checked_sub_days(Days::new(days.into()))
                .ok_or_else(|| format!("the stage {} has a date that no calendar has", self.name)),
            (None, ..) => Err(format!("the stage {} is before a date: give the release's date with --on", self.name)),
        }
    }
}
