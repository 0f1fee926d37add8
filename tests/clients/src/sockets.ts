// A graphql-ws client whose connection can be cut.
import { type Client, createClient } from "graphql-ws";
import WebSocket from "ws";
import type { Demo } from "./story.js";

const open = new Set<Client>();

/** Closes all connections, because a process with an open one doesn't end. */
export async function hangUp() {
  await Promise.all([...open].map((client) => client.dispose()));
  open.clear();
}

export function connection(demo: Demo, token: string) {
  let socket: WebSocket | undefined;
  const client = createClient({
    url: demo.socket,
    webSocketImpl: WebSocket,
    connectionParams: { Authorization: `Bearer ${token}` },
    // No retries here: the caller subscribes again after its last cursor. The same subscription would repeat old
    // events.
    retryAttempts: 0,
    on: { opened: (opened) => (socket = opened as WebSocket) },
  });
  open.add(client);
  return { client, drop: () => socket?.terminate() };
}
