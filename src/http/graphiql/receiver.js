// The demo's receiver of webhooks: shows each delivery as it comes, and checks its signature with the endpoint's secret.
// GraphiQL keeps the answers of its tour's steps, and among them the secret; otherwise the user enters it.

const $ = (id) => document.getElementById(id);
const ANSWERS = "packwright:answers";
const SETTINGS = new URL("./settings.json", import.meta.url);
const ENCODER = new TextEncoder();

const VERDICTS = {
  right: "✓ the signature is right",
  wrong: "✗ the signature is wrong",
  unknown: "the secret isn't known yet",
  impossible: "this page can check signatures only over https, or at localhost or 127.0.0.1",
};

const deliveries = [];
/** The demo's world. Answers of another one hold other secrets. */
let world;

function told() {
  try {
    const known = JSON.parse(localStorage.getItem(ANSWERS) ?? "{}");
    return known.world === world ? known.answers?.Endpoint?.createWebhookEndpoint?.secret : undefined;
  } catch {
    return undefined;
  }
}

/** The key of a secret; undefined if the text is no secret. */
async function keyOf(secret) {
  try {
    const bytes = Uint8Array.from(atob(secret.replace(/^whsec_/, "")), (letter) => letter.charCodeAt(0));
    return await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  } catch {
    return undefined;
  }
}

/** Whether one of a delivery's signatures is made with the secret: a receiver checks it like this. */
async function verdict({ id, timestamp, signature, body }) {
  if (!crypto.subtle) return "impossible";
  const secret = $("secret").value.trim();
  if (!secret) return "unknown";
  const key = await keyOf(secret);
  if (!key) return "wrong";
  const signed = ENCODER.encode(`${id}.${timestamp}.${body}`);
  for (const each of signature.split(" ")) {
    const [version, text] = each.split(",");
    if (version !== "v1") continue;
    try {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      if (await crypto.subtle.verify("HMAC", key, bytes, signed)) return "right";
    } catch {
      // It is no base64.
    }
  }
  return "wrong";
}

async function judge(delivery) {
  const found = await verdict(delivery);
  delivery.row.dataset.signature = found;
  delivery.row.querySelector(".verdict").textContent = VERDICTS[found];
}

const judgeAll = () => Promise.all(deliveries.map(judge));

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function pretty(body) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}

function typeOf(body) {
  try {
    return String(JSON.parse(body).type);
  } catch {
    return "no JSON";
  }
}

function show(delivery) {
  const isRepeated = deliveries.some(({ id }) => id === delivery.id);
  const [row, details, summary] = ["li", "details", "summary"].map((name) => document.createElement(name));
  const id = element("code", delivery.id);
  const again = isRepeated ? " (it has come before: drop it)" : "";
  summary.append(element("strong", typeOf(delivery.body), "type"), " ", id, again, " ", element("span", "…", "verdict"));
  const headers = ["id", "timestamp", "signature"].map((name) => `webhook-${name}: ${delivery[name]}`).join("\n");
  details.append(summary, element("pre", `${headers}\n\n${pretty(delivery.body)}`));
  row.append(details);
  $("deliveries").prepend(row);
  $("nothing").hidden = true;
  deliveries.push({ ...delivery, row });
  void judge(deliveries.at(-1));
}

/** Takes the secret that the tour's step was answered, unless the user has entered another one. */
function learn() {
  const secret = told();
  const field = $("secret");
  if (!secret || (field.value && field.value !== field.dataset.told)) return;
  field.value = secret;
  field.dataset.told = secret;
  $("known").textContent = "the tour's first step was told it";
  void judgeAll();
}

function listen() {
  const events = new EventSource(new URL("./receiver/deliveries", import.meta.url));
  events.addEventListener("open", () => {
    // The server sends all that it keeps, each time.
    deliveries.length = 0;
    $("deliveries").replaceChildren();
    $("nothing").hidden = false;
    $("state").textContent = "listening";
    void enter();
  });
  events.addEventListener("error", () => {
    $("state").textContent = "the server can't be reached; trying again …";
  });
  events.addEventListener("delivery", (event) => show(JSON.parse(event.data)));
}

/** Reads the demo's world: it is another one when the demo has started over. */
async function enter() {
  try {
    const settings = await (await fetch(SETTINGS)).json();
    world = settings.world;
    $("address").textContent = settings.receiver ?? new URL("./receiver", import.meta.url).href;
    learn();
  } catch {
    $("state").textContent = "the server can't be reached; trying again …";
  }
}

$("secret").addEventListener("input", () => {
  $("known").textContent = "";
  void judgeAll();
});
addEventListener("storage", learn);
listen();
