"""The command."""

import argparse
import datetime
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import document, growth, info, listeners, metrics, midnight, once, page, rollout, servers, several, webhooks
from .databases import Postgres
from .servers import ROOT, Trouble

# In the order of a whole run.
STEPS = {
    "page": page.run,
    "sqlite": page.run_sqlite,
    "info": info.run,
    "metrics": metrics.run,
    "growth": growth.run,
    "rollout": rollout.run,
    "rollout-sqlite": rollout.run_sqlite,
    "midnight": midnight.run,
    "listeners": listeners.run,
    "webhooks": webhooks.run,
    "several": several.run,
    "seed": once.run_seed,
    "build": once.run_build,
    "start": once.run_start,
}


class Bench:
    """What every step gets."""

    def __init__(self, args, scratch):
        self.args, self.scratch, self.quick = args, scratch, args.quick
        self.program = str(pathlib.Path(args.program).resolve())
        self.connections = args.connections
        self.rounds = args.rounds or (3 if args.quick else 7)
        self.seconds = args.seconds or (1 if args.quick else 4)
        self.warm = 1 if args.quick else 3
        self.begun = time.monotonic()
        self._postgres = None

    @property
    def postgres(self):
        if self._postgres is None:
            self._postgres = Postgres(self.scratch)
        return self._postgres

    def packwright(self, url, *options):
        return servers.Packwright(self.program, url, self.scratch, *options)

    def say(self, text):
        print(f"[{time.monotonic() - self.begun:6.1f} s] {text}", flush=True)

    def end(self):
        if self._postgres is not None:
            self._postgres.stop()


def arguments():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__ or "", epilog="bench/README.md tells what each step measures.")
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"which steps, all without one: {', '.join(STEPS)}")
    parser.add_argument("--program", default=str(ROOT / "target/release/packwright"), help="the program to measure, built with --release")
    parser.add_argument("--quick", action="store_true", help="a small world and short rounds, to try the script itself")
    parser.add_argument("--keep", action="store_true", help="keep the results in bench/results, and write docs/benchmarks.md")
    parser.add_argument("--commit", help="the commit that the program was built from; without it, that of the working tree")
    parser.add_argument("--connections", type=int, default=8, help="how many connections ask at a time (8)")
    parser.add_argument("--rounds", type=int, help="how many rounds (7)")
    parser.add_argument("--seconds", type=int, help="how long a contestant is asked in a round (4)")
    parser.add_argument("--installations", type=int, help="how many installations a rollout moves, or the step seed makes (1,000,000); how many listeners there are (10,000)")
    parser.add_argument("--releases", type=int, help="how many releases are due at midnight (1,000)")
    parser.add_argument("--versions", type=int, help="how many packaged versions the large catalogue of growth has (3,000,000)")
    parser.add_argument("--remark", help="a sentence on the circumstances, kept with the results")
    parser.add_argument("--scratch", help="where databases and logs go for the time of the run; a temporary directory without it")
    parser.add_argument("--document", action="store_true", help="write docs/benchmarks.md from bench/results, and measure nothing")
    args = parser.parse_args()
    unknown = [step for step in args.steps if step not in STEPS]
    if unknown:
        parser.error(f"there is no step {', '.join(unknown)}: take of {', '.join(STEPS)}")
    return args


def main():
    args = arguments()
    if args.document:
        document.write()
        return 0
    scratch = pathlib.Path(args.scratch or tempfile.mkdtemp(prefix="yard-"))
    scratch.mkdir(exist_ok=True)
    scratch.chmod(0o755)
    # What was started is ended, and the databases are removed, whoever ends the run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    bench = Bench(args, scratch)
    told, failed = {}, []
    try:
        if not pathlib.Path(bench.program).exists():
            raise Trouble(f"there is no {bench.program}: cargo build --release, or name another with --program")
        for step in args.steps or STEPS:
            bench.say(f"== {step}")
            try:
                told[step] = STEPS[step](bench)
                bench.say(f"{step}: {told[step]['figures']}")
            except (Trouble, OSError, subprocess.CalledProcessError) as trouble:
                failed.append(step)
                bench.say(f"{step} FAILED: {trouble}")
            if step in told and args.keep:
                document.keep({step: told[step]}, commit_of(args), versions(bench))
                document.write()
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 1
    finally:
        try:
            bench.end()
        finally:
            if not args.scratch:
                shutil.rmtree(scratch, ignore_errors=True)
    return 1 if failed else 0


def commit_of(args):
    if args.commit:
        return args.commit
    return subprocess.run(["git", "rev-parse", "--short=7", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def versions(bench):
    """Of what was measured, and on what machine."""
    import json
    import os
    import platform
    import sqlite3

    out = lambda *command: subprocess.run(command, capture_output=True, text=True).stdout.strip()
    lock = json.loads((servers.BENCH / "peers/package-lock.json").read_text())["packages"]
    of = lambda name: lock[f"node_modules/{name}"]["version"]
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal")) // 1024**2
    told = {
        "date": datetime.date.today().isoformat(),
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "program": out(bench.program, "--version"),
        "machine": f"{cpu}, {os.cpu_count()} cores, {memory} GiB, Linux {platform.release().split('-')[0]}",
        "PostGraphile": of("postgraphile"),
        "Mercurius": of("mercurius"),
        "graphql-jit": of("graphql-jit"),
        "Node.js": out(servers.node(), "--version").lstrip("v"),
        "SQLite of the plain statements": sqlite3.sqlite_version,
        "quick": bench.quick,
        "rounds": bench.rounds,
        "seconds": bench.seconds,
        "connections": bench.connections,
    }
    if bench.args.remark:
        told["remark"] = bench.args.remark
    if bench._postgres is not None:
        told["PostgreSQL"] = bench.postgres.version
    return told
