// The demo's tour: the story of a release, from composing the pack to the night when the window opens. The editor and
// the query form show each step in its own tab, and CI runs the whole tour. `name` is the operation's name; `fill`
// computes its variables from the answers of the operations in `needs`, and from what the page knows of its server. The
// second tour is in stages.js, the third in webhooks.js.
import { STAGES } from "./stages.js";
import { WEBHOOKS } from "./webhooks.js";

const nodes = (connection) => (connection?.edges ?? []).map((edge) => edge.node);

const productDataHub = (answers) => nodes(answers.Packs?.integrationPacks).find((pack) => pack.name === "Product data hub");

const manufacturing = (answers) => nodes(answers.Pack?.integrationPack?.groups).find((group) => group.name === "Manufacturing");

export const TOUR = [
  {
    name: "Packs",
    title: "1 Packs",
    token: "demo-publisher-admin",
    about: "The publisher's packs. One was never released, one waits for its first date, two are being tested, and four have components with newer versions.",
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
    about: "The page of Product data hub. Each row tells the version that accounts have, the one that a release made now would take, and the newest one.",
    query: `query Pack($id: ID!) {
  integrationPack(id: $id) {
    id
    name
    description
    state
    hasUnreleasedChanges
    components {
      component { id name }
      current { version }
      next { version }
      latestShareable { version notes }
      pinned
      markedForRemoval
    }
    versions(first: 5) { edges { node { number createdAt notes installationCount } } }
    groups(first: 5) { edges { node { id name } } }
    viewerCanRelease
  }
}`,
    needs: ["Packs"],
    fill: (answers) => ({ id: productDataHub(answers)?.id }),
  },
  {
    name: "Preview",
    title: "3 Preview",
    token: "demo-publisher-admin",
    about: "What a release of Product data hub would change tomorrow, how many installations it would move, and what deserves a second look.",
    query: `query Preview($packId: ID!, $date: Date!) {
  releasePreview(packId: $packId, schedule: { onDate: $date }) {
    nextNumber
    contentToken
    diff { added { name version } removed { name version } changed { from { name version } to { version } } unchangedCount }
    installationsByVersion { version { number } installationCount }
    willMoveCount
    willSkip { reason installationCount }
    window { startsAt endsAt }
    warnings { code message }
    refusals { code message }
  }
}`,
    needs: ["Packs"],
    fill: (answers) => ({
      packId: productDataHub(answers)?.id,
      date: answers.Packs?.viewer?.account?.releaseDates?.earliest,
    }),
  },
  {
    name: "Schedule",
    title: "4 Schedule",
    token: "demo-publisher-admin",
    about: "Schedules that release for tomorrow. The preview's token makes sure that nothing is released that the preview didn't show.",
    query: `mutation Schedule($packId: ID!, $date: Date!, $content: String) {
  releaseIntegrationPack(
    input: {
      packId: $packId
      schedule: { onDate: $date }
      expectedContent: $content
      notes: "Tiered prices, and a sync that sends only what has changed."
    }
  ) {
    release { id state version { number } window { date timeZone startsAt endsAt } progress { total offered } }
    errors { code message field blockingRelease { id } }
  }
}`,
    needs: ["Packs", "Preview"],
    fill: (answers) => ({
      packId: productDataHub(answers)?.id,
      date: answers.Packs?.viewer?.account?.releaseDates?.earliest,
      content: answers.Preview?.releasePreview?.contentToken,
    }),
  },
  {
    name: "Offers",
    title: "5 Offers to Acme",
    token: "demo-acme-admin",
    about: "The account Acme sees the update, with what it changes, and may apply it before the date.",
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
    title: "6 Apply early",
    token: "demo-acme-admin",
    about: "Acme doesn't wait. Run it twice: the second call changes nothing, and says so in alreadyApplied.",
    query: `mutation ApplyEarly($updateId: ID!) {
  applyPendingUpdate(input: { updateId: $updateId }) {
    update { id state how installation { name version { number } } }
    alreadyApplied
    errors { code message }
  }
}`,
    needs: ["Offers"],
    fill: (answers) => ({
      updateId: nodes(answers.Offers?.pendingUpdates).find((update) => update.installation.name === "Product data hub")?.id,
    }),
  },
  {
    name: "Watch",
    title: "7 Watch",
    token: "demo-publisher-admin",
    about: "A subscription to the release's progress. Run it, go on to step 8, and come back: it hears the night while you look at other tabs.",
    query: `subscription Watch($releaseId: ID!) {
  releaseProgress(releaseId: $releaseId) {
    release { state startedAt endedAt }
    progress { total offered applied appliedEarly skipped percent }
  }
}`,
    needs: ["Schedule"],
    fill: (answers) => ({ releaseId: answers.Schedule?.releaseIntegrationPack?.release?.id }),
  },
  {
    name: "PastMidnight",
    title: "8 Past midnight",
    token: "demo-publisher-admin",
    about: "Moves the demo's clock to the end of the release window, as if the night had passed. Step 7 hears it.",
    query: `mutation PastMidnight($to: DateTime!) {
  demoAdvanceClock(input: { to: $to }) {
    now
    releases { id pack { name } version { number } }
    errors { code message }
  }
}`,
    needs: ["Schedule"],
    fill: (answers) => ({ to: answers.Schedule?.releaseIntegrationPack?.release?.window?.endsAt }),
  },
  {
    name: "Installations",
    title: "9 Globex",
    token: "demo-globex-admin",
    about: "The account Globex did nothing, and has the new version too: its update came about AUTOMATIC, where Acme's says EARLY.",
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
  viewer { eventCursor }
}`,
  },
  {
    name: "LeaveBehind",
    title: "10 Leave behind",
    token: "demo-publisher-admin",
    about: "Takes the pack back from Globex's group, and releases a fix at once. Acme gets it; Globex's installation works on at its version, frozen.",
    query: `mutation LeaveBehind($packId: ID!, $groupId: ID!, $componentId: ID!) {
  unsharePack(input: { packId: $packId, groupIds: [$groupId] }) {
    frozenCount
    errors { code message }
  }
  createPackagedComponents(
    input: { packages: [{ componentId: $componentId, shareable: true, notes: "Prices keep four decimals." }] }
  ) {
    packagedComponents { version notes }
    errors { code message }
  }
  releaseIntegrationPack(input: { packId: $packId, schedule: { immediately: true }, notes: "Prices keep four decimals." }) {
    release { id version { number } }
    errors { code message }
  }
}`,
    needs: ["Packs", "Pack"],
    fill: (answers) => ({
      packId: productDataHub(answers)?.id,
      groupId: manufacturing(answers)?.id,
      componentId: answers.Pack?.integrationPack?.components?.[0]?.component?.id,
    }),
  },
  {
    name: "ShareAgain",
    title: "11 Share again",
    token: "demo-publisher-admin",
    about: "Globex gets the pack back, and catches up with the current version without another release.",
    query: `mutation ShareAgain($packId: ID!, $groupId: ID!) {
  sharePack(input: { packId: $packId, groupIds: [$groupId] }) {
    integrationPack { name currentVersion { number installationCount } }
    errors { code message }
  }
}`,
    needs: ["Packs", "Pack"],
    fill: (answers) => ({ packId: productDataHub(answers)?.id, groupId: manufacturing(answers)?.id }),
  },
  {
    name: "Heard",
    title: "12 Event log",
    token: "demo-globex-admin",
    about: "What Globex heard of all that: the event log after the cursor that step 9 answered.",
    query: `query Heard($after: String) {
  events(after: $after, first: 20) {
    edges {
      cursor
      node {
        id
        kind
        occurredAt
        ... on PackEvent { packName }
        ... on InstallationEvent { state versionNumber installation { name } }
        ... on ReleaseEvent { release { version { number } } }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}`,
    needs: ["Installations"],
    fill: (answers) => ({ after: answers.Installations?.viewer?.eventCursor }),
  },
  {
    name: "Audit",
    title: "13 Audit log",
    token: "demo-publisher-admin",
    about: "Who did what, newest first. The scheduler, which moved Globex at midnight, is one of them.",
    query: `query Audit {
  auditLog(first: 20) {
    edges {
      node {
        occurredAt
        actor { kind name }
        action
        subjectType
        subjectName
        changes { field before after }
      }
    }
  }
}`,
  },
  {
    name: "FollowUpdates",
    title: "14 Follow updates",
    token: "demo-globex-admin",
    about: "The subscription of a script that runs for Globex: it hears each change of Globex's installations.",
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

/** The tours. The address of a step is made of its tour's `anchor` and its number: `/graphiql#step-4`. */
export const TOURS = [
  { anchor: "step", title: "A release", steps: TOUR },
  { anchor: "stages", title: "A release in stages", steps: STAGES },
  { anchor: "webhooks", title: "Webhooks", steps: WEBHOOKS },
];
