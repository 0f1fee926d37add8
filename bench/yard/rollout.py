"""A release to many installations at once, beside a loop that writes what has to be written and nothing else; and the
roll back of such a release beside the release."""

import re
import statistics
import subprocess
import threading
import time
import uuid

from . import page
from .databases import Lite
from .fleet import Fleet, multiply
from .servers import BENCH, Trouble, drive

COUNT = {False: 1_000_000, True: 4_000}
# The page is asked for at this pace, before the rollout and during it.
PACE, CONNECTIONS = 25, 2


def batch_size(bench):
    """How many installations a batch of the program has at most. The loop beside it writes as many at a time."""
    told = subprocess.run([bench.program, "serve", "--help"], capture_output=True, text=True).stdout
    found = re.search(r"PACKWRIGHT_BATCH_SIZE=\]\s+\[default: (\d+)\]", told)
    if not found:
        raise Trouble("`packwright serve --help` doesn't say how large a batch is (PACKWRIGHT_BATCH_SIZE)")
    return int(found.group(1))


def run(bench):
    count = bench.args.installations or COUNT[bench.quick]
    base = bench.postgres.create("rollout")
    fleet = Fleet(bench, base, count)
    bench.say(f"{count:,} installations are there")
    size = batch_size(bench)
    bench.postgres.create("before", "rollout")
    loops = [loop(bench, size, fleet)]
    told = measured(bench, fleet)
    bench.say(f"Packwright took {told['seconds']:.1f} s")
    loops.append(loop(bench, size, fleet))
    bench.postgres.drop("rollout", "before")
    return result("rollout", told, loops, count, size)


def result(step, told, loops, count, size):
    looped = statistics.mean(loops)
    figures = {f"{step}.loop": round(told["seconds"] / looped, 3), f"{step}.back": round(told["back"] / told["seconds"], 3)}
    if step == "rollout":
        figures |= {"rollout.memory": told["above"], "rollout.progress": told["progress"], "rollout.page": told["page"]}
    rows = [["", "Value"], ["installations", f"{count:,}"], ["installations in a batch of the loop", f"{size:,}"]]
    rows += [["the loop, before and after", " and ".join(f"{one:.1f} s" for one in loops)], ["Packwright", f"{told['seconds']:.1f} s"]]
    rows += [["the roll back", f"{told['back']:.1f} s"]]
    rows += [["memory, idle and at most", f"{told['idle']:.0f} MB and {told['idle'] + told['above']:.0f} MB"]]
    rows += [["`release { progress }`, median and slowest", f"{told['progress median']:.1f} ms and {told['progress']:.1f} ms"]]
    rows += [["p99 of the page, quiet and meanwhile", f"{told['page quiet']:.1f} ms and {told['page busy']:.1f} ms"]]
    note = {} if count == COUNT[False] else {"note": f"with {count:,} installations"}
    return {"figures": figures, "tables": [rows], **note}


def loop(bench, size, fleet):
    """The loop on a copy of the database; gives its seconds."""
    base = bench.postgres.create("loop", "before")
    base.run((BENCH / "sql/rollout.sql").read_text())
    release = prepare(base, fleet.pack_id)
    base.settle()
    begun = time.monotonic()
    base.run(f"CALL bench_rollout('{release}', {size})")
    took = time.monotonic() - begun
    check(base, release, fleet)
    bench.postgres.drop("loop")
    bench.say(f"the loop took {took:.1f} s")
    return took


def prepare(base, pack):
    """Another version and another release of the pack, like the first."""
    of = f"t.pack_id = {base.id(pack)}"
    other = {"id": base.made_id(3), "release_id": base.made_id(4), "number": "t.number + 1"}
    multiply(base, "pack_version", of, 1, other)
    multiply(base, "pack_release", of, 1, {"id": base.made_id(4), "version_id": base.made_id(3)})
    return base.one(f"SELECT release_id FROM pack_version WHERE pack_id = {base.id(pack)} AND number = 2")


