"""Ten thousand subscriptions, each of an account of its own: what they cost while nothing happens, and how long an
announcement takes to the last of them."""

import json
import pathlib
import re
import subprocess
import threading
import time

from .fleet import Fleet
from .servers import Trouble, tools

COUNT = {False: 10_000, True: 300}
ROUNDS = {False: 5, True: 2}
# How long the idle server is watched.
IDLE = {False: 15, True: 4}
# The events of other packs while the figures are taken again.
NOISE_A_MINUTE = 1_000
OPTIONS = ["--max-connections=30000", "--max-connections-per-peer=30000"]
# Each connection takes one of these in turn, so that neighbours select differently.
SELECTIONS = [
    "kind cursor packName",
    "kind occurredAt pack { id name }",
    "kind release { id notes version { number } }",
    "kind packName pack { ... on AvailablePack { name isShared installationType } } release { id createdAt version { number notes } }",
]


class Listeners:
    """The client with its connections."""

    def __init__(self, server, tokens, documents):
        command = [tools() / "listen", server.address, tokens, documents]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.opened = self.answer()
        if self.opened["failed"]:
            raise Trouble(f"{self.opened['failed']} subscriptions were not opened")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise Trouble("the client of the listeners has ended")
        return json.loads(line)

    def heard(self):
        self.process.stdin.write("heard\n")
        self.process.stdin.flush()
        seen = self.answer()
        if seen["failed"]:
            raise Trouble(f"{seen['failed']} subscriptions have ended")
        return seen

    def end(self):
        self.process.stdin.close()
        self.process.wait(20)


def run(bench):
    count = bench.args.installations or COUNT[bench.quick]
    base = bench.postgres.create("listeners")
    base.run("CREATE EXTENSION pg_stat_statements")
    fleet = Fleet(bench, base, count)
    tokens = make_tokens(bench, base, fleet)
    own = bench.packwright(base.url, *OPTIONS)
    told, listeners, other = {"count": count}, None, None
    try:
        warm(own, fleet)
        before = own.memory()
        listeners = Listeners(own, tokens, documents(bench))
        told["seconds"] = listeners.opened["seconds"]
        # The uses of tokens are saved within a minute.
        time.sleep(5 if bench.quick else 65)
        told["kilobytes"] = (own.memory() - before) * 1024 / count
        bench.say(f"{count:,} are open: {told['kilobytes']:.1f} KiB each")
        told |= idle(bench, base, own)
        bench.say(f"idle: {told['cpu']:.2f} % of a core, {told['statements']:.1f} statements a second")
        told["quiet"] = announcements(bench, base, fleet, own, listeners)
        bench.say(f"announced: {told['quiet']}")
        # The statements of one server were counted, so the second one starts now.
        other = bench.packwright(base.url, *OPTIONS)
        with Noise(fleet, other):
            told["noise cpu"] = idle(bench, base, own)["cpu"]
            told["noisy"] = announcements(bench, base, fleet, own, listeners)
        bench.say(f"with other events: {told['noisy']}, {told['noise cpu']:.2f} % of a core")
        told["after"] = (own.memory() - before) * 1024 / count
        told["across"] = across(bench, fleet, own, other)
        bench.say(f"on another server: {told['across']}")
    finally:
        if listeners:
            listeners.end()
        own.stop()
        if other:
            other.stop()
    bench.postgres.drop("listeners")
    return result(told)


def result(told):
    count, quiet, noisy, across_ = told["count"], told["quiet"], told["noisy"], told["across"]
    figures = {
        "listeners.memory": round(told["kilobytes"], 1),
        "listeners.cpu": round(told["cpu"], 2),
        "listeners.statements": round(told["statements"], 1),
        "listeners.p99": round(quiet["p99"]),
        "listeners.across": round(across_["p99"], 1),
    }
    spelled = lambda seen: f"{seen['p50']:.0f}, {seen['p99']:.0f} and {seen['last']:.0f} ms, {seen['statements']:.0f} statements"
    rows = [["", "Value"], ["subscriptions, each of another account", f"{count:,}"]]
    rows += [["opened in", f"{told['seconds']:.1f} s"]]
    rows += [["memory of one, idle and after announcements", f"{told['kilobytes']:.1f} and {told['after']:.1f} KiB"]]
    rows += [["processor time while nothing happens", f"{told['cpu']:.2f} % of a core"]]
    rows += [["statements a second while nothing happens", f"{told['statements']:.1f}"]]
    rows += [["an announcement to all: p50, p99 and the last, and all statements meanwhile", spelled(quiet)]]
    rows += [[f"the same with {NOISE_A_MINUTE:,} events a minute of other packs", spelled(noisy)]]
    rows += [["an event made on one server and heard on another: p50 and p99", f"{across_['p50']:.1f} and {across_['p99']:.1f} ms"]]
    note = {} if count == COUNT[False] else {"note": f"with {count:,} subscriptions"}
    return {"figures": figures, "tables": [rows], **note}


