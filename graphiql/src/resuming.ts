// Resumes an interrupted subscription after its last event, if its field takes `after`.
import { type ArgumentNode, type DocumentNode, type FieldNode, getOperationAST, Kind, parse, print, visit } from "graphql";
import type { Request, Result } from "./transport";

/** The fields that take `after`, the cursor of the last event that the client has got. */
const WITH_AFTER = ["events", "installationUpdated", "releaseAnnounced", "newerShareablePackaged"];

/** The cursor of an event, if the document selects it. */
export function cursorOf({ data }: Result): string | undefined {
  const event = data && (Object.values(data)[0] as { cursor?: unknown } | null);
  return typeof event?.cursor === "string" ? event.cursor : undefined;
}

/** The field of a subscription that can be resumed: it takes `after`, and the document selects the cursor. */
function fieldOf(document: DocumentNode, operationName: string | null | undefined): FieldNode | undefined {
  const field = getOperationAST(document, operationName)?.selectionSet.selections[0];
  if (field?.kind !== Kind.FIELD || !WITH_AFTER.includes(field.name.value)) return undefined;
  const isCursor = (each: { kind: Kind }) => each.kind === Kind.FIELD && ((each as FieldNode).alias ?? (each as FieldNode).name).value === "cursor";
  return field.selectionSet?.selections.some(isCursor) ? field : undefined;
}

/** Whether the subscription misses nothing when its connection is lost for a while. */
export function canGoOn({ query, operationName }: Request): boolean {
  try {
    return fieldOf(parse(query), operationName) !== undefined;
  } catch {
    return false;
  }
}

/** The request for the events after `cursor`; the unchanged request when there is no cursor. */
export function goingOnAfter(request: Request, cursor: string | undefined): Request {
  const document = cursor === undefined ? undefined : parse(request.query);
  const root = document && fieldOf(document, request.operationName);
  if (!document || !root || cursor === undefined) return request;
  const given = root.arguments?.find(({ name }) => name.value === "after")?.value;
  if (given?.kind === Kind.VARIABLE) return { ...request, variables: { ...request.variables, [given.name.value]: cursor } };
  const after: ArgumentNode = {
    kind: Kind.ARGUMENT,
    name: { kind: Kind.NAME, value: "after" },
    value: { kind: Kind.STRING, value: cursor },
  };
  const others = (root.arguments ?? []).filter(({ name }) => name.value !== "after");
  const query = visit(document, { Field: (node) => (node === root ? { ...node, arguments: [...others, after] } : undefined) });
  return { ...request, query: print(query) };
}

/** What an interruption means for the results. */
export function remarkOn(request: Request): string {
  if (canGoOn(request)) return "Was interrupted, and went on after the last event.";
  if (/\breleaseProgress\b/.test(request.query)) return "Was interrupted; the newest item says where the release stands.";
  return "Was interrupted. What happened meanwhile may be missing: only a field that takes `after`, and is asked for its `cursor`, goes on where it was.";
}
