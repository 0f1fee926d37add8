// One connection to the server, and what can go wrong on it.

import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { GraphQLError, print } from "graphql";
import { type Client, createClient } from "graphql-ws";
import WebSocket from "ws";

/** Asking again won't help: the token is refused, or the document is at fault. */
export class Hopeless extends Error {}

/** The cursor is older than what the server keeps. */
export class CursorExpired extends Error {}

/** How often the server is asked whether it is still there, and how long it has to answer. */
const PING_EVERY = 10_000;
const PONG_WITHIN = 5_000;

/** Close codes after which the same again would end the same way. */
const HOPELESS = [4400, 4401, 4403, 4406];
/** The same for the codes of errors. What is left, such as UNAVAILABLE or TIMEOUT, passes. */
const HOPELESS_ERRORS = ["UNAUTHENTICATED", "FORBIDDEN", "BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"];

export class Connection {
  readonly #client: Client;

  constructor(url: string, token: string) {
    let patience: NodeJS.Timeout | undefined;
    this.#client = createClient({
      url,
      webSocketImpl: WebSocket,
      connectionParams: { Authorization: `Bearer ${token}` },
      // Its own retries would subscribe after the cursor of the first time, again and again.
      retryAttempts: 0,
      keepAlive: PING_EVERY,
      on: {
        // A server that was cut off from the network sends no close.
        ping: (received) => {
          if (!received) patience = setTimeout(() => this.#client.terminate(), PONG_WITHIN);
        },
        pong: (received) => {
          if (received) clearTimeout(patience);
        },
        connected: () => console.error(`connected to ${url}`),
        closed: () => clearTimeout(patience),
      },
    });
  }

  /** The answer to a query. */
  async ask<Data, Variables extends Record<string, unknown>>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): Promise<Data> {
    for await (const data of this.follow(document, variables)) return data;
    throw new Error("the server ended the query without an answer");
  }

  /** The items of a subscription, until the server ends it. */
  async *follow<Data, Variables extends Record<string, unknown>>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): AsyncGenerator<Data, void> {
    try {
      for await (const { data, errors } of this.#client.iterate<Data>({ query: print(document), variables })) {
        if (errors?.length) throw errors;
        if (data) yield data;
      }
    } catch (error) {
      throw understood(error);
    }
  }

  async close(): Promise<void> {
    await this.#client.dispose();
  }
}

/** What an error means to the follower. */
function understood(error: unknown): Error {
  if (Array.isArray(error)) {
    const [first] = error as GraphQLError[];
    const code = String(first?.extensions?.["code"]);
    const message = `${code}: ${first?.message}`;
    if (code === "CURSOR_EXPIRED") return new CursorExpired(message);
    return HOPELESS_ERRORS.includes(code) ? new Hopeless(message) : new Error(message);
  }
  if (error !== null && typeof error === "object" && "code" in error && "reason" in error) {
    const message = `closed with ${error.code}: ${error.reason}`;
    return HOPELESS.includes(Number(error.code)) ? new Hopeless(message) : new Error(message);
  }
  if (error !== null && typeof error === "object" && "message" in error) return new Error(String(error.message));
  return new Error(String(error));
}
