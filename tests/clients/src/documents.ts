// The documents that each client runs: what a front end of a publisher and an integrator of an account would write.
import { graphql } from "../generated/gql.js";

/** Packs as both kinds of accounts see them: a fragment on the interface, and what only one of them has. */
export const PACK_NAME = graphql(`
  fragment PackName on Pack {
    id
    name
    installationType
  }
`);

export const INSTALLATIONS = graphql(`
  query Installations {
    installations(first: 20) {
      edges {
        node {
          id
          name
          version {
            number
            ... on Node {
              id
            }
          }
          pack {
            __typename
            ...PackName
            ... on IntegrationPack {
              revision
            }
            ... on AvailablePack {
              publisherName
            }
          }
        }
      }
    }
  }
`);

export const PACKS = graphql(`
  query Packs($first: Int!, $after: String) {
    integrationPacks(first: $first, after: $after) {
      edges {
        cursor
        node {
          id
          name
          description
          revision
        }
      }
      pageInfo {
        hasNextPage
        hasPreviousPage
        startCursor
        endCursor
      }
    }
  }
`);

export const UPDATE_PACK = graphql(`
  mutation UpdatePack($input: UpdateIntegrationPackInput!) {
    updateIntegrationPack(input: $input) {
      integrationPack {
        id
        name
        description
        revision
      }
      errors {
        code
        ... on UserError {
          message
          field
        }
      }
    }
  }
`);

/** What an installation went through, from a place in the log of events on. */
export const FOLLOW = graphql(`
  subscription Follow($after: String) {
    installationUpdated(after: $after) {
      id
      cursor
      kind
      packName
      state
      versionNumber
      installation {
        id
        version {
          number
          ... on Node {
            id
          }
        }
      }
    }
  }
`);
