"""Many dated releases that are due at the same instant, beside a loop."""

import datetime
import statistics
import time

from .fleet import Fleet, multiply
from .rollout import batch_size
from .servers import BENCH, Trouble, wait_until

SIZES = {False: (1_000, 1_000), True: (20, 100)}
# How long before the instant the server starts.
AHEAD = 10.0


def run(bench):
    packs, installations = SIZES[bench.quick]
    packs = bench.args.releases or packs
    base = bench.postgres.create("midnight")
    fleet = Fleet(bench, base, installations)
    offer(bench, fleet)
    copies(base, fleet.pack_id, packs - 1)
    base.run("CREATE TABLE bench_due AS SELECT id, pending_release_id FROM integration_pack WHERE name LIKE 'Fleet%'")
    base.settle()
    bench.say(f"{packs:,} releases of {installations:,} installations wait")
    size = batch_size(bench)
    bench.postgres.create("before", "midnight")
    loops = [loop(bench, size, packs * installations)]
    took = open_windows(bench, base, packs, packs * installations)
    bench.say(f"Packwright took {took:.1f} s")
    loops.append(loop(bench, size, packs * installations))
    bench.postgres.drop("midnight", "before")
    rows = [["", "Value"], ["releases", f"{packs:,} of {installations:,} installations each"], ["installations in a batch of the loop", str(size)]]
    rows += [["the loop, before and after", " and ".join(f"{one:.1f} s" for one in loops)], ["Packwright, from the instant to the end of the last release", f"{took:.1f} s"]]
    note = {} if (packs, installations) == SIZES[False] else {"note": f"with {packs:,} releases of {installations:,}"}
    return {"figures": {"midnight.loop": round(took / statistics.mean(loops), 3)}, "tables": [rows], **note}


def offer(bench, fleet):
    """A release with a date, offered to all."""
    server = bench.packwright(fleet.base.url)
    try:
        fleet.package(server)
        date = datetime.date.today() + datetime.timedelta(days=30)
        fleet.release(server, f'{{onDate: "{date}"}}')
        offered = f"SELECT COUNT(*) FROM installation_update WHERE pack_id = '{fleet.pack_id}' AND state = 'OFFERED'"
        idle = "SELECT COUNT(*) FROM task"
        wait_until(lambda: int(fleet.base.one(offered)) == fleet.count and fleet.base.one(idle) == "0", "the offer", 120)
    finally:
        server.stop()


def copies(base, pack, count):
    """The pack again and again, with all that belongs to it. An id of a copy begins with its number."""

    def other(column, table=None):
        return f"overlay(t.{column}::text placing to_hex(4096 + g.n) from 1 for 4)::uuid"

    ids = {
        "integration_pack": (f"t.id = '{pack}'", ["id", "current_version_id", "pending_release_id", "pending_version_id"]),
        "draft_row": (None, ["pack_id"]),
        "content_key": (None, ["pack_id", "content_key"]),
        "pack_version": (None, ["id", "pack_id", "release_id"]),
        "pack_version_item": (f"t.pack_version_id IN (SELECT id FROM pack_version WHERE pack_id = '{pack}')", ["pack_version_id"]),
        "pack_release": (None, ["id", "pack_id", "version_id", "previous_version_id"]),
        "pack_share": (None, ["pack_id"]),
        "announced_grant": (None, ["pack_id"]),
        "installation": (None, ["id", "pack_id", "version_id", "single_pack_id"]),
        "installation_update": (None, ["installation_id", "release_id", "pack_id", "from_version_id", "to_version_id"]),
        "release_tally": (None, ["release_id", "pack_id"]),
        "installation_tally": (None, ["pack_id", "version_id"]),
    }
    named = {"name": "'Fleet ' || g.n", "name_key": "'fleet ' || g.n"}
    for table, (where, columns) in ids.items():
        changed = {column: other(column) for column in columns}
        if table == "integration_pack":
            changed |= named
        if table == "installation":
            changed["name_key"] = named["name_key"]
        if table.endswith("_tally"):
            changed["id"] = f"nextval(pg_get_serial_sequence('{table}', 'id'))"
        multiply(base, table, where or f"t.pack_id = '{pack}'", count, changed)


def loop(bench, size, count):
    base = bench.postgres.create("loop", "before")
    base.run((BENCH / "sql/midnight.sql").read_text())
    base.settle()
    begun = time.monotonic()
    base.run(f"CALL bench_midnight({size})")
    took = time.monotonic() - begun
    check(base, count)
    bench.postgres.drop("loop")
    bench.say(f"the loop took {took:.1f} s")
    return took


def check(base, count):
    done = "SELECT COUNT(*) FROM installation_update WHERE state = 'APPLIED' AND release_id IN (SELECT pending_release_id FROM bench_due)"
    if int(base.one(done)) != count:
        raise Trouble(f"{base.one(done)} of {count} installations were moved")


def open_windows(bench, base, packs, count):
    """Moves the windows to an instant that comes soon; gives how long after it the last release ended."""
    due = f"now() + interval '{AHEAD} s'"
    base.run(
        f"""BEGIN;
        UPDATE integration_pack SET pending_starts_at = {due}, pending_due_at = {due} WHERE id IN (SELECT id FROM bench_due);
        UPDATE pack_release SET starts_at = {due}, ends_at = {due} + interval '1 day' WHERE id IN (SELECT pending_release_id FROM bench_due);
        COMMIT;"""
    )
    server = bench.packwright(base.url)
    try:
        open_ = "SELECT COUNT(*) FROM pack_release WHERE ended_at IS NULL AND id IN (SELECT pending_release_id FROM bench_due)"

        def over():
            time.sleep(0.5)
            return base.one(open_) == "0"

        wait_until(over, "the midnight", 3600)
    finally:
        server.stop()
    check(base, count)
    took = "SELECT EXTRACT(EPOCH FROM max(ended_at) - max(starts_at)) FROM pack_release WHERE id IN (SELECT pending_release_id FROM bench_due)"
    return float(base.one(took))
