"""What is built into the program: the crates, and the packages of the editor.

    python3 .ci/inventory.py licenses [--packages NODE_MODULES]   writes docs/third-party-licenses.txt
    python3 .ci/inventory.py check                                fails when that file isn't what the locks say
    python3 .ci/inventory.py sbom                                 prints a CycloneDX document

The crates are those of Linux, without the ones that only run while the program is built. The texts of crates come from
their sources, which `cargo fetch` brings; those of packages from the folder that `npm ci` makes.
"""

import base64
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib

TEXT = pathlib.Path("docs/third-party-licenses.txt")
TARGET = "x86_64-unknown-linux-gnu"
RULE = "-" * 80
PACKAGES_HEAD = "Packages of the editor at /graphiql"
# The license of Packwright itself: its text isn't repeated.
OWN = "Apache-2.0"
HEAD = """\
Below are the crates and packages of others that are built into Packwright, with their licenses. Where one offers
several licenses, Apache-2.0 is taken if it is among them. SQLite and the time zone database are in the public domain.
"""


def metadata() -> dict:
    command = [os.environ.get("CARGO", "cargo"), "metadata", "--locked", "--format-version", "1"]
    return json.loads(subprocess.check_output([*command, "--filter-platform", TARGET]))


def is_macro(package: dict) -> bool:
    return any("proc-macro" in target["kind"] for target in package["targets"])


def built_in() -> tuple[dict, list[dict], dict]:
    """The program, the crates of others by name, and which crates each crate uses."""
    data = metadata()
    packages = {package["id"]: package for package in data["packages"]}
    uses = {
        node["id"]: [
            dep["pkg"]
            for dep in node["deps"]
            if any(kind["kind"] is None for kind in dep["dep_kinds"]) and not is_macro(packages[dep["pkg"]])
        ]
        for node in data["resolve"]["nodes"]
    }
    (root,) = [package for package in data["packages"] if package["name"] == "packwright"]
    seen, waiting = {root["id"]}, [root["id"]]
    while waiting:
        for used in uses[waiting.pop()]:
            if used not in seen:
                seen.add(used)
                waiting.append(used)
    crates = [packages[id] for id in seen if packages[id]["source"]]
    return root, sorted(crates, key=lambda crate: (crate["name"], crate["version"])), {id: uses[id] for id in seen}


def editor_packages() -> list[dict]:
    lock = json.loads(pathlib.Path("graphiql/package-lock.json").read_text())
    found = []
    for path, package in lock["packages"].items():
        # An optional package is a tool of one system, with which the editor is built.
        if path and not any(package.get(kind) for kind in ["dev", "link", "optional"]):
            found.append({**package, "path": path, "name": path.split("node_modules/")[-1]})
    return sorted(found, key=lambda package: (package["name"], package["version"]))


def license_files(folder: pathlib.Path) -> list[pathlib.Path]:
    names = re.compile(r"(licen[cs]e|copying|notice|copyright)([-_.].*)?$", re.IGNORECASE)
    return sorted(path for path in folder.iterdir() if path.is_file() and names.match(path.name))


def needed(files: list[pathlib.Path], expression: str) -> list[pathlib.Path]:
    """The files whose texts must be passed on: without Apache's own text, and without alternatives to it."""
    if OWN in re.split(r"\s+OR\s+|/", expression.replace("(", "").replace(")", "")):
        return [path for path in files if path.name.lower().startswith("notice")]
    return [path for path in files if "apache" not in path.name.lower()]


def texts_of(entries: list[tuple[str, str, list[pathlib.Path]]]) -> str:
    """Each name with its license, and then each text once, below the names that it is for."""
    lines = [f"{name}  {expression}" for name, expression, _ in entries]
    texts: dict[str, list[str]] = {}
    for name, expression, files in entries:
        for path in needed(files, expression):
            text = "\n".join(line.rstrip() for line in path.read_text(errors="replace").strip().splitlines())
            texts.setdefault(text, []).append(name)
    blocks = [f"{RULE}\n{', '.join(names)}\n{RULE}\n\n{text}\n" for text, names in texts.items()]
    return "\n".join(lines) + "\n\n" + "\n".join(blocks)


def crates_text() -> str:
    _, crates, _ = built_in()
    entries = [
        (f"{c['name']} {c['version']}", c["license"] or "see below", license_files(pathlib.Path(c["manifest_path"]).parent))
        for c in crates
    ]
    return f"{HEAD}\nCrates\n\n{texts_of(entries)}"


