// Start the page: read the address, show all, and show again what a setting changes.

const DATA = JSON.parse(byId("data").textContent);
let isWaiting = false;

// Note the settings in the address and rank again, once for all changes of a moment.
function settle() {
  writeHash();
  if (isWaiting) return;
  isWaiting = true;
  requestAnimationFrame(() => {
    isWaiting = false;
    drawAnswer();
  });
}

function chooseScenario(name) {
  state.scenario = name;
  state.changes = new Map();
  byId("scenario").value = name;
  drawControls();
  settle();
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const themeNow = () => state.theme || (dark.matches ? "dark" : "light");

function drawTheme() {
  if (state.theme) document.documentElement.dataset.theme = state.theme;
  else delete document.documentElement.dataset.theme;
  byId("theme").textContent = themeNow() === "dark" ? "Light page" : "Dark page";
}

// Colours stand in the figures and the swatches, which are drawn again.
function themeChanged() {
  drawTheme();
  drawAnswer();
  return drawFigures();
}

// A link within the page must not take the place of the settings in the address.
function jump(event) {
  const link = event.target.closest("a.jump");
  if (!link) return;
  event.preventDefault();
  const place = byId(link.getAttribute("href").slice(1));
  place.scrollIntoView();
  place.focus({ preventScroll: true });
}

function drawAll() {
  drawTheme();
  byId("scenario").replaceChildren(...DATA.answers.map(({ scenario }) =>
    option(scenario.name, `${scenario.name}: ${scenario.question}`, scenario.name === state.scenario)));
  byId("scenario").value = state.scenario;
  drawControls();
  drawFigures();
  drawAnswer();
}

byId("settings").open = matchMedia("(min-width: 64rem)").matches;
byId("why").open = matchMedia("(min-width: 40rem)").matches;
byId("form").addEventListener("submit", (event) => event.preventDefault());
readHash();
drawAll();
drawOverview();
drawTables();
document.addEventListener("click", jump);
addEventListener("hashchange", () => {
  readHash();
  drawAll();
});
byId("scenario").addEventListener("change", (event) => chooseScenario(event.target.value));
byId("reset").addEventListener("click", () => {
  chooseScenario(state.scenario);
  byId("scenario").focus();
});
byId("workload").addEventListener("change", (event) => {
  state.workload = event.target.value;
  writeHash();
  drawPanels();
});
byId("theme").addEventListener("click", () => {
  state.theme = themeNow() === "dark" ? "light" : "dark";
  writeHash();
  themeChanged();
});
dark.addEventListener("change", themeChanged);

// For consoles and tests: what is shown, as values.
window.serlab = {
  state,
  answer: () => {
    const [scenario, ranking] = [changedScenario(), rank(DATA.calculator, changedScenario())];
    return { ranking, verdict: ranking && verdictText(scenario, ranking), reasons: ranking && reasonsOf(scenario, ranking) };
  },
};
