// The tabs of the demo: the story of a release, from the pack's page to the night on which it opens. They serve
// the editor and the query form alike, and their documents are those of the README's tour.
// `name` is the operation's; `fill` makes its variables from what the others answered, by their names.

const nodes = (connection) => (connection?.edges ?? []).map((edge) => edge.node);

const productDataHub = (answers) => nodes(answers.Packs?.integrationPacks).find((pack) => pack.name === "Product data hub");

export const TOUR = [
  {
    name: "Packs",
    title: "1 Packs",
    token: "demo-publisher-admin",
    about: "The publisher's packs, each row with what is current, pending and newest.",
    query: `query Packs {
  integrationPacks(first: 20) {
    edges {
      node {
        id
        name
        installationType
        state
        newerShareableAvailable
        currentVersion { number installationCount }
        pendingRelease { id version { number } window { startsAt endsAt } progress { total offered appliedEarly } }
        components(onlyWithNewerShareable: true) { component { name } current { version } latestShareable { version notes } }
      }
    }
  }
  viewer { account { name ... on PublisherAccount { releaseDates { earliest latest timeZone } } } }
}`,
  },
  {
    name: "Pack",
    title: "2 A pack",
    token: "demo-publisher-admin",
    about: "One pack's page: its rows, each with what is current, what the next release would hold, and what is newest.",
    query: `query Pack($id: ID!) {
  integrationPack(id: $id) {
    id
    name
    description
    state
    hasUnreleasedChanges
    components {
      component { name }
      current { version }
      next { version }
      latestShareable { version notes }
      pinned
      markedForRemoval
    }
    versions(first: 5) { edges { node { number createdAt notes installationCount } } }
    groups(first: 5) { edges { node { name } } }
    viewerCanRelease
  }
}`,
    fill: (answers) => ({ id: productDataHub(answers)?.id }),
  },
  {
    name: "Schedule",
    title: "3 Schedule",
    token: "demo-publisher-admin",
    about: "Releases what is newer in Product data hub, on the first date that can be had: tomorrow, in the publisher's zone.",
    query: `mutation Schedule($packId: ID!, $date: Date!) {
  releaseIntegrationPack(
    input: { packId: $packId, schedule: { onDate: $date }, notes: "Tiered prices, and a sync that sends only what has changed." }
  ) {
    release { id state version { number } window { date timeZone startsAt endsAt } progress { total offered } }
    errors { code message field blockingRelease { id } }
  }
}`,
    fill: (answers) => ({
      packId: productDataHub(answers)?.id,
      date: answers.Packs?.viewer?.account?.releaseDates?.earliest,
    }),
  },
  {
    name: "Offers",
    title: "4 Offers to Acme",
    token: "demo-acme-admin",
    about: "What Acme may apply before the date, with what it changes.",
    query: `query Offers {
  pendingUpdates(first: 20) {
    edges {
      node {
        id
        installation { name }
        fromVersion { number }
        toVersion { number }
        release { notes window { startsAt } testingPeriod { isOpen endsAt } }
        diff { added { name } removed { name } changed { from { name version } to { version } } }
      }
    }
  }
}`,
  },
  {
    name: "ApplyEarly",
    title: "5 Apply early",
    token: "demo-acme-admin",
    about: "Acme doesn't wait for the date. Doing it twice does no harm.",
    query: `mutation ApplyEarly($updateId: ID!) {
  applyPendingUpdate(input: { updateId: $updateId }) {
    update { id state how installation { name version { number } } }
    alreadyApplied
    errors { code message }
  }
}`,
    fill: (answers) => ({
      updateId: nodes(answers.Offers?.pendingUpdates).find((update) => update.installation.name === "Product data hub")?.id,
    }),
  },
  {
    name: "Watch",
    title: "6 Watch",
    token: "demo-publisher-admin",
    about: "Stays open: run it, go on to the next tab, and come back to see what it heard.",
    query: `subscription Watch($releaseId: ID!) {
  releaseProgress(releaseId: $releaseId) {
    release { state startedAt endedAt }
    progress { total offered applied appliedEarly skipped percent }
  }
}`,
    fill: (answers) => ({ releaseId: answers.Schedule?.releaseIntegrationPack?.release?.id }),
  },
  {
    name: "PastMidnight",
    title: "7 Past midnight",
    token: "demo-publisher-admin",
    about: "Moves the demo's clock past the window's start, as if the night had come.",
    query: `mutation PastMidnight($to: DateTime!) {
  demoAdvanceClock(input: { to: $to }) {
    now
    releases { id pack { name } version { number } }
    errors { code message }
  }
}`,
    fill: (answers) => ({ to: answers.Schedule?.releaseIntegrationPack?.release?.window?.endsAt }),
  },
  {
    name: "Installations",
    title: "8 Globex",
    token: "demo-globex-admin",
    about: "Globex did nothing, and has the new version all the same.",
    query: `query Installations {
  installations(first: 20) {
    edges {
      node {
        name
        version { number }
        movedAt
        updates(first: 3) { edges { node { state how settledAt toVersion { number notes } } } }
      }
    }
  }
}`,
  },
  {
    name: "FollowUpdates",
    title: "Follow updates",
    token: "demo-globex-admin",
    about: "What an integrator of a managed account listens to.",
    query: `subscription FollowUpdates($after: String) {
  installationUpdated(after: $after) {
    cursor
    kind
    occurredAt
    packName
    state
    versionNumber
    installation { name }
  }
}`,
  },
];
