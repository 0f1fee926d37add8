// The demo's second tour: a release in stages, which halts by its rule and is taken back. Its steps are those of the
// first tour in kind (tour.js), and the operations' names are unique over both.

const nodes = (connection) => (connection?.edges ?? []).map((edge) => edge.node);

const invoices = (answers) => nodes(answers.UnderWay?.invoices)[0];

const customers = (answers) => nodes(answers.UnderWay?.customers)[0];

const earlyAdopters = (answers) => nodes(answers.UnderWay?.accountGroups).find((group) => group.name === "Early adopters");

/** A date, some days after the earliest one that a release may have. */
const dateIn = (answers, days) => {
  const earliest = answers.UnderWay?.viewer?.account?.releaseDates?.earliest;
  if (!earliest) return undefined;
  const date = new Date(`${earliest}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + days);
  return date.toISOString().slice(0, 10);
};

const staged = (answers) => answers.InStages?.releaseIntegrationPack?.release?.id;

export const STAGES = [
  {
    name: "UnderWay",
    title: "1 Under way",
    token: "demo-publisher-admin",
    about: "A release of Warehouse link is under way. Its stages Pilots and A quarter are done; the others wait for their dates. One report says BROKEN, but the rule isn't judged before ten installations have been moved. The next steps do the same with Invoice exchange.",
    query: `query UnderWay {
  underWay: integrationPacks(filter: { search: "Warehouse link" }, first: 1) {
    edges {
      node {
        name
        pendingRelease {
          version { number }
          window { date }
          haltWhen { percent atLeast then }
          haltFigures { executed bad percent }
          outcomes { works broken unreported }
          progress { total offered applied appliedStaged }
          stages { name state percent installationCount groups { name } window { date } }
        }
      }
    }
  }
  invoices: integrationPacks(filter: { search: "Invoice exchange" }, first: 1) {
    edges { node { id name currentVersion { number installationCount } } }
  }
  customers: integrationPacks(filter: { search: "Customer 360" }, first: 1) {
    edges { node { id name currentVersion { number installationCount release { id state endedAt } } } }
  }
  accountGroups(first: 20) { edges { node { id name accounts(first: 5) { edges { node { name } } } } } }
  viewer { account { name ... on PublisherAccount { releaseDates { earliest timeZone } } } }
}`,
  },
  {
    name: "InStages",
    title: "2 Schedule",
    token: "demo-publisher-admin",
    about: "Schedules a release of Invoice exchange with two early stages: the group Early adopters first, and a tenth of all installations a day later. Everybody follows on the release's own date. The rule pauses the release when more than 5 percent of the moved installations is bad. It isn't judged before three have been moved.",
    query: `mutation InStages($packId: ID!, $groupId: ID!, $pilotsOn: Date!, $tenthOn: Date!, $date: Date!) {
  releaseIntegrationPack(
    input: {
      packId: $packId
      schedule: { onDate: $date }
      stages: [
        { name: "Pilots", onDate: $pilotsOn, holds: { groupIds: [$groupId] } }
        { name: "A tenth", onDate: $tenthOn, holds: { percent: 10 } }
      ]
      haltWhen: { percent: 5, atLeast: 3, then: PAUSE }
      notes: "Invoices as Peppol BIS Billing 3.0."
    }
  ) {
    release {
      id
      state
      version { number }
      stages { name state percent installationCount window { startsAt } }
      haltWhen { percent atLeast then watchHours }
    }
    errors { code message field blockingRelease { id } }
  }
}`,
    needs: ["UnderWay"],
    fill: (answers) => ({
      packId: invoices(answers)?.id,
      groupId: earlyAdopters(answers)?.id,
      pilotsOn: dateIn(answers, 0),
      tenthOn: dateIn(answers, 1),
      date: dateIn(answers, 3),
    }),
  },
  {
    name: "OpenPilots",
    title: "3 Pilots",
    token: "demo-publisher-admin",
    about: "A stage opens by itself at midnight of its date. The publisher doesn't want to wait, and opens the first one now. The server moves the two installations of Acme, which is the group's only account.",
    query: `mutation OpenPilots($releaseId: ID!) {
  openNextStage(input: { releaseId: $releaseId }) {
    release {
      id
      state
      stages { name state installationCount openedAt }
      updates(first: 2) { edges { node { id state installation { name account { name } } } } }
    }
    errors { code message }
  }
}`,
    needs: ["InStages"],
    fill: (answers) => ({ releaseId: staged(answers) }),
  },
  {
    name: "ReportBroken",
    title: "4 Acme reports",
    token: "demo-acme-admin",
    about: "Acme has the new version, and finds that one of its two installations is broken. It says so. The rule isn't judged yet: it needs three moved installations, and so far there are two.",
    query: `mutation ReportBroken($updateId: ID!) {
  reportUpdateOutcome(
    input: { updateId: $updateId, outcome: BROKEN, comment: "The portal refuses credit notes." }
  ) {
    report { outcome comment reportedAt }
    update { state how installation { name version { number } } viewerCanReportOutcome }
    errors { code message }
  }
}`,
    needs: ["OpenPilots"],
    fill: (answers) => ({
      updateId: nodes(answers.OpenPilots?.openNextStage?.release?.updates)[0]?.id,
    }),
  },
  {
    name: "OpenTenth",
    title: "5 A tenth",
    token: "demo-publisher-admin",
    about: "Nobody at the publisher has read the report, and the next stage is opened. That is when the rule helps.",
    query: `mutation OpenTenth($releaseId: ID!) {
  openNextStage(input: { releaseId: $releaseId }) {
    release { id state stages { name state installationCount openedAt } }
    errors { code message }
  }
}`,
    needs: ["InStages"],
    fill: (answers) => ({ releaseId: staged(answers) }),
  },
  {
    name: "Halted",
    title: "6 Halted",
    token: "demo-publisher-admin",
    about: "The server has paused the release. More than 5 percent of the moved installations is bad, and now enough have been moved to judge. The answer has the numbers, and what Acme wrote. Nobody else is moved while the release is paused.",
    query: `query Halted($releaseId: ID!) {
  release(id: $releaseId) {
    id
    state
    pause { at by { kind name } reason figures { executed bad percent } }
    outcomes { works broken unreported }
    updates(filter: { outcomes: [BROKEN] }, first: 10) {
      edges { node { outcome { comment reportedAt } installation { name account { name } } } }
    }
    progress { total offered applied appliedStaged }
    haltWhen { percent atLeast }
    stages { name state installationCount openedAt completedAt }
    viewerCanResume
    viewerCanCancel
  }
}`,
    needs: ["InStages"],
    fill: (answers) => ({ releaseId: staged(answers) }),
  },
  {
    name: "TakeBack",
    title: "7 Take back",
    token: "demo-publisher-admin",
    about: "The publisher agrees with Acme and cancels the release. The server moves back whom the stages have moved. Run step 6 again: the state is CANCELED, and nobody has the new version.",
    query: `mutation TakeBack($releaseId: ID!) {
  cancelRelease(input: { releaseId: $releaseId }) {
    release { id state endedAt pack { name state currentVersion { number installationCount } } progress { total withdrawn } }
    errors { code message }
  }
}`,
    needs: ["InStages"],
    fill: (answers) => ({ releaseId: staged(answers) }),
  },
  {
    name: "RollBack",
    title: "8 Roll back",
    token: "demo-publisher-admin",
    about: "A release that has reached everybody can be rolled back. Customer 360 got version 2 some days ago; this puts version 1 in its place again, everywhere. The call says how many installations it may move at most, here as many as step 1 has counted.",
    query: `mutation RollBack($releaseId: ID!, $atMost: Int!) {
  rollBackRelease(
    input: { releaseId: $releaseId, atMost: $atMost, reason: "Consents are shown under a wrong date." }
  ) {
    release { id state reason pack { name currentVersion { number } } }
    installationCount
    errors { code message }
  }
}`,
    needs: ["UnderWay"],
    fill: (answers) => ({
      releaseId: customers(answers)?.currentVersion?.release?.id,
      atMost: customers(answers)?.currentVersion?.installationCount,
    }),
  },
];
