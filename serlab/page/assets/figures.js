// The figures, drawn by Vega-Lite: one legend for all, whose buttons hide a codec, and one choice of the workload.

const SLOWEST = 6; // the crossover figure goes from 1 Mbit/s to 100 Gbit/s
const FASTEST = 11;
const STEPS = 60;
const ONLY_ERRORS = 1; // it warns of a layer that has no rows, such as a floor that was not measured
const BAR = 19; // pixels of a bar and the gap to the next
const drawn = new Map(); // place on the page → its Vega view, to be ended before another takes the place

function drawFigures() {
  byId("all-figures").replaceChildren(...DATA.figures.map(figureSection));
  byId("legend").replaceChildren(...Object.keys(DATA.codecs).map(legendButton));
  const choices = DATA.workloads.map((name) => option(name, name, name === state.workload));
  byId("workload").replaceChildren(...choices);
  return drawPanels();
}

function figureSection({ name, title, note, table }) {
  const link = table && DATA.tables.some((one) => one.name === table)
    ? [" The same figures as rows: ", element("a", { href: `#${table}`, class: "jump" }, `table ${table}`), "."] : [];
  return element("section", { class: `figure ${name}`, "aria-labelledby": `figure-${name}-title` },
    element("h3", { id: `figure-${name}-title` }, title), element("p", { class: "note" }, note, ...link),
    element("div", { class: "panels", id: `figure-${name}` }));
}

function legendButton(codec) {
  const press = (event) => {
    if (state.hidden.has(codec)) state.hidden.delete(codec);
    else state.hidden.add(codec);
    event.currentTarget.setAttribute("aria-pressed", !state.hidden.has(codec));
    writeHash();
    drawPanels();
    drawAnswer();
  };
  const pressed = String(!state.hidden.has(codec));
  return element("button", { type: "button", "aria-pressed": pressed, "data-codec": codec, onclick: press }, swatch(codec), codec);
}

let turn = 0;

// Draw every panel of the chosen workload; a later call takes over from one that is still at work.
async function drawPanels() {
  turn += 1;
  const mine = turn;
  for (const { name, spec, panels } of DATA.figures) {
    if (name === "crossover") continue;
    const chosen = panels.filter(({ workload }) => workload === "" || workload === state.workload);
    const places = chosen.map(({ title }) => panelPlace(title));
    byId(`figure-${name}`).replaceChildren(...places.map(({ whole }) => whole));
    if (!chosen.length) byId(`figure-${name}`).append("Not measured on this workload.");
    for (let i = 0; i < chosen.length && mine === turn; i += 1) await draw(places[i].chart, spec, chosen[i].rows);
  }
  byId("all-figures").dataset.drawn = String(mine);
}

function panelPlace(title) {
  const chart = element("div", { class: "chart" });
  return { whole: element("figure", {}, ...(title ? [element("figcaption", {}, title)] : []), chart), chart };
}

// Put a chart in a place; hidden codecs are left out and the others bear the colours of the theme.
async function draw(place, spec, rows) {
  drawn.get(place)?.finalize();
  const values = rows.filter(({ codec }) => !state.hidden.has(codec)).map(coloured);
  const height = spec.height ?? BAR * values.length;
  const embedded = await vegaEmbed(place, { ...spec, height, data: { values }, config: look() }, {
    mode: "vega-lite", renderer: "svg", ast: true, logLevel: ONLY_ERRORS, tooltip: { theme: themeNow() },
    actions: { export: true, source: false, compiled: false, editor: false },
  });
  drawn.set(place, embedded);
}

function coloured(row) {
  const codec = own(DATA.codecs, row.codec);
  if (!codec) return row;
  const colour = codec[themeNow()];
  return { ...row, colour, fill: codec.hollow ? ink("--ground") : colour, hollow: codec.hollow };
}

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function look() {
  const [text, line] = [ink("--text"), ink("--line")];
  const axis = { labelColor: text, titleColor: text, domainColor: line, tickColor: line, gridColor: line,
    labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", gridOpacity: 0.6, labelLimit: 150 };
  return { background: "transparent", font: "system-ui, sans-serif", axis, view: { stroke: null },
    text: { color: text, fontSize: 12 }, rule: { color: text } };
}

// Time against the baseline's, by bandwidth, for the boundary as it is set.
function drawCrossover(scenario, ranking) {
  const place = byId("figure-crossover");
  const base = ranking && standingOf(ranking, ranking.baseline)?.cost;
  if (!base || !scenario.wire.crossings) {
    place.replaceChildren("Nothing crosses a wire here, or nothing was measured.");
    return;
  }
  if (!place.querySelector(".chart")) place.replaceChildren(panelPlace("").whole);
  const chosen = ranking.standings.filter((one) => one.cost && !one.format.reference);
  const rows = chosen.flatMap(({ codec, cost }) => crossoverRows(scenario, codec, cost, base));
  rows.push({ now: true, bandwidth: scenario.wire.bandwidth_bit_per_s });
  draw(place.querySelector(".chart"), DATA.figures.find(({ name }) => name === "crossover").spec, rows);
}

function crossoverRows(scenario, codec, cost, base) {
  return Array.from({ length: STEPS + 1 }, (_, i) => {
    const bandwidth = 10 ** (SLOWEST + ((FASTEST - SLOWEST) * i) / STEPS);
    const time = (one) => one.cpu_ns + wireNs(scenario, one.size_bytes, bandwidth);
    const ratio = time(cost) / time(base);
    return { codec, bandwidth, ratio, rate: bandwidthText(bandwidth), text: `${threeDigits(ratio)}×` };
  });
}