def packages_text(modules: pathlib.Path | None) -> str:
    entries = []
    for package in editor_packages():
        folder = modules and modules.parent / package["path"]
        files = license_files(folder) if folder and folder.is_dir() else []
        entries.append((f"{package['name']} {package['version']}", package.get("license", "see below"), files))
    return f"{PACKAGES_HEAD}\n\n{texts_of(entries)}"


def check() -> None:
    """The texts of packages are there only after `npm ci`: of them the list is compared."""
    kept_crates, _, kept_packages = TEXT.read_text().partition(PACKAGES_HEAD)
    stale = "run cargo xtask licenses: docs/third-party-licenses.txt isn't what is built in"
    if kept_crates.strip() != crates_text().strip():
        sys.exit(f"crates: {stale}")
    listed = packages_text(None).removeprefix(PACKAGES_HEAD).strip()
    if not kept_packages.strip().startswith(listed):
        sys.exit(f"packages of the editor: {stale}")
    print("docs/third-party-licenses.txt is what is built in")


def sbom() -> dict:
    root, crates, uses = built_in()
    lock = tomllib.loads(pathlib.Path("Cargo.lock").read_text())
    sums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in lock["package"]}
    address = lambda crate: f"pkg:cargo/{crate['name']}@{crate['version']}"
    components = [
        {
            "type": "library",
            "bom-ref": address(crate),
            "name": crate["name"],
            "version": crate["version"],
            "purl": address(crate),
            "licenses": [{"expression": (crate["license"] or "NOASSERTION").replace("/", " OR ")}],
            "hashes": [{"alg": "SHA-256", "content": sums[crate["name"], crate["version"]]}],
        }
        for crate in crates
    ]
    packages = {}
    for package in editor_packages():
        purl = f"pkg:npm/{package['name'].replace('@', '%40')}@{package['version']}"
        algorithm, content = package["integrity"].split("-", 1)
        assert algorithm == "sha512", package
        packages[purl] = {
            "type": "library",
            "bom-ref": purl,
            "name": package["name"],
            "version": package["version"],
            "purl": purl,
            "licenses": [{"expression": package.get("license", "NOASSERTION")}],
            "hashes": [{"alg": "SHA-512", "content": base64.b64decode(content).hex()}],
        }
    by_id = {crate["id"]: address(crate) for crate in crates}
    # The workspace's own crates are the program: what they use, it uses.
    own = sorted({by_id[used] for id, all_used in uses.items() if id not in by_id for used in all_used if used in by_id})
    itself = f"pkg:cargo/packwright@{root['version']}"
    dependencies = [{"ref": itself, "dependsOn": own + list(packages)}]
    dependencies += [
        {"ref": by_id[crate["id"]], "dependsOn": sorted({by_id[used] for used in uses[crate["id"]]})} for crate in crates
    ]
    locks = b"".join(pathlib.Path(name).read_bytes() for name in ["Cargo.lock", "graphiql/package-lock.json"])
    digest = hashlib.sha256(locks).hexdigest()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # The same for the same lock files.
        "serialNumber": f"urn:uuid:{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": itself,
                "name": "packwright",
                "version": root["version"],
                "purl": itself,
                "licenses": [{"license": {"id": root["license"]}}],
            }
        },
        "components": components + list(packages.values()),
        "dependencies": dependencies,
    }


def main() -> None:
    match sys.argv[1:]:
        case ["licenses"]:
            # Without the folder of packages their texts stay as they are, if the list is the same.
            check_needed = packages_text(None)
            kept = PACKAGES_HEAD + TEXT.read_text().partition(PACKAGES_HEAD)[2] if TEXT.exists() else ""
            if not kept.strip().startswith(check_needed.strip()):
                sys.exit("the editor's packages have changed: name the folder that npm ci made with --packages")
            TEXT.write_text(f"{crates_text().strip()}\n\n{kept.strip()}\n")
        case ["licenses", "--packages", modules]:
            TEXT.write_text(f"{crates_text().strip()}\n\n{packages_text(pathlib.Path(modules)).strip()}\n")
        case ["check"]:
            check()
        case ["sbom"]:
            print(json.dumps(sbom(), indent=2))
        case _:
            sys.exit(__doc__)


main()
