"""What it costs to count: the page with the metrics on, while they are scraped each second, and with --no-metrics."""

import json
import threading
import urllib.request

from . import contest, page, world
from .servers import drive


def scraped(server, until):
    while not until.wait(1):
        urllib.request.urlopen(f"http://{server.address}/metrics", timeout=10).read()


def run(bench):
    base = bench.postgres.create("metrics")
    token, _, _ = world.make(bench.program, base, bench.quick)
    publisher = base.one("SELECT id FROM account WHERE kind = 'PUBLISHER'")
    begin = page.places(base, publisher)
    counting, plain = bench.packwright(base.url), bench.packwright(base.url, "--no-metrics")
    until = threading.Event()
    scraping = threading.Thread(target=scraped, args=(counting, until))
    try:
        file = bench.scratch / "metrics.questions"
        page.write_questions(file, page.PACKWRIGHT, [{"after": c} for c in page.cursors_of_packwright(counting, token, len(begin))])
        turn = iter(range(1, 10_000))
        ask = lambda server: lambda s: drive(server, file, s, bench.connections, token, seed=next(turn))
        asked = {"with metrics": ask(counting), "without": ask(plain)}
        for function in asked.values():
            function(bench.warm)
        scraping.start()
        # Twice the rounds, because the difference is small.
        seen = contest.rounds({name: (lambda f=f: f(bench.seconds)) for name, f in asked.items()}, 2 * bench.rounds, bench.say)
        scrape = urllib.request.urlopen(f"http://{counting.address}/metrics", timeout=10).read()
    finally:
        until.set()
        counting.stop()
        plain.stop()
    bench.postgres.drop("metrics")
    told = contest.summary(seen)
    bench.say(json.dumps(told))
    series = sum(not line.startswith(b"#") for line in scrape.splitlines())
    return {"contestants": told, "series": series, "bytes": len(scrape), "figures": {"metrics.page": told["without"]["ratio"]}}
