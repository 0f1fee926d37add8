// Mercurius over the tables: compiled queries (JIT), a loader for each relation, a process a core.
import fastify from 'fastify';
import mercurius from 'mercurius';
import pg from 'pg';
import { onEachCore } from './cluster.mjs';

const schema = `
  type Query { packs(first: Int!, afterName: String!, afterId: ID!): [Pack!]! }
  type Pack {
    id: ID!
    name: String!
    type: String!
    current: PackVersion
    pending: PackVersion
    installations: Int!
    components: [Row!]!
  }
  type PackVersion { id: ID! number: Int! }
  type Row { component: Component! current: ComponentVersion newest: ComponentVersion }
  type Component { id: ID! name: String! type: String! }
  type ComponentVersion { id: ID! version: String! }
`;

onEachCore(async () => {
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
  // Named, so that each connection plans it once.
  const rows = async (name, text, values) => (await pool.query({ name, text, values })).rows;

  // The rows with these ids, in the order asked.
  const byIds = (name, sql) => async (ids) => {
    const wanted = [...new Set(ids.filter((id) => id !== null))];
    const found = new Map((await rows(name, sql, [wanted])).map((row) => [row.id, row]));
    return ids.map((id) => (id === null ? null : found.get(id)));
  };
  const packVersions = byIds('pack_versions', 'SELECT id, number FROM pack_version WHERE id = ANY($1::uuid[])');
  const versions = byIds('versions', 'SELECT id, version FROM component_version WHERE id = ANY($1::uuid[])');
  const components = byIds(
    'components',
    'SELECT id, name, component_type AS type FROM component WHERE id = ANY($1::uuid[])',
  );

  const resolvers = {
    Query: {
      packs: (_, { first, afterName, afterId }) =>
        rows(
          'packs',
          `SELECT id, name, installation_type AS type, deployment_model, current_version_id, pending_version_id
           FROM integration_pack WHERE deleted_at IS NULL AND (name_key, id) > ($1, $2) ORDER BY name_key, id LIMIT $3`,
          [afterName, afterId, first],
        ),
    },
  };
  const loaders = {
    Pack: {
      current: (queries) => packVersions(queries.map(({ obj }) => obj.current_version_id)),
      pending: (queries) => packVersions(queries.map(({ obj }) => obj.pending_version_id)),
      async installations(queries) {
        const counted = await rows(
          'installations',
          `SELECT pack_id, COUNT(*)::integer AS count FROM installation
           WHERE pack_id = ANY($1::uuid[]) AND uninstalled_at IS NULL GROUP BY pack_id`,
          [queries.map(({ obj }) => obj.id)],
        );
        const counts = new Map(counted.map((row) => [row.pack_id, row.count]));
        return queries.map(({ obj }) => counts.get(obj.id) ?? 0);
      },
      async components(queries) {
        const found = await rows(
          'rows',
          `SELECT pack.id AS pack_id, component.id AS component_id, item.component_version_id AS current_id,
             CASE pack.deployment_model WHEN 'LEGACY' THEN latest_publication_id ELSE latest_shareable_id END AS newest_id
           FROM integration_pack AS pack
           JOIN draft_row ON draft_row.pack_id = pack.id
           JOIN component ON component.id = draft_row.component_id
           LEFT JOIN pack_version_item AS item
             ON item.pack_version_id = pack.current_version_id AND item.component_id = draft_row.component_id
           WHERE pack.id = ANY($1::uuid[]) ORDER BY component.name_key, component.id`,
          [queries.map(({ obj }) => obj.id)],
        );
        const byPack = Map.groupBy(found, (row) => row.pack_id);
        return queries.map(({ obj }) => byPack.get(obj.id) ?? []);
      },
    },
    Row: {
      component: (queries) => components(queries.map(({ obj }) => obj.component_id)),
      current: (queries) => versions(queries.map(({ obj }) => obj.current_id)),
      newest: (queries) => versions(queries.map(({ obj }) => obj.newest_id)),
    },
  };

  const app = fastify({ logger: false, keepAliveTimeout: 60_000 });
  app.register(mercurius, { schema, resolvers, loaders, jit: 1, graphiql: false });
  await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
});
