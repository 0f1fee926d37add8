"""Asks a demo of Packwright with the package that ariadne-codegen has made.

python ask.py http://127.0.0.1:8080
"""

import asyncio
import json
import sys

from packwright_client import Client, ComponentType, Everything, Role, WhoAmI

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
HEADERS = {"Authorization": "Bearer demo-publisher-admin"}


async def main():
    socket = ADDRESS.replace("http", "ws", 1) + "/graphql"
    async with Client(
        url=f"{ADDRESS}/graphql", headers=HEADERS, ws_url=socket, ws_connection_init_payload=HEADERS
    ) as client:
        viewer = (await client.who_am_i()).viewer
        print(f"{viewer.account.name} with the role {viewer.role.name}, until {viewer.token.expires_at}")
        packs = (await client.pack_list(first=3)).integration_packs
        for edge in packs.edges:
            print(f"{edge.node.name} is {edge.node.state.name}, changed {edge.node.updated_at:%Y-%m-%d}")
        made = await client.new_component(name="Orders, by Python", type_=ComponentType.PROCESS, key="example/python")
        for error in made.create_component.errors:
            print(f"refused, {error.code.name}: {error.message}")
        await hear(client, viewer.event_cursor)
        await survive(client)


async def hear(client, cursor):
    """A subscription begins after a cursor, so it hears what came before it was opened."""
    pack = (await client.pack_list(first=1)).integration_packs.edges[0].node
    await client.edit_pack_texts(pack_id=pack.id, description=f"{pack.description} (changed)")
    async for item in client.everything(after=cursor):
        print(f"heard {item.events.kind.name}")
        return


async def survive(client):
    """The same answers, from a server that has a value and a type more."""
    answer = await client.who_am_i()
    answer = answer.model_dump(mode="json", by_alias=True)
    later = json.dumps(answer).replace('"ADMINISTRATOR"', '"SOMETHING_NEW"').replace('"PublisherAccount"', '"NewAccount"')
    viewer = WhoAmI.model_validate_json(later).viewer
    assert (viewer.role.name, viewer.role.value) == ("UNKNOWN", "SOMETHING_NEW"), viewer.role
    assert viewer.role not in list(Role) and viewer.role != Role.SUPPORT
    assert (viewer.account.typename__, viewer.account.name) == ("NewAccount", answer["viewer"]["account"]["name"])


asyncio.run(main())
