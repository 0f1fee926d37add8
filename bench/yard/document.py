"""What was measured, kept as JSON, and docs/benchmarks.md made of it."""

import json

from .servers import BENCH, ROOT

RESULTS = BENCH / "results"
# What is to be said of the figures, above all of those that were missed.
NOTES = RESULTS / "notes.md"
PAGE = ROOT / "docs/benchmarks.md"

# Step, key, what it is, how it reads, the bound, and whether more is better.
FIGURES = [
    ("page", "page.sql", "The page on PostgreSQL beside one statement of plain SQL", "{:.2f} ×", 1.5, True),
    ("page", "page.peer", "The same beside the better of PostGraphile and Mercurius", "{:.2f} ×", 8, True),
    ("page", "page.spread", "The same: p99 beside p50", "{:.1f} ×", 3, False),
    ("sqlite", "sqlite.sql", "The page on SQLite beside one statement of plain SQL", "{:.2f} ×", 3, True),
    ("info", "info.bare", "`{ serverInfo { version } }` with a token, beside a bare handler on axum", "{:.2f} ×", 0.7, True),
    ("metrics", "metrics.page", "The page with metrics that are scraped each second, beside `--no-metrics`", "{:.3f} ×", 0.97, True),
    ("metrics", "metrics.traces", "The same with all traces sent too", "{:.3f} ×", 0.97, True),
    ("metrics", "metrics.tenth", "The same with one trace of ten", "{:.3f} ×", 0.97, True),
    ("growth", "growth.worst", "Lists with 3,000,000 packaged versions beside 10,000: the worst of them", "{:.2f} ×", 1.3, False),
    ("rollout", "rollout.loop", "An immediate release to 1,000,000 installations on PostgreSQL, beside a loop in SQL", "{:.2f} ×", 1.5, False),
    ("rollout", "rollout.memory", "The same: memory above idle", "{:.0f} MB", 100, False),
    ("rollout", "rollout.progress", "The same: the slowest `release { progress }` meanwhile", "{:.1f} ms", 20, False),
    ("rollout", "rollout.page", "The same: the page's p99 meanwhile beside its quiet value", "{:.1f} ×", 3, False),
    ("rollout", "rollout.back", "The roll back of 1,000,000 installations on PostgreSQL, beside their release", "{:.2f} ×", 1.2, False),
    ("rollout-sqlite", "rollout-sqlite.loop", "The same release on SQLite, beside a loop there", "{:.2f} ×", 2, False),
    ("rollout-sqlite", "rollout-sqlite.back", "The roll back on SQLite, beside the release", "{:.2f} ×", 1.2, False),
    ("midnight", "midnight.loop", "1,000 dated releases of 1,000 installations due at one midnight, beside a loop", "{:.2f} ×", 1.5, False),
    ("listeners", "listeners.memory", "10,000 subscriptions, each of another account: memory of one", "{:.1f} KiB", 30, False),
    ("listeners", "listeners.cpu", "The same: processor time while nothing happens", "{:.2f} % of a core", 2, False),
    ("listeners", "listeners.statements", "The same: statements a second while nothing happens", "{:.1f}", 5, False),
    ("listeners", "listeners.p99", "The same: an announcement with an answer for each, p99", "{:.0f} ms", 1000, False),
    ("listeners", "listeners.across", "An event made on one server and heard on another, p99", "{:.1f} ms", 100, False),
    ("webhooks", "webhooks.rate", "Events delivered to a hundred webhook endpoints on PostgreSQL", "{:,.0f} a second", 1000, True),
    ("webhooks", "webhooks.worst", "The same of the other 99 beside a dead or a slow one", "{:.3f} ×", 0.95, True),
    ("webhooks", "webhooks-sqlite.rate", "Events delivered to a hundred webhook endpoints on SQLite", "{:,.0f} a second", 1000, True),
    ("webhooks", "webhooks-sqlite.worst", "The same of the other 99 beside a dead or a slow one", "{:.3f} ×", 0.95, True),
    ("several", "several.rollout", "A release to 200,000 installations by two servers, beside one: seconds", "{:.2f} ×", 1, False),
    ("several", "several.page", "The page's p99 while an account does its worst, beside its quiet value", "{:.1f} ×", 3, False),
    ("seed", "seed.seconds", "`packwright seed` of 5,000 packs and 1,000,000 installations on PostgreSQL", "{:.0f} s", 120, False),
    ("build", "build.minutes", "A cold `cargo build --release`", "{:.1f} minutes", 8, False),
    ("start", "start.memory", "Memory of an idle server", "{:.0f} MB", 40, False),
    ("start", "start.answer", "The first answer after a start on an existing database", "{:.0f} ms", 300, False),
]