def make_tokens(bench, base, fleet):
    """A token for each account that has the pack; a file with their secrets."""
    base.run(
        f"""INSERT INTO api_token (id, account_id, name, role, secret_hash, created_at, actor_kind, actor_name)
        SELECT gen_random_uuid(), account_id, 'bench', 'SUPPORT', sha256(('pwt_bench' || account_id)::bytea), now(), 'COMMAND_LINE', 'bench'
        FROM installation WHERE pack_id = {base.id(fleet.pack_id)} AND uninstalled_at IS NULL"""
    )
    accounts = base.rows(f"SELECT account_id FROM installation WHERE pack_id = {base.id(fleet.pack_id)} AND uninstalled_at IS NULL")
    base.settle()
    path = bench.scratch / "listeners.tokens"
    path.write_text("".join(f"pwt_bench{account}\n" for (account,) in accounts))
    return path


def documents(bench):
    path = bench.scratch / "listeners.documents"
    # A name of its own makes neighbours' documents differ more often than their selections do.
    lines = [json.dumps({"query": f"subscription S{n} {{ releaseAnnounced {{ {SELECTIONS[n % 4]} }} }}"}) for n in range(40)]
    path.write_text("\n".join(lines) + "\n")
    return path


def warm(own, fleet):
    for _ in range(50):
        own.ask(fleet.token, "{ integrationPacks(first: 20) { edges { node { name } } } }")


def processor(server):
    """The seconds of processor time that a server has used."""
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def statements(base):
    """How many statements the database has run. Asking is one of them."""
    sql = "SELECT COALESCE(SUM(calls), 0) FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
    return int(base.one(sql))


def idle(bench, base, own):
    seconds = IDLE[bench.quick]
    asked, used, begun = statements(base), processor(own), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - begun
    used, asked = processor(own) - used, statements(base) - asked - 1
    # Both servers ask: the other one has no listeners.
    return {"cpu": 100 * used / took, "statements": asked / took}


def announcements(bench, base, fleet, own, listeners):
    """Reschedules a release, again and again; milliseconds since the answer to the mutation."""
    if not hasattr(fleet, "release_id"):
        fleet.package(own)
        fleet.release_id, _ = fleet.release(own, '{onDate: "2027-03-01"}')
        time.sleep(5)
        fleet.days = 1
    seen = []
    for _ in range(ROUNDS[bench.quick]):
        listeners.heard()
        before = statements(base)
        fleet.days += 1
        reschedule = "mutation($r: ID!, $d: Date!) { rescheduleRelease(input: {releaseId: $r, onDate: $d}) { errors { message } } }"
        own.ask(fleet.token, reschedule, {"r": fleet.release_id, "d": f"2027-03-{fleet.days:02}"})
        answered = time.time_ns() / 1000
        time.sleep(3)
        heard = listeners.heard()
        if heard["items"] != fleet.count:
            raise Trouble(f"{heard['items']} of {fleet.count} heard of it within three seconds")
        seen.append({name: max(0.0, (heard[name] - answered) / 1000) for name in ("p50", "p99", "last")} | {"statements": statements(base) - before - 1})
    return {name: sorted(one[name] for one in seen)[len(seen) // 2] for name in seen[0]}


class Noise:
    """Events of another pack, made through another server."""

    def __init__(self, fleet, server):
        found = server.ask(fleet.token, "{ components(first: 100) { edges { node { id type } } } }")["components"]["edges"]
        others = [edge["node"] for edge in found if edge["node"]["type"] in ("PROCESS", "API_SERVICE")]
        self.components = [component["id"] for component in others if component["id"] not in fleet.components]
        self.fleet, self.server, self.over = fleet, server, threading.Event()
        self.thread = threading.Thread(target=self.make)

    def make(self):
        package = "mutation($c: ID!) { createPackagedComponents(input: {packages: [{componentId: $c, shareable: true}]}) { errors { message } } }"
        number = 0
        while not self.over.wait(60 / NOISE_A_MINUTE):
            number += 1
            self.server.ask(self.fleet.token, package, {"c": self.components[number % len(self.components)]})

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def across(bench, fleet, own, other):
    """A publisher listens on another server to what is made on the first."""
    tokens, documents_ = bench.scratch / "across.tokens", bench.scratch / "across.documents"
    tokens.write_text(fleet.token + "\n")
    documents_.write_text(json.dumps({"query": "subscription { newerShareablePackaged { packName } }"}) + "\n")
    listener = Listeners(other, tokens, documents_)
    try:
        time.sleep(2)
        seen = []
        for _ in range(20 if bench.quick else 100):
            listener.heard()
            fleet.package(own)
            answered = time.time_ns() / 1000
            time.sleep(0.15)
            heard = listener.heard()
            late = 0
            while not heard["items"] and late < 20:
                time.sleep(0.1)
                late, heard = late + 1, listener.heard()
            if not heard["items"]:
                raise Trouble("the other server heard nothing within two seconds")
            seen.append(max(0.0, (heard["first"] - answered) / 1000))
        seen.sort()
        return {"p50": seen[len(seen) // 2], "p99": seen[int(len(seen) * 0.99) - 1]}
    finally:
        listener.end()
