"""Starts the example subscribers, kills the server and them in the middle, and counts what they have handled.

python3 subscribers.py target/debug/packwright examples

Each of them must have handled each event of its account exactly once and in order: compared with the log.
"""

import json
import os
import signal
import subprocess
import tempfile
import time

from world import EXAMPLES, Server, World, go_on, shows_its_logs, wait_for


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


def run(server, subscribers):
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


def main():
    with tempfile.TemporaryDirectory() as folder:
        server, subscribers = Server(folder), []
        try:
            shows_its_logs(folder, run, server, subscribers)
        finally:
            for subscriber in subscribers:
                if subscriber.process and subscriber.process.poll() is None:
                    subscriber.stop()
            if server.is_alive():
                server.kill()


main()
