// A ranking in plain sentences: the twin of `verdict`, `costs` and `waiting` in serlab/decide/wording.py.

function verdictText(scenario, ranking) {
  const { baseline, leader, recommended, reason, tied } = ranking;
  if (!recommended) return `No codec that was measured can be used here: ${hindrance(ranking)}.`;
  const lead = recommended === baseline ? `Stay with ${baseline}` : `Use ${recommended}`;
  if (reason === "alone") return `${lead}: of what was measured only this meets the constraints${alsoCarries(scenario, ranking)}.`;
  if (reason === "too little") return `${lead}: ${tooLittle(scenario, ranking)}`;
  if (reason === "tie") {
    const others = tied.filter((name) => name !== baseline);
    return `${lead}: ${listed(others)} ${others.length === 1 ? "ties" : "tie"} with it.`;
  }
  if (recommended === baseline) return `${lead}: nothing that can be used here is cheaper.`;
  const gain = compared(scenario, ranking, standingOf(ranking, recommended)) + gained(scenario, ranking);
  if (reason === "simplest") return `${lead}: it ties with ${leader}, and ${simpler(ranking)}; it ${gain}.`;
  return `${lead}: it ${gain}.`;
}

// Said where another codec is barred for nothing but the bodies that it refuses.
function alsoCarries(scenario, ranking) {
  const onlyRefuses = ({ cost, barred, format }) =>
    cost && barred && !format.reference && !shortcomings(format, scenario).length;
  return !scenario.max_refused_share && ranking.standings.some(onlyRefuses) ? " and carries every body" : "";
}

const standingOf = (ranking, codec) => ranking.standings.find((one) => one.codec === codec);

function compared(scenario, ranking, one) {
  const what = scenario.objective === "time" ? "takes" : "costs";
  return `${what} ${times(one.toBaseline)} × what ${ranking.baseline} does`;
}

function hindrance(ranking) {
  return ranking.standings.slice(0, 3).map((one) => `${one.codec} (${one.barred})`).join(", ");
}

function tooLittle(scenario, ranking) {
  const { currency } = scenario.prices;
  const leader = `${ranking.leader}, the cheapest that can be used, would save`;
  if (scenario.objective === "time" && scenario.latency) {
    const base = standingOf(ranking, ranking.baseline).cost;
    const share = percent(shareOf(scenario, base, base.time_ns, ranking.perCall));
    return `codec and wire are ${share} of the latency of a call; ${leader} ${percent(ranking.saving)}, ` +
      `and a change should save ${percent(scenario.thresholds.latency_share)}.`;
  }
  return `${leader} ${money(ranking.saving, currency)} per million messages, and a change should save ` +
    `${money(scenario.thresholds.saving_per_million, currency)}.`;
}

function gained(scenario, ranking) {
  if (Number.isNaN(ranking.saving)) return "";
  if (scenario.objective === "money") {
    return `, which saves ${money(ranking.saving, scenario.prices.currency)} per million messages`;
  }
  return `, which saves ${percent(ranking.saving)} of the latency of a call`;
}

function simpler(ranking) {
  const best = standingOf(ranking, ranking.recommended).format;
  const leader = standingOf(ranking, ranking.leader).format;
  const base = standingOf(ranking, ranking.baseline);
  if (base && base.format.wire === best.wire && leader.wire !== best.wire) {
    return `writes ${best.wire} as ${ranking.baseline} does`;
  }
  return leader.schema ? "needs no schema" : "is as simple";
}

// What the verdict rests on, a sentence each.
function reasonsOf(scenario, ranking) {
  const names = new Set([ranking.baseline, ranking.recommended, ranking.leader]);
  const standings = [...names].map((name) => standingOf(ranking, name)).filter((one) => one?.cost);
  const found = standings.map((one) => costText(scenario, ranking, one));
  if (ranking.tied.length > 1 && ranking.reason !== "tie") {
    found.push(`${listed(ranking.tied)} tie: they differ by less than the noise of this run.`);
  }
  return [...found, ...waiting(scenario, ranking), ...overtaking(scenario, ranking)];
}

function costText(scenario, ranking, one) {
  const { cost } = one;
  const wire = ` and ${scaled(cost.wire_ns, TIME)} on a wire of ${bandwidthText(scenario.wire.bandwidth_bit_per_s)}`;
  const memory = Number.isNaN(cost.allocated_bytes) ? "" : ` and ${size(cost.allocated_bytes)} allocated`;
  const isSaid = one.codec === ranking.recommended && ["cheapest", "simplest"].includes(ranking.reason);
  const isOther = one.codec !== ranking.baseline && one.toBaseline.n && !isSaid;
  return `With ${one.codec} a message takes ${scaled(cost.cpu_ns, TIME)} of CPU${cost.wire_ns ? wire : ""}, ` +
    `${size(cost.size_bytes)} sent${memory}, ${money(cost.cost_per_million, scenario.prices.currency)} per million` +
    `${isOther ? `; it ${compared(scenario, ranking, one)}` : ""}.`;
}

function waiting(scenario, ranking) {
  const [base, leader] = [ranking.baseline, ranking.leader].map((name) => standingOf(ranking, name)?.cost);
  if (!scenario.latency || !base || !leader) return [];
  if (ranking.reason !== "too little" || scenario.objective !== "time") {
    const share = percent(shareOf(scenario, base, base.time_ns, ranking.perCall));
    return [`Codec and wire are ${share} of the latency of a call with ${ranking.baseline}.`];
  }
  const least = scenario.thresholds.latency_share;
  const limit = ((base.time_ns - leader.time_ns) * ranking.perCall) / 1e9 / least;
  if (limit < (base.time_ns * ranking.perCall) / 1e9) {
    return [`${ranking.leader} would save less than ${percent(least)} even of a call that is codec and wire alone.`];
  }
  return [`${ranking.leader} would save ${percent(least)} only of a call that takes less than ${duration(limit)} in all.`];
}

// Where the leader and the baseline take equally long: bandwidth in bits per second; null where they never do.
function breakEven(scenario, one, other) {
  const bandwidth = (scenario.wire.crossings * (one.size_bytes - other.size_bytes) * 8e9) / (other.cpu_ns - one.cpu_ns);
  return bandwidth > 1e5 && bandwidth < 1e12 ? bandwidth : null;
}

function overtaking(scenario, ranking) {
  const [base, leader] = [ranking.baseline, ranking.leader].map((name) => standingOf(ranking, name));
  if (scenario.objective !== "time" || !base?.cost || !leader?.cost || base === leader || base.barred) return [];
  const bandwidth = breakEven(scenario, base.cost, leader.cost);
  if (bandwidth === null) return [];
  const isSmaller = leader.cost.size_bytes < base.cost.size_bytes;
  const [below, above] = isSmaller ? [leader.codec, base.codec] : [base.codec, leader.codec];
  return [`${below} overtakes ${above} below ${bandwidthText(bandwidth)}.`];
}
