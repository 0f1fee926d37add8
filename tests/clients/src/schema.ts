// The parts of the schema that clients need to match fragments on interfaces.
import { readFileSync } from "node:fs";
import { buildSchema, type IntrospectionQuery, introspectionFromSchema, isAbstractType } from "graphql";
import { ROOT } from "../lib/demo.mjs";

const schema = buildSchema(readFileSync(`${ROOT}schema.graphql`, "utf8"));

/** The types that implement each interface. */
export const possibleTypes: Record<string, string[]> = Object.fromEntries(
  Object.values(schema.getTypeMap())
    .filter(isAbstractType)
    .map((type) => [type.name, schema.getPossibleTypes(type).map(({ name }) => name)]),
);

export const introspection: IntrospectionQuery = introspectionFromSchema(schema);
