"""Goes the demo's tours: runs the documents of their steps, in order, against a running demo, and looks at what comes.

python3 tour.py http://127.0.0.1:PORT graphiql README.md

The steps are those of GraphiQL's tabs, in the files that the server has for its pages. The README tells their story,
and links each by its number.
"""

import base64
import datetime
import hmac
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


def tour_of(file):
    """The tour of a file, which is the one that the server has."""
    with open(f"{sys.argv[2]}/{file}", encoding="utf-8") as opened:
        text = opened.read()
    check(f"{file} is what is served", get(f"/graphiql/{file}")[2] == text)
    return Tour(text)


def linked(anchor):
    """The numbers of the steps to which the README links, in its order."""
    with open(sys.argv[3], encoding="utf-8") as file:
        return [int(number) for number in re.findall(rf"/graphiql#{anchor}-(\d+)", file.read())]


def main():
    check("ready", wait_until_ready()[0] == 200)
    first_tour()
    second_tour()
    third_tour()
    page = get("/graphiql")
    policy = page[1].get("content-security-policy", "")
    check("GraphiQL is served, and nothing foreign", page[0] == 200 and "default-src 'none'" in policy and "http" not in policy)


def first_tour():
    tour = tour_of("tour.js")
    publisher, acme, globex = "demo-publisher-admin", "demo-acme-admin", "demo-globex-admin"
    check("the steps are numbered", tour.numbers == list(range(1, 15)))
    check("the README tells those of its story, in their order", linked("step") == list(range(1, 14)))

    told = tour.run("Packs")
    packs = nodes(told["integrationPacks"])
    states = {pack["state"] for pack in packs}
    check("packs in every state", {"NEVER_RELEASED", "FIRST_RELEASE_SCHEDULED", "CURRENT", "TESTING"} <= states)
    check("SINGLE and MULTI", {pack["installationType"] for pack in packs} == {"SINGLE", "MULTI"})
    tested = named(packs, "Shop to ERP orders")["pendingRelease"]["progress"]
    check("two are being tested", [pack["state"] for pack in packs].count("TESTING") == 2)
    check("four have something newer", [pack["newerShareableAvailable"] for pack in packs].count(True) == 4)
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


def done(payload):
    """A mutation's payload, which must have no errors."""
    if payload["errors"]:
        raise SystemExit(json.dumps(payload, indent=2))
    return payload


