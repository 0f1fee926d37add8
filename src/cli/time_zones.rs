//! `packwright time-zones`: shows and reloads the data for computing windows (R42).

use clap::Subcommand;

use crate::service::releases::{Initiator, Recomputed, reload_time_zones};
use crate::zones::TimeZones;

use super::terminal::line;
use super::{CliError, Common, failed, open_services, print};
use crate::config::ZoneArgs;

#[derive(Subcommand, Debug)]
pub(super) enum TimeZonesCommand {
    /// Print the versions of the time zone data, and where each was found. The first one is used; a zone that it
    /// doesn't have comes from the next
    Show(ZoneArgs),
    /// Recompute the windows of scheduled releases with this data. A running server does so by itself, at its
    /// start, once an hour, and when it gets the signal SIGUSR1
    Reload(Common),
}

pub(super) async fn run(command: TimeZonesCommand) -> Result<(), CliError> {
    match command {
        TimeZonesCommand::Show(zones) => {
            TimeZones::open(zones.location())?.describe().iter().for_each(|source| print(&line(source)));
        }
        TimeZonesCommand::Reload(common) => {
            let app = open_services(&common).await?;
            let zones = &app.services.zones;
            let Recomputed { seen, moved } =
                reload_time_zones(&app.services, Initiator::CommandLine).await.map_err(failed)?;
            print(&line(&format!(
                "{}: {seen} pending windows came from older data, {moved} of them moved",
                zones.version()
            )));
            app.services.db.clone().close().await?;
        }
    }
    Ok(())
}
