//! `stages.toml`: the early stages of a release, and the rule by which it stops.

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

/// The content of the file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StagesFile {
    /// The early stages, oldest first.
    #[serde(default, rename = "stage")]
    pub stages: Vec<Stage>,
    /// The halt rule.
    pub halt: Option<Halt>,
    /// The id of a former release of the pack, whose buckets are used again.
    pub cohort_of: Option<String>,
}

/// An early stage. It opens on a date, or a number of days before the release's own date. It holds the installations of
/// account groups, or a percentage of all installations.
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

/// The halt rule of a release. A missing value has the server's default.
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

/// The action of a halt.
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

/// The installations that a stage holds.
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
    /// The installations that the stage holds.
    ///
    /// # Errors
    /// A sentence when the stage has neither groups nor a percentage, or both.
    pub fn holds(&self) -> Result<Holds, String> {
        match (&self.groups, self.percent) {
            (Some(groups), None) => Ok(Holds::Groups(groups.clone())),
            (None, Some(percent)) => Ok(Holds::Percent(percent)),
            _ => Err(format!("the stage {} needs either `groups` or `percent`", self.name)),
        }
    }

    /// The date on which the stage opens, if the release reaches everybody on `last`.
    ///
    /// # Errors
    /// A sentence when there is no such date.
    pub fn date(&self, last: Option<NaiveDate>) -> Result<NaiveDate, String> {
        match (self.on, self.days_before, last) {
            (Some(date), _, _) => Ok(date),
            (None, Some(days), Some(last)) => last
                .checked_sub_days(Days::new(days.into()))
                .ok_or_else(|| format!("the date of the stage {} is too early", self.name)),
            (None, ..) => Err(format!("the stage {} has `days-before`: give the release's date with --on", self.name)),
        }
    }
}
