// Apollo Client, with its normalising cache, and subscriptions over graphql-ws.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client/core";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { getMainDefinition, relayStylePagination } from "@apollo/client/utilities";
import type { PacksQuery, UpdateIntegrationPackInput } from "../generated/graphql.js";
import { start } from "../lib/demo.mjs";
import { FOLLOW, INSTALLATIONS, PACKS, UPDATE_PACK } from "./documents.js";
import { possibleTypes } from "./schema.js";
import { connection, hangUp } from "./sockets.js";
import { ACME, type Demo, GLOBEX, isRefused, pagesAddUp, PUBLISHER, seesBothKinds, subscribes, until } from "./story.js";

let demo: Demo;
before(async () => {
  demo = await start();
});
after(async () => {
  await hangUp();
  await demo?.stop();
});

function apollo(token: string) {
  const { client, drop } = connection(demo, token);
  const http = new HttpLink({ uri: demo.endpoint, headers: { authorization: `Bearer ${token}` } });
  const isSubscription = ({ query }: ApolloLink.Operation) => {
    const definition = getMainDefinition(query);
    return definition.kind === "OperationDefinition" && definition.operation === "subscription";
  };
  return {
    drop,
    client: new ApolloClient({
      link: ApolloLink.split(isSubscription, new GraphQLWsLink(client), http),
      cache: new InMemoryCache({ possibleTypes, typePolicies: { Query: { fields: { integrationPacks: relayStylePagination() } } } }),
    }),
  };
}

async function read<Data>(reading: Promise<{ data?: Data; error?: Error }>): Promise<Data> {
  const { data, error } = await reading;
  if (error || !data) throw error ?? new Error("no data");
  return data;
}

test("Apollo Client matches fragments on interfaces", async () => {
  const [publisher, acme] = [PUBLISHER, ACME].map((token) => read(apollo(token).client.query({ query: INSTALLATIONS })));
  seesBothKinds(await publisher!, await acme!);
});

test("Apollo Client adds pages up, and a mutation changes what it has by id", async () => {
  const { client } = apollo(PUBLISHER);
  let shown: PacksQuery["integrationPacks"] | undefined;
  const watched = client.watchQuery({ query: PACKS, variables: { first: 2 } });
  const subscription = watched.subscribe(({ data, dataState }) => {
    if (dataState === "complete") shown = data.integrationPacks;
  });
  await until(() => shown?.edges.length === 2);
  for (let size = 2; shown?.pageInfo.hasNextPage; size = shown.edges.length) {
    await watched.fetchMore({ variables: { after: shown.pageInfo.endCursor } });
    await until(() => (shown?.edges.length ?? 0) > size);
  }
  const whole = await read(apollo(PUBLISHER).client.query({ query: PACKS, variables: { first: 100 } }));
  pagesAddUp(shown!, whole.integrationPacks);

  const { node: pack } = shown!.edges[3]!;
  const update = async (input: UpdateIntegrationPackInput) => read(client.mutate({ mutation: UPDATE_PACK, variables: { input } }));
  await isRefused(update, pack.id);
  assert.equal(shown!.edges[3]!.node.name, pack.name, "a refusal changes nothing");
  await update({ packId: pack.id, description: "Told by Apollo Client." });
  await until(() => shown?.edges[3]?.node.description === "Told by Apollo Client.");
  assert.ok(shown!.edges[3]!.node.revision > pack.revision);
  subscription.unsubscribe();
});

test("Apollo Client hears events, and goes on where it was when its connection is lost", () => {
  const { client, drop } = apollo(GLOBEX);
  return subscribes(demo, {
    drop,
    subscribe(cursor, { next, lost }) {
      const events = client.subscribe({ query: FOLLOW, variables: { after: cursor } });
      const subscription = events.subscribe(({ data, error }) => {
        if (data) next(data.installationUpdated);
        if (error) lost();
      });
      return () => subscription.unsubscribe();
    },
  });
});