def keep(told, commit, versions):
    """Adds what was measured to the results of this day and commit."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{versions['date']}-{commit}.json"
    known = json.loads(path.read_text()) if path.exists() else {"commit": commit, "steps": {}}
    for step, result in told.items():
        known["steps"][step] = {**result, "versions": versions}
    path.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")


def results():
    """In the order in which they were made."""
    made = lambda result: min(step["versions"]["time"] for step in result["steps"].values())
    return sorted((json.loads(path.read_text()) for path in RESULTS.glob("*.json")), key=made)


def table(rows):
    head, *rest = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rest]) + "\n"


def cell(result, step, key, form, bound, more):
    value = result["steps"][step]["figures"][key]
    met = value >= bound if more else value <= bound
    note = result["steps"][step].get("note")
    return f"{form.format(value)}{'' if met else ' (missed)'}, `{result['commit']}`{f', {note}' if note else ''}"


def before_and_now(all_results, step, key):
    """The results for the two columns: that of the first commit that was kept, and the newest of another commit. What was
    not measured is `None`."""
    having = [result for result in all_results if key in result["steps"].get(step, {}).get("figures", {})]
    is_first = lambda result: result["commit"] == all_results[0]["commit"]
    before = next(filter(is_first, having), None)
    now = having[-1] if having and not is_first(having[-1]) else None
    return before, now


def write():
    all_results = results()
    rows = [["", "To reach", "Before", "Now"]]
    for step, key, label, form, bound, more in FIGURES:
        before, now = before_and_now(all_results, step, key)
        reach = ("≥ " if more else "≤ ") + form.replace(":.2f", ":g").replace(":.1f", ":g").replace(":.0f", ":g").format(bound)
        show = lambda result: cell(result, step, key, form, bound, more) if result else "–"
        rows.append([label, reach, show(before), show(now) if before or now else "not measured"])
    text = f"""# Benchmarks

`bench/run --keep` has written this page; [bench/README.md](../bench/README.md) tells what is measured and how. The figures are ratios from one run on one machine, on which client, server and database share the processor: contestants are asked in turn in short rounds, and a ratio is the median of the rounds' ratios. Absolute numbers say nothing of another machine.

## Figures to reach

{table(rows)}
"""
    if NOTES.exists():
        text += NOTES.read_text().strip() + "\n\n"
    steps = {}
    for result in all_results:
        for step, one in result["steps"].items():
            steps.setdefault(step, []).append((result["commit"], one))
    for step, title in TITLES.items():
        if step in steps:
            text += f"## {title}\n\n" + "".join(section(commit, one) for commit, one in reversed(steps[step][:1] + steps[step][1:][-1:]))
    PAGE.write_text(text.rstrip() + "\n")


TITLES = {
    "page": "The page on PostgreSQL",
    "sqlite": "The page on SQLite",
    "info": "The smallest question",
    "metrics": "Metrics and traces",
    "growth": "Lists in a small and a large catalogue",
    "rollout": "A rollout on PostgreSQL",
    "rollout-sqlite": "A rollout on SQLite",
    "midnight": "A midnight",
    "listeners": "Listeners",
    "webhooks": "Webhooks",
    "several": "Several servers, and several accounts",
    "seed": "The seed",
    "build": "The build",
    "start": "The start",
}


def section(commit, one):
    versions = one["versions"]
    text = f"### `{commit}`, {versions['date']}\n\n"
    if versions["quick"]:
        text += "A quick run: small, and good for nothing but to try the script.\n\n"
    if "world" in one:
        text += "Data: " + ", ".join(f"{count:,} {what}" for what, count in one["world"].items()) + ".\n\n"
    if "contestants" in one:
        rows = [["", "Answers a second", "p50 (ms)", "p99 (ms)", one.get("column", "Packwright beside it"), "Rounds from … to"]]
        for name, c in one["contestants"].items():
            ratio = f"{c['ratio']:.2f} ×" if "ratio" in c else "–"
            between = f"{c['ratios'][0]:.2f} … {c['ratios'][1]:.2f}" if "ratios" in c else "–"
            rows.append([name, f"{c['rate']:,.0f}", f"{c['p50']:.2f}", f"{c['p99']:.2f}", ratio, between])
        text += table(rows) + "\n"
    for rows in one.get("tables", []):
        text += table(rows) + "\n"
    skipped = {"quick", "date", "time", "remark", "rounds", "seconds", "connections"}
    said = [f"{name} {value}" for name, value in versions.items() if name not in skipped | {"machine", "program"}]
    text += f"{versions['program']}; {', '.join(said)}. {versions['machine']}."
    if "contestants" in one:
        text += f" {versions['connections']} connections, {versions['rounds']} rounds of {versions['seconds']} s."
    return text + (f" {versions['remark']}" if "remark" in versions else "") + "\n\n"
