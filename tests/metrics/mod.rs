//! The metrics of a server: the catalogue, a scrape, and who may ask for one; and when a server isn't ready.

mod catalogue;
mod readiness;
mod scraped;

use std::collections::BTreeMap;

use packwright::http::connections::ConnectionOptions;
use packwright::http::{AdminOptions, HttpOptions, LogFilter};

use crate::support::{Ask, Server, TestApp};

/// A scrape: the value of each series, by its name and labels as they are written.
pub(crate) struct Scrape {
    pub(crate) text: String,
    pub(crate) series: BTreeMap<String, f64>,
}

impl Scrape {
    pub(crate) fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
        });
        let found: BTreeMap<_, _> = series.collect();
        assert_eq!(found.len(), text.lines().filter(|line| !line.starts_with('#')).count(), "a series is there twice");
        Self { text: text.to_owned(), series: found }
    }

    /// The value of a series; 0 if it isn't there.
    pub(crate) fn get(&self, series: &str) -> f64 {
        self.series.get(series).copied().unwrap_or_default()
    }

    pub(crate) fn has(&self, series: &str) -> bool {
        self.series.contains_key(series)
    }
}

/// The app's own metrics, without HTTP.
pub(crate) async fn scrape(app: &TestApp) -> Scrape {
    Scrape::read(&app.app.metrics_text().await)
}

/// A server whose connections are counted.
async fn serve(app: &TestApp) -> Server {
    let connections = ConnectionOptions { metrics: app.app.services.metrics.clone(), ..ConnectionOptions::default() };
    Server::with(app, HttpOptions::default(), connections).await
}

/// Options of the listener for operators whose log filter is a text.
fn admin(token: Option<&str>) -> AdminOptions {
    let present = std::sync::Arc::new(std::sync::Mutex::new("info".to_owned()));
    let log_filter = LogFilter {
        read: Box::new({
            let present = present.clone();
            move || present.lock().unwrap().clone()
        }),
        set: Box::new(move |text| match text {
            Some("bad") => Err("`bad` is no level".into()),
            text => {
                text.unwrap_or("info").clone_into(&mut present.lock().unwrap());
                Ok(())
            }
        }),
    };
    AdminOptions { token: token.map(Into::into), log_filter, shutdown: None }
}

fn get() -> Ask {
    Ask::new("GET", "/metrics")
}