def check(base, release, fleet):
    done = int(base.one(f"SELECT COUNT(*) FROM installation_update WHERE release_id = {base.id(release)} AND state = 'APPLIED'"))
    if done != fleet.count:
        raise Trouble(f"{done} of {fleet.count} installations were moved")


def measured(bench, fleet):
    """A release of the program, watched; then another one, while the page is asked for."""
    own = bench.packwright(fleet.base.url)
    try:
        questions = bench.scratch / "rollout.questions"
        starts = page.cursors_of_packwright(own, fleet.token, 150)
        page.write_questions(questions, page.PACKWRIGHT, [{"after": cursor} for cursor in starts])
        drive(own, questions, 2, CONNECTIONS, fleet.token, rate=PACE)
        time.sleep(1)
        idle = own.memory()
        told = {"idle": idle} | watched(bench, fleet, own, idle)
        # For as long as the second rollout takes, if it takes as long as the first.
        seconds = min(max(int(told["seconds"] * 0.8), 3), 20)
        quiet = drive(own, questions, seconds, CONNECTIONS, fleet.token, rate=PACE)
        fleet.package(own)
        release, _ = fleet.release(own)
        busy = drive(own, questions, seconds, CONNECTIONS, fleet.token, rate=PACE)
        if not bench.quick and state(fleet, own, release)[0] != "IN_PROGRESS":
            bench.say("the rollout was over before the page was measured: more installations are needed")
        told |= {"page quiet": quiet["p99"], "page busy": busy["p99"], "page": round(busy["p99"] / quiet["p99"], 2)}
        return told | rolled_back(bench, fleet, own, release)
    finally:
        own.stop()


def state(fleet, own, release):
    begun = time.monotonic()
    found = own.ask(fleet.token, "query($r: ID!) { release(id: $r) { state progress { total applied percent } } }", {"r": release})["release"]
    return found["state"], found["progress"], (time.monotonic() - begun) * 1000


def tidy(fleet):
    """Lets PostgreSQL clear its tables of dead rows, so that a release and a roll back begin on tables in the same state."""
    if fleet.base.kind == "PostgreSQL":
        fleet.base.run("VACUUM ANALYZE")


def watched(bench, fleet, own, idle):
    """How long a release takes, with the memory and the slowest progress on the way."""
    fleet.package(own)
    for _ in range(3):
        state(fleet, own, fleet_release(fleet, own))
    memory, over = [], threading.Event()

    def watch():
        while not over.wait(0.05):
            memory.append(own.memory())

    tidy(fleet)
    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.monotonic()
    try:
        release, _ = fleet.release(own)
        slow = []
        while True:
            standing, progress, millis = state(fleet, own, release)
            slow.append(millis)
            if standing != "IN_PROGRESS":
                break
            time.sleep(0.1)
        took = time.monotonic() - begun
    finally:
        over.set()
        watcher.join()
    if standing != "SUCCEEDED" or progress["applied"] != fleet.count:
        raise Trouble(f"the release has ended {standing}: {progress}")
    return {
        "seconds": took, "above": round(max(memory) - idle, 1),
        "progress": round(max(slow), 1), "progress median": round(statistics.median(slow), 2),
    }