def second_tour():
    tour = tour_of("stages.js")
    publisher, acme = "demo-publisher-admin", "demo-acme-admin"
    check("the steps are numbered", tour.numbers == list(range(1, 9)))
    check("the README tells all of them, in their order", linked("stages") == list(range(1, 9)))

    told = tour.run("UnderWay")
    under_way = nodes(told["underWay"])[0]["pendingRelease"]
    states = [(stage["name"], stage["state"]) for stage in under_way["stages"]]
    check("a release is under way in stages", states == [("Pilots", "DONE"), ("A quarter", "DONE"), ("Half", "WAITING"), ("everybody", "WAITING")])
    check("some have said how it went", under_way["outcomes"]["works"] >= 3 and under_way["outcomes"]["broken"] == 1)
    check("its rule isn't judged yet", under_way["haltFigures"]["executed"] < under_way["haltWhen"]["atLeast"] == 10)
    pack, group = nodes(told["invoices"])[0], named(nodes(told["accountGroups"]), "Early adopters")
    check("the pilots are Acme alone", [account["name"] for account in nodes(group["accounts"])] == ["Acme"])
    day = datetime.date.fromisoformat(told["viewer"]["account"]["releaseDates"]["earliest"])
    dates = {name: str(day + datetime.timedelta(days)) for name, days in [("pilotsOn", 0), ("tenthOn", 1), ("date", 3)]}
    release = done(tour.run("InStages", packId=pack["id"], groupId=group["id"], **dates)["releaseIntegrationPack"])["release"]
    check("it waits, with both stages and everybody", [stage["state"] for stage in release["stages"]] == ["WAITING"] * 3)

    def now():
        query = """query($id: ID!) { release(id: $id) { state pause { at } stages { state } progress { total applied withdrawn } } }"""
        return ask(publisher, query, id=release["id"])["release"]

    opened = done(tour.run("OpenPilots", releaseId=release["id"])["openNextStage"])["release"]
    moved = nodes(opened["updates"])
    check("the pilots are two installations of Acme", [each["installation"]["account"]["name"] for each in moved] == ["Acme"] * 2)
    wait_for("they are moved", lambda: now()["stages"][0]["state"] == "DONE")
    report = done(tour.run("ReportBroken", updateId=moved[0]["id"])["reportUpdateOutcome"])
    check("Acme reports", report["report"]["outcome"] == "BROKEN" and report["update"]["how"] == "STAGED")
    check("two are too few for the rule", now()["pause"] is None)
    done(tour.run("OpenTenth", releaseId=release["id"])["openNextStage"])
    wait_for("the rule pauses the release", lambda: now()["pause"] is not None)
    halted = tour.run("Halted", releaseId=release["id"])["release"]
    figures = halted["pause"]["figures"]
    check(f"by the scheduler, with numbers: {figures}", halted["pause"]["by"]["kind"] == "SCHEDULER" and figures["executed"] >= 3 and figures["percent"] > 5)
    check("it says whom it holds", figures["executed"] == halted["progress"]["applied"] < halted["progress"]["total"] == pack["currentVersion"]["installationCount"])
    check("it says why", nodes(halted["updates"])[0]["outcome"]["comment"] == "The portal refuses credit notes.")
    taken = done(tour.run("TakeBack", releaseId=release["id"])["cancelRelease"])["release"]
    check("it is taken back", taken["state"] == "CANCELED" and taken["pack"]["currentVersion"]["number"] == pack["currentVersion"]["number"])
    wait_for("nobody has it any more", lambda: now()["progress"]["withdrawn"] == now()["progress"]["total"])
    own = nodes(ask(acme, "{ installations(first: 50) { edges { node { pack { name } version { number } } } } }")["installations"])
    check("nor has Acme", {each["version"]["number"] for each in own if each["pack"]["name"] == "Invoice exchange"} == {1})

    current = nodes(told["customers"])[0]["currentVersion"]
    back = done(tour.run("RollBack", releaseId=current["release"]["id"], atMost=current["installationCount"])["rollBackRelease"])
    check("another release is rolled back", back["installationCount"] == current["installationCount"] == 2)
    check("its pack has the former version", back["release"]["pack"]["currentVersion"]["number"] == current["number"] - 1)
    rolled = lambda: ask(publisher, "query($id: ID!) { release(id: $id) { state } }", id=current["release"]["id"])["release"]["state"]
    wait_for("and so has everybody", lambda: rolled() == "ROLLED_BACK")
    check("every step was run", tour.left == [])


def third_tour():
    tour = tour_of("webhooks.js")
    check("the steps are numbered", tour.numbers == list(range(1, 6)))
    check("the README tells all of them, in their order", linked("webhooks") == list(range(1, 6)))
    receiver = json.loads(get("/graphiql/settings.json")[2])["receiver"]
    check("the demo has a receiver", receiver == f"{BASE}/graphiql/receiver" and get("/graphiql/receiver")[0] == 200)
    shown = []

    def read():
        with urllib.request.urlopen(f"{receiver}/deliveries", timeout=60) as response:
            for line in response:
                if line.startswith(b"data: "):
                    shown.append(json.loads(line[6:]))

    threading.Thread(target=read, daemon=True).start()
    made = done(tour.run("Endpoint", url=receiver)["createWebhookEndpoint"])
    endpoint, key = made["endpoint"]["id"], base64.b64decode(made["secret"].removeprefix("whsec_"))
    test = done(tour.run("TestEvent", endpointId=endpoint)["sendTestEvent"])["delivery"]
    check("a test is taken", (test["status"], test["kind"]) == (204, "WEBHOOK_TEST"))
    pack = done(tour.run("Happens")["createIntegrationPack"])["integrationPack"]["id"]
    done(tour.run("HappensAgain", packId=pack)["updateIntegrationPack"])
    wait_for("all is delivered", lambda: len(shown) == 3)
    types = [json.loads(each["body"])["type"] for each in shown]
    check("in order", types == ["webhook.test", "pack.created", "pack.updated"])
    for each in shown:
        signed = f"{each['id']}.{each['timestamp']}.{each['body']}".encode()
        right = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        check(f"{each['id']} is signed", each["signature"] == f"v1,{right}")
    wait_for("the attempts are told", lambda: len(nodes(tour.run("Deliveries", endpointId=endpoint)["node"]["deliveries"])) == 3)
    told = nodes(tour.run("Deliveries", endpointId=endpoint)["node"]["deliveries"])
    check("with the ids that came", [each["eventId"] for each in told] == [each["id"] for each in reversed(shown)])
    check("every step was run", tour.left == [])


main()
