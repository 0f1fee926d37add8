//! Random choices from a seed that is printed, so that a failed run can be repeated.

use std::time::Duration;

/// The variable with the seed of a run to be repeated.
const SEED: &str = "PACKWRIGHT_FAULTS_SEED";
/// The variable that asks for the long run of the tests of faults.
const LENGTH: &str = "PACKWRIGHT_FAULTS";

/// The seed of a short run.
const SHORT_SEED: u64 = 20_261_129;

/// Whether the long run of the tests of faults is asked for.
pub(crate) fn is_long() -> bool {
    std::env::var(LENGTH).is_ok_and(|length| length == "long")
}

/// The first value usually, the second one in the long run.
pub(crate) fn short_or_long<T>(short: T, long: T) -> T {
    if is_long() { long } else { short }
}

/// A source of random numbers.
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice with the variable's seed, else with a random seed in the long run and with the same seed in each short
    /// run, so that the short run judges the change at hand. Prints the seed, which is shown when the test fails.
    pub(crate) fn new(of: &str) -> Self {
        let told = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
        let seed = told.unwrap_or_else(|| {
            let mut bytes = [0; 4];
            if !is_long() {
                return SHORT_SEED;
            }
            getrandom::fill(&mut bytes).expect("random bytes");
            u32::from_le_bytes(bytes).into()
        });
        eprintln!("{of}: the seed is {seed}; the same again: {SEED}={seed}");
        Self(seed)
    }

    /// The next number (SplitMix64).
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which isn't 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a number of 64 bits");
        usize::try_from(self.roll() % end).expect("less than a usize")
    }

    /// Dice with a seed of their own, which follows from this one.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.roll())
    }

    /// A duration of up to `longest`.
    pub(crate) fn within(&mut self, longest: Duration) -> Duration {
        let micros = u64::try_from(longest.as_micros()).expect("a short time").max(1);
        Duration::from_micros(self.roll() % micros)
    }

    /// One of these.
    pub(crate) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}
