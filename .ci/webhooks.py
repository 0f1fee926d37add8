"""Starts the example receivers, kills the server and them in the middle, and compares what they have with the log.

python3 webhooks.py target/debug/packwright examples [ROUNDS]

Each of them must have each event of its account exactly once and in order.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time

from subscribers import EXAMPLES, Refused, Server, World, free_port, go_on, wait_for

ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 3


class Receiver:
    """An example that checks signatures and keeps each event as a line of a file."""

    def __init__(self, name, command, world, token):
        self.name, self.command, self.world, self.token = name, command, world, token
        self.port, self.process = free_port(), None
        self.kept, self.log = (f"{world.server.folder}/{name}.{kind}" for kind in ("jsonl", "err"))
        self.begin = world.server.post(token, "{ viewer { eventCursor } }")["eventCursor"]
        url = f"http://127.0.0.1:{self.port}/hooks"
        made = world.server.change(token, "createWebhookEndpoint", "endpoint { id } secret", name=name, url=url)
        self.endpoint, self.secret = made["endpoint"]["id"], made["secret"]

    def start(self):
        settings = {"WEBHOOK_SECRET": self.secret, "PORT": str(self.port), "EVENTS_FILE": self.kept}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, env=os.environ | settings, stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def test(self):
        """A test is taken, as soon as the receiver listens."""
        sent = self.world.server.change(self.token, "sendTestEvent", "delivery { status }", endpointId=self.endpoint)
        return sent["delivery"]["status"] == 204

    def state(self):
        query = "query($id: ID!) { node(id: $id) { ... on WebhookEndpoint { state } } }"
        return self.world.server.post(self.token, query, id=self.endpoint)["state"]

    def received(self):
        if not os.path.exists(self.kept):
            return []
        with open(self.kept, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file if line.endswith("\n")]
        return [line["id"] for line in lines if line["type"] != "webhook.test"]

    def check(self):
        expected = self.world.log_since(self.token, self.begin)

        def has_all():
            # Nobody waits for the pause after a failed attempt.
            if self.state() == "FAILING":
                self.world.server.change(self.token, "resumeWebhookEndpoint", "", endpointId=self.endpoint)
                time.sleep(0.3)
            return len(self.received()) >= len(expected)

        wait_for(f"{self.name} has received all", has_all)
        # No event may follow the last one.
        time.sleep(0.5)
        if self.received() != expected:
            raise SystemExit(f"{self.name} has {self.received()}\ninstead of {expected}")
        print(f"ok      {self.name}: {len(expected)} events, each once and in order")


def run(world, receivers):
    for receiver in receivers:
        receiver.start()
        wait_for(f"{receiver.name} takes a test", receiver.test)
    world.happen("first")
    for number in range(ROUNDS):
        dice = random.random()
        if dice < 0.5:
            go_on(world, f"killed {number}")
        else:
            receiver = random.choice(receivers)
            world.happen(f"before {number}")
            time.sleep(random.random() / 10)
            receiver.kill()
            world.happen(f"meanwhile {number}")
            receiver.start()
    world.happen("last")
    for receiver in receivers:
        receiver.check()


def main():
    os.environ["PACKWRIGHT_WEBHOOK_ALLOW"] = "127.0.0.0/8"
    with tempfile.TemporaryDirectory() as folder:
        server, receivers = Server(folder), []
        try:
            world = World(server)
            javascript = ["node", f"{EXAMPLES}/webhook-javascript/receiver.mjs"]
            python = [sys.executable, f"{EXAMPLES}/webhook-python/receiver.py"]
            receivers += [
                Receiver("javascript of the publisher", javascript, world, world.publisher),
                Receiver("javascript of an account", javascript, world, world.acme),
                Receiver("python of the publisher", python, world, world.publisher),
                Receiver("python of an account", python, world, world.acme),
            ]
            run(world, receivers)
        except (SystemExit, Refused):
            for name in os.listdir(folder):
                if name.endswith((".err", ".log")):
                    with open(f"{folder}/{name}", encoding="utf-8") as file:
                        print(f"── {name}\n{file.read()[-4000:]}", file=sys.stderr)
            raise
        finally:
            for receiver in receivers:
                if receiver.process and receiver.process.poll() is None:
                    receiver.kill()
            if server.process and server.process.poll() is None:
                server.kill()


main()
