//! The part of the demo's story in which packs have many installations, and one of them is released in stages.

use chrono::Duration;

use super::DemoError;
use super::story::Packs;
use super::world::{DemoResult, World, plain_release};
use crate::domain::id::{InstallationId, PackId, ReleaseId, UpdateId};
use crate::domain::installations::{InstallationRefusal, UpdateOutcome};
use crate::domain::releases::{HaltAction, RequestedHaltRule, RequestedHolds, RequestedSchedule, RequestedStage};
use crate::service::access::Managed;
use crate::service::error::Error;
use crate::service::installations::{OutcomeRequest, report_outcome};
use crate::service::releases::ReleaseRequest;

/// The countries in which the wholesaler has a legal entity.
const COUNTRIES: [&str; 38] = [
    "Argentina",
    "Australia",
    "Austria",
    "Belgium",
    "Brazil",
    "Canada",
    "Chile",
    "Colombia",
    "Croatia",
    "Czechia",
    "Denmark",
    "Egypt",
    "Estonia",
    "Finland",
    "Greece",
    "Hungary",
    "Iceland",
    "India",
    "Ireland",
    "Italy",
    "Japan",
    "Kenya",
    "Latvia",
    "Lithuania",
    "Luxembourg",
    "Malta",
    "Mexico",
    "Morocco",
    "Netherlands",
    "Norway",
    "Peru",
    "Poland",
    "Portugal",
    "Romania",
    "Slovakia",
    "Slovenia",
    "Spain",
    "Sweden",
];

/// The cities in which the wholesaler has a warehouse.
const CITIES: [&str; 25] = [
    "Antwerp",
    "Atlanta",
    "Baltimore",
    "Bergen",
    "Bilbao",
    "Boston",
    "Bristol",
    "Chicago",
    "Dallas",
    "Denver",
    "Fresno",
    "Genoa",
    "Ghent",
    "Houston",
    "Lyon",
    "Malmo",
    "Memphis",
    "Miami",
    "Oakland",
    "Porto",
    "Riga",
    "Seattle",
    "Tampa",
    "Toledo",
    "Turin",
];

/// The installations of the warehouse pack that take part in its stages.
pub(super) struct Warehouses {
    pilots: Vec<InstallationId>,
    others: Vec<InstallationId>,
}

impl World<'_> {
    /// Installs packs where one account has many installations of a pack, and the warehouse pack at its pilots.
    pub(super) async fn install_many(&self, packs: &Packs) -> DemoResult<Warehouses> {
        for account in [&self.acme, &self.vandelay] {
            self.install(account, packs.customers, None).await?;
        }
        for country in COUNTRIES {
            self.install(&self.vandelay, packs.invoices, Some(&format!("Invoices {country}"))).await?;
        }
        let mut pilots = Vec::new();
        for city in ["Newark", "Reno"] {
            pilots.push(self.install(&self.acme, packs.warehouse, Some(&format!("Warehouse {city}"))).await?);
        }
        let mut others = Vec::new();
        for city in CITIES {
            others.push(self.install(&self.vandelay, packs.warehouse, Some(&format!("Warehouse {city}"))).await?);
        }
        Ok(Warehouses { pilots, others })
    }

    /// Schedules a release in stages. In the present the first two stages have opened.
    pub(super) async fn begin_in_stages(&mut self, pack: PackId) -> DemoResult<ReleaseId> {
        self.until(3).await?;
        let stage = |name: &str, days, holds| {
            Ok::<_, DemoError>(RequestedStage { name: name.into(), date: self.date_in(days)?, holds })
        };
        let notes = "Two more carriers. A parcel that is late says so.";
        let request = ReleaseRequest {
            stages: vec![
                stage("Pilots", 1, RequestedHolds::Groups(vec![self.early_adopters]))?,
                stage("A quarter", 2, RequestedHolds::Percent(25.0))?,
                stage("Half", 5, RequestedHolds::Percent(50.0))?,
            ],
            halt_when: Some(RequestedHaltRule {
                percent: 10.0,
                at_least: 10,
                then: HaltAction::Pause,
                watch_hours: 24,
            }),
            ..plain_release(pack, RequestedSchedule::OnDate(self.date_in(10)?), notes)
        };
        self.release_as(request).await
    }

    /// The accounts say how the update went: it works for the pilots. In the next stage it is broken for one, and works
    /// for another one.
    pub(super) async fn report_outcomes(&self, release: ReleaseId, warehouses: &Warehouses) -> DemoResult<()> {
        self.advance_to(self.now - Duration::hours(4)).await?;
        for pilot in &warehouses.pilots {
            let update = UpdateId { installation: *pilot, release };
            self.report(&self.acme, update, UpdateOutcome::Works, "No surprises.").await?;
        }
        let mut reports = [
            (UpdateOutcome::Broken, "Parcels of the new carriers are late from the first minute on."),
            (UpdateOutcome::Works, "All eight carriers answer."),
        ]
        .into_iter()
        .peekable();
        for installation in &warehouses.others {
            let Some((outcome, comment)) = reports.peek() else { break };
            let update = UpdateId { installation: *installation, release };
            // The IDs decide which installations the second stage holds. The others have no update to report on.
            if self.report(&self.vandelay, update, *outcome, comment).await? {
                reports.next();
            }
        }
        Ok(())
    }

    /// Reports an outcome. Returns whether the report was accepted: it isn't if the update hasn't been applied.
    async fn report(
        &self,
        account: &Managed,
        update: UpdateId,
        outcome: UpdateOutcome,
        comment: &str,
    ) -> DemoResult<bool> {
        let request = OutcomeRequest { update, outcome, comment: comment.into(), client_request_id: None };
        match report_outcome(&self.app.services, account, request).await {
            Ok(_) => Ok(true),
            Err(Error::Refused(refusals)) if refusals == [InstallationRefusal::OutcomeNotAllowed] => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