def rolled_back(bench, fleet, own, release):
    """How long it takes to take a release back that has ended, and whether each installation has its version of before."""
    while state(fleet, own, release)[0] == "IN_PROGRESS":
        time.sleep(0.2)
    pack, base = fleet.base.id(fleet.pack_id), fleet.base
    before = base.one(f"SELECT id FROM pack_version WHERE pack_id = {pack} AND number = 2")
    moved = int(base.one(f"SELECT COUNT(*) FROM installation WHERE pack_id = {pack} AND version_id <> {base.id(before)}"))
    if moved != fleet.count:
        raise Trouble(f"the release to be rolled back moved {moved} of {fleet.count} installations")
    tidy(fleet)
    query = """mutation($r: ID!, $n: Int!) {
        rollBackRelease(input: {releaseId: $r, reason: "Measured", atMost: $n}) { installationCount errors { message } } }"""
    begun = time.monotonic()
    told = own.ask(fleet.token, query, {"r": release, "n": fleet.count})["rollBackRelease"]
    if told["errors"]:
        raise Trouble(f"the release is not rolled back: {told}")
    while (standing := state(fleet, own, release)[0]) == "ROLLING_BACK":
        time.sleep(0.1)
    took = time.monotonic() - begun
    left = int(base.one(f"SELECT COUNT(*) FROM installation WHERE pack_id = {pack} AND version_id <> {base.id(before)}"))
    if standing != "ROLLED_BACK" or left:
        raise Trouble(f"the roll back has ended {standing}, and {left} installations don't have the version of before")
    bench.say(f"the roll back took {took:.1f} s")
    return {"back": took}


def fleet_release(fleet, own):
    query = "query($p: ID!) { integrationPack(id: $p) { releases(first: 1) { edges { node { id } } } } }"
    return own.ask(fleet.token, query, {"p": fleet.pack})["integrationPack"]["releases"]["edges"][0]["node"]["id"]


# ── SQLite ──


def run_sqlite(bench):
    count = bench.args.installations or COUNT[bench.quick]
    base = Lite(bench.scratch / "rollout.db")
    fleet = Fleet(bench, base, count)
    bench.say(f"{count:,} installations are there")
    size = batch_size(bench)
    before = base.copy(bench.scratch / "before.db")
    loops = [loop_sqlite(bench, before, size, fleet)]
    told = measured(bench, fleet)
    bench.say(f"Packwright took {told['seconds']:.1f} s")
    loops.append(loop_sqlite(bench, before, size, fleet))
    for file in bench.scratch.glob("*.db*"):
        file.unlink()
    return result("rollout-sqlite", told, loops, count, size)


def loop_sqlite(bench, before, size, fleet):
    base = before.copy(bench.scratch / "loop.db")
    release = prepare(base, fleet.pack_id)
    base.settle()
    to = uuid.UUID(base.one(f"SELECT version_id FROM pack_release WHERE id = {base.id(release)}")).bytes
    now = base.one("SELECT created_at FROM integration_pack LIMIT 1")
    wire, last, pack, key = base.connect(), b"", uuid.UUID(fleet.pack_id).bytes, uuid.UUID(release).bytes
    begun = time.monotonic()
    while True:
        wire.execute("BEGIN IMMEDIATE")
        batch = wire.execute(
            "SELECT id FROM installation WHERE pack_id = ? AND uninstalled_at IS NULL AND id > ? ORDER BY id LIMIT ?", (pack, last, size)
        ).fetchall()
        if not batch:
            wire.execute("COMMIT")
            break
        through = batch[-1][0]
        wire.execute(
            """INSERT INTO installation_update (installation_id, release_id, account_id, publisher_id, pack_id, state, how, attempts,
                   from_version_id, to_version_id, offered_at, settled_at)
               SELECT id, ?, account_id, publisher_id, pack_id, 'APPLIED', 'IMMEDIATE', 0, version_id, ?, ?, ?
               FROM installation WHERE pack_id = ? AND uninstalled_at IS NULL AND id > ? AND id <= ?""",
            (key, to, now, now, pack, last, through),
        )
        wire.execute(
            "UPDATE installation SET version_id = ?, moved_at = ? WHERE pack_id = ? AND uninstalled_at IS NULL AND id > ? AND id <= ?",
            (to, now, pack, last, through),
        )
        wire.execute("COMMIT")
        last = through
    took = time.monotonic() - begun
    wire.close()
    check(base, release, fleet)
    for file in bench.scratch.glob("loop.db*"):
        file.unlink()
    bench.say(f"the loop took {took:.1f} s")
    return took
