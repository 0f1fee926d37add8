"""Several servers on one PostgreSQL, and several accounts on one server: a rollout by one server and by two, and a
publisher's page while an account of its does its worst."""

import threading
import time
import urllib.error
import urllib.request

from . import page, rollout
from .fleet import Fleet
from .servers import Packwright, Trouble, drive

COUNT = {False: 200_000, True: 4_000}
SECONDS = {False: 20, True: 3}
PACE, CONNECTIONS = 10, 2
# The account's worst: long pages of all that it sees, from many connections at once, without a pause.
THREADS = 32
WORST = b'{"query":"{ availablePacks(first: 100) { edges { node { name currentVersion { number contents { component { name } version } } installations { id state updates(first: 20) { edges { node { state } } } } } } } }"}'


class AsItComes(Packwright):
    """The program with its own limits, which are there to keep accounts from each other."""

    LIMITS = []


def run(bench):
    count = bench.args.installations or COUNT[bench.quick]
    base = bench.postgres.create("several")
    fleet = Fleet(bench, base, count)
    bench.say(f"{count:,} installations are there")
    first = bench.packwright(base.url)
    second = None
    try:
        alone = [released(fleet, first) for _ in range(2)]
        second = bench.packwright(base.url)
        together = [released(fleet, first) for _ in range(2)]
    finally:
        first.stop()
        if second is not None:
            second.stop()
    bench.say(f"one server took {alone} s, two took {together} s")
    quiet, busy, calls = neighbour(bench, fleet)
    bench.postgres.drop("several")
    both = lambda seconds: " and ".join(f"{one:.1f} s" for one in seconds)
    rows = [["", "Value"], ["installations", f"{count:,}"], ["a rollout by one server, twice", both(alone)], ["by two, twice", both(together)]]
    rows += [["p99 of the publisher's page, quiet and meanwhile", f"{quiet:.1f} ms and {busy:.1f} ms"]]
    rows += [["the account's calls meanwhile, answered and refused", f"{calls[0]:,} and {calls[1]:,}"]]
    figures = {"several.rollout": round(min(together) / min(alone), 3), "several.page": round(busy / quiet, 2)}
    note = {} if count == COUNT[False] else {"note": f"with {count:,} installations"}
    return {"figures": figures, "tables": [rows], **note}


def released(fleet, server):
    """The seconds that a release takes until all are moved."""
    fleet.package(server)
    begun = time.monotonic()
    release, _ = fleet.release(server)
    while True:
        standing, progress, _ = rollout.state(fleet, server, release)
        if standing != "IN_PROGRESS":
            break
        time.sleep(0.05)
    if standing != "SUCCEEDED" or progress["applied"] != fleet.count:
        raise Trouble(f"the release has ended {standing}: {progress}")
    return round(time.monotonic() - begun, 2)


def neighbour(bench, fleet):
    """The page's p99 while the server is quiet, and while an account does its worst; and that account's calls."""
    own = AsItComes(bench.program, fleet.base.url, bench.scratch)
    try:
        questions = bench.scratch / "several.questions"
        starts = page.cursors_of_packwright(own, fleet.token, 150)
        page.write_questions(questions, page.PACKWRIGHT, [{"after": cursor} for cursor in starts])
        ask = lambda seconds: drive(own, questions, seconds, CONNECTIONS, fleet.token, rate=PACE)["p99"]
        ask(2)
        quiet = ask(SECONDS[bench.quick])
        over, calls = threading.Event(), [0, 0]
        floods = [threading.Thread(target=flood, args=(own, fleet.account_token, over, calls)) for _ in range(THREADS)]
        for one in floods:
            one.start()
        try:
            time.sleep(1)
            busy = ask(SECONDS[bench.quick])
        finally:
            over.set()
            for one in floods:
                one.join()
        return quiet, busy, calls
    finally:
        own.stop()


def flood(server, token, over, calls):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    while not over.is_set():
        request = urllib.request.Request(f"http://{server.address}/graphql", data=WORST, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                response.read()
            calls[0] += 1
        except (urllib.error.URLError, OSError):
            calls[1] += 1
