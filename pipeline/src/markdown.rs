//! A plan in Markdown, for the comment of a pull request.

use std::fmt::Write as _;

use crate::plan::Plan;

/// Escapes a text within a line, so that it contains no markup, no link and no mention.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => shown.push(' '),
            // A mention would send a message to somebody.
            '@' => shown.push_str("&#64;"),
            '<' => shown.push_str("&lt;"),
            '&' => shown.push_str("&amp;"),
            // A number would become a link to an issue.
            '#' => shown.push_str("&#35;"),
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
