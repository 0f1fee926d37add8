"""Goes the README's tour: runs its documents, in order, against a running demo, and looks at what comes.

python3 tour.py http://127.0.0.1:PORT README.md
"""

import json
import re
import sys
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


def document(readme, name):
    """The README's document whose operation has this name."""
    for block in re.findall(r"```graphql\n(.*?)```", readme, re.S):
        if re.search(rf"\b(query|mutation|subscription) {name}\b", block):
            return block
    raise SystemExit(f"the README has no document {name}")


def named(packs, name):
    return next(pack for pack in packs if pack["name"] == name)


def main():
    with open(sys.argv[2], encoding="utf-8") as file:
        readme = file.read()
    publisher, acme, globex = "demo-publisher-admin", "demo-acme-admin", "demo-globex-admin"
    check("ready", wait_until_ready()[0] == 200)

    told = ask(publisher, document(readme, "Packs"))
    packs = nodes(told["integrationPacks"])
    states = {pack["state"] for pack in packs}
    check("packs in every state", {"NEVER_RELEASED", "FIRST_RELEASE_SCHEDULED", "CURRENT", "TESTING"} <= states)
    check("SINGLE and MULTI", {pack["installationType"] for pack in packs} == {"SINGLE", "MULTI"})
    tested = next(pack for pack in packs if pack["state"] == "TESTING")["pendingRelease"]["progress"]
    check("one account of two has applied early", (tested["total"], tested["appliedEarly"]) == (2, 1))
    pack = named(packs, "Product data hub")
    check("a pack has newer versions", pack["newerShareableAvailable"] and pack["components"])

    earliest = told["viewer"]["account"]["releaseDates"]["earliest"]
    page = ask(publisher, document(readme, "Pack"), id=pack["id"])["integrationPack"]
    check("its page shows what a release would hold", page["hasUnreleasedChanges"] and page["viewerCanRelease"])
    preview = ask(publisher, document(readme, "Preview"), packId=pack["id"], date=earliest)["releasePreview"]
    check("a preview says what would happen", preview["willMoveCount"] == 2 and preview["refusals"] == [])
    content = preview["contentToken"]
    made = ask(publisher, document(readme, "Schedule"), packId=pack["id"], date=earliest, content=content)["releaseIntegrationPack"]
    check("a release is scheduled", made["errors"] == [] and made["release"]["state"] == "SCHEDULED")
    release, window = made["release"], made["release"]["window"]

    offers = nodes(ask(acme, document(readme, "Offers"))["pendingUpdates"])
    offer = next(offer for offer in offers if offer["installation"]["name"] == pack["name"])
    check("Acme sees what it brings", len(offer["diff"]["changed"]) == 2)
    apply_early = document(readme, "ApplyEarly")
    applied = ask(acme, apply_early, updateId=offer["id"])["applyPendingUpdate"]
    check("Acme applies it early", applied["errors"] == [] and applied["update"]["how"] == "EARLY")
    check("twice is a no-op that says so", ask(acme, apply_early, updateId=offer["id"])["applyPendingUpdate"]["alreadyApplied"])

    installations = document(readme, "Installations")
    before = named(nodes(ask(globex, installations)["installations"]), pack["name"])
    check("Globex waits", before["version"]["number"] < release["version"]["number"])
    moved = ask(publisher, document(readme, "PastMidnight"), to=window["endsAt"])["demoAdvanceClock"]
    check("the night passes", moved["errors"] == [] and release["id"] in [r["id"] for r in moved["releases"]])
    told = ask(globex, installations)
    after = named(nodes(told["installations"]), pack["name"])
    check("Globex was moved", after["version"]["number"] == release["version"]["number"])
    update = nodes(after["updates"])[0]
    check("by the server", (update["state"], update["how"]) == ("APPLIED", "AUTOMATIC"))
    late = ask(publisher, "query($id: ID!) { release(id: $id) { state window { late } } }", id=release["id"])["release"]
    check("in time", late == {"state": "SUCCEEDED", "window": {"late": False}})

    group = named(nodes(page["groups"]), "Manufacturing")["id"]
    component = page["components"][0]["component"]["id"]
    left = ask(publisher, document(readme, "LeaveBehind"), packId=pack["id"], groupId=group, componentId=component)
    check("Globex is left behind", left["unsharePack"]["frozenCount"] == 1 and all(each["errors"] == [] for each in left.values()))
    newest = left["releaseIntegrationPack"]["release"]["version"]["number"]

    def version_of(token):
        return named(nodes(ask(token, installations)["installations"]), pack["name"])["version"]["number"]

    wait_for("Acme has the fix", lambda: version_of(acme) == newest)
    check("Globex hasn't", version_of(globex) == release["version"]["number"])
    again = ask(publisher, document(readme, "ShareAgain"), packId=pack["id"], groupId=group)["sharePack"]
    check("it is shared again", again["errors"] == [])
    wait_for("Globex catches up", lambda: version_of(globex) == newest)
    heard = nodes(ask(globex, document(readme, "Heard"), after=told["viewer"]["eventCursor"])["events"])
    kinds = [event["kind"] for event in heard]
    wanted = ["PACK_UNSHARED", "INSTALLATION_FROZEN", "PACK_SHARED", "INSTALLATION_UPDATED"]
    check(f"Globex heard of it: {', '.join(kinds)}", kinds == wanted)

    told = nodes(ask(publisher, document(readme, "Audit"))["auditLog"])
    actions = {entry["action"] for entry in told}
    check(f"the audit log tells it: {', '.join(sorted(actions))}", {"sharePack", "unsharePack", "applyPendingUpdate"} <= actions)
    check("with the scheduler", "SCHEDULER" in {entry["actor"]["kind"] for entry in told})

    page = get("/graphiql")
    policy = page[1].get("content-security-policy", "")
    check("GraphiQL is served, and nothing foreign", page[0] == 200 and "default-src 'none'" in policy and "http" not in policy)


main()
