//! Suggests a zone for a text that isn't a zone's name, such as `+02:00`, `W. Europe Standard Time`,
//! `CET-1CEST,M3.5.0,M10.5.0/3` or `Europe/Berln`.

/// How many characters of a text are compared.
const LOOKED_AT: usize = 64;
/// The suggestion when no name is similar.
const FALLBACK: &str = "UTC";

/// The names of zones on Windows, without "Standard Time", and the IANA zone for each.
const WINDOWS: &[(&str, &str)] = &[
    ("afghanistan", "Asia/Kabul"),
    ("alaskan", "America/Anchorage"),
    ("arab", "Asia/Riyadh"),
    ("arabian", "Asia/Dubai"),
    ("argentina", "America/Argentina/Buenos_Aires"),
    ("atlantic", "America/Halifax"),
    ("aus central", "Australia/Darwin"),
    ("aus eastern", "Australia/Sydney"),
    ("azores", "Atlantic/Azores"),
    ("bangladesh", "Asia/Dhaka"),
    ("belarus", "Europe/Minsk"),
    ("canada central", "America/Regina"),
    ("cen. australia", "Australia/Adelaide"),
    ("central america", "America/Guatemala"),
    ("central asia", "Asia/Almaty"),
    ("central brazilian", "America/Cuiaba"),
    ("central europe", "Europe/Budapest"),
    ("central european", "Europe/Warsaw"),
    ("central pacific", "Pacific/Guadalcanal"),
    ("central", "America/Chicago"),
    ("china", "Asia/Shanghai"),
    ("cuba", "America/Havana"),
    ("e. africa", "Africa/Nairobi"),
    ("e. australia", "Australia/Brisbane"),
    ("e. europe", "Europe/Chisinau"),
    ("e. south america", "America/Sao_Paulo"),
    ("eastern", "America/New_York"),
    ("egypt", "Africa/Cairo"),
    ("fiji", "Pacific/Fiji"),
    ("fle", "Europe/Kyiv"),
    ("georgian", "Asia/Tbilisi"),
    ("gmt", "Europe/London"),
    ("greenland", "America/Nuuk"),
    ("greenwich", "Atlantic/Reykjavik"),
    ("gtb", "Europe/Bucharest"),
    ("hawaiian", "Pacific/Honolulu"),
    ("india", "Asia/Kolkata"),
    ("iran", "Asia/Tehran"),
    ("israel", "Asia/Jerusalem"),
    ("korea", "Asia/Seoul"),
    ("middle east", "Asia/Beirut"),
    ("morocco", "Africa/Casablanca"),
    ("mountain", "America/Denver"),
    ("myanmar", "Asia/Yangon"),
    ("nepal", "Asia/Kathmandu"),
    ("new zealand", "Pacific/Auckland"),
    ("newfoundland", "America/St_Johns"),
    ("pacific sa", "America/Santiago"),
    ("pacific", "America/Los_Angeles"),
    ("pakistan", "Asia/Karachi"),
    ("paraguay", "America/Asuncion"),
    ("romance", "Europe/Paris"),
    ("russian", "Europe/Moscow"),
    ("sa pacific", "America/Bogota"),
    ("samoa", "Pacific/Apia"),
    ("se asia", "Asia/Bangkok"),
    ("singapore", "Asia/Singapore"),
    ("south africa", "Africa/Johannesburg"),
    ("sri lanka", "Asia/Colombo"),
    ("taipei", "Asia/Taipei"),
    ("tokyo", "Asia/Tokyo"),
    ("turkey", "Europe/Istanbul"),
    ("us eastern", "America/Indiana/Indianapolis"),
    ("us mountain", "America/Phoenix"),
    ("venezuela", "America/Caracas"),
    ("w. australia", "Australia/Perth"),
    ("w. central africa", "Africa/Lagos"),
    ("w. europe", "Europe/Berlin"),
    ("west asia", "Asia/Tashkent"),
];

/// The name among `names` that is nearest to `text`.
pub(super) fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    let asked: String = text.trim().chars().take(LOOKED_AT).collect::<String>().to_lowercase();
    let known = |name: &str| names.clone().find(|known| known.eq_ignore_ascii_case(name)).map(str::to_owned);
    let guess = of_windows(&asked).map(str::to_owned).or_else(|| of_offset(&asked)).and_then(|name| known(&name));
    guess
        // A POSIX rule: a zone's name before the comma, or an abbreviation before the offset.
        .or_else(|| known(asked.split(',').next()?))
        .or_else(|| asked.contains(',').then(|| known(&abbreviation(&asked)))?)
        .or_else(|| alike(&asked, names.clone()))
        .unwrap_or_else(|| FALLBACK.to_owned())
}

fn of_windows(asked: &str) -> Option<&'static str> {
    let short = asked.strip_suffix(" standard time").or_else(|| asked.strip_suffix(" daylight time"))?;
    WINDOWS.iter().find(|(name, _)| *name == short).map(|(_, zone)| *zone)
}

/// The zone of an offset in whole hours: `+02:00`, `utc+2`, `gmt-0500`, `<+03>-3`. The sign in the names `Etc/GMT-2` is
/// the opposite.
fn of_offset(asked: &str) -> Option<String> {
    let text = asked.strip_prefix("utc").or_else(|| asked.strip_prefix("gmt")).unwrap_or(asked).trim_start();
    let text = text.strip_prefix('<').and_then(|text| text.split('>').next()).unwrap_or(text);
    let (sign, digits) = match text.chars().next()? {
        '+' => ('-', &text[1..]),
        '-' => ('+', &text[1..]),
        'z' if text == "z" => return Some("UTC".into()),
        _ => return None,
    };
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: u32 = digits.get(..digits.len().min(2))?.parse().ok()?;
    Some(if hours == 0 { "UTC".into() } else { format!("Etc/GMT{sign}{hours}") })
}

fn abbreviation(asked: &str) -> String {
    asked.chars().take_while(char::is_ascii_alphabetic).collect()
}

/// The name with the smallest edit distance, compared whole and by its last part; `None` when no name is close.
fn alike<'a>(asked: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let asked = letters(asked);
    let scored = names.map(|name| {
        let (whole, last) = (letters(name), letters(name.rsplit('/').next().unwrap_or(name)));
        (distance(&asked, &whole).min(distance(&asked, &last)), name)
    });
    let (score, name) = scored.min()?;
    (score * 2 <= asked.len()).then(|| name.to_owned())
}

/// The letters, digits and plus signs of a name. Spaces, slashes and underscores don't count.
fn letters(name: &str) -> Vec<char> {
    name.to_lowercase().chars().filter(|c| c.is_alphanumeric() || *c == '+').collect()
}

/// The edit distance: how many characters must be inserted, deleted or replaced.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
