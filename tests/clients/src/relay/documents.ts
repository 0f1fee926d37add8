// The documents of a front end with Relay: pages of fragments, connections that grow, and mutations that change them.
import { graphql } from "relay-runtime";

export const row = graphql`
  fragment documents_row on PackComponent {
    component { id name type }
    current { id version }
    next { id version }
    latestShareable { id version createdAt notes }
    newerShareableAvailable
    pinned
    markedForRemoval
  }
`;

export const name = graphql`
  fragment documents_name on Pack {
    id
    name
    installationType
    support { contact url }
  }
`;

export const packs = graphql`
  fragment documents_packs on Query @argumentDefinitions(first: { type: "Int", defaultValue: 2 }, after: { type: "String" }) @refetchable(queryName: "documentsPacksPageQuery") {
    integrationPacks(first: $first, after: $after) @connection(key: "documents_integrationPacks") {
      edges {
        node {
          ...documents_name
          state
          revision
          components { ...documents_row }
          pendingRelease { id state window { date startsAt } }
        }
      }
    }
  }
`;

export const packsPage = graphql`
  query documentsPacksQuery($first: Int!, $after: String) {
    ...documents_packs @arguments(first: $first, after: $after)
    viewer { account { id name ... on PublisherAccount { releaseDates { earliest } } } }
  }
`;

export const pack = graphql`
  fragment documents_pack on IntegrationPack @refetchable(queryName: "documentsPackRefetchQuery") {
    ...documents_name
    description
    versions(first: 10) { edges { node { id number createdAt } } }
  }
`;

export const installations = graphql`
  query documentsInstallationsQuery {
    installations(first: 20) {
      edges {
        node {
          id
          name
          version { __typename number ... on PackVersion { id } ... on AvailablePackVersion { id } }
          pack { __typename ...documents_name @relay(mask: false) ... on IntegrationPack { revision } ... on AvailablePack { publisherName } }
        }
      }
    }
  }
`;

export const createPack = graphql`
  mutation documentsCreatePackMutation($input: CreateIntegrationPackInput!, $connections: [ID!]!) {
    createIntegrationPack(input: $input) {
      integrationPack @prependNode(connections: $connections, edgeTypeName: "IntegrationPackEdge") { ...documents_pack }
      errors { code message field }
    }
  }
`;

export const updatePack = graphql`
  mutation documentsUpdatePackMutation($input: UpdateIntegrationPackInput!) {
    updateIntegrationPack(input: $input) {
      integrationPack { id description revision }
      errors { code ... on UserError { message field } }
    }
  }
`;

export const follow = graphql`
  subscription documentsFollowSubscription($after: String) {
    installationUpdated(after: $after) {
      id
      cursor
      kind
      packName
      state
      versionNumber
      installation { id version { number } }
    }
  }
`;

export const node = graphql`
  query documentsNodeQuery($id: ID!) {
    node(id: $id) {
      __typename
      id
      ... on Pack { name installationType }
    }
  }
`;
