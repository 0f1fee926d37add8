"""Goes the demo's tour: runs the documents of its steps, in order, against a running demo, and looks at what comes.

python3 tour.py http://127.0.0.1:PORT graphiql/tour.js README.md

The steps are those of GraphiQL's tabs. The README tells their story, and links each by its number.
"""

import json
import re
import sys
import threading
import time
import urllib.error
import urllib.request

BASE = sys.argv[1]


def get(path):
    with urllib.request.urlopen(BASE + path, timeout=5) as response:
        return response.status, dict(response.headers), response.read().decode()


def ask(token, query, **variables):
    body = json.dumps({"query": query, "variables": variables}).encode()
    headers = {"content-type": "application/json", "accept": "application/graphql-response+json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(BASE + "/graphql", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{error.code}: {error.read().decode()}\nfor {query}") from None
    if "errors" in answer:
        raise SystemExit(f"{json.dumps(answer['errors'], indent=2)}\nfor {query}")
    return answer["data"]


def nodes(connection):
    return [edge["node"] for edge in connection["edges"]]


def check(what, is_so):
    print(("ok      " if is_so else "NOT SO  ") + what)
    if not is_so:
        raise SystemExit(1)


def wait_for(what, is_so):
    """For what the server does by itself, soon after."""
    for _ in range(100):
        if is_so():
            return check(what, True)
        time.sleep(0.1)
    return check(what, False)


def wait_until_ready():
    for _ in range(300):
        try:
            return get("/readyz")
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the demo does not answer")


class Tour:
    """The steps, and which of them have run."""

    def __init__(self, text):
        step = re.compile(r'\n    name: "(\w+)",\n    title: "(\d+) ([^"]+)",\n    token: "([^"]+)",.*?query: `(.*?)`', re.S)
        found = step.findall(text)
        self.numbers = [int(number) for _, number, _, _, _ in found]
        self.steps = {name: (token, query) for name, _, _, token, query in found}
        self.left = list(self.steps)

    def run(self, step, **variables):
        return self.run_as(self.steps[step][0], step, **variables)

    def run_as(self, token, step, **variables):
        if step in self.left:
            self.left.remove(step)
        return ask(token, self.steps[step][1], **variables)

    def listen(self, step, **variables):
        """Runs a subscription in a thread; gives the list into which its items come."""
        token, query = self.steps[step]
        self.left.remove(step)
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"content-type": "application/json", "accept": "text/event-stream", "authorization": f"Bearer {token}"}
        request = urllib.request.Request(BASE + "/graphql/stream", body, headers)
        items, response = [], urllib.request.urlopen(request, timeout=60)

        def read():
            kind = None
            for line in response:
                field, _, value = line.decode().rstrip("\r\n").partition(":")
                if field == "event":
                    kind = value.strip()
                elif field == "data" and kind == "next":
                    items.append(json.loads(value)["data"])

        threading.Thread(target=read, daemon=True).start()
        return items


def named(packs, name):
    return next(pack for pack in packs if pack["name"] == name)


