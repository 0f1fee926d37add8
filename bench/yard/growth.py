"""Lists in a small catalogue and in a large one: what is asked for costs what is shown, not what there is."""

import statistics

from . import page
from .databases import Base
from .fleet import multiply
from .servers import drive, seed

WORLD = {"packs": 500, "installations": 10_000, "components": 1_430, "accounts": 500}
LARGE = {False: 3_000_000, True: 60_000}
SEVEN = 7

LISTS = {
    "the page, first": ("publisher", page.PACKWRIGHT.replace("query Page($after: String)", "query Page").replace(", after: $after", "")),
    "the page, last": ("publisher", page.PACKWRIGHT.replace("query Page($after: String)", "query Page").replace("first: 20, after: $after", "last: 20")),
}
for which in ("first", "last"):
    LISTS |= {
        f"packsWithNewerShareableVersions, {which}": (
            "publisher",
            f"{{ packsWithNewerShareableVersions({which}: 20) {{ edges {{ node {{ name components(onlyWithNewerShareable: true) {{ component {{ name }} current {{ version }} latestShareable {{ version }} }} }} }} pageInfo {{ endCursor }} }} }}",
        ),
        f"pendingUpdates, {which}": (
            "account",
            f"{{ pendingUpdates({which}: 20) {{ edges {{ node {{ state offeredAt toVersion {{ number }} installation {{ id }} }} }} pageInfo {{ endCursor }} }} }}",
        ),
        f"auditLog, {which}": (
            "publisher",
            f"{{ auditLog({which}: 20) {{ edges {{ node {{ occurredAt action actor {{ name }} subjectName changes {{ field before after }} }} }} pageInfo {{ endCursor }} }} }}",
        ),
    }
EVENTS = "query($after: String) { events(first: 20, after: $after) { edges { node { kind occurredAt ... on PackEvent { pack { id } } } } pageInfo { endCursor } } }"


def run(bench):
    size = bench.args.versions or LARGE[bench.quick]
    base = bench.postgres.create("small")
    tokens = dict(zip(("publisher", "account"), seed(bench.program, base.url, **WORLD)))
    package(bench, base, tokens["publisher"])
    large = bench.postgres.create("large", "small")
    count = int(base.one("SELECT COUNT(*) FROM component_version WHERE kind = 'PACKAGE'"))
    grow(base, 0, count)
    grow(large, size - count, size)
    sizes = [f"{count:,}", f"{size:,}"]
    bench.say(f"{' and '.join(sizes)} packaged versions are there")
    servers = {"small": bench.packwright(base.url), "large": bench.packwright(large.url)}
    rows = [["", f"p50 with {sizes[0]} (ms)", f"with {sizes[1]} (ms)", "Beside each other"]]
    worst = 0
    try:
        for name, (reader, questions) in questions_of(servers, tokens).items():
            ratios, times = [], {"small": [], "large": []}
            for turn in range(-1, bench.rounds):
                order = ("small", "large") if turn % 2 else ("large", "small")
                seen = {}
                for which in order:
                    file = bench.scratch / f"growth.{which}"
                    page.write_questions(file, *questions[which])
                    seen[which] = drive(servers[which], file, min(bench.seconds, 2), 2, tokens[reader])["p50"]
                # The first turn warms up.
                if turn >= 0:
                    ratios.append(seen["large"] / seen["small"])
                    for which in order:
                        times[which].append(seen[which])
            ratio = statistics.median(ratios)
            worst = max(worst, ratio)
            rows.append([name, *(f"{statistics.median(times[which]):.2f}" for which in ("small", "large")), f"{ratio:.2f} ×"])
            bench.say("  ".join(rows[-1]))
    finally:
        for server in servers.values():
            server.stop()
    bench.postgres.drop("small", "large")
    note = {} if size == LARGE[False] else {"note": f"with {size:,}"}
    return {"figures": {"growth.worst": round(worst, 3)}, "tables": [rows], **note}


def questions_of(servers, tokens):
    """For each list who reads it, and for both servers what is asked."""
    told = {}
    for name, (reader, query) in LISTS.items():
        told[name] = (reader, {which: (query, [{}]) for which in servers})
    cursors = {}
    for which, server in servers.items():
        edge = lambda part: server.ask(tokens["publisher"], f"{{ events({part}) {{ edges {{ cursor }} }} }}")["events"]["edges"][0]["cursor"]
        cursors[which] = {"first": edge("first: 1"), "last": edge("last: 21")}
    for part in ("first", "last"):
        told[f"events(after), {part}"] = ("publisher", {which: (EVENTS, [{"after": cursors[which][part]}]) for which in servers})
    return told


def package(bench, base, token):
    """One package through the API: its rows are what the others are like."""
    server = bench.packwright(base.url)
    try:
        # One that a pack holds at an older version: only such a package is told as an event.
        query = "{ integrationPacks(first: 1, filter: {states: [CURRENT]}) { edges { node { components { component { id } pinned current { version } } } } } }"
        rows = server.ask(token, query)["integrationPacks"]["edges"][0]["node"]["components"]
        found = next(row["component"]["id"] for row in rows if row["current"])
        query = "mutation($c: ID!) { createPackagedComponents(input: {packages: [{componentId: $c, shareable: true}]}) { errors { message } } }"
        server.ask(token, query, {"c": found})
    finally:
        server.stop()


