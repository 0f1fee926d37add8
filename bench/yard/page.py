"""The page: 20 packs from a random place of the list, with all of their rows."""

import json
import pathlib
import random
import sqlite3
import subprocess
import time
import uuid

from . import contest, servers, world
from .databases import Lite
from .servers import BENCH, Trouble, drive

NAME = "page"
SIZE = 20

PACKWRIGHT = """query Page($after: String) { integrationPacks(first: 20, after: $after) { edges { node {
  name installationType currentVersion { number } pendingRelease { version { number } } adoption { installationCount }
  components { component { name type } current { version } latestShareable { version } } } } } }"""

# What the current version holds comes beside the draft: there is no relation between the two.
POSTGRAPHILE = """query Page($after: Cursor) { allIntegrationPacks(first: 20, after: $after, condition: {deletedAt: null}, orderBy: [NAME_KEY_ASC]) { nodes {
  name installationType deploymentModel packVersionByPendingVersionId { number } installationsByPackId(condition: {uninstalledAt: null}) { totalCount }
  packVersionByCurrentVersionId { number packVersionItemsByPackVersionId { nodes { componentId componentVersionByComponentVersionId { version } } } }
  draftRowsByPackId { nodes { componentId componentByComponentId { name componentType
    componentVersionByLatestShareableId { version } componentVersionByLatestPublicationId { version } } } } } } }"""

MERCURIUS = """query Page($afterName: String!, $afterId: ID!) { packs(first: 20, afterName: $afterName, afterId: $afterId) {
  name type current { number } pending { number } installations
  components { component { name type } current { version } newest { version } } } }"""


def squeezed(query):
    return " ".join(query.split())


def within(value, *names):
    """What lies within; None where something on the way is missing."""
    for name in names:
        value = value and value[name]
    return value


# ── answers in one form, so that they can be compared: rows without an order ──


def packs(found):
    return [
        {**pack, "rows": sorted(pack["rows"], key=json.dumps)}
        for pack in found
    ]


def of_packwright(data):
    row = lambda r: [r["component"]["name"], r["component"]["type"], within(r, "current", "version"), within(r, "latestShareable", "version")]
    return packs(
        {
            "name": p["name"], "type": p["installationType"], "current": within(p, "currentVersion", "number"),
            "pending": within(p, "pendingRelease", "version", "number"),
            "installations": p["adoption"]["installationCount"], "rows": [row(r) for r in p["components"]],
        }
        for p in (edge["node"] for edge in data["integrationPacks"]["edges"])
    )


def of_postgraphile(data):
    def one(p):
        items = within(p, "packVersionByCurrentVersionId", "packVersionItemsByPackVersionId", "nodes") or []
        held = {item["componentId"]: item["componentVersionByComponentVersionId"]["version"] for item in items}
        newest = "componentVersionByLatest" + ("Publication" if p["deploymentModel"] == "LEGACY" else "Shareable") + "Id"
        rows = [
            [within(r, "componentByComponentId", "name"), within(r, "componentByComponentId", "componentType"),
             held.get(r["componentId"]), within(r, "componentByComponentId", newest, "version")]
            for r in p["draftRowsByPackId"]["nodes"]
        ]
        return {
            "name": p["name"], "type": p["installationType"], "current": within(p, "packVersionByCurrentVersionId", "number"),
            "pending": within(p, "packVersionByPendingVersionId", "number"),
            "installations": p["installationsByPackId"]["totalCount"], "rows": rows,
        }

    return packs(one(p) for p in data["allIntegrationPacks"]["nodes"])


def of_mercurius(data):
    row = lambda r: [r["component"]["name"], r["component"]["type"], within(r, "current", "version"), within(r, "newest", "version")]
    return packs(
        {
            "name": p["name"], "type": p["type"], "current": within(p, "current", "number"), "pending": within(p, "pending", "number"),
            "installations": p["installations"], "rows": [row(r) for r in p["components"]],
        }
        for p in data["packs"]
    )


def of_sql(found):
    row = lambda r: [r["name"], r["type"], r["current"], r["newest"]]
    return packs({**{k: v for k, v in p.items() if k != "components"}, "rows": [row(r) for r in p["components"]]} for p in found)


# ── the contestants ──


def places(base, publisher):
    """Before which packs a page can begin; the first is the beginning of the list."""
    own = f"FROM integration_pack WHERE publisher_id = {base.id(publisher)} AND deleted_at IS NULL"
    rows = base.rows(f"SELECT name_key, id {own} ORDER BY name_key, id")
    # A page that begins later would be shorter.
    return [("", str(uuid.UUID(int=0))), *map(tuple, rows[: len(rows) - SIZE])]


def cursors_of_packwright(server, token, count):
    found, after = [None], None
    while len(found) < count:
        query = "query($after: String) { integrationPacks(first: 100, after: $after) { edges { cursor } pageInfo { hasNextPage endCursor } } }"
        part = server.ask(token, query, {"after": after})["integrationPacks"]
        found += [edge["cursor"] for edge in part["edges"]]
        after = part["pageInfo"]["endCursor"]
    return found[:count]