def main():
    with open(sys.argv[2], encoding="utf-8") as file:
        tour = Tour(file.read())
    with open(sys.argv[3], encoding="utf-8") as file:
        linked = [int(number) for number in re.findall(r"/graphiql#step-(\d+)", file.read())]
    publisher, acme, globex = "demo-publisher-admin", "demo-acme-admin", "demo-globex-admin"
    check("the steps are numbered", tour.numbers == list(range(1, 15)))
    check("the README tells those of its story, in their order", linked == list(range(1, 14)))
    check("ready", wait_until_ready()[0] == 200)

    told = tour.run("Packs")
    packs = nodes(told["integrationPacks"])
    states = {pack["state"] for pack in packs}
    check("packs in every state", {"NEVER_RELEASED", "FIRST_RELEASE_SCHEDULED", "CURRENT", "TESTING"} <= states)
    check("SINGLE and MULTI", {pack["installationType"] for pack in packs} == {"SINGLE", "MULTI"})
    tested = next(pack for pack in packs if pack["state"] == "TESTING")["pendingRelease"]["progress"]
    check("one account of two has applied early", (tested["total"], tested["appliedEarly"]) == (2, 1))
    pack = named(packs, "Product data hub")
    check("a pack has newer versions", pack["newerShareableAvailable"] and pack["components"])

    earliest = told["viewer"]["account"]["releaseDates"]["earliest"]
    page = tour.run("Pack", id=pack["id"])["integrationPack"]
    check("its page shows what a release would hold", page["hasUnreleasedChanges"] and page["viewerCanRelease"])
    preview = tour.run("Preview", packId=pack["id"], date=earliest)["releasePreview"]
    check("a preview says what would happen", preview["willMoveCount"] == 2 and preview["refusals"] == [])
    content = preview["contentToken"]
    made = tour.run("Schedule", packId=pack["id"], date=earliest, content=content)["releaseIntegrationPack"]
    check("a release is scheduled", made["errors"] == [] and made["release"]["state"] == "SCHEDULED")
    release, window = made["release"], made["release"]["window"]

    offers = nodes(tour.run("Offers")["pendingUpdates"])
    offer = next(offer for offer in offers if offer["installation"]["name"] == pack["name"])
    check("Acme sees what it brings", len(offer["diff"]["changed"]) == 2)
    applied = tour.run("ApplyEarly", updateId=offer["id"])["applyPendingUpdate"]
    check("Acme applies it early", applied["errors"] == [] and applied["update"]["how"] == "EARLY")
    check("twice is a no-op that says so", tour.run("ApplyEarly", updateId=offer["id"])["applyPendingUpdate"]["alreadyApplied"])

    before = named(nodes(tour.run("Installations")["installations"]), pack["name"])
    check("Globex waits", before["version"]["number"] < release["version"]["number"])
    watched = tour.listen("Watch", releaseId=release["id"])
    wait_for("the release is watched", lambda: watched and watched[0]["releaseProgress"]["release"]["state"] == "SCHEDULED")
    moved = tour.run("PastMidnight", to=window["endsAt"])["demoAdvanceClock"]
    check("the night passes", moved["errors"] == [] and release["id"] in [r["id"] for r in moved["releases"]])
    wait_for("it is heard to succeed", lambda: watched[-1]["releaseProgress"]["release"]["state"] == "SUCCEEDED")
    told = tour.run("Installations")
    after = named(nodes(told["installations"]), pack["name"])
    check("Globex was moved", after["version"]["number"] == release["version"]["number"])
    update = nodes(after["updates"])[0]
    check("by the server", (update["state"], update["how"]) == ("APPLIED", "AUTOMATIC"))
    late = ask(publisher, "query($id: ID!) { release(id: $id) { state window { late } } }", id=release["id"])["release"]
    check("in time", late == {"state": "SUCCEEDED", "window": {"late": False}})

    group = named(nodes(page["groups"]), "Manufacturing")["id"]
    component = page["components"][0]["component"]["id"]
    left = tour.run("LeaveBehind", packId=pack["id"], groupId=group, componentId=component)
    check("Globex is left behind", left["unsharePack"]["frozenCount"] == 1 and all(each["errors"] == [] for each in left.values()))
    newest = left["releaseIntegrationPack"]["release"]["version"]["number"]

    def version_of(token):
        return named(nodes(tour.run_as(token, "Installations")["installations"]), pack["name"])["version"]["number"]

    wait_for("Acme has the fix", lambda: version_of(acme) == newest)
    check("Globex hasn't", version_of(globex) == release["version"]["number"])
    followed = tour.listen("FollowUpdates", after=told["viewer"]["eventCursor"])
    again = tour.run("ShareAgain", packId=pack["id"], groupId=group)["sharePack"]
    check("it is shared again", again["errors"] == [])
    wait_for("Globex catches up", lambda: version_of(globex) == newest)
    heard = nodes(tour.run("Heard", after=told["viewer"]["eventCursor"])["events"])
    kinds = [event["kind"] for event in heard]
    wanted = ["PACK_UNSHARED", "INSTALLATION_FROZEN", "PACK_SHARED", "INSTALLATION_UPDATED"]
    check(f"Globex heard of it: {', '.join(kinds)}", kinds == wanted)
    wait_for("its script too", lambda: [item["installationUpdated"]["kind"] for item in followed] == [wanted[1], wanted[3]])

    told = nodes(tour.run("Audit")["auditLog"])
    actions = {entry["action"] for entry in told}
    check(f"the audit log tells it: {', '.join(sorted(actions))}", {"sharePack", "unsharePack", "applyPendingUpdate"} <= actions)
    check("with the scheduler", "SCHEDULER" in {entry["actor"]["kind"] for entry in told})

    check("every step was run", tour.left == [])
    page = get("/graphiql")
    policy = page[1].get("content-security-policy", "")
    check("GraphiQL is served, and nothing foreign", page[0] == 200 and "default-src 'none'" in policy and "http" not in policy)


main()
