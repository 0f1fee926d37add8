// A process a core, as the guides of both servers advise: Node.js runs JavaScript on one.
import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';

export function onEachCore(serve) {
  if (!cluster.isPrimary) {
    serve();
    return;
  }
  const count = Number(process.env.WORKERS ?? availableParallelism());
  for (let n = 0; n < count; n += 1) cluster.fork();
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGKILL');
    process.exit(0);
  });
}
