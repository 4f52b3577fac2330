// Ratios within processes with bootstrap intervals, and ties: the twin of serlab/stats.py.
// Which processes a resample takes stands in the page, so that intervals and ties are those of `serlab decide`.

const NOTHING = { value: NaN, low: NaN, high: NaN, n: 0 };
const ZERO = 48; // the character that stands for process 0

function median(sorted) {
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// numpy's linear percentile.
function percentile(sorted, percents) {
  const place = (percents / 100) * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  const part = place - below;
  const gap = sorted[above] - sorted[below];
  return part >= 0.5 ? sorted[above] - gap * (1 - part) : sorted[below] + gap * part;
}

// values, baseline: process → figure, as arrays with null where a process has none.
function pairedRatio(data, values, baseline) {
  const ratios = [];
  for (let i = 0; i < data.count; i += 1) {
    const isThere = !isMissing(values?.[i]) && !isMissing(baseline?.[i]) && baseline[i] > 0;
    if (isThere) ratios.push(values[i] / baseline[i]);
  }
  return ratios.length ? bootstrap(data, ratios) : NOTHING;
}

function bootstrap(data, ratios) {
  const n = ratios.length;
  const value = median(Float64Array.from(ratios).sort());
  const medians = resampled(ratios, data.draws[n], data.resamples).sort();
  // Ratios are stretched as ratios, so that twice as fast and half as fast are equally far from 1.
  const stretched = (end) => (value > 0 ? value * (end / value) ** data.stretch[n] : end);
  return { value, low: stretched(percentile(medians, 2.5)), high: stretched(percentile(medians, 97.5)), n };
}

function resampled(ratios, draws, count) {
  const medians = new Float64Array(count);
  const one = new Float64Array(ratios.length);
  for (let i = 0, place = 0; i < count; i += 1) {
    for (let j = 0; j < one.length; j += 1, place += 1) insert(one, j, ratios[draws.charCodeAt(place) - ZERO]);
    medians[i] = median(one);
  }
  return medians;
}

// Insertion sort: a resample has 5 to 20 figures.
function insert(sorted, length, value) {
  let j = length;
  while (j > 0 && sorted[j - 1] > value) {
    sorted[j] = sorted[j - 1];
    j -= 1;
  }
  sorted[j] = value;
}

const ROUNDING = 1e-12; // part of a ratio that may be lost when a figure is divided twice

// How far equal things stray from each other, as a factor of at least 1; the band of noise is [1 / margin, margin].
function margin(control) {
  return control.n ? Math.max(control.high, control.low > 0 ? 1 / control.low : Infinity, 1) : 1;
}

// The twin of `verdict` in serlab/stats.py.
function comparison(estimate, control, below = "faster", above = "slower") {
  if (!estimate.n) return "";
  if (estimate.low <= 1 && estimate.high >= 1) return "tie";
  const { value } = estimate;
  if (value > 0 && Math.max(value, 1 / value) <= margin(control) * (1 + ROUNDING)) return "tie";
  return value < 1 ? below : above;
}

function isTie(estimate, control) {
  return ["", "tie"].includes(comparison(estimate, control));
}
