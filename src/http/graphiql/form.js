// A query form: tabs, a token for each, variables, and subscriptions over graphql-transport-ws.
import { TOUR } from "./tour.js";

/** Relative to this file: a proxy may serve all of it under a prefix. */
const PATH = new URL("../graphql", import.meta.url);

const $ = (id) => document.getElementById(id);
const START = { name: "own", title: "New", about: "", query: "{\n  __typename\n}\n", variables: "{}", token: "" };

const tabs = [];
const answers = {};
let demoTokens = [];
let active;

function addTab(plan) {
  const tab = { variables: "", output: [], state: "", socket: null, touched: false, ...plan };
  tabs.push(tab);
  return tab;
}

/** What a tab's variables are, from what earlier tabs answered; what is not known yet says so. */
function filled(tab) {
  if (!tab.fill) return tab.variables || "{}";
  const values = Object.entries(tab.fill(answers)).map(([name, value]) => [name, value ?? `run the tabs before this one`]);
  return JSON.stringify(Object.fromEntries(values), null, 2);
}

function show(tab) {
  active = tab;
  if (!tab.touched) tab.variables = filled(tab);
  $("query").value = tab.query;
  $("variables").value = tab.variables;
  $("token").value = tab.token;
  $("tokens").value = demoTokens.some((known) => known.secret === tab.token) ? tab.token : "";
  $("about").textContent = tab.about;
  $("fill").hidden = !tab.fill;
  paintTabs();
  paintAnswer();
}

function paintTabs() {
  const buttons = tabs.map((tab) => {
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

/** The answer as text, with each id and cursor as a button that copies it. */
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

/** Whether the document's operation is a subscription; comments and strings are left out of the look. */
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
    say(tab, `${response.status}, ${Math.round(performance.now() - began)} ms`, answer);
  } catch (error) {
    say(tab, "failed", `The server doesn't answer: ${error.message}`);
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
      send({ type: "subscribe", id: "1", payload: request });
      say(tab, "listening");
    } else if (message.type === "ping") {
      send({ type: "pong" });
    } else if (message.type === "next") {
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
    tab.socket = null;
    say(tab, "closed", `Closed: ${code} ${reason}`);
  });
}

function stop(tab) {
  const socket = tab.socket;
  if (!socket) return;
  tab.socket = null;
  socket.close(1000);
  if (tab === active) paintAnswer();
  paintTabs();
}

/** The server's clock: in the demo it is not that of the wall. */
async function tellTime() {
  if (!demoTokens.length) return;
  const headers = { "content-type": "application/json", authorization: `Bearer ${demoTokens[0].secret}` };
  try {
    const response = await fetch(PATH, { method: "POST", headers, body: '{"query":"{ serverInfo { now } }"}' });
    const now = (await response.json()).data?.serverInfo?.now;
    if (now) $("clock").textContent = `demo clock ${new Date(now).toLocaleString()}`;
  } catch {
    // The next answer says that the server is gone.
  }
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
    $("notice").textContent = settings.notice ?? "";
    $("notice").hidden = !settings.notice;
  } catch {
    demoTokens = [];
  }
  chooseFrom(demoTokens);
  if (demoTokens.length) TOUR.forEach(addTab);
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
  });
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
