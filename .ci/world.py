"""What the scripts with example subscribers and receivers share: servers that are killed, and a world in which something
happens. The program and the folder of examples are the first two arguments of a script; others set `Server.program`.
"""

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request

PROGRAM, EXAMPLES = (os.path.abspath(path) for path in (sys.argv[1:3] + ["", ""])[:2])
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
    """`packwright serve`, always on the same port; on an SQLite file unless another database is given."""

    program = PROGRAM

    def __init__(self, folder, database=None, name="server"):
        self.folder, self.name, self.port, self.process = folder, name, free_port(), None
        self.database = database or f"sqlite://{folder}/packwright.db?mode=rwc"
        self.base = f"http://127.0.0.1:{self.port}"

    def command(self, *arguments):
        return [self.program, *arguments, "--database-url", self.database]

    def told(self, *arguments):
        done = subprocess.run(self.command(*arguments), check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout

    def start(self):
        with open(f"{self.folder}/{self.name}.log", "ab") as log:
            command = self.command("serve", "--listen", f"127.0.0.1:{self.port}")
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for("the server is ready", self.is_ready)

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

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


class Servers(Server):
    """Several servers on one PostgreSQL. One that lives is asked, and one of them is killed at a time."""

    def __init__(self, folder, database, count):
        super().__init__(folder, database)
        self.all = [Server(folder, database, f"server-{number}") for number in range(count)]

    def start(self):
        for server in self.all:
            if not server.is_alive():
                server.start()

    def kill(self):
        victim = random.choice([server for server in self.all if server.is_alive()])
        victim.kill()

    def is_alive(self):
        return any(server.is_alive() for server in self.all)

    def post(self, token, query, **variables):
        asked = random.choice([server for server in self.all if server.is_alive()])
        return asked.post(token, query, **variables)


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


def shows_its_logs(folder, work, *arguments):
    """Does something, and prints what the processes have said if it fails."""
    try:
        work(*arguments)
    except (SystemExit, Refused):
        for name in os.listdir(folder):
            if name.endswith((".err", ".log")):
                with open(f"{folder}/{name}", encoding="utf-8") as file:
                    print(f"── {name}\n{file.read()[-4000:]}", file=sys.stderr)
        raise
