// The query form: tabs with a token each, variables, and subscriptions over graphql-transport-ws.
import { TOURS } from "./tour.js";

/** Relative to this file, because a proxy may serve it under a prefix. */
const PATH = new URL("../graphql", import.meta.url);

const $ = (id) => document.getElementById(id);
const START = { name: "own", title: "New", about: "", query: "{\n  __typename\n}\n", variables: "{}", token: "" };

/** The pauses before reconnecting, in milliseconds. */
const PAUSE = 1_000;
const GONE = `The server at ${location.host} can't be reached. Is it still running? Start it again, then run this again.`;
const BEGUN_ANEW = "The demo was reset: its server was restarted, or somebody pressed Start over. Run the tour from step 1.";

const tabs = [];
let answers = {};
let demoTokens = [];
/** What the page knows of its server. */
let place = {};
/** The world of the demo that the page belongs to. */
let world;
let active;
/** The tour whose tabs are shown. */
let tour = TOURS[0];

function addTab(plan) {
  const tab = { variables: "", output: [], state: "", socket: null, touched: false, ...plan };
  tabs.push(tab);
  return tab;
}

/** The variables of a tab, from the answers of earlier tabs, with a placeholder for unknown values. */
function filled(tab) {
  if (!tab.fill) return tab.variables || "{}";
  const values = Object.entries(tab.fill(answers, place)).map(([name, value]) => [name, value ?? "not known yet"]);
  return JSON.stringify(Object.fromEntries(values), null, 2);
}

/** The titles of the steps that must run before a tab's variables are known. */
function missing(tab) {
  if (!tab.fill || tab.needs.length === 0 || Object.values(tab.fill(answers, place)).every((value) => value != null)) return "";
  const needed = TOURS.flatMap(({ steps }) => steps).filter(({ name }) => tab.needs.includes(name));
  const open = needed.filter(({ name }) => !answers[name]);
  const titles = (open.length ? open : needed).map(({ title }) => `“${title}”`).join(" and ");
  return `First run ${titles}: the variables are made of what is answered there.`;
}

/** Shows a message about the server until it is replaced. */
function tell(word) {
  $("word").textContent = word;
  $("word").hidden = !word;
}

function show(tab) {
  active = tab;
  tour = tab.tour ?? tour;
  if (!tab.touched) tab.variables = filled(tab);
  $("query").value = tab.query;
  $("variables").value = tab.variables;
  $("token").value = tab.token;
  $("tokens").value = demoTokens.some((known) => known.secret === tab.token) ? tab.token : "";
  $("about").textContent = tab.about;
  $("missing").textContent = missing(tab);
  $("fill").hidden = !tab.fill;
  for (const choice of $("tours").children) choice.ariaCurrent = choice.textContent.endsWith(`: ${tour.title}`) ? "true" : null;
  paintTabs();
  paintAnswer();
}

function paintTabs() {
  const buttons = tabs.filter((tab) => !tab.tour || tab.tour === tour).map((tab) => {
    const button = document.createElement("button");
    button.type = "button";
    button.role = "tab";
    button.textContent = tab.socket ? `${tab.title} ●` : tab.title;
    button.setAttribute("aria-selected", String(tab === active));
    button.addEventListener("click", () => show(tab));
    return button;
  });
  const more = document.createElement("button");
  more.type = "button";
  more.textContent = "+";
  more.title = "A new tab";
  more.addEventListener("click", () => show(addTab({ ...START, token: active.token })));
  $("tabs").replaceChildren(...buttons, more);
}

/** Renders an answer as text. Each id and cursor becomes a button that copies it. */
function paintAnswer() {
  const text = active.output.map((part) => (typeof part === "string" ? part : JSON.stringify(part, null, 2))).join("\n\n");
  const parts = text.split(/("(?:id|cursor|\w+Id|\w*[cC]ursor|startsAt|endsAt|earliest)": )"([^"]*)"/);
  const children = [];
  for (let i = 0; i < parts.length; i += 3) {
    children.push(parts[i]);
    if (i + 2 >= parts.length) break;
    const copy = document.createElement("button");
    copy.type = "button";
    copy.textContent = `"${parts[i + 2]}"`;
    copy.addEventListener("click", () => {
      navigator.clipboard?.writeText(parts[i + 2]);
      $("state").textContent = "copied";
    });
    children.push(parts[i + 1], copy);
  }
  $("answer").replaceChildren(...children);
  $("state").textContent = active.state;
  $("stop").disabled = !active.socket;
}

