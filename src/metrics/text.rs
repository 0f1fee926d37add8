//! Writes the text format of Prometheus, version 0.0.4.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::catalogue::{CATALOGUE, Family, Kind};
use super::cells::Recorded;

/// The media type of the format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The value of a series at the time of a scrape.
#[derive(Clone, Debug)]
pub struct Sample {
    pub family: &'static Family,
    /// In the order in which the catalogue has the labels.
    pub values: Vec<Cow<'static, str>>,
    pub value: f64,
}

impl Sample {
    /// A sample of a family without labels.
    #[must_use]
    pub fn of(family: &'static Family, value: f64) -> Self {
        Self { family, values: Vec::new(), value }
    }

    /// A sample of a family with labels. `values` has one value for each label, in the catalogue's order.
    #[must_use]
    pub fn with<V: Into<Cow<'static, str>>>(
        family: &'static Family,
        values: impl IntoIterator<Item = V>,
        value: f64,
    ) -> Self {
        let values: Vec<_> = values.into_iter().map(Into::into).collect();
        debug_assert_eq!(values.len(), family.labels.len(), "{} has other labels", family.name);
        Self { family, values, value }
    }
}

/// Writes all families of the catalogue, in its order. A family without a series has its description alone.
pub(super) fn write(recorded: &[&dyn Recorded], samples: &[Sample]) -> String {
    let mut to = Writer(String::with_capacity(32 * 1024));
    for family in CATALOGUE {
        to.head(family);
        for recorded in recorded.iter().filter(|recorded| std::ptr::eq(recorded.family(), *family)) {
            recorded.write(&mut to);
        }
        for sample in samples.iter().filter(|sample| std::ptr::eq(sample.family, *family)) {
            let values: Vec<&str> = sample.values.iter().map(AsRef::as_ref).collect();
            to.series(family, &values, sample.value);
        }
    }
    to.0
}

/// The text so far.
pub(super) struct Writer(String);

impl Writer {
    fn head(&mut self, family: &Family) {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        // Writing to a text never fails.
        let _ = write!(self.0, "# HELP {0} {1}\n# TYPE {0} {kind}\n", family.name, family.about);
    }

    /// Writes one series of a counter or a gauge.
    pub(super) fn series(&mut self, family: &Family, values: &[&str], value: f64) {
        self.line(family, "", values, None, value);
    }

    /// Writes a histogram. `counts` has one count for each bound, and one for what is above.
    pub(super) fn histogram(&mut self, family: &Family, values: &[&str], bounds: &[f64], counts: &[u64], sum: f64) {
        let mut below = 0;
        for (place, count) in counts.iter().enumerate() {
            below += count;
            let bound = bounds.get(place).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            self.line(family, "_bucket", values, Some(&bound), below as f64);
        }
        self.line(family, "_sum", values, None, sum);
        self.line(family, "_count", values, None, below as f64);
    }

    fn line(&mut self, family: &Family, suffix: &str, values: &[&str], bound: Option<&str>, value: f64) {
        self.0.push_str(family.name);
        self.0.push_str(suffix);
        let labels = family.labels.iter().map(|label| label.name).zip(values.iter().copied());
        // For Prometheus an empty label is the same as none.
        let labels = labels.filter(|(_, value)| !value.is_empty()).chain(bound.map(|bound| ("le", bound)));
        let mut opens = '{';
        for (name, value) in labels {
            self.0.push(opens);
            opens = ',';
            let _ = write!(self.0, "{name}=\"{}\"", escaped(value));
        }
        if opens == ',' {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }
}

fn escaped(value: &str) -> Cow<'_, str> {
    if value.contains(['\\', '"', '\n']) {
        value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into()
    } else {
        value.into()
    }
}
