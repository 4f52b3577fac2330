// Costs → an order with ties, and the codec to use: the twin of serlab/decide/ranking.py and serlab/decide/cost.py.

const FIELDS = { time: "time_ns", money: "cost_per_million" };
const CONSTRAINTS = ["browser", "person", "other_languages", "unknown_fields", "untrusted_bytes"];
const seen = new WeakMap(); // the inputs of each process, worked out once

function processesOf(data) {
  if (!seen.has(data)) seen.set(data, Array.from({ length: data.count }, (_, process) => inputsOf(data, process)));
  return seen.get(data);
}

// The ranking of a scenario; null where the run has not measured what it needs.
function rank(data, scenario) {
  const { costs, missing } = totals(data, data.inputs, scenario);
  if (!costs.size) return null;
  const field = FIELDS[scenario.objective];
  const { baseline } = data.inputs;
  const barred = new Map([...[...costs.keys()].map((codec) => [codec, obstacle(data, codec, scenario)]), ...missing]);
  const order = inOrder([...barred.keys()], barred, costs, field, baseline);
  const values = valuesOf(data, scenario, field);
  const leader = order.find((codec) => !barred.get(codec)) || "";
  const control = pairedRatio(data, values.get(baseline + data.control), values.get(baseline));
  const standings = order.map((codec) => {
    const cost = costs.get(codec) || null;
    const toLeader = pairedRatio(data, values.get(codec), values.get(leader));
    const ties = cost !== null && (codec === leader || isTie(toLeader, control));
    const toBaseline = pairedRatio(data, values.get(codec), values.get(baseline));
    return { codec, format: formatOf(data, codec, scenario), cost, toBaseline, toLeader, ties, barred: barred.get(codec) };
  });
  return withPlaces(choose(scenario, standings, baseline, control, leader, perCallOf(data, scenario)));
}

// Codec → its cost in each process.
function valuesOf(data, scenario, field) {
  const found = new Map();
  processesOf(data).forEach((inputs, process) => {
    for (const [codec, cost] of totals(data, inputs, scenario).costs) {
      if (!found.has(codec)) found.set(codec, new Array(data.count).fill(null));
      found.get(codec)[process] = cost[field];
    }
  });
  return found;
}

// What can be used, by cost; then what is barred; then what has no cost. Of equals the baseline stands first.
function inOrder(codecs, barred, costs, field, baseline) {
  const place = (codec) => (costs.has(codec) ? (barred.get(codec) ? 1 : 0) : 2);
  const cost = (codec) => (costs.has(codec) ? costs.get(codec)[field] : 0);
  const name = (one, other) => (one === baseline ? -1 : other === baseline ? 1 : one < other ? -1 : 1);
  return codecs.sort((one, other) => place(one) - place(other) || cost(one) - cost(other) || name(one, other));
}

function formatOf(data, codec, scenario) {
  return { ...data.inputs.formats[codec], ...own(scenario.codecs, codec) };
}

// Why a codec cannot be recommended, whatever it costs.
function obstacle(data, codec, scenario) {
  const format = formatOf(data, codec, scenario);
  const reasons = shortcomings(format, scenario);
  reasons.push(...refusals(data, codec, scenario));
  if (format.reference) reasons.push(`reference: ${format.reference}`);
  return reasons.join("; ");
}

// Which constraints a format does not meet, or is not known to meet.
function shortcomings(format, scenario) {
  return CONSTRAINTS.filter((name) => scenario.constraints[name] && !format[name]).map((name) => {
    const text = name.replaceAll("_", " ");
    return isMissing(format[name]) ? `${text}: unknown, say it in [codecs.NAME]` : `${text}: no`;
  });
}

// Where a codec refuses a larger share of the bodies than the scenario takes.
function refusals(data, codec, scenario) {
  return partsOf(data.inputs, scenario).flatMap(({ workload }) => {
    const { refused, bodies } = figuresOf(data, data.inputs, workload, codec) || {};
    if (!refused || refused / bodies <= scenario.max_refused_share) return [];
    return [`refuses ${refused} of ${bodies} bodies of ${workload}, ${percent(refused / bodies)}`];
  });
}

function perCallOf(data, scenario) {
  return sum(resolve(data.inputs, scenario).map(({ message }) => message.per_call));
}

function choose(scenario, standings, baseline, control, leader, perCall) {
  const found = { standings, baseline, control, leader, perCall, recommended: "", reason: "none", saving: NaN, tied: [] };
  const open = standings.filter((one) => !one.barred);
  if (!open.length) return found;
  const costOf = (codec) => open.find((one) => one.codec === codec)?.cost || null;
  found.tied = open.filter((one) => one.ties).map((one) => one.codec);
  found.saving = savingOf(scenario, costOf(baseline), costOf(leader), perCall);
  found.recommended = simplest(open.filter((one) => one.ties), standings, baseline);
  found.reason = found.recommended === leader ? "cheapest" : "simplest";
  if (open.length === 1) found.reason = "alone";
  else if (found.recommended === baseline && baseline !== leader) found.reason = "tie";
  else if (found.recommended !== baseline && found.saving < threshold(scenario)) {
    found.recommended = baseline;
    found.reason = "too little";
  }
  return found;
}

// The baseline, then what has its format on the wire, then what needs no schema.
function simplest(tied, standings, baseline) {
  const wire = standings.find((one) => one.codec === baseline)?.format.wire;
  const key = ({ codec, format }) =>
    (codec !== baseline) * 4 + (format.wire !== wire) * 2 + (format.schema !== false) * 1;
  return tied.reduce((best, one) => (key(one) < key(best) ? one : best)).codec;
}

function savingOf(scenario, base, leader, perCall) {
  if (!base || !leader) return NaN;
  if (scenario.objective === "money") return base.cost_per_million - leader.cost_per_million;
  return shareOf(scenario, base, base.time_ns - leader.time_ns, perCall);
}

function threshold({ objective, thresholds }) {
  return objective === "money" ? thresholds.saving_per_million : thresholds.latency_share;
}

// What a call waits for beside codec and wire, in seconds.
function otherS({ latency }) {
  if (!latency) return NaN;
  const model = latency.time_to_first_token_s + latency.tokens / latency.tokens_per_s;
  return latency.model_calls * model + latency.other_s;
}

// A time per message as a share of the whole latency of a call with the baseline.
function shareOf(scenario, base, ns, perCall) {
  const whole = otherS(scenario) + (base.time_ns * perCall) / 1e9;
  return whole ? (ns * perCall) / 1e9 / whole : NaN;
}

// Ranks, which those that tie with the leader share, and a word for each codec.
function withPlaces(ranking) {
  let place = 0;
  for (const one of ranking.standings) {
    if (!one.barred) place += 1;
    one.rank = one.barred ? null : one.ties ? 1 : place;
    one.verdict = verdictOf(ranking, one);
  }
  return ranking;
}

function verdictOf(ranking, one) {
  if (one.codec === ranking.recommended) return "recommended";
  if (!one.cost) return "not measured";
  if (one.barred) return one.barred.startsWith("reference") ? "reference" : "barred";
  if (!one.ties) return "dearer";
  return ranking.tied.length > 1 ? "tie" : "cheapest";
}
