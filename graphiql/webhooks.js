// The demo's third tour: an endpoint at the demo's own receiver, to which events are sent. The operations' names are
// unique over all tours. The receiver's page knows the secret from the answer of `Endpoint`.

const endpoint = (answers) => answers.Endpoint?.createWebhookEndpoint?.endpoint?.id;

export const WEBHOOKS = [
  {
    name: "Endpoint",
    title: "1 Endpoint",
    token: "demo-publisher-admin",
    about: "Open /graphiql/receiver in another window: it is a receiver, and shows what comes. This registers its address. The answer holds the secret with which events are signed, this once; the page takes it from here.",
    query: `mutation Endpoint($url: URI!) {
  createWebhookEndpoint(
    input: { name: "The demo's receiver", url: $url, filter: { kinds: [PACK_CREATED, PACK_UPDATED, RELEASE_STARTED, RELEASE_COMPLETED] } }
  ) {
    endpoint { id name url state filter { kinds } }
    secret
    errors { code message field }
  }
}`,
    needs: [],
    fill: (answers, { receiver }) => ({ url: receiver }),
  },
  {
    name: "TestEvent",
    title: "2 Test",
    token: "demo-publisher-admin",
    about: "Sends a test to the endpoint, and answers what came of it. The receiver's page shows it, and that its signature is right.",
    query: `mutation TestEvent($endpointId: ID!) {
  sendTestEvent(input: { endpointId: $endpointId }) {
    delivery { eventId kind attempt status failure milliseconds }
    errors { code message }
  }
}`,
    needs: ["Endpoint"],
    fill: (answers) => ({ endpointId: endpoint(answers) }),
  },
  {
    name: "Happens",
    title: "3 An event",
    token: "demo-publisher-admin",
    about: "Makes a pack. The event is in the log when the call has answered, and the receiver has it a moment later.",
    query: `mutation Happens {
  createIntegrationPack(input: { name: "Goods in transit", installationType: SINGLE }) {
    integrationPack { id name state }
    errors { code message }
  }
}`,
  },
  {
    name: "HappensAgain",
    title: "4 Another one",
    token: "demo-publisher-admin",
    about: "Changes the pack's description. Events come in the order of the log, one at a time.",
    query: `mutation HappensAgain($packId: ID!) {
  updateIntegrationPack(input: { packId: $packId, description: "Where each delivery is, for those who wait for it." }) {
    integrationPack { id name description }
    errors { code message }
  }
}`,
    needs: ["Happens"],
    fill: (answers) => ({ packId: answers.Happens?.createIntegrationPack?.integrationPack?.id }),
  },
  {
    name: "Deliveries",
    title: "5 Deliveries",
    token: "demo-publisher-admin",
    about: "What the server knows of its attempts: when, which event, the status, and how long it took. Each event's id is the webhook-id that the receiver saw.",
    query: `query Deliveries($endpointId: ID!) {
  node(id: $endpointId) {
    ... on WebhookEndpoint {
      name
      state
      waitingCount
      deliveries(first: 20) { edges { node { eventId kind attempt at status failure milliseconds } } }
    }
  }
}`,
    needs: ["Endpoint"],
    fill: (answers) => ({ endpointId: endpoint(answers) }),
  },
];
