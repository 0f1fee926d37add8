"""The packages of npm that lock files name: their licenses, and a checksum for each.

    python3 .ci/npm_packages.py FOLDER…

The lock file has each package's license as its registry tells it: nothing has to be installed or asked.
"""

import json
import pathlib
import re
import sys

# Licenses that allow distribution with a program under Apache-2.0 with no more than a notice.
ALLOWED = {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0", "ISC", "MIT", "PSF-2.0", "Python-2.0"}
# A table of browser features that the clients' tools read, and what an example needs to check signatures. Neither is a
# part of the program.
EXCEPTIONS = {"node_modules/caniuse-lite": "CC-BY-4.0", "node_modules/fast-sha256": "Unlicense"}


def is_allowed(name: str, license_expression: str) -> bool:
    """Whether one of the alternatives is allowed as a whole."""
    if EXCEPTIONS.get(name) == license_expression:
        return True
    alternatives = re.split(r"\s+OR\s+", license_expression.strip("()"))
    return any(set(re.split(r"\s+AND\s+", alternative)) <= ALLOWED for alternative in alternatives)


def faults(folder: pathlib.Path) -> list[str]:
    found = []
    lock = json.loads((folder / "package-lock.json").read_text())
    for name, package in lock["packages"].items():
        if not name or package.get("link"):
            continue
        license_expression = package.get("license", "none")
        if not is_allowed(name, license_expression):
            found.append(f"{folder}: {name} {package['version']} is under {license_expression}")
        if not package.get("integrity", "").startswith("sha512-"):
            found.append(f"{folder}: {name} {package['version']} has no checksum")
    return found


def main() -> None:
    found = [fault for folder in sys.argv[1:] for fault in faults(pathlib.Path(folder))]
    if found:
        sys.exit("\n".join(found))
    print(f"the packages of {', '.join(sys.argv[1:])} are under licenses that are allowed")


main()
