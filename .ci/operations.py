"""Runs each operation of the design's operations.graphql against a demo, with variables found there.

python3 operations.py http://127.0.0.1:PORT operations.graphql

Mutations come in an order that makes sense. It fails when an operation is refused, or isn't run. The design is ahead
of the program: an operation that uses a name which the program's schema doesn't have yet is listed as to come.
"""

import datetime
import json
import re
import sys
import time
import urllib.error
import urllib.request

BASE = sys.argv[1]
PUBLISHER, ACME, GLOBEX = "demo-publisher-admin", "demo-acme-admin", "demo-globex-admin"


def post(token, body):
    headers = {
        "content-type": "application/json",
        "accept": "application/graphql-response+json",
        "authorization": f"Bearer {token}",
    }
    request = urllib.request.Request(BASE + "/graphql", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return json.loads(error.read())


def ask(token, query, **variables):
    answer = post(token, {"query": query, "variables": variables})
    if "errors" in answer:
        raise SystemExit(f"{json.dumps(answer['errors'], indent=2)}\nfor {query}")
    return answer["data"]


def nodes(connection):
    return [edge["node"] for edge in connection["edges"]]


def named(connection, name):
    return next(node["id"] for node in nodes(connection) if node["name"] == name)


def definitions(text):
    """The operations of a document by name, and its fragments by "..." and name, since both can have one name: (kind, text)."""
    found, start, depth, parens = {}, None, 0, 0
    head = re.compile(r"(query|mutation|subscription|fragment)\s+(\w+)")
    text = re.sub(r"#[^\n]*", "", text)
    for i, character in enumerate(text):
        parens += (character == "(") - (character == ")")
        if character == "{":
            if depth == 0 and parens == 0:
                match = list(head.finditer(text, start or 0, i))[0]
                begin = match.start()
            depth += parens == 0
        elif character == "}" and parens == 0:
            depth -= 1
            if depth == 0:
                kind, name = match.groups()
                found[("..." if kind == "fragment" else "") + name] = (kind, text[begin : i + 1])
                start = i + 1
    return found


def whole(name, all_of_it):
    """An operation with the fragments that it needs."""
    needed, queue = [], [name]
    while queue:
        at = queue.pop()
        if at in needed:
            continue
        needed.append(at)
        queue += ["..." + spread for spread in re.findall(r"\.\.\.\s*(\w+)", all_of_it[at][1]) if spread != "on"]
    return "\n".join(all_of_it[at][1] for at in needed)


def first_item(token, query, variables):
    """The first item of a subscription, as a server-sent event."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    headers = {"content-type": "application/json", "accept": "text/event-stream", "authorization": f"Bearer {token}"}
    request = urllib.request.Request(BASE + "/graphql/stream", body, headers)
    kind = None
    with urllib.request.urlopen(request, timeout=20) as response:
        for line in response:
            field, _, value = line.decode().rstrip("\r\n").partition(":")
            if field == "event":
                kind = value.strip()
            elif field == "data" and kind == "next":
                return json.loads(value)
    raise SystemExit(f"no item for {query}")


class Design:
    """The operations, and which of them have run."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.all = definitions(file.read())
        operations = [name for name, (kind, _) in self.all.items() if kind != "fragment"]
        self.to_come = {name for name in operations if self.is_to_come(name)}
        self.left = [name for name in operations if name not in self.to_come]

    def is_to_come(self, name):
        """Whether an operation uses names that the program doesn't have yet. Nothing is executed: beside the operation
        stands one that is never valid, so that the answer is the list of all that is wrong."""
        answer = post(PUBLISHER, {"query": whole(name, self.all) + "\nquery NeverValid { neverAField }", "operationName": name})
        wrong = [error["message"] for error in answer["errors"] if "neverAField" not in error["message"]]
        return bool(wrong)

    def run(self, name, token, /, *, refused=None, **variables):
        """Runs an operation and gives its one field, or all when it asks for several."""
        if name in self.to_come:
            return None
        kind, query = self.all[name][0], whole(name, self.all)
        if kind == "subscription":
            answer = first_item(token, query, variables)
        else:
            answer = post(token, {"query": query, "variables": variables, "operationName": name})
        if answer.get("errors"):
            raise SystemExit(f"{name}: {json.dumps(answer['errors'], indent=2)}")
        data = answer["data"]
        told = next(iter(data.values())) if len(data) == 1 else data
        if kind == "mutation":
            codes = [error["code"] for error in told["errors"]]
            if codes != ([refused] if refused else []):
                raise SystemExit(f"{name}: {json.dumps(told, indent=2)}")
        if name in self.left:
            self.left.remove(name)
        return told


def release_in_stages(run, pack, pilots, dates):
    """Releases a pack in stages, opens one, pauses, changes what can be changed, and cancels."""
    first = datetime.date.fromisoformat(dates["earliest"])
    on = lambda days: str(first + datetime.timedelta(days))
    content = run("StagedPreview", PUBLISHER, packId=pack, schedule={"onDate": on(4)})["contentToken"]
    staged = {"packId": pack, "pilots": [pilots], "pilotsOn": on(0), "tenthOn": on(1), "date": on(4), "content": content}
    source = {"commit": "0a1b2c", "repositoryUrl": "https://git.example/orders"}
    made = run("ReleaseInStages", PUBLISHER, source=source, requestId="design 9", **staged)
    release = made["release"]["id"]
    run("NextStage", PUBLISHER, releaseId=release)
    run("HaltRule", PUBLISHER, releaseId=release, rule={"percent": 5})
    run("MoveStages", PUBLISHER, releaseId=release, date=on(6), stages=[{"name": "A tenth", "onDate": on(3)}])
    run("Pause", PUBLISHER, releaseId=release, reason="To look at it.")
    course = run("Course", PUBLISHER, releaseId=release)
    states = [stage["state"] for stage in course["stages"]]
    assert course["pause"] and states[0] != "WAITING" and states[1:] == ["WAITING", "WAITING"], course
    run("Resume", PUBLISHER, releaseId=release)
    run("Cancel", PUBLISHER, releaseId=release)


def main():
    design = Design(sys.argv[2])
    run = design.run
    followed = run("StartFollowing", ACME)["viewer"]["eventCursor"]
    cursor = ask(PUBLISHER, "{ viewer { eventCursor } }")["viewer"]["eventCursor"]
    dates = run("ReleaseWizardDates", PUBLISHER)["account"]["releaseDates"]
    groups = ask(PUBLISHER, "{ accountGroups(first: 20) { edges { node { id name } } } }")["accountGroups"]

    run("IntegrationPacksPage", PUBLISHER, filter={"hasPendingRelease": True}, orderBy={"field": "UPDATED_AT", "direction": "DESC"})
    run("WhatIsNewer", PUBLISHER)
    run("WindowOfDate", PUBLISHER, date=dates["earliest"], timeZone=dates["timeZone"])
    made = run("CreatePack", PUBLISHER, input={"name": "By design", "installationType": "SINGLE"})["integrationPack"]
    pack = made["id"]
    addable = run("AddComponentsDialog", PUBLISHER, packId=pack, search="order")
    components = [node["id"] for node in nodes(addable)][:2]
    added = run("AddComponents", PUBLISHER, packId=pack, componentIds=components, revision=made["revision"])
    oldest = nodes(run("ChooseAnotherVersion", PUBLISHER, componentId=components[0])["packagedComponents"])[-1]["id"]
    pin = {"packId": pack, "componentId": components[0], "versionId": oldest}
    revision = run("PinVersion", PUBLISHER, input=pin)["integrationPack"]["revision"]
    assert added["integrationPack"]["revision"] < revision
    run("Share", PUBLISHER, packId=pack, groupIds=[named(groups, "Retail")])
    revision = run("ReleaseWizardVersions", PUBLISHER, packId=pack)["revision"]
    run("ReleaseNow", PUBLISHER, packId=pack, notes="One.", revision=revision, requestId="design 1")

    available = named(run("BrowsePacks", ACME, search="by design"), "By design")
    installation = run("Install", ACME, packId=available, requestId="design 2")["installation"]["id"]
    run("MyInstallations", ACME)
    component = run("CreateComponentOfProcess", PUBLISHER, name="By design too")["component"]["id"]
    packages = [{"componentId": each, "shareable": True} for each in [*components, component]]
    packaged = run("Package", PUBLISHER, packages=packages, requestId="design 3")["packagedComponents"]
    run("PackagedComponentHistory", PUBLISHER, componentId=component)
    run("DeletePackage", PUBLISHER, id=packaged[-1]["id"])

    keyed = {"name": "By key", "key": "design/by-key", "requestId": "design 8"}
    keyed = run("NewComponent", PUBLISHER, **keyed)["component"]["id"]
    run("RenameComponent", PUBLISHER, id=keyed, name="By its key")
    ask(PUBLISHER, "mutation($id: ID!) { updateIntegrationPack(input: { packId: $id, key: \"design/pack\" }) { errors { code } } }", id=pack)
    found = run("ByKey", PUBLISHER, component="design/by-key", pack="design/pack")
    assert found is None or (found["component"]["id"], found["integrationPack"]["id"]) == (keyed, pack)
    run("RemoveComponent", PUBLISHER, id=keyed)
    from_ci = {"version": "2026.11", "commit": "0a1b2c", "uri": "oci://registry.example/orders:1", "digest": "sha256:" + "ab" * 32}
    run("PackageFromCi", PUBLISHER, componentId=component, requestId="design 7", **from_ci)

    preview = run("Preview", PUBLISHER, packId=pack, schedule={"onDate": dates["earliest"]})
    assert preview["willMoveCount"] == 1 and preview["refusals"] == []
    on_date = {"packId": pack, "date": dates["earliest"], "notes": "Two.", "revision": preview["revision"]}
    release = run("ReleaseOnDate", PUBLISHER, requestId="design 4", **on_date)["release"]["id"]
    pending = [node for node in nodes(run("MyPendingUpdates", ACME)) if node["installation"]["name"] == "By design"]
    run("Apply", ACME, updateId=pending[0]["id"])
    run("Reschedule", PUBLISHER, releaseId=release, date=dates["latest"])
    run("Cancel", PUBLISHER, releaseId=release)
    release_in_stages(run, pack, named(groups, "Retail"), dates)
    on_date["revision"] = run("ReleaseWizardVersions", PUBLISHER, packId=pack)["revision"]
    release = run("ReleaseOnDate", PUBLISHER, requestId="design 5", **on_date)["release"]["id"]
    run("Promote", PUBLISHER, releaseId=release)
    run("WatchRelease", PUBLISHER, releaseId=release)
    run("ReleasePage", PUBLISHER, id=release)
    run("RetryFailed", PUBLISHER, refused="NOTHING_TO_RETRY", releaseId=release)
    run("InstallationHistory", ACME, id=installation)
    newest = "query($id: ID!) { installation(id: $id) { updates(first: 1) { edges { node { id } } } } }"
    update = nodes(ask(ACME, newest, id=installation)["installation"]["updates"])[0]["id"]
    run("MyUpdates", ACME)
    run("HowItWent", ACME, updateId=update, outcome="WORKS", comment="No surprises.")
    assert run("BeforeRollingBack", PUBLISHER, releaseId=release)["willMoveCount"] == 1
    run("RollBack", PUBLISHER, releaseId=release, reason="It was the wrong one.", atMost=1, requestId="design 6")
    for _ in range(100):
        if ask(PUBLISHER, "query($id: ID!) { release(id: $id) { state } }", id=release)["release"]["state"] == "ROLLED_BACK":
            break
        time.sleep(0.1)
    run("WhatARuleWouldHaveDone", PUBLISHER, packId=pack)

    run("FollowUpdates", ACME, after=followed)
    run("FollowEverything", ACME, after=followed)
    run("FollowEverything", PUBLISHER, after=cursor)
    run("FollowAnnouncements", ACME, packId=available, after=followed)
    run("FollowNewerVersions", PUBLISHER, after=cursor)
    assert nodes(run("CatchUp", ACME, after=followed))

    # Nobody listens at this port, which the demo lets in.
    made = run("NewEndpoint", PUBLISHER, name="By design", url="http://127.0.0.1:9/hook", document="subscription { events { id kind } }", requestId="design 6")
    if made:
        endpoint = made["endpoint"]["id"]
        assert made["secret"].startswith("whsec_") and made["endpoint"]["state"] == "ACTIVE"
        run("ChangeEndpoint", PUBLISHER, id=endpoint, url="http://127.0.0.1:9/other")
        assert run("TryEndpoint", PUBLISHER, id=endpoint)["delivery"]["failure"] == "CONNECTION"
        run("StopEndpoint", PUBLISHER, id=endpoint)
        run("GoOn", PUBLISHER, id=endpoint, after=cursor)
        assert run("NewSecret", PUBLISHER, id=endpoint)["secret"]
        assert nodes(nodes(run("Endpoints", PUBLISHER))[0]["deliveries"])
        run("RemoveEndpoint", PUBLISHER, id=endpoint)

    repository = {"issuer": "https://token.actions.githubusercontent.com", "repository": "northwind/by-design"}
    made = run("TrustPipeline", PUBLISHER, name="By design", **repository)
    if made:
        pipeline = made["trustedPublisher"]["id"]
        found = next(node for node in nodes(run("Pipelines", PUBLISHER)) if node["id"] == pipeline)
        assert found["claims"] == [{"name": "repository", "value": "northwind/by-design"}] and found["lastUsedAt"] is None, found
        run("ForgetPipeline", PUBLISHER, id=pipeline)

    run("NewCustomer", PUBLISHER, name="Umbrella", timeZone="Europe/London")
    count = run("DeletePack", PUBLISHER, packId=pack)["uninstalledCount"]
    run("DeletePack", PUBLISHER, packId=pack, dryRun=False, count=count)
    assert nodes(run("Audit", PUBLISHER, filter={"actions": ["deleteIntegrationPack"]}))
    if design.left:
        raise SystemExit(f"not run: {', '.join(design.left)}")
    print(f"{len(design.all)} operations and fragments of the design; to come: {', '.join(sorted(design.to_come)) or 'none'}")


main()