function say(tab, state, ...output) {
  tab.state = state;
  tab.output.push(...output);
  if (tab === active) paintAnswer();
  paintTabs();
}

/** Whether the document's operation is a subscription. Ignores comments and strings. */
function isSubscription(query) {
  const bare = query.replace(/"""[\s\S]*?"""|"(?:\\.|[^"\\])*"|#[^\n]*/g, "");
  return /(^|[}\s])subscription\b/.test(bare) && !/^\s*(query|mutation|\{)/.test(bare);
}

async function run() {
  const tab = active;
  stop(tab);
  let variables;
  try {
    variables = JSON.parse(tab.variables || "{}");
  } catch {
    tab.output = ["The variables are no JSON."];
    return say(tab, "");
  }
  tab.output = [];
  const request = { query: tab.query, variables };
  if (isSubscription(tab.query)) return subscribe(tab, request);
  say(tab, "running …");
  const headers = { "content-type": "application/json", accept: "application/json" };
  if (tab.token) headers.authorization = `Bearer ${tab.token}`;
  const began = performance.now();
  try {
    const response = await fetch(PATH, { method: "POST", headers, body: JSON.stringify(request) });
    const answer = await response.json();
    if (answer.data) answers[tab.name] = answer.data;
    tell("");
    say(tab, `${response.status}, ${Math.round(performance.now() - began)} ms`, answer);
  } catch {
    tell(GONE);
    return say(tab, "failed", GONE);
  }
  tellTime();
}

function subscribe(tab, request) {
  const socket = new WebSocket(PATH.href.replace(/^http/, "ws"), "graphql-transport-ws");
  const send = (message) => socket.send(JSON.stringify(message));
  tab.socket = socket;
  say(tab, "connecting …");
  socket.addEventListener("open", () =>
    send({ type: "connection_init", payload: tab.token ? { Authorization: `Bearer ${tab.token}` } : {} }),
  );
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "connection_ack") {
      tab.told = false;
      send({ type: "subscribe", id: "1", payload: request });
      say(tab, "listening");
    } else if (message.type === "ping") {
      send({ type: "pong" });
    } else if (message.type === "next") {
      tab.cursor = Object.values(message.payload.data ?? {})[0]?.cursor ?? tab.cursor;
      say(tab, "listening", message.payload);
    } else if (message.type === "error") {
      say(tab, "ended", { errors: message.payload });
      stop(tab);
    } else if (message.type === "complete") {
      say(tab, "ended", "Complete.");
      stop(tab);
    }
  });
  socket.addEventListener("close", ({ code, reason }) => {
    if (tab.socket !== socket) return;
    if (code >= 4400 && code < 4500) {
      tab.socket = null;
      return say(tab, "closed", `Closed: ${code} ${reason}`);
    }
    say(tab, "interrupted; tries again");
    setTimeout(() => tab.socket === socket && again(tab, request), PAUSE);
  });
}

/** Resumes after the last event, if the document has a variable for the cursor. */
async function again(tab, request) {
  const known = world;
  await tellTime();
  if (known !== world) {
    tab.socket = null;
    return say(tab, "ended", BEGUN_ANEW);
  }
  const goesOn = tab.cursor && /\$after\b/.test(request.query);
  if (!tab.told) say(tab, "", goesOn ? "Interrupted; goes on after the last event." : "Interrupted; what happens meanwhile may be missing.");
  tab.told = true;
  subscribe(tab, goesOn ? { ...request, variables: { ...request.variables, after: tab.cursor } } : request);
}

function stop(tab) {
  const socket = tab.socket;
  if (!socket) return;
  tab.socket = null;
  socket.close(1000);
  if (tab === active) paintAnswer();
  paintTabs();
}

