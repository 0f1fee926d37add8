"""Tests breaking.py, in a clone of this repository with releases that it makes up.

python3 breaking_test.py PROGRAM FOLDER
"""

import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = sys.argv[1]
CLONE = pathlib.Path(sys.argv[2]) / "clone"
SCHEMA = CLONE / "schema.graphql"
NOTES = CLONE / "docs/release-notes/unreleased.md"


def git(*words):
    who = ["-c", "user.name=none", "-c", "user.email=none@localhost", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false"]
    subprocess.run(["git", "-C", CLONE, *who, *words], check=True, capture_output=True)


def commit(schema, message):
    SCHEMA.write_text(schema, encoding="utf-8")
    git("commit", "--quiet", "--all", "--allow-empty", "--message", message)


def expect(succeeds, *parts):
    ran = subprocess.run([sys.executable, HERE / "breaking.py", PROGRAM, CLONE], capture_output=True, text=True)
    told = ran.stdout + ran.stderr
    assert (ran.returncode == 0) == succeeds, told
    for part in parts:
        assert part in told, f"{part!r} is not in {told!r}"


def main():
    printed = subprocess.run([PROGRAM, "schema"], check=True, capture_output=True, text=True).stdout
    subprocess.run(["git", "clone", "--quiet", "--no-local", "--depth=1", f"file://{HERE.parent}", CLONE], check=True)
    expect(True, "NOT CHECKED")
    # From here on the clone is whole, with one commit and no release.
    (CLONE / ".git/shallow").unlink(missing_ok=True)
    subprocess.run(["rm", "-rf", CLONE / ".git"], check=True)
    subprocess.run(["git", "init", "--quiet", CLONE], check=True)
    git("add", "--all")
    commit(printed, "the first")
    expect(True, "there is no release yet")

    field = "type Query {\n  gone: Int"
    commit(printed.replace("type Query {", field, 1), "a schema with a field more")
    git("tag", "v0.1.0")
    expect(True, "there is no release yet")
    commit(printed, "the field is gone")
    expect(False, "BREAKING since v0.1.0: Query.gone", "`Query.gone`")
    kept = NOTES.read_text(encoding="utf-8")
    NOTES.write_text(f"{kept}\n| whoever asks for `Query.gone` | Don't |\n", encoding="utf-8")
    expect(True, "1 breaking, 0 dangerous")
    commit(printed, "clients are told")

    git("tag", "v0.2.0")
    expect(True, "since v0.1.0")
    NOTES.write_text(kept, encoding="utf-8")
    value = re.sub(r'(  ".*"\n)?  POSTGRESQL\n', "", printed, count=1)
    assert value != printed
    commit(value, "a schema with a value less")
    git("tag", "--annotate", "--message", "three", "v0.3.0")
    commit(printed, "a value more")
    expect(True, "DANGEROUS since v0.3.0", ".POSTGRESQL", "0 breaking, 1 dangerous")
    git("tag", "other")
    commit(printed, "nothing")
    expect(True, "since v0.3.0")


main()
