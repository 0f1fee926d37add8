//! Parsers for numbers with bounds. Their errors contain the bounds and an example.

use std::ops::RangeInclusive;

/// A parser for whole numbers within `bounds`.
pub fn number<T: TryFrom<u64>>(
    bounds: RangeInclusive<u64>,
    example: u64,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let read = text.trim().parse::<u64>().ok().filter(|number| bounds.contains(number));
        read.and_then(|number| T::try_from(number).ok()).ok_or_else(|| match (*bounds.start(), *bounds.end()) {
            (least, u64::MAX) => format!("write a whole number of at least {least}, such as {example}"),
            (least, most) => format!("write a whole number from {least} to {most}, such as {example}"),
        })
    }
}
