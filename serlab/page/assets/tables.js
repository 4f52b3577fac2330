// The tables: sorted by a click or a key on a heading, filtered by words and choices, and offered as CSV and JSON.

const FEW = 12; // rows that are shown at first
const CHOOSABLE = ["workload", "operation", "mode", "way", "codec", "verdict", "parity"];

function drawTables() {
  const links = DATA.tables.map(({ name }) => element("a", { href: `#${name}`, class: "jump" }, name));
  byId("table-links").replaceChildren(...links);
  byId("all-tables").replaceChildren(...DATA.tables.map(tableSection));
}

const cellOf = (column, row) => (column.words ? column.words[column.codes[row]] : column.values[row]);

function tableSection(table) {
  const columns = new Map(table.columns.map((column) => [column.name, column]));
  const view = { table, columns, rows: [], sortedBy: "", isUp: true, isWhole: false, parts: {} };
  const { name, title } = table;
  const status = element("p", { role: "status", class: "status" });
  const body = element("tbody");
  const more = element("button", { type: "button", onclick: () => showAll(view) });
  view.parts = { status, body, more, search: searchField(view), choices: choicesOf(view) };
  const head = element("tr", {}, ...shownColumns(view).map((column) => headingCell(view, column)));
  view.parts.head = head;
  const shown = element("table", { id: `table-${name}` }, element("caption", {}, title), element("thead", {}, head), body);
  const region = { class: "scroll", tabindex: 0, role: "region", "aria-label": `Table ${name}` };
  const section = element("section", { id: name, "aria-labelledby": `${name}-title`, tabindex: -1 },
    element("h3", { id: `${name}-title` }, name), filters(view), status, element("div", region, shown), more);
  filterRows(view);
  return section;
}

// The codec stands first, since the first column stays in sight when the others are scrolled.
function shownColumns(view) {
  const shown = view.table.columns.filter((column) => column.heading);
  const isFirst = (column) => column.name === "codec";
  return [...shown.filter(isFirst), ...shown.filter((column) => !isFirst(column))];
}

function filters(view) {
  const { choices, search } = view.parts;
  const fields = choices.map(({ name, control }) => field(control.id, name, control));
  const save = (format) => element("button", { type: "button", onclick: () => saveRows(view, format) }, format.toUpperCase());
  const buttons = element("div", { class: "field" }, element("span", {}, "Download these rows"),
    element("div", { class: "buttons" }, save("csv"), save("json")));
  return element("div", { class: "filters" }, field(search.id, "Contains the words", search), ...fields, buttons);
}

function searchField(view) {
  const id = `filter-${view.table.name}`;
  return element("input", { id, type: "search", autocomplete: "off", oninput: () => filterRows(view) });
}

function choicesOf(view) {
  const columns = view.table.columns.filter((column) => CHOOSABLE.includes(column.name) && column.words?.length > 1);
  return columns.map((column) => {
    const words = column.words.filter((word) => word !== null);
    const options = [option("", "any"), ...words.map((word, i) => option(String(i), word || "(none)"))];
    const id = `filter-${view.table.name}-${column.name}`;
    const control = element("select", { id, onchange: () => filterRows(view) }, ...options);
    return { name: column.name, column, words, control };
  });
}

