//! Suggests a zone for a text that isn't a zone's name, such as `+02:00`, `W. Europe Standard Time`,
//! `CET-1CEST,M3.5.0,M10.5.0/3` or `Europe/Berln`.

/// How many characters of a text are compared.
const COMPARED_MAX: usize = 64;
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
    let given: String = text.trim().chars().take(COMPARED_MAX).collect::<String>().to_lowercase();
    let find_name =
        |name: &str| names.clone().find(|find_name| find_name.eq_ignore_ascii_case(name)).map(str::to_owned);
    let guess = of_windows(&given).map(str::to_owned).or_else(|| of_offset(&given)).and_then(|name| find_name(&name));
    guess
        // A POSIX rule: a zone's name before the comma, or an abbreviation before the offset.
        .or_else(|| find_name(given.split(',').next()?))
        .or_else(|| given.contains(',').then(|| find_name(&abbreviation(&given)))?)
        .or_else(|| most_similar(&given, names.clone()))
        .unwrap_or_else(|| FALLBACK.to_owned())
}

fn of_windows(given: &str) -> Option<&'static str> {
    let short = given.strip_suffix(" standard time").or_else(|| given.strip_suffix(" daylight time"))?;
    WINDOWS.iter().find(|(name, _)| *name == short).map(|(_, zone)| *zone)
}

/// The zone of an offset in whole hours: `+02:00`, `utc+2`, `gmt-0500`, `<+03>-3`. The sign in the names `Etc/GMT-2` is
/// the opposite.
fn of_offset(given: &str) -> Option<String> {
    let text = given.strip_prefix("utc").or_else(|| given.strip_prefix("gmt")).unwrap_or(given).trim_start();
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

fn abbreviation(given: &str) -> String {
    given.chars().take_while(char::is_ascii_alphabetic).collect()
}

/// The name with the smallest edit distance, compared whole and by its last part; `None` when no name is close.
fn most_similar<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let given = letters(given);
    let scored = names.map(|name| {
        let (whole, last) = (letters(name), letters(name.rsplit('/').next().unwrap_or(name)));
        (distance(&given, &whole).min(distance(&given, &last)), name)
    });
    let (score, name) = scored.min()?;
    (score * 2 <= given.len()).then(|| name.to_owned())
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
