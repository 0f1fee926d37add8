//! The cells in which metrics are counted. When metrics are off there are no cells, and recording does nothing.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use super::catalogue::{Family, Kind};
use super::labels::{Label, Labels, OTHER, Values};
use super::text::Writer;

/// A family that is recorded, and writes its series.
pub(super) trait Recorded {
    fn family(&self) -> &'static Family;

    fn write(&self, to: &mut Writer);
}

/// The number of cells of a family: none if metrics are off.
fn cells<L: Labels, T>(family: &'static Family, is_on: bool, make: impl Fn() -> T) -> impl Iterator<Item = T> {
    debug_assert_eq!(family.labels, L::LABELS, "{} has other labels in the catalogue", family.name);
    (0..if is_on { L::SERIES } else { 0 }).map(move |_| make())
}

/// The values of the labels of the series with this index.
fn values_at(labels: &[Label], mut index: usize) -> Vec<&'static str> {
    let mut values = Vec::with_capacity(labels.len());
    for label in labels.iter().rev() {
        if let Values::Of(all) = label.values {
            values.push(all[index % all.len()]);
            index /= all.len();
        }
    }
    values.reverse();
    values
}

/// A counter for each series.
pub struct Counters<L> {
    family: &'static Family,
    cells: Box<[AtomicU64]>,
    labels: PhantomData<fn(L)>,
}

impl<L: Labels> Counters<L> {
    pub(super) fn new(family: &'static Family, is_on: bool) -> Self {
        let cells = cells::<L, _>(family, is_on, AtomicU64::default).collect();
        Self { family, cells, labels: PhantomData }
    }

    /// Increases the counter of a series.
    pub fn add(&self, labels: L, more: u64) {
        if let Some(cell) = self.cells.get(labels.index()) {
            cell.fetch_add(more, Ordering::Relaxed);
        }
    }
}

impl<L: Labels> Recorded for Counters<L> {
    fn family(&self) -> &'static Family {
        self.family
    }

    fn write(&self, to: &mut Writer) {
        for (index, cell) in self.cells.iter().enumerate() {
            to.series(self.family, &values_at(self.family.labels, index), cell.load(Ordering::Relaxed) as f64);
        }
    }
}

/// A number that goes up and down, for each series.
pub struct Gauges<L> {
    family: &'static Family,
    cells: Arc<[AtomicI64]>,
    labels: PhantomData<fn(L)>,
}

/// Counts one in a gauge as long as it exists.
pub struct Active {
    cells: Arc<[AtomicI64]>,
    index: usize,
}

impl Drop for Active {
    fn drop(&mut self) {
        if let Some(cell) = self.cells.get(self.index) {
            cell.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl<L: Labels> Gauges<L> {
    pub(super) fn new(family: &'static Family, is_on: bool) -> Self {
        let cells = cells::<L, _>(family, is_on, AtomicI64::default).collect();
        Self { family, cells, labels: PhantomData }
    }

    /// Counts one more, until the result is dropped.
    #[must_use]
    pub fn enter(&self, labels: L) -> Active {
        let index = labels.index();
        if let Some(cell) = self.cells.get(index) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
        Active { cells: self.cells.clone(), index }
    }
}

impl<L: Labels> Recorded for Gauges<L> {
    fn family(&self) -> &'static Family {
        self.family
    }

    fn write(&self, to: &mut Writer) {
        for (index, cell) in self.cells.iter().enumerate() {
            to.series(self.family, &values_at(self.family.labels, index), cell.load(Ordering::Relaxed) as f64);
        }
    }
}

/// How many observations each bucket has, and their sum in the unit of the family, or in nanoseconds.
struct Histogram {
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &[f64]) -> Self {
        Self { buckets: (0..=bounds.len()).map(|_| AtomicU64::default()).collect(), sum: AtomicU64::default() }
    }

    fn observe(&self, bounds: &[f64], value: f64, sum: u64) {
        let bucket = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(sum, Ordering::Relaxed);
    }

    fn write(&self, family: &Family, bounds: &[f64], values: &[&str], to: &mut Writer) {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let sum = self.sum.load(Ordering::Relaxed) as f64;
        to.histogram(family, values, bounds, &counts, if family.is_in_seconds() { sum / 1e9 } else { sum });
    }
}

fn bounds(family: &Family) -> &'static [f64] {
    match family.kind {
        Kind::Histogram(bounds) => bounds,
        Kind::Counter | Kind::Gauge => &[],
    }
}

