"""Receives webhooks: checks each signature, and writes each event once, a line of JSON each.

WEBHOOK_SECRET=whsec_… python3 receiver.py
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

FILE = Path(os.environ.get("EVENTS_FILE", "events.jsonl"))
WEBHOOK = Webhook(os.environ["WEBHOOK_SECRET"])
# An event can come twice: after an answer that was lost, for example.
KNOWN = {json.loads(line)["id"] for line in FILE.read_text().splitlines()} if FILE.exists() else set()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        # The signature is over the bytes as they came.
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            payload = WEBHOOK.verify(body, {name.lower(): value for name, value in self.headers.items()})
        except WebhookVerificationError as error:
            print(f"refused: {error}", flush=True)
            self.send_response(400)
            self.end_headers()
            return
        event = self.headers["webhook-id"]
        if event not in KNOWN:
            with FILE.open("a") as file:
                file.write(json.dumps({"id": event, **payload}) + "\n")
            KNOWN.add(event)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
