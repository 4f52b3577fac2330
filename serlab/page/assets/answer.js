// The answer for the chosen boundary: the verdict, its reasons, and the codecs in order.

const MARKS = { recommended: "→", tie: "=", cheapest: "" };

// Rank again and show it. Without changes of the reader's the words are those of `serlab decide`.
function drawAnswer() {
  const given = scenarioOf(state.scenario);
  const scenario = changedScenario();
  const ranking = rank(DATA.calculator, scenario);
  const isGiven = state.changes.size === 0;
  const nothing = "No answer: this run has not measured what these settings need.";
  const verdict = isGiven ? given.verdict : ranking ? verdictText(scenario, ranking) : nothing;
  const reasons = isGiven ? [...given.notes, ...given.reasons] : ranking ? reasonsOf(scenario, ranking) : [];
  sayVerdict(verdict);
  byId("question").textContent = scenario.question;
  byId("reasons").replaceChildren(...reasons.map((reason) => element("li", {}, joined(reason))));
  byId("ranking").replaceChildren(...(ranking ? [rankingTable(scenario, ranking)] : []));
  byId("changes").textContent = changesText();
  byId("reset").hidden = isGiven;
  byId("command").textContent = commandText();
  drawCrossover(scenario, ranking);
}

// What to do stands large, why behind it. A live region speaks only of what is new.
function sayVerdict(text) {
  const place = byId("verdict");
  if (place.dataset.text === text) return;
  place.dataset.text = text;
  const [lead, ...rest] = text.split(": ");
  const more = rest.length ? [": ", element("span", { class: "because" }, joined(rest.join(": ")))] : [];
  place.replaceChildren(element("strong", {}, lead), ...more);
  byId("headline").textContent = lead;
}

// Keep a figure and its unit on one line.
const joined = (text) => text.replace(/(\d) (?=[%×µmnskMGT]?[A-Za-z%×])/g, "$1\u00a0");

function changesText() {
  const count = state.changes.size;
  if (!count) return "With the settings of the boundary as it comes.";
  return `With ${count} setting${count > 1 ? "s" : ""} of yours.`;
}

function rankingTable(scenario, ranking) {
  const { currency } = scenario.prices;
  const what = scenario.objective === "time" ? "time" : "money";
  const heads = ["codec", `${what} × ${ranking.baseline}`, "CPU", "wire", "size", `${currency} per million`];
  const caption = `Codecs in order of ${what} per message. →: use this; =: ties with the cheapest; ` +
    `[ ]: 95 % interval; grey: barred here, and why. ${ranking.baseline} against itself: ${times(ranking.control)}. Prices are assumptions.`;
  const rows = ranking.standings.map((one) => rankingRow(scenario, one));
  return element("table", {}, element("caption", {}, caption), headRow(heads), element("tbody", {}, ...rows));
}

function headRow(heads) {
  const cells = heads.map((head, i) => element("th", { scope: "col", class: i ? "number" : "" }, head));
  return element("thead", {}, element("tr", {}, ...cells));
}

function rankingRow(scenario, one) {
  const { cost, verdict } = one;
  const figures = cost
    ? [times(one.toBaseline), scaled(cost.cpu_ns, TIME), scaled(cost.wire_ns, TIME), size(cost.size_bytes),
       threeDigits(cost.cost_per_million)]
    : ["–", "–", "–", "–", "–"];
  const cells = figures.map((text) => element("td", { class: "number" }, text));
  const note = one.barred.replaceAll("`", "") || (verdict === "dearer" ? "" : verdict);
  const name = element("span", { class: "codec" }, swatch(one.codec), one.codec);
  const mark = element("span", { class: "mark", "aria-hidden": true }, MARKS[verdict] ?? "");
  const head = element("th", { scope: "row" }, mark, name, ...(note ? [element("small", {}, note)] : []));
  const rowClass = verdict === "recommended" ? "chosen" : one.barred ? "barred" : "";
  return element("tr", { class: rowClass, "data-codec": one.codec }, head, ...cells);
}

// A codec's colour, full or hollow as in the figures.
function swatch(codec) {
  const look = own(DATA.codecs, codec);
  const made = element("span", { class: "swatch", "aria-hidden": true });
  if (look) made.style.setProperty("--colour", look[themeNow()]);
  if (look?.hollow) made.classList.add("hollow");
  return made;
}

// One line for each boundary; its name chooses it.
function drawOverview() {
  const rows = DATA.answers.map(({ scenario, verdict }) => {
    const choose = () => {
      chooseScenario(scenario.name);
      byId("verdict").focus();
    };
    const name = element("button", { type: "button", class: "link", onclick: choose }, scenario.name);
    return element("tr", {}, element("th", { scope: "row" }, name), element("td", { class: "wide" }, verdict));
  });
  byId("overview").replaceChildren(...rows);
}