fn nanos(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
}

/// A histogram for each series. A series is made at its first observation.
pub struct Histograms<L> {
    family: &'static Family,
    cells: Box<[OnceLock<Box<Histogram>>]>,
    labels: PhantomData<fn(L)>,
}

impl<L: Labels> Histograms<L> {
    pub(super) fn new(family: &'static Family, is_on: bool) -> Self {
        let cells = cells::<L, _>(family, is_on, OnceLock::new).collect();
        Self { family, cells, labels: PhantomData }
    }

    /// Records how long something took.
    pub fn took(&self, labels: L, took: Duration) {
        self.observe(labels, took.as_secs_f64(), nanos(took));
    }

    /// Records an amount.
    pub fn amount(&self, labels: L, amount: u64) {
        self.observe(labels, amount as f64, amount);
    }

    fn observe(&self, labels: L, value: f64, sum: u64) {
        if let Some(cell) = self.cells.get(labels.index()) {
            let bounds = bounds(self.family);
            cell.get_or_init(|| Box::new(Histogram::new(bounds))).observe(bounds, value, sum);
        }
    }
}

impl<L: Labels> Recorded for Histograms<L> {
    fn family(&self) -> &'static Family {
        self.family
    }

    fn write(&self, to: &mut Writer) {
        for (index, cell) in self.cells.iter().enumerate() {
            if let Some(histogram) = cell.get() {
                histogram.write(self.family, bounds(self.family), &values_at(self.family.labels, index), to);
            }
        }
    }
}

/// The most values of a label that come up while the server runs.
fn most(family: &Family, is_on: bool) -> usize {
    match family.labels {
        [Label { values: Values::AtMost(most), .. }] if is_on => *most,
        _ => 0,
    }
}

/// The name under which a value is counted: its own if it is known or there is room.
fn counted_as<'a, T>(name: &'a str, known: &BTreeMap<String, T>, most: usize) -> &'a str {
    if known.contains_key(name) || known.len() < most { name } else { OTHER }
}

/// A counter for each value of a label that comes up while the server runs.
pub struct NamedCounters {
    family: &'static Family,
    most: usize,
    cells: Mutex<BTreeMap<String, u64>>,
}

impl NamedCounters {
    pub(super) fn new(family: &'static Family, is_on: bool) -> Self {
        Self { family, most: most(family, is_on), cells: Mutex::default() }
    }

    /// Counts one more for a value of the label.
    pub fn add(&self, name: &str) {
        if self.most > 0 {
            let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
            let name = counted_as(name, &cells, self.most);
            match cells.get_mut(name) {
                Some(count) => *count += 1,
                None => drop(cells.insert(name.to_owned(), 1)),
            }
        }
    }
}

impl Recorded for NamedCounters {
    fn family(&self) -> &'static Family {
        self.family
    }

    fn write(&self, to: &mut Writer) {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, count) in &*cells {
            to.series(self.family, &[name], *count as f64);
        }
    }
}

/// A histogram for each value of a label that comes up while the server runs.
pub struct NamedHistograms {
    family: &'static Family,
    most: usize,
    cells: RwLock<BTreeMap<String, Arc<Histogram>>>,
}

impl NamedHistograms {
    pub(super) fn new(family: &'static Family, is_on: bool) -> Self {
        Self { family, most: most(family, is_on), cells: RwLock::default() }
    }

    /// Records how long something took.
    pub fn took(&self, name: &str, took: Duration) {
        if self.most > 0 {
            self.histogram(name).observe(bounds(self.family), took.as_secs_f64(), nanos(took));
        }
    }

    fn histogram(&self, name: &str) -> Arc<Histogram> {
        {
            let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
            // A name beyond the limit shares the cell of all others, once that exists.
            if let Some(found) = cells.get(counted_as(name, &cells, self.most)) {
                return found.clone();
            }
        }
        let mut cells = self.cells.write().unwrap_or_else(PoisonError::into_inner);
        let name = counted_as(name, &cells, self.most).to_owned();
        cells.entry(name).or_insert_with(|| Arc::new(Histogram::new(bounds(self.family)))).clone()
    }
}

impl Recorded for NamedHistograms {
    fn family(&self) -> &'static Family {
        self.family
    }

    fn write(&self, to: &mut Writer) {
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        for (name, histogram) in &*cells {
            histogram.write(self.family, bounds(self.family), &[name], to);
        }
    }
}
