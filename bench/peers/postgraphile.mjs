// PostGraphile 5 over the tables: its preset, nothing that costs time turned on, a process a core.
import { createServer } from 'node:http';
import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { grafserv } from 'postgraphile/grafserv/node';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { onEachCore } from './cluster.mjs';

export const preset = {
  extends: [PostGraphileAmberPreset],
  disablePlugins: ['PgIndexBehaviorsPlugin'],
  pgServices: [
    makePgService({ connectionString: process.env.DATABASE_URL, schemas: ['public'], poolConfig: { max: 10 } }),
  ],
  grafserv: { graphqlPath: '/graphql', graphiql: false, websockets: false, watch: false, maxRequestLength: 100_000 },
  grafast: { explain: false },
};

onEachCore(async () => {
  const server = createServer();
  server.keepAliveTimeout = 60_000;
  const serv = postgraphile(preset).createServ(grafserv);
  await serv.addTo(server);
  server.listen(Number(process.env.PORT), '127.0.0.1');
});
