// The calculator's fields: the wire, the model's latency, the traffic and the prices of a boundary.

const NUMBERS = [
  { group: "Wire", path: "wire.bandwidth_bit_per_s", name: "Bandwidth, Mbit/s", factor: 1e6 },
  { group: "Wire", path: "wire.crossings", name: "Times each message crosses it" },
  { group: "Waiting for the model", path: "latency.time_to_first_token_s", name: "Time to first token, ms", factor: 1e-3 },
  { group: "Waiting for the model", path: "latency.tokens", name: "Tokens in an answer" },
  { group: "Waiting for the model", path: "latency.tokens_per_s", name: "Tokens per second" },
  { group: "Waiting for the model", path: "latency.other_s", name: "All else a call waits for, ms", factor: 1e-3 },
  { group: "Prices", path: "prices.core_hour", name: "Core-hour" },
  { group: "Prices", path: "prices.traffic_gb", name: "GB over the wire" },
  { group: "Prices", path: "prices.storage_gb_month", name: "GB stored for a month" },
  { group: "Prices", path: "storage.copies", name: "Copies kept of a message" },
  { group: "Prices", path: "storage.days", name: "Days it is kept" },
];
const WORDS = {
  objective: { name: "Rank by", texts: { time: "time", money: "money" } },
  "wire.compression": { name: "Compression", texts: { none: "none", gzip: "gzip", zstd: "zstd" } },
};
const DECADES = [6, 11]; // the slider goes from 1 Mbit/s to 100 Gbit/s

const idOf = (path) => `set-${path}`;

// Lay out the fields for the present boundary.
function drawControls() {
  const { scenario } = scenarioOf(state.scenario);
  const groups = new Map([["Ranking", [choice("objective")]], ["Wire", []]]);
  for (const number of NUMBERS) {
    if (valueAt(scenario, number.path) === undefined) continue;
    if (!groups.has(number.group)) groups.set(number.group, []);
    const fields = groups.get(number.group);
    fields.push(numberField(number));
    if (number.path === "wire.bandwidth_bit_per_s") fields.push(slider(), choice("wire.compression"));
  }
  for (const { kind, message } of resolve(DATA.calculator.inputs, scenario)) groups.set(kind, trafficOf(kind, message));
  const sets = [...groups].map(([name, fields]) => fieldset(name, fields, scenario));
  byId("controls").replaceChildren(...sets);
}

function fieldset(name, fields, { prices, messages }) {
  const title = own(messages, name) ? `Traffic: ${name}` : name === "Prices" ? `Prices, ${prices.currency}` : name;
  return element("fieldset", {}, element("legend", {}, title), ...fields);
}

function choice(path) {
  const { name, texts } = WORDS[path];
  const options = Object.entries(texts).map(([value, text]) => option(value, text, value === present(path)));
  const change = (event) => changed(path, event.target.value);
  return field(idOf(path), name, element("select", { id: idOf(path), onchange: change }, ...options));
}

const present = (path) => state.changes.get(path) ?? valueAt(scenarioOf(state.scenario).scenario, path);

// A number in the reader's unit: 0.3 ms, not 0.30000000000000004.
const inUnit = (value, factor = 1) => Number((value / factor).toPrecision(12));

function numberField({ path, name, factor = 1 }, value = present(path), change = changed) {
  const id = idOf(path);
  const input = element("input", { id, type: "number", min: 0, step: "any", inputmode: "decimal", "data-path": path });
  input.value = inUnit(value, factor);
  input.addEventListener("input", () => {
    const set = valueFrom(path, input.value);
    mark(input, set === null);
    if (set !== null) change(path, inUnit(set * factor));
  });
  const made = field(id, name, input, POSITIVE.includes(path) ? "A number above 0, please" : "A number from 0 up, please");
  made.querySelector("small").hidden = true;
  return made;
}

// Say below a field that its value is wrong, or no longer.
function mark(input, isWrong, text = "") {
  const note = byId(`${input.id}-note`);
  note.hidden = !isWrong;
  if (text) note.textContent = text;
  input.setAttribute("aria-invalid", isWrong);
  if (isWrong) input.setAttribute("aria-describedby", note.id);
  else input.removeAttribute("aria-describedby");
}

function slider() {
  const path = "wire.bandwidth_bit_per_s";
  const [min, max] = DECADES;
  const input = element("input", { type: "range", id: "bandwidth-slider", min, max, step: 0.05 });
  input.value = Math.log10(present(path));
  const say = () => input.setAttribute("aria-valuetext", bandwidthText(present(path)));
  say();
  input.addEventListener("input", () => {
    const value = Number((10 ** Number(input.value)).toPrecision(2));
    byId(idOf(path)).value = inUnit(value, 1e6);
    changed(path, value);
    say();
  });
  return field("bandwidth-slider", "1 Mbit/s to 100 Gbit/s", input);
}

// How many messages of a kind a call brings, and the shares of its workloads.
function trafficOf(kind, message) {
  const shares = new Map(sharesOf(kind));
  const fields = [numberField({ path: `messages.${kind}.per_call`, name: "Messages per call" })];
  const names = workloadsOf(DATA.calculator.inputs, kind);
  for (const name of names.length > 1 ? names : []) {
    const path = `messages.${kind}.workloads.${name}`;
    fields.push(numberField({ path, name: `Weight of ${name}` }, shares.get(name) ?? 0, () => changedMix(kind)));
  }
  return fields;
}

function sharesOf(kind) {
  const found = resolve(DATA.calculator.inputs, changedScenario()).find((one) => one.kind === kind);
  return found ? found.workloads : [];
}

// All weights of a kind are set together: where the boundary names no workload of the run, all of them count.
function changedMix(kind) {
  const names = workloadsOf(DATA.calculator.inputs, kind);
  const inputs = names.map((name) => byId(idOf(`messages.${kind}.workloads.${name}`)));
  const isNothing = !inputs.some((input) => Number(input.value) > 0);
  for (const input of inputs) mark(input, isNothing || !isAmount(Number(input.value)), "One weight must be above 0");
  if (isNothing || !inputs.every((input) => isAmount(Number(input.value)))) return;
  inputs.forEach((input) => setShare(input.dataset.path, Number(input.value)));
  settle();
}

function setShare(path, value) {
  if (value === 0 && valueAt(scenarioOf(state.scenario).scenario, path) === undefined) state.changes.delete(path);
  else setChange(path, value);
}

function changed(path, value) {
  setChange(path, value);
  settle();
}
