"""Says what has changed in schema.graphql since the last release, and fails for what breaks clients without a word.

python3 breaking.py PROGRAM [REPOSITORY]

The last release is the newest tag v… behind the commit at hand. A breaking change is let through when
docs/release-notes/unreleased.md names its place in backquotes, such as `Query.component`: whoever must change a client
is told so there.
"""

import json
import pathlib
import subprocess
import sys

NOTES = "docs/release-notes/unreleased.md"


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    repository = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else ".")

    def git(*words):
        return subprocess.run(["git", "-C", repository, *words], capture_output=True, text=True)

    if git("rev-parse", "--is-shallow-repository").stdout.strip() == "true":
        print("NOT CHECKED: a shallow clone doesn't have the releases before it")
        return
    # A commit that is a release itself is compared with the one before.
    tag = git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^").stdout.strip()
    if not tag:
        print("there is no release yet: nothing is compared")
        return
    old = git("show", f"{tag}:schema.graphql")
    if old.returncode != 0:
        raise SystemExit(f"{tag} has no schema.graphql: {old.stderr}")
    check = subprocess.run([program, "schema", "check", "-", "--json"], input=old.stdout, capture_output=True, text=True)
    if check.returncode not in (0, 3):
        raise SystemExit(f"{tag} can't be compared: {check.stderr}")
    result = json.loads(check.stdout)
    notes = (repository / NOTES).read_text(encoding="utf-8")
    unsaid = []
    for change in result["changes"]:
        grade, place, message = change["criticality"], change["path"], change["message"]
        if grade != "NON_BREAKING":
            print(f"{grade} since {tag}: {place or 'schema'}: {message}")
        if grade == "BREAKING" and f"`{place or 'schema'}`" not in notes:
            unsaid.append(place or "schema")
    print(f"since {tag}: {result['breaking']} breaking, {result['dangerous']} dangerous, {result['nonBreaking']} harmless")
    if unsaid:
        places = ", ".join(f"`{place}`" for place in dict.fromkeys(unsaid))
        raise SystemExit(f"these break clients. Keep them, or say in {NOTES} what clients must do: {places}")


main()
