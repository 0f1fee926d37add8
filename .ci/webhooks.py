"""Starts the example receivers, kills the server and them in the middle, and compares what they have with the log.

python3 webhooks.py target/debug/packwright examples [ROUNDS [DATABASE_URL [SERVERS]]]

Each receiver must have each event of its account exactly once and in order. A recorder beside them takes what comes as it
comes, and loses some answers: what it was sent, without repeats, must be the log, and the data of an endpoint with a
document must be what a subscription with the same document answers, byte for byte.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from world import EXAMPLES, Refused, Server, Servers, World, free_port, go_on, shows_its_logs, wait_for

ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 3
DATABASE = sys.argv[4] if len(sys.argv) > 4 else None
SERVERS = int(sys.argv[5]) if len(sys.argv) > 5 else 1

# Only what an event has said once and for all: a subscription reads it later than the endpoint.
FIELDS = """__typename id cursor kind occurredAt actor { kind name }
    ... on PackEvent { packId packName }
    ... on ReleaseEvent { release { id version { number notes } } }
    ... on InstallationEvent { installation { id } versionNumber state }"""


class Endpoint:
    """An endpoint of an account, from now on."""

    def __init__(self, name, world, token, url, **more):
        self.name, self.world, self.token = name, world, token
        self.begin = world.server.post(token, "{ viewer { eventCursor } }")["eventCursor"]
        made = world.server.change(token, "createWebhookEndpoint", "endpoint { id } secret", name=name, url=url, **more)
        self.id, self.secret = made["endpoint"]["id"], made["secret"]

    def state(self):
        query = "query($id: ID!) { node(id: $id) { ... on WebhookEndpoint { state } } }"
        return self.world.server.post(self.token, query, id=self.id)["state"]

    def received(self):
        """The ids of what was received, without repeats."""
        raise NotImplementedError

    def has(self, count):
        """Whether so many were received."""
        # Nobody waits for the pause after a failed attempt.
        if self.state() == "FAILING":
            try:
                self.world.server.change(self.token, "resumeWebhookEndpoint", "", endpointId=self.id)
            except Refused as refused:
                # The next attempt was made meanwhile, and has succeeded.
                if str(refused) != "NOT_PAUSED":
                    raise
            time.sleep(0.3)
        return len(self.received()) >= count

    def check(self):
        expected = self.world.log_since(self.token, self.begin)
        while (count := len(self.received())) < len(expected):
            wait_for(f"{self.name} has received more than {count} of {len(expected)}", lambda: self.has(count + 1))
        # No event may follow the last one.
        time.sleep(0.5)
        if self.received() != expected:
            raise SystemExit(f"{self.name} has {self.received()}\ninstead of {expected}")
        print(f"ok      {self.name}: {len(expected)} events, each once and in order{self.more()}")

    def more(self):
        return ""


class Receiver(Endpoint):
    """An example that checks signatures and keeps each event as a line of a file."""

    def __init__(self, name, command, world, token):
        self.command, self.port, self.process = command, free_port(), None
        self.kept, self.log = (f"{world.server.folder}/{name}.{kind}" for kind in ("jsonl", "err"))
        super().__init__(name, world, token, f"http://127.0.0.1:{self.port}/hooks")

    def start(self):
        settings = {"WEBHOOK_SECRET": self.secret, "PORT": str(self.port), "EVENTS_FILE": self.kept}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, env=os.environ | settings, stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def test(self):
        """A test is taken, as soon as the receiver listens."""
        sent = self.world.server.change(self.token, "sendTestEvent", "delivery { status }", endpointId=self.id)
        return sent["delivery"]["status"] == 204

    def received(self):
        if not os.path.exists(self.kept):
            return []
        with open(self.kept, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file if line.endswith("\n")]
        return [line["id"] for line in lines if line["type"] != "webhook.test"]


class Recorder:
    """Takes what comes for several endpoints, by path. Of ten answers it loses one: the event comes again."""

    def __init__(self):
        self.came, self.taken = {}, {}
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                came = recorder.came.setdefault(self.path, [])
                is_first = all(event != self.headers["webhook-id"] for event, _ in came)
                came.append((self.headers["webhook-id"], body))
                if is_first and random.random() < 0.1:
                    self.close_connection = True
                    return
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_port}{path}"


class Recorded(Endpoint):
    """An endpoint at the recorder, maybe with a document."""

    def __init__(self, name, recorder, world, token, **more):
        self.path, self.recorder = f"/{name.replace(' ', '-')}", recorder
        self.has_document = "document" in more
        super().__init__(name, world, token, recorder.url(self.path), **more)

    def came(self):
        return list(self.recorder.came.get(self.path, []))

    def received(self):
        return list(dict.fromkeys(event for event, _ in self.came()))

    def more(self):
        came = self.came()
        return f"; {len(came)} sent, of which {len(came) - len(self.received())} again"

    def check(self):
        super().check()
        bodies = {}
        for event, body in self.came():
            # Each attempt has the same body.
            if bodies.setdefault(event, body) != body:
                raise SystemExit(f"{self.name}: {event} came as\n{bodies[event]}\nand as\n{body}")
        if not self.has_document:
            return
        wanted = self.subscribed(len(bodies))
        found = [body.split(',"data":', 1)[1][:-1] for body in bodies.values()]
        for ours, theirs in zip(found, wanted, strict=True):
            if f'{{"data":{ours}}}' != theirs:
                raise SystemExit(f"{self.name}: the endpoint was sent\n{ours}\nand a subscription\n{theirs}")
        print(f"ok      {self.name}: the same bytes as a subscription, {sum(map(len, found))} of them")

    def subscribed(self, count):
        """What a subscription with the same document answers, as it came."""
        query = f"subscription($after: String) {{ events(after: $after) {{ {FIELDS} }} }}"
        body = json.dumps({"query": query, "variables": {"after": self.begin}}).encode()
        headers = {"content-type": "application/json", "accept": "text/event-stream", "authorization": f"Bearer {self.token}"}
        base = next((server.base for server in getattr(self.world.server, "all", []) if server.is_alive()), self.world.server.base)
        request, answers, kind = urllib.request.Request(base + "/graphql/stream", body, headers), [], None
        with urllib.request.urlopen(request, timeout=60) as response:
            for line in response:
                field, _, value = line.decode().rstrip("\r\n").partition(":")
                if field == "event":
                    kind = value.strip()
                elif field == "data" and kind == "next":
                    answers.append(value.strip())
                if len(answers) == count:
                    return answers
        raise SystemExit(f"the subscription ended after {len(answers)} of {count} answers")


def kill_and_check(world, receivers, recorded):
    for receiver in receivers:
        receiver.start()
        wait_for(f"{receiver.name} takes a test", receiver.test)
    world.happen("first")
    killed = {"servers": 0, "receivers": 0}
    for number in range(ROUNDS):
        if random.random() < 0.5:
            go_on(world, f"killed {number}")
            killed["servers"] += 1
        else:
            receiver = random.choice(receivers)
            world.happen(f"before {number}")
            time.sleep(random.random() / 10)
            receiver.kill()
            world.happen(f"meanwhile {number}")
            receiver.start()
            killed["receivers"] += 1
        for endpoint in recorded:
            endpoint.has(0)
    world.happen("last")
    for endpoint in [*receivers, *recorded]:
        endpoint.check()
    print(f"ok      {killed['servers']} times a server was killed, {killed['receivers']} times a receiver")


def run(server, receivers):
    world = World(server)
    javascript = ["node", f"{EXAMPLES}/webhook-javascript/receiver.mjs"]
    python = [sys.executable, f"{EXAMPLES}/webhook-python/receiver.py"]
    receivers += [
        Receiver("javascript of the publisher", javascript, world, world.publisher),
        Receiver("javascript of an account", javascript, world, world.acme),
        Receiver("python of the publisher", python, world, world.publisher),
        Receiver("python of an account", python, world, world.acme),
    ]
    recorder, document = Recorder(), f"subscription {{ events {{ {FIELDS} }} }}"
    recorded = [
        Recorded("recorder of the publisher", recorder, world, world.publisher),
        Recorded("document of the publisher", recorder, world, world.publisher, document=document),
        Recorded("document of an account", recorder, world, world.acme, document=document),
    ]
    kill_and_check(world, receivers, recorded)


def main():
    os.environ["PACKWRIGHT_WEBHOOK_ALLOW"] = "127.0.0.0/8"
    os.environ["PACKWRIGHT_RATE_LIMIT"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        server = Servers(folder, DATABASE, SERVERS) if SERVERS > 1 else Server(folder, DATABASE)
        receivers = []
        try:
            shows_its_logs(folder, run, server, receivers)
        finally:
            for receiver in receivers:
                if receiver.process and receiver.process.poll() is None:
                    receiver.kill()
            while server.is_alive():
                server.kill()


main()