// Keep the rows that hold every word and every choice.
function filterRows(view) {
  const words = view.parts.search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const texts = view.table.columns.filter((column) => column.words);
  const chosen = view.parts.choices.filter(({ control }) => control.value !== "");
  view.rows = Array.from({ length: view.table.rows }, (_, row) => row).filter((row) => {
    const isChosen = chosen.every(({ column, words: known, control }) => cellOf(column, row) === known[control.value]);
    if (!isChosen || !words.length) return isChosen;
    const text = texts.map((column) => cellOf(column, row) ?? "").join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
  sortRows(view);
}

function headingCell(view, column) {
  const button = element("button", { type: "button", onclick: () => sortBy(view, column.name) }, column.heading);
  return element("th", { scope: "col", class: column.number ? "number" : "", "data-column": column.name }, button);
}

function sortBy(view, name) {
  view.isUp = view.sortedBy === name ? !view.isUp : true;
  view.sortedBy = name;
  for (const cell of view.parts.head.children) {
    if (cell.dataset.column === name) cell.setAttribute("aria-sort", view.isUp ? "ascending" : "descending");
    else cell.removeAttribute("aria-sort");
  }
  sortRows(view);
}

// What is missing stands last, whichever way.
function sortRows(view) {
  const column = view.columns.get(view.sortedBy);
  const way = view.isUp ? 1 : -1;
  const compare = (one, other) => (typeof one === "number" ? one - other : one.localeCompare(other));
  if (column) {
    view.rows.sort((first, second) => {
      const [one, other] = [cellOf(column, first), cellOf(column, second)];
      if (isMissing(one) || isMissing(other)) return isMissing(one) - isMissing(other);
      return way * compare(one, other) || first - second;
    });
  }
  showRows(view);
}

function showRows(view) {
  const { body, status, more } = view.parts;
  const count = view.isWhole ? view.rows.length : Math.min(FEW, view.rows.length);
  const columns = shownColumns(view);
  body.replaceChildren(...view.rows.slice(0, count).map((row) => bodyRow(view, columns, row)));
  const all = view.rows.length.toLocaleString("en-US");
  status.textContent = `${all} of ${view.table.rows.toLocaleString("en-US")} rows match${count < view.rows.length ? `; ${count} are shown` : ""}.`;
  more.textContent = `Show all ${all} rows`;
  more.hidden = count === view.rows.length;
}

function showAll(view) {
  view.isWhole = true;
  showRows(view);
  view.parts.body.closest(".scroll").focus();
}

function bodyRow(view, columns, row) {
  const cells = columns.map((column, i) => {
    const text = cellText(view, column, row);
    const attributes = { class: column.number ? "number" : "", ...(i ? {} : { scope: "row" }) };
    return element(i ? "td" : "th", attributes, text);
  });
  return element("tr", {}, ...cells);
}

// A figure with its interval and its tie in one cell, as serlab/report/formatting.py writes it.
function cellText(view, column, row) {
  const [low, high] = column.interval.map((name) => cellOf(view.columns.get(name), row));
  const ends = column.interval.length ? intervalText(low, high) : "";
  if (column.alone) return ends;
  const text = show(column.name, cellOf(column, row));
  if (text === "–" || !column.number) return text;
  const isRatio = /(^|_)(ratio|scaling|margin)$/.test(column.name);
  const said = column.verdict && cellOf(view.columns.get(column.verdict), row);
  return [`${text}${isRatio ? "×" : ""}`, ends, said === "tie" ? "=" : ""].filter(Boolean).join(" ");
}

function intervalText(low, high) {
  return isMissing(low) || isMissing(high) ? "–" : `[${threeDigits(low)}, ${threeDigits(high)}]`;
}

function saveRows(view, format) {
  const { name, columns } = view.table;
  const lines = view.rows.map((row) => columns.map((column) => cellOf(column, row) ?? null));
  if (format === "csv") {
    const text = [columns.map((column) => column.name), ...lines].map((line) => line.map(inert).map(quoted).join(",")).join("\n");
    download(`${name}.csv`, `${text}\n`, "text/csv");
  } else {
    const rows = lines.map((line) => Object.fromEntries(columns.map((column, i) => [column.name, line[i]])));
    const caption = `${view.table.title}. ${DATA.caption}`;
    download(`${name}.json`, `${JSON.stringify({ caption, rows }, null, 1)}\n`, "application/json");
  }
}

// Where what a spreadsheet computes begins: the twin of FORMULA in serlab/report/export.py.
const FORMULA = /(?:^|(?<=[;\t]))(?="*(?:[=+@\uff1d\uff0b\uff20]|[-\uff0d](?!\d+(\.\d+)?$)))/g;

function inert(value) {
  return typeof value === "string" ? value.replace(FORMULA, "'") : value;
}

// RFC 4180.
function quoted(value) {
  const text = value === null ? "" : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
