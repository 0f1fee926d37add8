//! The traces of `packwright serve`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::ServeArgs;
use crate::ids;
use crate::metrics::Metrics;
use crate::outbound::authorities;
use crate::traces::{TraceSettings, Traces};

use super::CliError;
use super::sources::variable;

/// The time limit for sending the last spans when the server ends.
const FLUSHING: Duration = Duration::from_secs(2);

/// The task that sends spans; none without traces.
pub(super) struct Sending(Option<(watch::Sender<bool>, JoinHandle<()>)>);

impl Sending {
    /// Sends what still waits, up to the time limit.
    pub(super) async fn end(self) {
        let Some((end, task)) = self.0 else { return };
        end.send_replace(true);
        if tokio::time::timeout(FLUSHING, task).await.is_err() {
            tracing::warn!("the last traces are lost: the collector did not take them in time");
        }
    }
}

/// The settings of traces; `None` if none are sent.
pub(super) fn settings(args: &ServeArgs) -> Result<Option<TraceSettings>, CliError> {
    let authorities = match &args.traces.otlp_ca {
        None => Vec::new(),
        Some(file) => authorities(file)
            .map_err(|why| CliError::new(format!("--otlp-ca (PACKWRIGHT_OTLP_CA) {}: {why}.", file.display())))?,
    };
    let settings = args.traces.settings(variable).map_err(CliError::new)?;
    Ok(settings.map(|settings| TraceSettings { authorities, ..settings }))
}

/// The traces as the settings have them. Sends nothing yet.
pub(super) fn begin(args: &ServeArgs, metrics: &Arc<Metrics>) -> Result<(Traces, Sending), CliError> {
    let Some(mut settings) = settings(args)? else {
        return Ok((Traces::off(), Sending(None)));
    };
    let instance = ids::random::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    let own = [
        ("service.name", "packwright".to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", instance),
    ];
    for (key, value) in own {
        if !settings.resource.iter().any(|(given, _)| given == key) {
            settings.resource.push((key.to_owned(), value));
        }
    }
    tracing::info!(endpoint = %settings.endpoint, ratio = settings.ratio, "traces are sent");
    let (traces, exporter) = Traces::on(settings, metrics.clone()).map_err(CliError::new)?;
    let (end, ending) = watch::channel(false);
    let task = tokio::spawn(exporter.run(ending));
    Ok((traces, Sending(Some((end, task)))))
}
