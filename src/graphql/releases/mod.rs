//! Releases of packs: creating, previewing and following them.

mod announced_release;
mod halting;
mod loaders;
mod mutations;
mod progress;
mod refusal;
mod release;
mod release_pause;
mod release_preview;
mod release_schedule;
mod release_stage;
mod release_warning;
mod release_window;
mod roll_back_preview;
mod testing_period;

pub use announced_release::AnnouncedRelease;
pub(in crate::graphql) use halting::verdicts;
pub use halting::{HaltFigures, HaltRule, HaltRuleInput, HaltRuleVerdict};
pub(in crate::graphql) use loaders::ReleaseLoaders;
pub(in crate::graphql) use mutations::Releases;
pub use progress::ReleaseProgress;
pub use refusal::ReleaseError;
pub(crate) use release::releases_connection;
pub use release::{Release, ReleaseConnection};
pub(in crate::graphql) use release_preview::PreviewedStages;
pub use release_preview::ReleasePreview;
pub use release_schedule::ReleaseScheduleInput;
pub use release_stage::ReleaseStage;
pub(in crate::graphql) use release_stage::ReleaseStageInput;
pub use release_window::ReleaseWindow;
pub use roll_back_preview::RollBackPreview;
pub use testing_period::TestingPeriod;
