// The documents that each client runs: those of a publisher's front end and of an account's integrator.
import { graphql } from "../generated/gql.js";

/** Packs for both kinds of accounts: a fragment on the interface, and fields that only one of its types has. */
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

/** The events of an installation after a cursor. */
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