def ask(server, question, token=None):
    import urllib.request

    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(f"http://{server.address}/graphql", data=question.encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
    if answer.get("errors"):
        raise Trouble(f"{server.name}: {json.dumps(answer['errors'])[:800]}")
    return answer["data"]


def cursors_of_postgraphile(server, count):
    query = "query($after: Cursor) { allIntegrationPacks(first: 1000, after: $after, condition: {deletedAt: null}, orderBy: [NAME_KEY_ASC]) { edges { cursor } } }"
    found = [None]
    while len(found) < count:
        part = ask(server, json.dumps({"query": query, "variables": {"after": found[-1]}}))
        found += [edge["cursor"] for edge in part["allIntegrationPacks"]["edges"]]
    return found[:count]


def write_questions(path, query, variables):
    query = squeezed(query)
    lines = [json.dumps({"query": query, "variables": one}) for one in variables]
    pathlib.Path(path).write_text("\n".join(lines) + "\n")
    return lines


def pgbench(base, script, seconds, connections, scratch, **variables):
    """The same concurrency through pgbench; rate, p50, p99 in ms."""
    for old in scratch.glob("pgbench_log*"):
        old.unlink()
    options = [f"--define={name}={value}" for name, value in variables.items()]
    command = [f"{base.server.bin}/pgbench", "--no-vacuum", "--protocol=prepared", f"--client={connections}", "--jobs=1"]
    command += [f"--time={seconds}", "--log", f"--log-prefix={scratch}/pgbench_log", f"--file={script}", *options, base.url]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Trouble(f"pgbench: {done.stderr[-800:]}")
    lines = [line.split() for log in scratch.glob("pgbench_log*") for line in log.read_text().splitlines()]
    micros = sorted(int(line[2]) for line in lines)
    at = lambda part: micros[min(int(len(micros) * part), len(micros) - 1)] / 1000
    rate = next(float(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("tps"))
    return {"rate": rate, "p50": at(0.5), "p99": at(0.99), "answers": len(micros)}


def compare(say, answers, samples):
    """Refuses to measure contestants that don't answer alike."""
    first = next(iter(answers))
    for place in samples:
        wanted = answers[first](place)
        if len(wanted) != SIZE:
            raise Trouble(f"{first} gives {len(wanted)} packs at place {place}")
        for name, answer in answers.items():
            found = answer(place)
            if found != wanted:
                differing = next((pair for pair in zip(wanted, found) if pair[0] != pair[1]), (wanted, found))
                raise Trouble(f"{first} and {name} differ at place {place}:\n{json.dumps(differing)[:3000]}")
    say(f"{len(samples)} pages are alike in all of {', '.join(answers)}")


def run(bench):
    base = bench.postgres.create("page")
    token, _, _ = world.make(bench.program, base, bench.quick)
    told = {"world": world.counts(base)}
    bench.say(json.dumps(told["world"]))
    bench.postgres.create("peers", template="page").run((BENCH / "sql/peers.sql").read_text())
    publisher = base.one("SELECT id FROM account WHERE kind = 'PUBLISHER'")
    begin = places(base, publisher)
    bare = bench.postgres.create("bare", template="page")
    bare.run("CREATE TABLE bench_place AS SELECT 0 AS n, name_key, id FROM integration_pack WHERE false; ALTER TABLE bench_place ADD PRIMARY KEY (n)")
    bare.insert("bench_place", ["n", "name_key", "id"], [(n, *place) for n, place in enumerate(begin)])
    bare.settle()
    script = bench.scratch / "page.pgbench"
    statement = (BENCH / "sql/page.sql").read_text()
    script.write_text(f"\\set n random(0, {len(begin) - 1})\n{statement}")

    servers.install_peers()
    own = bench.packwright(base.url)
    peers = {name: servers.peer(name, base.url.replace("/page", "/peers"), bench.scratch) for name in ("postgraphile", "mercurius")}
    try:
        files = {name: bench.scratch / f"page.{name}" for name in ("packwright", *peers)}
        lines = {
            "packwright": write_questions(files["packwright"], PACKWRIGHT, [{"after": c} for c in cursors_of_packwright(own, token, len(begin))]),
            "postgraphile": write_questions(files["postgraphile"], POSTGRAPHILE, [{"after": c} for c in cursors_of_postgraphile(peers["postgraphile"], len(begin))]),
            "mercurius": write_questions(files["mercurius"], MERCURIUS, [{"afterName": name, "afterId": id} for name, id in begin]),
        }
        spelled = statement.replace(":publisher", f"'{publisher}'")
        as_json = lambda n: json.loads(bare.one(spelled.replace("= :n)", f"= {n})")))
        samples = [0, len(begin) - 1, *random.Random(2).sample(range(len(begin)), 18)]
        compare(bench.say, {
            "plain SQL": lambda n: of_sql(as_json(n)),
            "packwright": lambda n: of_packwright(ask(own, lines["packwright"][n], token)),
            "postgraphile": lambda n: of_postgraphile(ask(peers["postgraphile"], lines["postgraphile"][n])),
            "mercurius": lambda n: of_mercurius(ask(peers["mercurius"], lines["mercurius"][n])),
        }, samples)
        turn = iter(range(1, 10_000))
        asked = {"packwright": lambda s: drive(own, files["packwright"], s, bench.connections, token, seed=next(turn))}
        asked["plain SQL"] = lambda s: pgbench(bare, script, s, bench.connections, bench.scratch, publisher=publisher)
        for name, server in peers.items():
            asked[name] = lambda s, name=name, server=server: drive(server, files[name], s, bench.connections, seed=next(turn))
        for name, function in asked.items():
            function(bench.warm)
        seen = contest.rounds({name: (lambda f=f: f(bench.seconds)) for name, f in asked.items()}, bench.rounds, bench.say)
        told["contestants"] = contest.summary(seen)
        told["memory"] = round(own.memory(), 1)
    finally:
        own.stop()
        for server in peers.values():
            server.stop()
    better = max(("postgraphile", "mercurius"), key=lambda name: told["contestants"][name]["rate"])
    told["figures"] = {
        "page.sql": told["contestants"]["plain SQL"]["ratio"],
        "page.peer": told["contestants"][better]["ratio"],
        "page.spread": told["contestants"]["packwright"]["spread"],
    }
    told["better peer"] = better
    bench.postgres.drop("bare", "peers", "page")
    return told


def run_sqlite(bench):
    base = Lite(bench.scratch / "page.db")
    token, _, _ = world.make(bench.program, base, bench.quick)
    publisher = base.one("SELECT id FROM account WHERE kind = 'PUBLISHER'")
    begin = places(base, publisher)
    statement = (BENCH / "sql/page.sqlite.sql").read_text()
    (bench.scratch / "page.places").write_text("".join(f"{name}\t{id}\n" for name, id in begin))
    own = bench.packwright(base.url)
    told = {"world": world.counts(base)}
    try:
        file = bench.scratch / "page.packwright"
        lines = write_questions(file, PACKWRIGHT, [{"after": c} for c in cursors_of_packwright(own, token, len(begin))])
        wire = base.connect()
        bound = lambda n: {"publisher": uuid.UUID(publisher).bytes, "name_key": begin[n][0], "id": uuid.UUID(begin[n][1]).bytes}
        compare(bench.say, {
            "plain SQL": lambda n: of_sql(json.loads(wire.execute(statement, bound(n)).fetchone()[0])),
            "packwright": lambda n: of_packwright(ask(own, lines[n], token)),
        }, [0, len(begin) - 1, *random.Random(2).sample(range(len(begin)), 18)])
        wire.close()
        turn = iter(range(1, 10_000))
        asked = {
            "packwright": lambda s: drive(own, file, s, bench.connections, token, seed=next(turn)),
            "plain SQL": lambda s: sqlite_workers(base, statement, publisher, begin, s, next(turn)),
        }
        for function in asked.values():
            function(bench.warm)
        seen = contest.rounds({name: (lambda f=f: f(bench.seconds)) for name, f in asked.items()}, bench.rounds, bench.say)
        told["contestants"] = contest.summary(seen)
    finally:
        own.stop()
    told["figures"] = {"sqlite.sql": told["contestants"]["plain SQL"]["ratio"]}
    return told


def sqlite_workers(base, statement, publisher, begin, seconds, seed):
    """The statement in a process a core, each with a connection of its own: SQLite has no server to queue at."""
    import multiprocessing as mp

    count = mp.cpu_count()
    with mp.get_context("fork").Pool(count) as pool:
        parts = pool.starmap(sqlite_worker, [(base, statement, publisher, begin, seconds, seed * 100 + n) for n in range(count)])
    micros = sorted(micros for part, _ in parts for micros in part)
    at = lambda part: micros[min(int(len(micros) * part), len(micros) - 1)] / 1000
    return {"rate": sum(len(part) / took for part, took in parts), "p50": at(0.5), "p99": at(0.99), "answers": len(micros)}


def sqlite_worker(base, statement, publisher, begin, seconds, seed):
    wire: sqlite3.Connection = base.connect()
    chance, micros, owner = random.Random(seed), [], uuid.UUID(publisher).bytes
    started = now = time.perf_counter()
    while now - started < seconds:
        name, pack = begin[chance.randrange(len(begin))]
        wire.execute(statement, {"publisher": owner, "name_key": name, "id": uuid.UUID(pack).bytes}).fetchone()
        before, now = now, time.perf_counter()
        micros.append(int((now - before) * 1e6))
    wire.close()
    return micros, now - started
