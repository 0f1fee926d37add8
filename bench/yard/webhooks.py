"""Events that are delivered to a hundred webhook endpoints, and how much one that is dead or slow slows the others."""

import asyncio
import functools
import os
import statistics
import sys
import threading
import time

from . import contest
from .servers import ROOT, Trouble

sys.path.insert(0, str(ROOT / ".ci"))

from world import Server, World, free_port, wait_for  # noqa: E402

ACCOUNTS, EACH = 5, 20
# Of a quick run, and otherwise.
RELEASES = {True: 5, False: 20}
ROUNDS = {True: 2, False: 7}


class Receivers:
    """All receivers, on one port. The path /dead gets no answer, and /slow a byte of it every second."""

    def __init__(self):
        self.port, self.taken = free_port(), 0
        threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"

    async def serve(self):
        server = await asyncio.start_server(self.one, "127.0.0.1", self.port, backlog=1024)
        await server.serve_forever()

    async def one(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            if head.startswith(b"POST /dead"):
                await reader.read()
            elif head.startswith(b"POST /slow"):
                for byte in b"HTTP/1.1 204 No Content\r\n\r\n":
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(1)
            else:
                writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
                await writer.drain()
                self.taken += 1
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class Deliveries:
    """A server with a hundred endpoints, and events that each of them is sent again in every round."""

    def __init__(self, server, releases):
        self.server, self.world, self.receivers = server, World(server), Receivers()
        tokens = [self.world.publisher, self.world.acme]
        tokens += [self.world.customer(f"Customer {number}") for number in range(ACCOUNTS - len(tokens))]
        self.begin = {token: server.post(token, "{ viewer { eventCursor } }")["eventCursor"] for token in tokens}
        for number in range(releases):
            self.world.happen(f"release {number}")
        self.count = {token: len(self.world.log_since(token, self.begin[token])) for token in tokens}
        self.endpoints = [(token, self.make(token, number)) for token in tokens for number in range(EACH)]

    def make(self, token, number):
        new = {"name": f"Endpoint {number}", "url": self.receivers.url(number)}
        return self.server.change(token, "createWebhookEndpoint", "endpoint { id }", **new)["endpoint"]["id"]

    def pause(self, token, endpoint):
        self.server.change(token, "pauseWebhookEndpoint", "", endpointId=endpoint)

    def resume(self, token, endpoint):
        self.server.change(token, "resumeWebhookEndpoint", "", endpointId=endpoint, after=self.begin[token])

    def expected(self):
        return sum(self.count[token] for token, _ in self.endpoints)

    def rate(self):
        """How many deliveries a second come after all endpoints are resumed, from the first call on."""
        self.receivers.taken, expected, began = 0, self.expected(), time.monotonic()
        for token, endpoint in self.endpoints:
            self.pause(token, endpoint)
            self.resume(token, endpoint)
        wait_for("all was delivered", lambda: self.receivers.taken >= expected)
        return expected / (time.monotonic() - began)

    def beside(self, odd, path):
        """The same beside an endpoint at another path."""
        token, endpoint = odd
        self.server.change(token, "updateWebhookEndpoint", "", endpointId=endpoint, url=self.receivers.url(path))
        self.resume(token, endpoint)
        rate = self.rate()
        self.pause(token, endpoint)
        return rate

    def memory(self):
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS:"))


def run(bench):
    rows, figures = [["", "PostgreSQL", "SQLite"]], {}
    base = bench.postgres.create("webhooks")
    found = [measure(bench, base.url), measure(bench, None)]
    bench.postgres.drop("webhooks")
    for name, text in [
        ("deliveries", "deliveries of a round, to a hundred endpoints of five accounts"),
        ("rates", "deliveries a second, median (of the rounds, from … to)"),
        ("memory", "memory of the server afterwards"),
        ("dead", "the other 99 beside an endpoint that never answers, median (of the rounds, from … to)"),
        ("slow", "the same beside one that sends a byte of its answer every second"),
    ]:
        rows.append([text, *(spelled(name, one[name]) for one in found)])
    for suffix, one in zip(["", "-sqlite"], found, strict=True):
        figures[f"webhooks{suffix}.rate"] = round(statistics.median(one["rates"]))
        figures[f"webhooks{suffix}.worst"] = round(min(statistics.median(one[kind]) for kind in ("dead", "slow")), 3)
    return {"figures": figures, "tables": [rows]}


def spelled(name, value):
    if name == "deliveries":
        return f"{value:,}"
    if name == "memory":
        return f"{value:.0f} MiB"
    form = "{:,.0f}" if name == "rates" else "{:.3f} ×"
    told = [form.format(each) for each in (statistics.median(value), min(value), max(value))]
    return f"{told[0]} ({told[1]} … {told[2]})"


def measure(bench, database):
    os.environ["PACKWRIGHT_WEBHOOK_ALLOW"], os.environ["PACKWRIGHT_RATE_LIMIT"] = "127.0.0.0/8", "0"
    Server.program = bench.program
    folder = bench.scratch / ("webhooks-postgresql" if database else "webhooks-sqlite")
    folder.mkdir()
    server = Server(str(folder), database)
    try:
        deliveries = Deliveries(server, RELEASES[bench.quick])
        rounds, told = ROUNDS[bench.quick], {"deliveries": deliveries.expected()}
        deliveries.rate()
        told["rates"] = [deliveries.rate() for _ in range(rounds)]
        bench.say(f"deliveries a second: {', '.join(f'{rate:.0f}' for rate in told['rates'])}")
        told["memory"] = deliveries.memory()
        odd = deliveries.endpoints.pop()
        deliveries.pause(*odd)
        asked = {path: functools.partial(deliveries.beside, odd, path) for path in ("dead", "slow")}
        asked["alone"] = deliveries.rate
        seen = contest.rounds({name: (lambda ask=ask: {"rate": ask()}) for name, ask in asked.items()}, rounds, bench.say)
        for path in ("dead", "slow"):
            told[path] = [one["rate"] / alone["rate"] for one, alone in zip(seen[path], seen["alone"], strict=True)]
        return told
    except SystemExit as failed:
        raise Trouble(str(failed)) from None
    finally:
        if server.is_alive():
            server.kill()