/** Shows the server's clock, which in the demo differs from the real time, and checks whether its world has changed. */
async function tellTime() {
  if (!demoTokens.length) return;
  const headers = { "content-type": "application/json", authorization: `Bearer ${demoTokens[0].secret}` };
  try {
    const settings = await (await fetch(new URL("./settings.json", import.meta.url))).json();
    if (settings.world !== world) {
      world = settings.world;
      answers = {};
      tell(BEGUN_ANEW);
      $("missing").textContent = missing(active);
    }
    const response = await fetch(PATH, { method: "POST", headers, body: '{"query":"{ serverInfo { now } }"}' });
    const now = (await response.json()).data?.serverInfo?.now;
    if (now) $("clock").textContent = `demo clock ${new Date(now).toLocaleString()}`;
  } catch {
    // The next request will show that the server is gone.
  }
}

async function startOver() {
  if (!confirm("Start the demo over? All changes in it are lost, and so are this page's tabs.")) return;
  const headers = { "content-type": "application/json", authorization: `Bearer ${demoTokens[0].secret}` };
  try {
    const response = await fetch(PATH, { method: "POST", headers, body: '{"query":"mutation { demoReset { now } }"}' });
    if ((await response.json()).data?.demoReset) location.reload();
  } catch {
    tell(GONE);
  }
}

/** Lists a document for each operation, which opens in a tab. */
async function offerExamples() {
  const examples = await (await fetch(new URL("./operations.json", import.meta.url))).json();
  $("examples").append(...examples.map(({ name }) => new Option(name, name)));
  $("examples").addEventListener("change", ({ target }) => {
    const { document } = examples.find(({ name }) => name === target.value) ?? {};
    target.value = "";
    if (document) show(addTab({ ...START, title: /(?:query|mutation|subscription) (\w+)/.exec(document)[1], query: document, token: active.token }));
  });
}

/** Makes a tab of each step, and a button of each tour that leads to its first step. */
function offerTours() {
  const choices = TOURS.map((each, at) => {
    const [first] = each.steps.map((step) => addTab({ ...step, tour: each }));
    const choice = document.createElement("button");
    choice.type = "button";
    choice.textContent = `Tour ${at + 1}: ${each.title}`;
    choice.addEventListener("click", () => show(first));
    return choice;
  });
  $("tours").replaceChildren(...choices);
  $("tours").hidden = false;
}

function chooseFrom(tokens) {
  const choices = [...tokens.map((token) => [token.secret, `${token.secret} (${token.name})`]), ["", "another"]];
  const options = choices.map(([value, text]) => new Option(text, value));
  $("tokens").replaceChildren(...options);
  $("tokens").parentElement.hidden = tokens.length === 0;
}

async function start() {
  try {
    const settings = await (await fetch(new URL("./settings.json", import.meta.url))).json();
    demoTokens = settings.tokens;
    place = settings;
    world = settings.world;
    $("notice").textContent = settings.notice ?? "";
    $("notice").hidden = !settings.notice;
  } catch {
    demoTokens = [];
  }
  chooseFrom(demoTokens);
  if (demoTokens.length) offerTours();
  else addTab(START);
  $("query").addEventListener("input", () => (active.query = $("query").value));
  $("variables").addEventListener("input", () => {
    active.variables = $("variables").value;
    active.touched = true;
  });
  $("token").addEventListener("input", () => {
    active.token = $("token").value.trim();
    $("tokens").value = demoTokens.some((known) => known.secret === active.token) ? active.token : "";
  });
  $("tokens").addEventListener("change", () => {
    active.token = $("tokens").value;
    $("token").value = active.token;
    if (!active.token) $("token").focus();
  });
  $("run").addEventListener("click", run);
  $("stop").addEventListener("click", () => {
    stop(active);
    say(active, "stopped");
  });
  $("fill").addEventListener("click", () => {
    active.touched = false;
    show(active);
    say(active, missing(active) || "The variables are filled in.");
  });
  $("start-over").hidden = demoTokens.length === 0;
  $("start-over").addEventListener("click", startOver);
  offerExamples().catch(() => tell(GONE));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run();
    }
  });
  show(tabs[0]);
  $("run").disabled = false;
  tellTime();
}

start();
