// Receives webhooks: checks each signature, and writes each event once, a line of JSON each.
//
//   WEBHOOK_SECRET=whsec_… node receiver.mjs
import { createServer } from "node:http";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const file = process.env.EVENTS_FILE ?? "events.jsonl";
const webhook = new Webhook(process.env.WEBHOOK_SECRET);
// An event can come twice: after an answer that was lost, for example.
const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
const known = new Set(lines.map((line) => JSON.parse(line).id));

const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    // The signature is over the bytes as they came.
    const body = Buffer.concat(chunks).toString("utf8");
    try {
      const payload = webhook.verify(body, request.headers);
      const id = request.headers["webhook-id"];
      if (!known.has(id)) {
        appendFileSync(file, `${JSON.stringify({ id, ...payload })}\n`);
        known.add(id);
      }
      response.writeHead(204).end();
    } catch (error) {
      console.error(`refused: ${error.message}`);
      response.writeHead(400).end();
    }
  });
});
server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
