"""Measures how fast a server delivers events to a hundred webhook endpoints, and how much one that is dead slows the
others.

python3 bench/webhooks.py target/release/packwright [RELEASES]
"""

import asyncio
import os
import sys
import tempfile
import threading
import time

PROGRAM, RELEASES = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 30
sys.argv[1:] = [PROGRAM, "examples"]
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".ci"))

from subscribers import Server, World, free_port, wait_for  # noqa: E402

EACH = 20


class Receivers:
    """All receivers, on one port. A path that begins with /dead gets no answer."""

    def __init__(self):
        self.port, self.taken, self.times = free_port(), 0, []
        threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True).start()

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
            else:
                writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
                await writer.drain()
                self.taken += 1
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def drained(world, receivers, endpoints, begin, expected):
    """How many deliveries a second come after all endpoints are resumed."""
    receivers.taken = 0
    began = time.monotonic()
    for token, endpoint in endpoints:
        cursor = begin[token]
        world.server.change(token, "pauseWebhookEndpoint", "", endpointId=endpoint)
        world.server.change(token, "resumeWebhookEndpoint", "", endpointId=endpoint, after=cursor)
    wait_for("all was delivered", lambda: receivers.taken >= expected)
    return expected / (time.monotonic() - began)


def main():
    os.environ["PACKWRIGHT_WEBHOOK_ALLOW"] = "127.0.0.0/8"
    os.environ["PACKWRIGHT_RATE_LIMIT"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder)
        try:
            world = World(server)
            tokens = [world.publisher, world.acme, *(world.customer(f"Customer {n}") for n in range(3))]
            begin = {token: server.post(token, "{ viewer { eventCursor } }")["eventCursor"] for token in tokens}
            for number in range(RELEASES):
                world.happen(f"release {number}")
            receivers, endpoints, expected = Receivers(), [], 0
            for token in tokens:
                expected += EACH * len(world.log_since(token, begin[token]))
                for number in range(EACH):
                    url = f"http://127.0.0.1:{receivers.port}/{number}"
                    new = {"name": f"Endpoint {number}", "url": url}
                    made = server.change(token, "createWebhookEndpoint", "endpoint { id }", **new)
                    endpoints.append((token, made["endpoint"]["id"]))
            for round_ in range(2):
                rate = drained(world, receivers, endpoints, begin, expected)
                print(f"{len(endpoints)} endpoints, {expected} deliveries: {rate:.0f} a second")
            token, endpoint = endpoints.pop()
            dead = f"http://127.0.0.1:{receivers.port}/dead"
            server.change(token, "updateWebhookEndpoint", "", endpointId=endpoint, url=dead)
            server.change(token, "pauseWebhookEndpoint", "", endpointId=endpoint)
            server.change(token, "resumeWebhookEndpoint", "", endpointId=endpoint, after=begin[token])
            expected -= len(world.log_since(token, begin[token]))
            for round_ in range(2):
                rate = drained(world, receivers, endpoints, begin, expected)
                print(f"{len(endpoints)} endpoints beside a dead one: {rate:.0f} a second")
        finally:
            if server.process and server.process.poll() is None:
                server.kill()


main()
