//! A plan in Markdown, for the comment of a pull request.

use std::fmt::Write as _;

use crate::plan::Plan;

/// A space without width. Services look for mentions and links in the text that a reader sees, where an escaped
/// character is the character again; this space keeps it apart from what follows.
const APART: &str = "&#8203;";

/// Escapes a text within a line, so that it contains no markup, no link and no mention.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = ['\0'; 3];
    for c in text.chars() {
        // `https://` and `www.` begin links, and `GH-1` is a link to an issue.
        let begins_link = match (before, c) {
            ([.., ':'], '/') => true,
            ([a, b, c], '.') => [a, b, c].iter().all(|of| of.eq_ignore_ascii_case(&'w')),
            ([_, a, b], '-') => a.eq_ignore_ascii_case(&'g') && b.eq_ignore_ascii_case(&'h'),
            _ => false,
        };
        if begins_link {
            shown.push_str(APART);
        }
        before = [before[1], before[2], c];
        match c {
            '\n' | '\r' => shown.push(' '),
            // A mention would send a message to somebody, and a number would become a link to an issue.
            '@' | '#' => {
                shown.push('\\');
                shown.push(c);
                shown.push_str(APART);
            }
            '<' => shown.push_str("&lt;"),
            '&' => {
                shown.push_str("&amp;");
                shown.push_str(APART);
            }
            c if c.is_ascii_punctuation() && !matches!(c, '.' | ',' | '-' | '/' | ':' | ';' | '\'' | '"') => {
                shown.push('\\');
                shown.push(c);
            }
            c => shown.push(c),
        }
    }
    shown
}

fn installations(count: i64) -> String {
    if count == 1 { "1 installation".to_owned() } else { format!("{count} installations") }
}

/// The plan in Markdown.
#[must_use]
pub fn of_plan(plan: &Plan) -> String {
    let mut text = format!("### Release of {}\n\n", plain(&plan.pack.name));
    // Writing to a string never fails.
    let _ = match (plan.refusals.is_empty(), plan.exit()) {
        (true, _) => writeln!(text, "{}", outlook(plan)),
        (false, crate::Exit::Done) => writeln!(text, "There is nothing to release."),
        (false, _) => writeln!(text, "**The release would be refused.**"),
    };
    if plan.exit() == crate::Exit::Refused {
        text.push('\n');
        for refusal in &plan.refusals {
            let _ = writeln!(text, "- `{}`: {}", refusal.code, plain(&refusal.message));
        }
    }
    if let Some(superseded) = plan.supersedes.as_ref().filter(|_| plan.exit() == crate::Exit::Changes) {
        let _ = writeln!(
            text,
            "\n**It would supersede the release {}**: that one would never be rolled out.",
            plain(&superseded.shown())
        );
    }
    changes(plan, &mut text);
    if !plan.stage_outlooks.is_empty() {
        text += "\n| Stage | Opens on | Moves |\n|---|---|---|\n";
        for stage in &plan.stage_outlooks {
            let count = installations(stage.will_move_count);
            let _ = writeln!(text, "| {} | {} | {count} |", plain(&stage.name), stage.date);
        }
    }
    for skipped in &plan.will_skip {
        let _ =
            writeln!(text, "\n{} would be left out: `{}`.", installations(skipped.installation_count), skipped.reason);
    }
    if !plan.warnings.is_empty() {
        text += "\n**Warnings**\n\n";
        for warning in &plan.warnings {
            let _ = writeln!(text, "- `{}`: {}", warning.code, plain(&warning.message));
        }
    }
    text
}

fn outlook(plan: &Plan) -> String {
    let from = plan.from_number.map(|number| format!("from version {number} ")).unwrap_or_default();
    let on = plan.on.map_or_else(|| "at once".to_owned(), |date| format!("on {date}"));
    format!("It would move {} {from}to version {} {on}.", installations(plan.will_move_count), plan.next_number)
}

fn changes(plan: &Plan, text: &mut String) {
    if plan.lines().is_empty() {
        return;
    }
    *text += "\n| Component | Before | After |\n|---|---|---|\n";
    for change in &plan.changed {
        let down = if change.is_downgrade { " (an older version)" } else { "" };
        let (name, from, to) = (plain(&change.name), plain(&change.from), plain(&change.to));
        let _ = writeln!(text, "| {name} | {from} | {to}{down} |");
    }
    for item in &plan.added {
        let _ = writeln!(text, "| {} | | {} |", plain(&item.name), plain(&item.version));
    }
    for item in &plan.removed {
        let _ = writeln!(text, "| {} | {} | **taken away** |", plain(&item.name), plain(&item.version));
    }
    if plan.unchanged_count > 0 {
        let _ = writeln!(text, "\nUnchanged: {}.", plan.unchanged_count);
    }
}
