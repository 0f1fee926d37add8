"""A pack with as many installations as are wanted: made through the API once, then multiplied in the database."""

from .servers import Trouble, seed

# So that the page has something to show beside the rollout.
WORLD = {"packs": 200, "installations": 2_000, "components": 800, "accounts": 200}


class Fleet:
    """One SINGLE pack that has been released, shared with all accounts, and installed once by each."""

    def __init__(self, bench, base, count):
        self.bench, self.base, self.count = bench, base, count
        self.token, self.account_token, _ = seed(bench.program, base.url, **WORLD)
        server = bench.packwright(base.url)
        try:
            self.make(server)
        finally:
            server.stop()
        self.multiply()
        base.settle()

    def make(self, server):
        ask = lambda query, **variables: server.ask(self.token, query, variables)
        made = ask('mutation { createIntegrationPack(input: {name: "Fleet", installationType: SINGLE}) { integrationPack { id } errors { message } } }')
        self.pack = made["createIntegrationPack"]["integrationPack"]["id"]
        found = ask("query($p: ID!) { components(filter: {addableToPackId: $p}, first: 3) { edges { node { id } } } }", p=self.pack)
        self.components = [edge["node"]["id"] for edge in found["components"]["edges"]]
        ask("mutation($p: ID!, $c: [ID!]!) { addPackComponents(input: {packId: $p, componentIds: $c}) { errors { message } } }", p=self.pack, c=self.components)
        self.release(server)
        groups = ask("{ accountGroups(first: 1) { edges { node { id } } } }")["accountGroups"]["edges"]
        share = "mutation($p: ID!, $g: [ID!]!) { sharePack(input: {packId: $p, groupIds: $g}) { errors { message } } }"
        ask(share, p=self.pack, g=[groups[0]["node"]["id"]])
        packs = server.ask(self.account_token, '{ availablePacks(filter: {search: "Fleet"}, first: 5) { edges { node { id name } } } }')
        mine = next(edge["node"]["id"] for edge in packs["availablePacks"]["edges"] if edge["node"]["name"] == "Fleet")
        install = "mutation($p: ID!) { installPack(input: {packId: $p}) { errors { message } } }"
        server.ask(self.account_token, install, {"p": mine})

    def package(self, server):
        """Something newer, so that there is something to release."""
        package = "mutation($c: ID!) { createPackagedComponents(input: {packages: [{componentId: $c, shareable: true}]}) { errors { message } } }"
        server.ask(self.token, package, {"c": self.components[0]})

    def release(self, server, schedule="{immediately: true}"):
        """The ID of the release, and the seconds that the call took."""
        import time

        query = f'mutation($p: ID!) {{ releaseIntegrationPack(input: {{packId: $p, notes: "Better", schedule: {schedule}}}) {{ release {{ id }} errors {{ message }} }} }}'
        begun = time.monotonic()
        made = server.ask(self.token, query, {"p": self.pack})
        return made["releaseIntegrationPack"]["release"]["id"], time.monotonic() - begun

    def multiply(self):
        """Accounts, their place in All Accounts, their announced grants and their installations, in the order of time
        as ids of version 7 are."""
        base, account = self.base, self.base.made_id(1)
        pack, installation, owner = base.rows(
            "SELECT p.id, i.id, i.account_id FROM integration_pack p JOIN installation i ON i.pack_id = p.id WHERE p.name = 'Fleet'"
        )[0]
        self.pack_id = pack
        group = base.one("SELECT id FROM account_group WHERE is_all_accounts")
        name = "'Account ' || g.n"
        key = "'account ' || g.n"
        count = self.count - 1
        multiply(base, "account", f"t.id = {base.id(owner)}", count, {"id": account, "name": name, "name_key": key})
        where = f"t.account_id = {base.id(owner)}"
        multiply(base, "account_group_member", f"{where} AND t.group_id = {base.id(group)}", count, {"account_id": account})
        multiply(base, "announced_grant", f"{where} AND t.pack_id = {base.id(pack)}", count, {"account_id": account})
        own = {"id": base.made_id(2), "account_id": account, "account_name_key": key}
        multiply(base, "installation", f"t.id = {base.id(installation)}", count, own)
        base.run(f"UPDATE installation_tally SET installations = {self.count}, accounts = {self.count} WHERE pack_id = {base.id(pack)}")
        there = int(base.one(f"SELECT COUNT(*) FROM installation WHERE pack_id = {base.id(pack)} AND uninstalled_at IS NULL"))
        if there != self.count:
            raise Trouble(f"the fleet has {there} installations, not {self.count}")


def multiply(base, table, where, count, other):
    """Adds `count` rows like the one that is there, but for some columns."""
    columns = base.columns(table)
    values = ", ".join(other.get(column, f"t.{column}") for column in columns)
    base.run(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} AS t CROSS JOIN {base.series.format(count)} WHERE {where}")
