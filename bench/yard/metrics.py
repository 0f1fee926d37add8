"""What it costs to count and to trace: the page with metrics that are scraped each second, with traces beside them, and
with --no-metrics. The collector of traces takes everything, on the same machine."""

import pathlib
import re
import sys
import threading
import urllib.request

from . import contest, page, world
from .servers import Server, drive, free_port


def scraped(server, until):
    while not until.wait(1):
        scrape(server)


def scrape(server):
    return urllib.request.urlopen(f"http://{server.address}/metrics", timeout=10).read()


def spans(server):
    """How many spans of a server there were of each outcome."""
    found = re.findall(rb'packwright_trace_spans_total\{outcome="(\w+)"\} (\d+)', scrape(server))
    return {outcome.decode(): int(count) for outcome, count in found}


def run(bench):
    base = bench.postgres.create("metrics")
    token, _, _ = world.make(bench.program, base, bench.quick)
    publisher = base.one("SELECT id FROM account WHERE kind = 'PUBLISHER'")
    begin = page.places(base, publisher)
    port = free_port()
    sink = pathlib.Path(__file__).with_name("sink.py")
    started = [Server("sink", [sys.executable, str(sink), str(port)], port, bench.scratch / "sink.log")]
    until = threading.Event()
    try:
        traced = [f"--otlp-endpoint=http://127.0.0.1:{port}", "--trace-ratio"]
        options = {
            "with metrics and all traces": [*traced, "1"],
            "with metrics and one trace of ten": [*traced, "0.1"],
            "with metrics": [],
            "without": ["--no-metrics"],
        }
        server = {}
        for name, more in options.items():
            server[name] = bench.packwright(base.url, *more)
            started.append(server[name])
        file = bench.scratch / "metrics.questions"
        cursors = page.cursors_of_packwright(server["with metrics"], token, len(begin))
        page.write_questions(file, page.PACKWRIGHT, [{"after": cursor} for cursor in cursors])
        turn = iter(range(1, 10_000))
        ask = lambda name, seconds: drive(server[name], file, seconds, bench.connections, token, seed=next(turn))
        for name in server:
            ask(name, bench.warm)
            if name != "without":
                threading.Thread(target=scraped, args=(server[name], until), daemon=True).start()
        # Twice the rounds, because the differences are small.
        asked = {name: (lambda name=name: ask(name, bench.seconds)) for name in server}
        seen = contest.rounds(asked, 2 * bench.rounds, bench.say)
        until.set()
        text = scrape(server["with metrics"])
        sent = {name: spans(server[name]) for name in list(server)[:2]}
    finally:
        until.set()
        for one in reversed(started):
            one.stop()
    bench.postgres.drop("metrics")
    beside = lambda name: contest.summary({one: seen[one] for one in (name, "without")})["without"]
    names = list(options)
    told = {name: {what: round(contest.median(seen[name], what), 3) for what in ("rate", "p50", "p99")} for name in names}
    for name in names[:3]:
        told[name] |= {what: beside(name)[what] for what in ("ratio", "ratios")}
    series = sum(not line.startswith(b"#") for line in text.splitlines())
    rows = [["Spans", "Exported", "Dropped", "Lost", "Refused"]]
    rows += [[name, *(f"{sent[name].get(outcome, 0):,}" for outcome in ("exported", "dropped", "lost", "refused"))] for name in sent]
    figures = {"metrics.page": beside(names[2])["ratio"], "metrics.traces": beside(names[0])["ratio"], "metrics.tenth": beside(names[1])["ratio"]}
    return {"contestants": told, "tables": [rows], "series": series, "bytes": len(text), "figures": figures, "column": "Beside none"}
