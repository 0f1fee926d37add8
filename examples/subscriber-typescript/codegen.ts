import type { CodegenConfig } from "@graphql-codegen/cli";

// Generates types for the operations of this example from the server's schema.
const config: CodegenConfig = {
  schema: "../../schema.graphql",
  documents: "src/*.graphql",
  generates: {
    "src/generated.ts": {
      plugins: ["typescript-operations", "typed-document-node"],
      config: {
        useTypeImports: true,
        enumType: "string-literal",
        strictScalars: true,
        scalars: { Date: "string", DateTime: "string", Markdown: "string", TimeZone: "string", URI: "string" },
      },
    },
  },
};

export default config;
