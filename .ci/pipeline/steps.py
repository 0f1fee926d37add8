"""Runs the steps of examples/ci against a demo: from a commit to a release that the account Acme has, twice.

python3 steps.py target/debug/packwright examples/ci

The steps are read from the files that users copy. A folder with a repository stands for the one of a pack; what the
services GitHub and GitLab would do with the files is done here: variables, inputs, conditions, a token for the job.
"""

import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

try:
    import yaml
except ImportError:
    sys.exit(3)

PROGRAM, EXAMPLES = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
PUBLISHER, ACME = "demo-publisher-admin", "demo-acme-admin"
SECRET = "secret-of-the-job"
NAME, COMPONENT, PACK = "Pick-up points", "pick-up/points", "pick-up"


class Demo:
    """A demo server."""

    def __init__(self, folder):
        self.log = open(folder / "demo.log", "w+", encoding="utf-8")
        command = [PROGRAM, "serve", "--demo", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, cwd=folder)
        self.url = self.address()

    def address(self):
        for _ in range(600):
            text = pathlib.Path(self.log.name).read_text(encoding="utf-8")
            if found := re.search(r"http://127\.0\.0\.1:\d+", text):
                return found[0]
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit(f"the demo didn't start: {text}")

    def ask(self, token, query, **variables):
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/graphql", body, headers)) as answer:
            answer = json.load(answer)
        assert "errors" not in answer, answer
        return answer["data"]

    def change(self, token, mutation, kind, selection, **fields):
        query = f"mutation($input: {kind}!) {{ {mutation}(input: $input) {{ {selection} errors {{ code message }} }} }}"
        done = self.ask(token, query, input=fields)[mutation]
        assert not done["errors"], done
        return done

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def service():
    """GitHub's address for tokens: it gives the job a token that the server accepts."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            assert self.headers["authorization"] == f"Bearer {SECRET}" and "&audience=" in self.path, self.path
            body = json.dumps({"value": PUBLISHER}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/token?api-version=2.0"


class World:
    """A component, a pack that holds it, and Acme, which has the pack."""

    def __init__(self, demo):
        self.demo = demo
        made = demo.change(PUBLISHER, "createComponent", "CreateComponentInput", "component { id }",
                           name=NAME, type="PROCESS", key=COMPONENT)
        self.component = made["component"]["id"]
        demo.change(PUBLISHER, "createPackagedComponents", "CreatePackagedComponentsInput", "packagedComponents { id }",
                    packages=[{"componentId": self.component, "version": "0.1.0", "shareable": True}])
        made = demo.change(PUBLISHER, "createIntegrationPack", "CreateIntegrationPackInput", "integrationPack { id }",
                           name=NAME, installationType="SINGLE", key=PACK)
        self.pack = made["integrationPack"]["id"]
        demo.change(PUBLISHER, "addPackComponents", "AddPackComponentsInput", "integrationPack { id }",
                    packId=self.pack, componentIds=[self.component])
        groups = demo.ask(PUBLISHER, "{ accountGroups(first: 1) { edges { node { id } } } }")["accountGroups"]["edges"]
        demo.change(PUBLISHER, "sharePack", "SharePackInput", "integrationPack { id }",
                    packId=self.pack, groupIds=[groups[0]["node"]["id"]])
        demo.change(PUBLISHER, "releaseIntegrationPack", "ReleaseIntegrationPackInput", "release { id }",
                    packId=self.pack, schedule={"immediately": True}, notes="The first version.")
        query = "query($name: String) { availablePacks(filter: { search: $name }, first: 1) { edges { node { id } } } }"
        found = demo.ask(ACME, query, name=NAME)["availablePacks"]["edges"][0]["node"]["id"]
        made = demo.change(ACME, "installPack", "InstallPackInput", "installation { id }", packId=found)
        self.installation = made["installation"]["id"]

    def state(self):
        """The packages, the releases, and what Acme has."""
        query = """query($pack: ID!, $component: ID!) {
          component(id: $component) { packagedComponents(first: 50) { edges { node { version source { commit } } } } }
          integrationPack(id: $pack) { releases(first: 50) { edges { node { id state source { commit buildUrl } } } } } }"""
        found = self.demo.ask(PUBLISHER, query, pack=self.pack, component=self.component)
        query = "query($id: ID!) { installation(id: $id) { version { number contents { version } } } }"
        acme = self.demo.ask(ACME, query, id=self.installation)["installation"]["version"]
        nodes = lambda connection: [edge["node"] for edge in connection["edges"]]
        return (nodes(found["component"]["packagedComponents"]), nodes(found["integrationPack"]["releases"]), acme)


def bash(script, folder, variables):
    """Runs a script as both services do."""
    base = {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "HOME": str(folder)}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=base | variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{script} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def filled(text, inputs):
    """A text of the action with its inputs."""
    return re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda found: inputs[found[1]], text)


def github(demo, repository, inputs, commit, event, run):
    """Runs the action. Returns the summary and the outputs."""
    action = yaml.safe_load((EXAMPLES / "github/action.yml").read_text(encoding="utf-8"))
    conditions = {"${{ github.event_name != 'pull_request' }}": str(event != "pull_request").lower()}
    given = {name: conditions.get(what.get("default"), what.get("default")) for name, what in action["inputs"].items()}
    given |= inputs
    assert all(given[name] is not None for name, what in action["inputs"].items() if what.get("required")), given
    summary, output = repository / ".summary", repository / ".output"
    summary.write_text("")
    output.write_text("")
    around = {
        "GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "northwind/points",
        "GITHUB_SHA": commit, "GITHUB_REF": "refs/heads/main", "GITHUB_REF_NAME": "main", "GITHUB_RUN_ID": run,
        "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(output),
        "ACTIONS_ID_TOKEN_REQUEST_URL": service(), "ACTIONS_ID_TOKEN_REQUEST_TOKEN": SECRET,
    }
    for step in action["runs"]["steps"]:
        assert step["shell"] == "bash", step
        if step.get("if") is not None:
            name, value = re.fullmatch(r"inputs\.([a-z-]+) == '(\w+)'", step["if"]).groups()
            if given[name] != value:
                continue
        variables = {name: filled(str(value), given) for name, value in step["env"].items()}
        bash(step["run"], repository, around | variables)
    outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
    return summary.read_text(), outputs


def gitlab(repository, job, variables, commit, run):
    """Runs a job of the pipeline that extends the template. Returns what it prints."""
    template = yaml.safe_load((EXAMPLES / "gitlab/packwright.yml").read_text(encoding="utf-8"))
    pipeline = yaml.safe_load((EXAMPLES / "gitlab/gitlab-ci.yml").read_text(encoding="utf-8"))
    own = pipeline[job]
    base = template[own["extends"]]
    (token,) = own["id_tokens"]
    around = {
        "GITLAB_CI": "true", "CI_PROJECT_URL": "https://gitlab.com/northwind/points", "CI_COMMIT_SHA": commit,
        "CI_COMMIT_REF_NAME": "main", "CI_PIPELINE_URL": f"https://gitlab.com/northwind/points/-/pipelines/{run}",
        token: PUBLISHER,
    }
    settings = pipeline["variables"] | base.get("variables", {}) | variables
    return bash("\n".join(base["script"]), repository, around | {k: str(v) for k, v in settings.items()})


def commit_of(repository, text):
    """A commit of the repository of the pack."""
    git = ["git", "-c", "user.name=N", "-c", "user.email=n@example.com", "-c", "commit.gpgsign=false"]
    if not (repository / ".git").exists():
        subprocess.run([*git, "init", "--quiet"], cwd=repository, check=True)
    (repository / "points.xml").write_text(text)
    subprocess.run([*git, "add", "points.xml"], cwd=repository, check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", text], cwd=repository, check=True)
    return subprocess.check_output([*git, "rev-parse", "HEAD"], cwd=repository, text=True).strip()


def check(world, label, commit, number):
    packages, releases, acme = world.state()
    assert packages[0] == {"version": label, "source": {"commit": commit}}, packages
    assert releases[0]["state"] == "SUCCEEDED" and releases[0]["source"]["commit"] == commit, releases
    assert (acme["number"], acme["contents"][0]["version"]) == (number, label), acme
    return packages, releases, acme


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="packwright-pipeline-"))
    repository = folder / "repository"
    repository.mkdir()
    demo = Demo(folder)
    try:
        world = World(demo)
        inputs = {"server": demo.url, "component": COMPONENT, "label": "1.0.0", "pack": PACK, "wait": "2m"}
        commit = commit_of(repository, "first")
        before = world.state()
        summary, outputs = github(demo, repository, inputs, commit, "pull_request", "1")
        assert world.state() == before and outputs == {}, "a pull request releases nothing"
        assert "nothing to release" in summary, summary
        summary, outputs = github(demo, repository, inputs, commit, "push", "2")
        assert "| Pick-up points | 0.1.0 | 1.0.0 |" in summary, summary
        after = check(world, "1.0.0", commit, 2)
        assert outputs == {"release": after[1][0]["id"]}, outputs
        # The same run again, and a run of its own for the same commit.
        assert github(demo, repository, inputs, commit, "push", "2")[1] == outputs
        assert github(demo, repository, inputs, commit, "push", "3")[1] == {"release": ""}
        assert world.state() == after, "the second run changes nothing"
        print("GitHub: from a commit to Acme, and again without a change")

        commit = commit_of(repository, "second")
        variables = {
            "PACKWRIGHT_SERVER": demo.url, "PACKWRIGHT_COMPONENT": COMPONENT, "PACKWRIGHT_LABEL": "1.1.0", "PACK": PACK,
        }
        assert "nothing to release" in gitlab(repository, "preview", variables, commit, 10)
        gitlab(repository, "release", variables, commit, 11)
        after = check(world, "1.1.0", commit, 3)
        for run in (11, 12):
            gitlab(repository, "release", variables, commit, run)
            assert world.state() == after, "the second run changes nothing"
        print("GitLab: from a commit to Acme, and again without a change")
    finally:
        demo.end()
        shutil.rmtree(folder)


main()
