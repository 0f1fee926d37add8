"""Starts the example subscribers, kills the server and them in the middle, and counts what they have handled.

python3 subscribers.py target/debug/packwright examples

Each of them must have handled each event of its account exactly once and in order: compared with the log.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

PROGRAM, EXAMPLES = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
PATIENCE = 60


def wait_for(what, is_so):
    """Waits until something is so; nothing here takes as long as that."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = is_so()
        if found:
            return found
        time.sleep(0.05)
    raise SystemExit(f"not so within {PATIENCE} s: {what}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Refused(Exception):
    """A rule refused, with its code."""


class Server:
    """`packwright serve` on an SQLite file, always on the same port."""

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None
        self.database = f"sqlite://{folder}/packwright.db?mode=rwc"
        self.base = f"http://127.0.0.1:{self.port}"

    def command(self, *arguments):
        return [PROGRAM, *arguments, "--database-url", self.database]

    def told(self, *arguments):
        done = subprocess.run(self.command(*arguments), check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout

    def start(self):
        with open(f"{self.folder}/server.log", "ab") as log:
            command = self.command("serve", "--listen", f"127.0.0.1:{self.port}")
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for("the server is ready", self.is_ready)

    def is_ready(self):
        if self.process.poll() is not None:
            raise SystemExit("the server has ended")
        try:
            with urllib.request.urlopen(self.base + "/readyz", timeout=5):
                return True
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def post(self, token, query, **variables):
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        request = urllib.request.Request(self.base + "/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
        if answer.get("errors"):
            raise SystemExit(f"{json.dumps(answer['errors'], indent=2)}\nfor {query}")
        told = next(iter(answer["data"].values()))
        if told.get("errors"):
            raise Refused(told["errors"][0]["code"])
        return told

    def change(self, token, mutation, selection, **fields):
        """A mutation with its input."""
        kind = mutation[0].upper() + mutation[1:] + "Input"
        query = f"mutation($input: {kind}!) {{ {mutation}(input: $input) {{ {selection} errors {{ code message }} }} }}"
        return self.post(token, query, input=fields)


class World:
    """A publisher, two accounts, and a pack that both have installed."""

    def __init__(self, server):
        self.server = server
        server.told("migrate", "up")
        server.told("account", "create", "Brightwater", "--time-zone", "Europe/Berlin")
        made = server.told("token", "create", "--account", "Brightwater", "--name", "ci", "--role", "administrator")
        self.publisher = made.strip()
        server.start()
        change = server.change
        new = {"name": "Order import", "type": "PROCESS"}
        self.component = change(self.publisher, "createComponent", "component { id }", **new)["component"]["id"]
        self.package("one")
        new = {"name": "Orders", "installationType": "SINGLE"}
        pack = change(self.publisher, "createIntegrationPack", "integrationPack { id }", **new)
        self.pack = pack["integrationPack"]["id"]
        change(self.publisher, "addPackComponents", "", packId=self.pack, componentIds=[self.component])
        groups = server.post(self.publisher, "{ accountGroups(first: 1) { edges { node { id } } } }")
        group = groups["edges"][0]["node"]["id"]
        change(self.publisher, "sharePack", "", packId=self.pack, groupIds=[group])
        self.release("one")
        self.acme, _ = self.customer("Acme"), self.customer("Globex")

    def customer(self, name):
        enrolment = self.server.change(self.publisher, "createManagedAccount", "enrolmentToken", name=name)["enrolmentToken"]
        token = self.server.change(enrolment, "createApiToken", "secret", name="first", role="ADMINISTRATOR")["secret"]
        packs = self.server.post(token, "{ availablePacks(first: 1) { edges { node { id } } } }")
        self.server.change(token, "installPack", "", packId=packs["edges"][0]["node"]["id"])
        return token

    def package(self, request_id):
        packages = [{"componentId": self.component, "shareable": True}]
        self.server.change(self.publisher, "createPackagedComponents", "", packages=packages, clientRequestId=request_id)

    def release(self, request_id):
        how = {"schedule": {"immediately": True}, "notes": f"Release {request_id}.", "clientRequestId": request_id}
        wait_for("the pack can be released", lambda: self.is_released(how))

    def is_released(self, how):
        """False while the rollout before, whose server was killed, isn't over."""
        try:
            self.server.change(self.publisher, "releaseIntegrationPack", "", packId=self.pack, **how)
        except Refused as refused:
            if str(refused) != "RELEASE_IN_PROGRESS":
                raise
            return False
        return True

    def happen(self, name):
        """Something that a publisher and an account hear of. Safe to repeat, as a request ID makes it."""
        self.package(name)
        self.release(name)

    def log_since(self, token, cursor):
        """The ids of an account's events after a cursor."""
        query = "query($after: String) { events(first: 100, after: $after) { edges { cursor node { id } } pageInfo { hasNextPage } } }"
        ids = []
        while True:
            page = self.server.post(token, query, after=cursor)
            ids += [edge["node"]["id"] for edge in page["edges"]]
            if not page["pageInfo"]["hasNextPage"]:
                return ids
            cursor = page["edges"][-1]["cursor"]


class Subscriber:
    """A program that writes a line for each event that it has handled, or, as the shell's, keeps them in its file."""

    def __init__(self, name, command, server, token, url):
        self.name, self.command, self.token = name, command, token
        self.out, self.errors, self.kept = (f"{server.folder}/{name}.{kind}" for kind in ("out", "err", "kept"))
        settings = {"PACKWRIGHT_URL": url, "PACKWRIGHT_TOKEN": token}
        # The file with each subscriber's position.
        self.environment = os.environ | settings | {"CURSOR_FILE": self.kept, "EVENTS_FILE": self.kept}
        self.begin = server.post(token, "{ viewer { eventCursor } }")["eventCursor"]
        self.process = None

    def start(self):
        with open(self.out, "ab") as out, open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=out, stderr=errors, start_new_session=True
            )

    def has_begun(self):
        return os.path.exists(self.kept) and os.path.getsize(self.kept) > 0

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()

    def handled(self):
        with open(self.kept if self.name.startswith("shell") else self.out, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file if line.endswith("\n")]
        return [line["id"] for line in lines if "id" in line]

    def check(self, world):
        expected = world.log_since(self.token, self.begin)
        wait_for(f"{self.name} has handled all", lambda: len(self.handled()) >= len(expected))
        # No event may follow the last one.
        time.sleep(0.5)
        if self.handled() != expected:
            raise SystemExit(f"{self.name} has handled {self.handled()}\ninstead of {expected}")
        print(f"ok      {self.name}: {len(expected)} events, each once and in order")


def go_on(world, name):
    """Something happens while the server is killed: it is asked for until it is done."""
    server = world.server
    asked = threading.Thread(target=lambda: ignoring_failures(world.happen, name))
    asked.start()
    time.sleep(0.03)
    server.kill()
    asked.join()
    time.sleep(1)
    server.start()
    world.happen(name)


def ignoring_failures(work, *arguments):
    try:
        work(*arguments)
    except (OSError, http.client.HTTPException, ValueError):
        pass


def follow(world, subscribers):
    for subscriber in subscribers:
        subscriber.start()
        wait_for(f"{subscriber.name} has begun", subscriber.has_begun)
    for turn in range(3):
        world.happen(f"before {turn}")
    for subscriber in subscribers:
        wait_for(f"{subscriber.name} hears", subscriber.handled)
    go_on(world, "killed")
    world.happen("after")
    for subscriber in subscribers:
        subscriber.stop()
    world.happen("while nobody listened")
    go_on(world, "killed again")
    for subscriber in subscribers:
        subscriber.start()
    for turn in range(3):
        world.happen(f"at last {turn}")
    for subscriber in subscribers:
        subscriber.check(world)


def main():
    with tempfile.TemporaryDirectory() as folder:
        server, subscribers = Server(folder), []
        try:
            world = World(server)
            socket_url = f"ws://127.0.0.1:{server.port}/graphql"
            typescript = ["node", f"{EXAMPLES}/subscriber-typescript/dist/main.js"]
            shell = [f"{EXAMPLES}/subscriber-shell/follow.sh"]
            subscribers += [
                Subscriber("typescript as the publisher", typescript, server, world.publisher, socket_url),
                Subscriber("typescript as an account", typescript, server, world.acme, socket_url),
                Subscriber("shell as the publisher", shell, server, world.publisher, server.base),
                Subscriber("shell as an account", shell, server, world.acme, server.base),
            ]
            follow(world, subscribers)
        except (SystemExit, Refused):
            for name in os.listdir(folder):
                if name.endswith((".err", ".log")):
                    with open(f"{folder}/{name}", encoding="utf-8") as file:
                        print(f"── {name}\n{file.read()[-4000:]}", file=sys.stderr)
            raise
        finally:
            for subscriber in subscribers:
                if subscriber.process and subscriber.process.poll() is None:
                    subscriber.stop()
            if server.process and server.process.poll() is None:
                server.kill()


if __name__ == "__main__":
    main()
