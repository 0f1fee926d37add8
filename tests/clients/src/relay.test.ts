// Relay's runtime, with the artifacts that its compiler made of the documents in `relay/`.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { GraphQLTaggedNode, MutationParameters, OperationType, RequestParameters, Variables } from "relay-runtime";
import relay from "relay-runtime";
import createPack, { type documentsCreatePackMutation } from "../generated/relay/documentsCreatePackMutation.graphql.js";
import followInstallations, { type documentsFollowSubscription } from "../generated/relay/documentsFollowSubscription.graphql.js";
import installations, { type documentsInstallationsQuery } from "../generated/relay/documentsInstallationsQuery.graphql.js";
import node, { type documentsNodeQuery } from "../generated/relay/documentsNodeQuery.graphql.js";
import packsPage, { type documentsPacksPageQuery } from "../generated/relay/documentsPacksPageQuery.graphql.js";
import packs, { type documentsPacksQuery } from "../generated/relay/documentsPacksQuery.graphql.js";
import updatePack, { type documentsUpdatePackMutation } from "../generated/relay/documentsUpdatePackMutation.graphql.js";
import { start } from "../lib/demo.mjs";
import { connection, hangUp } from "./sockets.js";
import { ACME, type Demo, GLOBEX, isRefused, PUBLISHER, seesBothKinds, subscribes } from "./story.js";

const { commitLocalUpdate, commitMutation, ConnectionHandler, Environment, fetchQuery, Network, Observable, RecordSource, requestSubscription, Store } = relay;
type Environment = InstanceType<typeof Environment>;

let demo: Demo;
before(async () => {
  demo = await start();
});
after(async () => {
  await hangUp();
  await demo?.stop();
});

function environment(token: string) {
  const { client, drop } = connection(demo, token);
  const post = async ({ text, name }: RequestParameters, variables: Variables) => {
    const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
    const body = JSON.stringify({ query: text, operationName: name, variables });
    return (await fetch(demo.endpoint, { method: "POST", headers, body })).json();
  };
  const listen = ({ text, name }: RequestParameters, variables: Variables) =>
    Observable.create<never>((sink) => client.subscribe({ query: text ?? "", operationName: name, variables }, sink as never));
  return { drop, environment: new Environment({ network: Network.create(post, listen), store: new Store(new RecordSource()) }) };
}

async function read<Query extends OperationType>(environment: Environment, query: GraphQLTaggedNode, variables: Query["variables"]): Promise<Query["response"]> {
  const answer = await fetchQuery<Query>(environment, query, variables).toPromise();
  if (!answer) throw new Error("nothing was answered");
  return answer;
}

const mutate = <Mutation extends MutationParameters>(environment: Environment, mutation: GraphQLTaggedNode, variables: Mutation["variables"]) =>
  new Promise<Mutation["response"]>((resolve, reject) => {
    commitMutation<Mutation>(environment, { mutation, variables, onCompleted: resolve, onError: reject });
  });

/** The names in the connection of packs in the store. */
function shown(environment: Environment) {
  let found: { id: string; names: unknown[]; next: string | undefined; ids: string[] } | undefined;
  commitLocalUpdate(environment, (store) => {
    const connection = ConnectionHandler.getConnection(store.getRoot(), "documents_integrationPacks");
    const nodes = (connection?.getLinkedRecords("edges") ?? []).map((edge) => edge?.getLinkedRecord("node"));
    const page = connection?.getLinkedRecord("pageInfo");
    found = {
      id: connection?.getDataID() ?? "",
      names: nodes.map((node) => node?.getValue("name")),
      ids: nodes.map((node) => node?.getDataID() ?? ""),
      next: page?.getValue("hasNextPage") ? String(page.getValue("endCursor")) : undefined,
    };
  });
  return found!;
}

test("Relay matches fragments on interfaces", async () => {
  const [publisher, acme] = [PUBLISHER, ACME].map((token) => read<documentsInstallationsQuery>(environment(token).environment, installations, {}));
  seesBothKinds((await publisher!) as never, (await acme!) as never);
});

test("Relay's connections grow by pages and by what is made, and its records are one by id", async () => {
  const { environment: ours } = environment(PUBLISHER);
  await read<documentsPacksQuery>(ours, packs, { first: 2 });
  assert.equal(shown(ours).names.length, 2);
  for (let { next } = shown(ours); next; { next } = shown(ours)) {
    await read<documentsPacksPageQuery>(ours, packsPage, { first: 2, after: next });
  }
  const { environment: another } = environment(PUBLISHER);
  await read<documentsPacksQuery>(another, packs, { first: 50 });
  assert.ok(shown(another).names.length > 4);
  assert.deepEqual(shown(ours).names, shown(another).names);

  const [first] = shown(ours).ids;
  await isRefused((input) => mutate<documentsUpdatePackMutation>(ours, updatePack, { input }) as never, first!);
  await mutate<documentsUpdatePackMutation>(ours, updatePack, { input: { packId: first!, description: "Told by Relay." } });
  assert.equal(ours.getStore().getSource().get(first!)?.description, "Told by Relay.");

  const made = await mutate<documentsCreatePackMutation>(ours, createPack, {
    input: { name: "Made by Relay", description: "", installationType: "SINGLE" },
    connections: [shown(ours).id],
  });
  assert.deepEqual(made.createIntegrationPack.errors, []);
  assert.equal(shown(ours).names[0], "Made by Relay");
  const again = await read<documentsNodeQuery>(ours, node, { id: shown(ours).ids[0]! });
  assert.deepEqual([again.node?.__typename, again.node?.name], ["IntegrationPack", "Made by Relay"]);
});

test("Relay hears events, and goes on where it was when its connection is lost", () => {
  const { environment: ours, drop } = environment(GLOBEX);
  return subscribes(demo, {
    drop,
    subscribe(cursor, { next, lost }) {
      const { dispose } = requestSubscription<documentsFollowSubscription>(ours, {
        subscription: followInstallations,
        variables: { after: cursor },
        onNext: (answer) => answer && next(answer.installationUpdated as never),
        onError: lost,
      });
      return dispose;
    },
  });
});
