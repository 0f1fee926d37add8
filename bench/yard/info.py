"""The smallest question: what a request costs when there is nothing to do."""

import json
import urllib.request

from . import contest, servers
from .servers import Server, drive, free_port, seed, tools

QUESTION = json.dumps({"query": "{ serverInfo { version } }"})


def run(bench):
    base = bench.postgres.create("info")
    token, _, _ = seed(bench.program, base.url, packs=10, installations=100)
    own = bench.packwright(base.url)
    try:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}", "Accept": "application/graphql-response+json"}
        request = urllib.request.Request(f"http://{own.address}/graphql", data=QUESTION.encode(), headers=headers)
        with urllib.request.urlopen(request) as response:
            answer, content_type = response.read(), response.headers["Content-Type"]
        (bench.scratch / "info.answer").write_bytes(answer)
        (bench.scratch / "info.questions").write_text(QUESTION + "\n")
        port = free_port()
        command = [tools() / "bare", f"127.0.0.1:{port}", bench.scratch / "info.answer", content_type]
        bare = Server("bare", command, port, bench.scratch / "bare.log")
        try:
            ask = lambda server, seconds: drive(server, bench.scratch / "info.questions", seconds, bench.connections, token)
            asked = {"packwright": lambda s: ask(own, s), "bare handler": lambda s: ask(bare, s)}
            for function in asked.values():
                function(1)
            seen = contest.rounds({name: (lambda f=f: f(bench.seconds)) for name, f in asked.items()}, bench.rounds, bench.say)
        finally:
            bare.stop()
    finally:
        own.stop()
    bench.postgres.drop("info")
    told = contest.summary(seen)
    return {"contestants": told, "figures": {"info.bare": told["bare handler"]["ratio"]}}
