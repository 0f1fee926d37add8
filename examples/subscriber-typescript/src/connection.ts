// A connection to the server, and the errors that can end it.

import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { GraphQLError, print } from "graphql";
import { type Client, createClient } from "graphql-ws";
import WebSocket from "ws";

/** Trying again is useless: the token was refused, or the document is wrong. */
export class Hopeless extends Error {}

/** The server no longer keeps the events after the cursor. */
export class CursorExpired extends Error {}

/** How often to ping the server, and how long it may take to answer. */
const PING_EVERY = 10_000;
const PONG_WITHIN = 5_000;

/** Close codes after which trying again is useless. */
const HOPELESS = [4400, 4401, 4403, 4406];
/** Error codes after which trying again is useless. Others, such as UNAVAILABLE or TIMEOUT, are temporary. */
const HOPELESS_ERRORS = ["UNAUTHENTICATED", "FORBIDDEN", "BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"];

export class Connection {
  readonly #client: Client;

  constructor(url: string, token: string) {
    let patience: NodeJS.Timeout | undefined;
    this.#client = createClient({
      url,
      webSocketImpl: WebSocket,
      connectionParams: { Authorization: `Bearer ${token}` },
      // The library's own retries would always subscribe after the first cursor.
      retryAttempts: 0,
      keepAlive: PING_EVERY,
      on: {
        // A server that was cut off from the network can't close the connection.
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

  /** The data of a query. */
  async ask<Data, Variables extends Record<string, unknown>>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): Promise<Data> {
    for await (const data of this.follow(document, variables)) return data;
    throw new Error("the server ended the query without an answer");
  }

  /** The items of a subscription until the server ends it. */
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

/** Converts an error to one of the errors above. */
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
