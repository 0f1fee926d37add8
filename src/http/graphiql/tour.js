// The tabs of the demo: the story of a release, from the pack's page to the night on which it opens.
// `fill` makes a tab's variables from what earlier tabs answered; `name` is what it is answered under.
"use strict";

const nodes = (connection) => (connection?.edges ?? []).map((edge) => edge.node);

const TOUR = [
  {
    name: "packs",
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
        revision
        newerShareableAvailable
        currentVersion { number installationCount }
        pendingRelease { id version { number } window { startsAt endsAt } progress { total offered appliedEarly } }
        components(onlyWithNewerShareable: true) {
          component { name }
          current { version }
          latestShareable { version notes }
        }
      }
    }
  }
  viewer { account { name ... on PublisherAccount { releaseDates { earliest latest timeZone } } } }
}`,
  },
  {
    name: "release",
    title: "2 Schedule",
    token: "demo-publisher-admin",
    about: "Releases what is newer in Product data hub, on the first date that can be had: tomorrow, in the publisher's zone.",
    query: `mutation Schedule($packId: ID!, $date: Date!) {
  releaseIntegrationPack(input: {
    packId: $packId
    schedule: { onDate: $date }
    notes: "Tiered prices, and a catalogue sync that sends only what has changed."
  }) {
    release { id state version { number } window { date timeZone startsAt endsAt } progress { total offered } }
    errors { code message field blockingRelease { id } }
  }
}`,
    fill: (answers) => ({
      packId: nodes(answers.packs?.integrationPacks).find((pack) => pack.name === "Product data hub")?.id,
      date: answers.packs?.viewer?.account?.releaseDates?.earliest,
    }),
  },
  {
    name: "offers",
    title: "3 Offers to Acme",
    token: "demo-acme-admin",
    about: "What Acme may apply before the date, with what it changes.",
    query: `query Offers {
  pendingUpdates(first: 20) {
    edges {
      node {
        id
        state
        fromVersion { number }
        toVersion { number }
        installation { name }
        release { notes window { startsAt } testingPeriod { isOpen endsAt } }
        diff { added { name } removed { name } changed { from { name version } to { version } } }
        viewerCanApply
      }
    }
  }
}`,
  },
  {
    name: "apply",
    title: "4 Apply early",
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
      updateId: nodes(answers.offers?.pendingUpdates).find((update) => update.installation.name === "Product data hub")?.id,
    }),
  },
  {
    name: "watch",
    title: "5 Watch",
    token: "demo-publisher-admin",
    about: "Stays open: run it, go on to the next tab, and come back to see what it heard.",
    query: `subscription Watch($releaseId: ID!) {
  releaseProgress(releaseId: $releaseId) {
    release { state startedAt endedAt }
    progress { total offered applied appliedEarly skipped percent }
  }
}`,
    fill: (answers) => ({ releaseId: answers.release?.releaseIntegrationPack?.release?.id }),
  },
  {
    name: "clock",
    title: "6 Past midnight",
    token: "demo-publisher-admin",
    about: "Moves the demo's clock past the window's start, as if the night had come.",
    query: `mutation PastMidnight($to: DateTime!) {
  demoAdvanceClock(input: { to: $to }) {
    now
    releases { id pack { name } version { number } }
    errors { code message }
  }
}`,
    fill: (answers) => ({ to: answers.release?.releaseIntegrationPack?.release?.window?.endsAt }),
  },
  {
    name: "globex",
    title: "7 Globex",
    token: "demo-globex-admin",
    about: "Globex did nothing, and has the new version all the same.",
    query: `query Installations {
  installations(first: 20) {
    edges {
      node {
        name
        version { number }
        movedAt
        updates(first: 3) { edges { node { state how settledAt fromVersion { number } toVersion { number notes } } } }
      }
    }
  }
}`,
  },
  {
    name: "follow",
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
