"""The data that is measured on: `packwright seed`, and what it can't be asked for."""

import collections
import random
import uuid

from .servers import seed

SIZES = {
    # Packs, components, installations. Seven packages a component are 300,000.
    False: {"packs": 5_000, "components": 43_000, "installations": 100_000},
    True: {"packs": 200, "components": 1_700, "installations": 4_000},
}
COMPONENTS = 10
AT = "2026-11-28T00:00:00Z"


def make(program, base, quick):
    """A world of SIZES in an empty database; gives the publisher's token, the account's, the seconds."""
    made = seed(program, base.url, at=AT, **SIZES[quick])
    fill_up(base)
    base.settle()
    return made


def fill_up(base):
    """Gives each pack ten components at least: `seed` makes 3 to 12. They are what an edit long ago and each release
    since would have left: in the draft, in the current and in the pending version, at their newest version."""
    chance = random.Random(1)
    packs = base.rows(
        "SELECT id, deployment_model, current_version_id, pending_version_id FROM integration_pack WHERE deleted_at IS NULL"
    )
    held = collections.defaultdict(set)
    for table, column in [("draft_row", "pack_id"), ("content_key", "pack_id")]:
        for pack, component in base.rows(f"SELECT {column}, component_id FROM {table}"):
            held[pack].add(component)
    drafts = dict(base.rows("SELECT pack_id, COUNT(*) FROM draft_row GROUP BY pack_id"))
    newest = {
        model: base.rows(f"SELECT id, {column} FROM component WHERE {column} IS NOT NULL AND component_type = 'PROCESS'")
        for model, column in [("PACKAGED", "latest_shareable_id"), ("LEGACY", "latest_publication_id")]
    }
    rows, keys, items = [], [], []
    for pack, model, current, pending in packs:
        missing = COMPONENTS - int(drafts.get(pack, 0))
        while missing > 0:
            component, version = chance.choice(newest[model])
            if component in held[pack]:
                continue
            held[pack].add(component)
            missing -= 1
            rows.append((pack, component, 0))
            keys.append((pack, component, str(uuid.UUID(int=chance.getrandbits(128), version=4))))
            items += [(of, component, version) for of in (current, pending) if of]
    base.insert("draft_row", ["pack_id", "component_id", "marked_for_removal"], rows)
    base.insert("content_key", ["pack_id", "component_id", "content_key"], keys)
    base.insert("pack_version_item", ["pack_version_id", "component_id", "component_version_id"], items)
    count = "(SELECT COUNT(*) FROM draft_row WHERE pack_id = integration_pack.id)"
    base.run(f"UPDATE integration_pack SET component_count = {count} WHERE deleted_at IS NULL")


def counts(base):
    """What is in a database."""
    tables = {
        "packs": "integration_pack WHERE deleted_at IS NULL",
        "components in their drafts": "draft_row",
        "packaged versions": "component_version WHERE kind = 'PACKAGE'",
        "installations": "installation WHERE uninstalled_at IS NULL",
        "updates": "installation_update",
        "entries of the audit log": "audit_entry",
    }
    return {name: int(base.one(f"SELECT COUNT(*) FROM {table}")) for name, table in tables.items()}
