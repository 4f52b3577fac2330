// What the reader has set; it stands in the address after #, so that a link shows the same.
// Settings of the boundary bear the paths that `serlab decide --set` takes.

const state = { scenario: "", changes: new Map(), workload: "", hidden: new Set(), theme: "" };

const scenarioOf = (name) => DATA.answers.find((one) => one.scenario.name === name);

function readHash() {
  const given = new URLSearchParams(location.hash.slice(1));
  const asked = given.get("scenario");
  state.scenario = asked && scenarioOf(asked) ? asked : DATA.first;
  state.changes = new Map();
  for (const [key, text] of given) {
    if (valueAt(scenarioOf(state.scenario).scenario, key) !== undefined) setChange(key, valueFrom(key, text));
    else if (isShare(key) && isAmount(Number(text))) setChange(key, Number(text));
  }
  state.workload = DATA.workloads.includes(given.get("workload")) ? given.get("workload") : DATA.workloads[0];
  state.hidden = new Set((given.get("hide") || "").split(",").filter((name) => Object.hasOwn(DATA.codecs, name)));
  state.theme = ["light", "dark"].includes(given.get("theme")) ? given.get("theme") : "";
}

function writeHash() {
  const given = new URLSearchParams({ scenario: state.scenario });
  for (const [path, value] of state.changes) given.set(path, value);
  if (state.workload !== DATA.workloads[0]) given.set("workload", state.workload);
  if (state.hidden.size) given.set("hide", [...state.hidden].join(","));
  if (state.theme) given.set("theme", state.theme);
  history.replaceState(null, "", `#${given}`);
}

// A workload's name may hold dots, so only the first three split.
function stepsOf(path) {
  const steps = path.split(".");
  return [...steps.slice(0, 3), ...(steps.length > 3 ? [steps.slice(3).join(".")] : [])];
}

function valueAt(scenario, path) {
  let place = scenario;
  for (const step of stepsOf(path)) place = place !== null && typeof place === "object" ? own(place, step) : undefined;
  return typeof place === "object" ? undefined : place;
}

function isShare(path) {
  const [table, kind, name, workload] = stepsOf(path);
  const held = own(DATA.calculator.inputs.workloads, workload);
  return table === "messages" && name === "workloads" && held?.kind === kind && own(messagesOf(state.scenario), kind);
}

const messagesOf = (name) => scenarioOf(name).scenario.messages;

const isAmount = (value) => Number.isFinite(value) && value >= 0;

const CHOICES = { objective: ["time", "money"], "wire.compression": ["none", "gzip", "zstd"] };
const POSITIVE = ["wire.bandwidth_bit_per_s", "latency.tokens_per_s"];

// A setting's value as a number or a word; null for what it cannot be.
function valueFrom(path, text) {
  if (CHOICES[path]) return CHOICES[path].includes(text) ? text : null;
  const value = text.trim() === "" ? NaN : Number(text);
  return isAmount(value) && !(POSITIVE.includes(path) && value === 0) ? value : null;
}

// Remember a setting that is not the boundary's own.
function setChange(path, value) {
  if (value === null) return;
  if (valueAt(scenarioOf(state.scenario).scenario, path) === value) state.changes.delete(path);
  else state.changes.set(path, value);
}

// The boundary with the reader's settings.
function changedScenario() {
  const scenario = structuredClone(scenarioOf(state.scenario).scenario);
  for (const [path, value] of state.changes) {
    const steps = stepsOf(path);
    const last = steps.pop();
    const place = steps.reduce((table, step) => table[step], scenario);
    Object.defineProperty(place, last, { value, enumerable: true, writable: true, configurable: true });
  }
  return scenario;
}

// The command that decides the same.
function commandText() {
  const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\"'\"'")}'`);
  const settings = [...state.changes].flatMap(([path, value]) => ["--set", quoted(`${path}=${value}`)]);
  return ["serlab", "decide", quoted(DATA.directory), "--scenario", quoted(scenarioOf(state.scenario).source), ...settings]
    .join(" ");
}