def grow(base: Base, packages, events):
    """More components, seven packages each; for each package an event and an entry of the audit log, and a record that
    both logs tell of."""
    component, version = base.rows(
        "SELECT v.component_id, v.id FROM component_version v JOIN event e ON e.component_version_id = v.id LIMIT 1"
    )[0]
    tables = ["component", "component_version", "manifest_entry", "event", "audit_entry", "log_batch", "log_record"]
    indexes = base.rows(
        f"""SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename IN ({', '.join(f"'{t}'" for t in tables)})
            AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = indexname)"""
    )
    base.run("".join(f"DROP INDEX {name};" for name, _ in indexes))
    # Rows that point to each other rightly needn't be looked up one by one.
    base.run(f"ALTER DATABASE {base.name} SET session_replication_role = replica")
    if packages > 0:
        components = packages // SEVEN + 1
        of = base.made_id(5, f"(g.n % {components} + 1)")
        name = f"'Grown ' || lpad((g.n % {components} + 1)::text, 8, '0')"
        key = name.replace("Grown", "grown")
        own = {"id": base.made_id(5), "name": "'Grown ' || lpad(g.n::text, 8, '0')", "name_key": "'grown ' || lpad(g.n::text, 8, '0')"}
        multiply(base, "component", f"t.id = {base.id(component)}", components, {**own, "latest_shareable_id": "NULL", "latest_publication_id": "NULL"})
        made = {"id": base.made_id(6), "component_id": of, "component_name_key": key, "version": f"(g.n / {components} + 1)::text"}
        made |= {"version_key": made["version"], "created_at": "t.created_at + g.n * interval '1 microsecond' - interval '30 days'"}
        multiply(base, "component_version", f"t.id = {base.id(version)}", packages, made)
        multiply(base, "manifest_entry", f"t.component_version_id = {base.id(version)}", packages, {"component_version_id": base.made_id(6), "component_id": of})
        last = "(SELECT max(sequence) FROM audit_entry)"
        entry = f"t.sequence = {last} AND t.action = 'createPackagedComponents'"
        multiply(base, "audit_entry", entry, packages, {"sequence": f"{last} + g.n", "id": base.made_id(7)})
    last = "(SELECT max(sequence) FROM event)"
    multiply(base, "event", f"t.sequence = {last}", events, {"sequence": f"{last} + g.n", "id": base.made_id(8)})
    record(base, events)
    base.run(f"ALTER DATABASE {base.name} RESET session_replication_role")
    base.run("".join(f"{definition};" for _, definition in indexes))
    base.settle()


# As many as a batch of a rollout has.
BATCH = 1_000


def record(base: Base, count):
    """What rollouts have left at the end of both logs: batches of a thousand records, of all packs and installations."""
    batches = max(count // BATCH, 1)
    base.run(
        f"""CREATE TABLE bench_at AS SELECT (SELECT max(sequence) FROM event) + 1 AS event, (SELECT max(sequence) FROM audit_entry) + 1 AS entry;
        CREATE TABLE bench_installed AS SELECT row_number() OVER (ORDER BY id) - 1 AS n, id, account_id, pack_id, publisher_id
            FROM installation WHERE uninstalled_at IS NULL;
        CREATE UNIQUE INDEX ON bench_installed (n);
        INSERT INTO log_batch (first_sequence, last_sequence, first_entry, id_base, id_seal, publisher_id, occurred_at, pack_id, pack_name,
                release_id, kind, audience, update_state, action, for_account, changes, version_after, version_is_gone)
            SELECT bench_at.event + g.n * {BATCH}, bench_at.event + (g.n + 1) * {BATCH} - 1, bench_at.entry + g.n * {BATCH},
                overlay(gen_random_uuid()::text placing '00000000' from 29)::uuid, gen_random_uuid(), i.publisher_id, last.occurred_at,
                i.pack_id, p.name, NULL, 'INSTALLATION_UPDATED', 'PUBLISHER_AND_ACCOUNT', 'APPLIED', 'scheduler.applyUpdate', true, '[]', 2, false
            FROM generate_series(0, {batches - 1}) AS g(n) CROSS JOIN bench_at
                JOIN bench_installed AS i ON i.n = g.n * 37 % (SELECT COUNT(*) FROM bench_installed)
                JOIN integration_pack AS p ON p.id = i.pack_id
                CROSS JOIN (SELECT max(occurred_at) AS occurred_at FROM audit_entry) AS last;
        INSERT INTO log_record (sequence, batch, account_id, installation_id, version_before)
            SELECT b.first_sequence + g.n, b.first_sequence, i.account_id, i.id, 1
            FROM bench_at JOIN log_batch AS b ON b.first_sequence >= bench_at.event CROSS JOIN generate_series(0, {BATCH - 1}) AS g(n)
                JOIN bench_installed AS i ON i.n = (b.first_sequence + g.n * 17) % (SELECT COUNT(*) FROM bench_installed);
        UPDATE audit_hour SET last_sequence = (SELECT entry FROM bench_at) + {batches * BATCH} WHERE hour = (SELECT max(hour) FROM audit_hour);
        SELECT setval(pg_get_serial_sequence('event', 'sequence'), (SELECT event FROM bench_at) + {batches * BATCH});
        SELECT setval(pg_get_serial_sequence('audit_entry', 'sequence'), (SELECT entry FROM bench_at) + {batches * BATCH});
        DROP TABLE bench_at, bench_installed;"""
    )
