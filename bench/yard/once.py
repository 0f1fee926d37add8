"""What is measured once and beside nothing: the seed, the build, the start."""

import os
import shutil
import statistics
import subprocess
import time
import urllib.request

from . import world
from .info import QUESTION
from .servers import ROOT, Packwright, Trouble, seed

SEED = {False: {"packs": 5_000, "installations": 1_000_000}, True: {"packs": 100, "installations": 20_000}}


def run_seed(bench):
    base = bench.postgres.create("seed")
    size = dict(SEED[bench.quick])
    size["installations"] = bench.args.installations or size["installations"]
    _, _, took = seed(bench.program, base.url, at=world.AT, **size)
    told = world.counts(base)
    weight = base.one("SELECT pg_size_pretty(pg_database_size(current_database()))")
    bench.postgres.drop("seed")
    rows = [["", "Value"], ["seconds", f"{took:.1f}"], ["size of the database", weight]]
    note = {} if size == SEED[False] else {"note": f"with {size['installations']:,} installations"}
    return {"world": told, "figures": {"seed.seconds": round(took, 1)}, "tables": [rows], **note}


def run_build(bench):
    """All crates from their sources, that are downloaded before."""
    if not shutil.which("cargo"):
        raise Trouble("cargo is needed for the build")
    subprocess.run(["cargo", "fetch", "--locked", "--quiet"], cwd=ROOT, check=True)
    target = bench.scratch / "target"
    env = {**os.environ, "CARGO_TARGET_DIR": str(target), "CARGO_INCREMENTAL": "0"}
    begun = time.monotonic()
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=ROOT, check=True, env=env)
    took = time.monotonic() - begun
    size = (target / "release/packwright").stat().st_size / 1e6
    shutil.rmtree(target)
    return {"figures": {"build.minutes": round(took / 60, 2)}, "tables": [[["", "Value"], ["minutes", f"{took / 60:.1f}"], ["the program", f"{size:.0f} MB"]]]}


def run_start(bench):
    base = bench.postgres.create("start")
    token, _, _ = world.make(bench.program, base, True)
    first, memory = [], []
    for _ in range(bench.rounds):
        begun = time.monotonic()
        server = Started(bench.program, base.url, bench.scratch, token)
        first.append((server.answered - begun) * 1000)
        time.sleep(2)
        memory.append(server.memory())
        server.stop()
    bench.postgres.drop("start")
    figures = {"start.memory": round(statistics.median(memory), 1), "start.answer": round(statistics.median(first), 1)}
    rows = [["", "Median", "Of", "To"]]
    rows += [["the first answer", *(f"{one:.0f} ms" for one in (statistics.median(first), min(first), max(first)))]]
    rows += [["memory after two idle seconds", *(f"{one:.1f} MB" for one in (statistics.median(memory), min(memory), max(memory)))]]
    return {"figures": figures, "tables": [rows]}


class Started(Packwright):
    """A server that is ready when it has answered a question with a token."""

    def __init__(self, program, url, scratch, token):
        self.token, self.answered = token, None
        super().__init__(program, url, scratch, ready=self.try_once)

    def try_once(self):
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(f"http://{self.address}/graphql", data=QUESTION.encode(), headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                response.read()
                self.answered = time.monotonic()
        except OSError:
            return False
        return True
