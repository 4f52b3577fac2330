// Figures as people read them: the twin of serlab/report/formatting.py and serlab/decide/scenarios.py.

const TIME = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];
const SIZE = [[1e6, "MB"], [1e3, "kB"], [1, "B"]];
const BITS = [[1e12, "Tbit/s"], [1e9, "Gbit/s"], [1e6, "Mbit/s"], [1e3, "kbit/s"], [1, "bit/s"]];
const LEAST_SHARE = 0.00001;
const LEAST_MONEY = 0.001;

const isMissing = (value) => value === null || value === undefined || Number.isNaN(value);

// Three significant digits at least, and no exponent; whole digits are all kept.
function threeDigits(value) {
  if (isMissing(value)) return "–";
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Number(value.toExponential(2).split("e")[1]));
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function scaled(value, steps) {
  if (isMissing(value)) return "–";
  const [factor, unit] = steps.find((step) => Math.abs(value) >= step[0]) || steps[steps.length - 1];
  return `${threeDigits(value / factor)} ${unit}`;
}

function twoDigits(value) {
  return Math.abs(value) >= 10 ? value.toFixed(0) : String(Number(value.toPrecision(2)));
}

function percent(share) {
  if (isMissing(share)) return "–";
  if (Math.abs(share) >= LEAST_SHARE || share === 0) return `${twoDigits(share * 100)} %`;
  return `less than ${LEAST_SHARE * 100} %`;
}

function money(amount, currency) {
  if (Math.abs(amount) > 0 && Math.abs(amount) < LEAST_MONEY) return `less than ${LEAST_MONEY} ${currency}`;
  return `${threeDigits(amount)} ${currency}`;
}

const bandwidthText = (bits) => scaled(bits, BITS);
const duration = (seconds) => scaled(seconds * 1e9, TIME);
const size = (bytes) => scaled(bytes, SIZE);

// A ratio with its interval.
function times(estimate) {
  if (estimate.n === 0) return "–";
  return `${threeDigits(estimate.value)} [${threeDigits(estimate.low)}, ${threeDigits(estimate.high)}]`;
}

function listed(names) {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
}

// A table's cell, by the unit in its column's name.
function show(column, value) {
  if (isMissing(value)) return "–";
  if (typeof value !== "number") return String(value);
  if (column.endsWith("_ns")) return scaled(value, TIME);
  if (column.endsWith("_bytes") || column.endsWith("bytes_per_op")) return scaled(value, SIZE);
  return Number.isInteger(value) && Math.abs(value) >= 1000 ? value.toLocaleString("en-US") : threeDigits(value);
}
