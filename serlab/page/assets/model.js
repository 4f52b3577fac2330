// The cost model, per message: the twin of serlab/decide/cost.py, which explains the formula.
// Names from the run are keys of Maps or looked up with `own`, as a workload may be called `constructor`.

const DAYS_PER_MONTH = 365.25 / 12;
const NS_PER_HOUR = 3.6e12;

const own = (object, key) => (object && Object.hasOwn(object, key) ? object[key] : undefined);
const sum = (values) => values.reduce((total, value) => total + value, 0);

// The kinds of messages that the run holds, each with the workloads that stand for it and their shares.
function resolve(inputs, scenario) {
  const found = [];
  for (const [kind, message] of Object.entries(scenario.messages)) {
    const held = workloadsOf(inputs, kind);
    const named = Object.entries(message.workloads).filter(([name, share]) => held.includes(name) && share);
    const workloads = named.length ? named : held.map((name) => [name, 1]);
    if (held.length && message.per_call) found.push({ kind, message, workloads });
  }
  return found;
}

function workloadsOf(inputs, kind) {
  return Object.entries(inputs.workloads).filter(([, place]) => place.kind === kind).map(([name]) => name);
}

// Each workload's share among all messages; they add up to 1.
function partsOf(inputs, scenario) {
  const messages = resolve(inputs, scenario);
  const count = sum(messages.map(({ message }) => message.per_call));
  return messages.flatMap(({ message, workloads }) => {
    const shares = sum(workloads.map(([, share]) => share));
    return workloads.map(([workload, share]) => ({
      workload,
      message,
      share: (message.per_call * share) / shares / count,
    }));
  });
}

// Workload → operations with how often each is done to a message; compression where it was timed in all of them.
function countedIn(data, inputs, scenario, parts) {
  const how = own(data.compressors, scenario.wire.compression);
  const isTimed = how && parts.every((part) => hasTimes(inputs.workloads[part.workload], how));
  return new Map(parts.map(({ workload, message }) => {
    const more = isTimed ? [[how[0], message.compress], [how[1], message.decompress]] : [];
    return [workload, [...Object.entries(message.operations), ...more].filter(([, count]) => count)];
  }));
}

function hasTimes(place, operations) {
  return Object.values(place.codecs).some((one) => operations.every((name) => Object.hasOwn(one.time_ns, name)));
}

// A codec's figures on a workload; its stem's where both write the same.
function figuresOf(data, inputs, workload, codec) {
  const place = inputs.workloads[workload];
  const mine = own(place.codecs, codec);
  const stem = own(data.stems, codec);
  if (mine || !stem || place.kind === data.vectors) return mine || null;
  return own(place.codecs, stem) || null;
}

// Why a codec has no cost; "" if it has one.
function lacking(data, inputs, scenario, parts, counts, codec) {
  const metric = sizeMetric(scenario);
  const reasons = parts.map(({ workload }) => {
    const mine = figuresOf(data, inputs, workload, codec);
    if (mine?.failure) return `${mine.failure} on ${workload}`;
    const absent = counts.get(workload).map(([name]) => name).filter((name) => own(mine?.time_ns, name) === undefined);
    if (own(mine?.bytes, metric) === undefined) absent.push(`${metric} size`);
    return absent.length ? `not measured: ${absent.join(", ")} on ${workload}` : "";
  });
  return reasons.filter(Boolean).join("; ");
}

const sizeMetric = (scenario) => scenario.wire.compression.replace("none", "raw");

// { costs: codec → cost, missing: codec → reason } of all codecs that were measured; null where the run has no such kind.
function totals(data, inputs, scenario) {
  const parts = partsOf(inputs, scenario);
  const found = { costs: new Map(), missing: new Map() };
  const counts = countedIn(data, inputs, scenario, parts);
  for (const codec of new Set(parts.flatMap(({ workload }) => Object.keys(inputs.workloads[workload].codecs)))) {
    const reason = lacking(data, inputs, scenario, parts, counts, codec);
    if (reason) found.missing.set(codec, reason);
    else found.costs.set(codec, total(data, inputs, scenario, parts, counts, codec));
  }
  return found;
}

function total(data, inputs, scenario, parts, counts, codec) {
  const cost = { cpu_ns: 0, size_bytes: 0, allocated_bytes: 0 };
  for (const part of parts) {
    const mine = figuresOf(data, inputs, part.workload, codec);
    cost.size_bytes += part.share * mine.bytes[sizeMetric(scenario)];
    for (const [operation, count] of counts.get(part.workload)) {
      cost.cpu_ns += part.share * count * mine.time_ns[operation];
      if (own(part.message.operations, operation) === undefined) continue;
      cost.allocated_bytes += part.share * count * (own(mine.allocated_bytes, operation) ?? NaN);
    }
  }
  cost.wire_ns = wireNs(scenario, cost.size_bytes, scenario.wire.bandwidth_bit_per_s);
  cost.time_ns = cost.cpu_ns + cost.wire_ns;
  cost.cost_per_million = 1e6 * price(scenario, cost.cpu_ns, cost.size_bytes);
  return cost;
}

const wireNs = (scenario, bytes, bandwidth) => (scenario.wire.crossings * bytes * 8e9) / bandwidth;

function price({ prices, storage, wire }, cpuNs, bytes) {
  const kept = ((((storage.copies * storage.days) / DAYS_PER_MONTH) * bytes) / 1e9) * prices.storage_gb_month;
  const moved = ((wire.crossings * bytes) / 1e9) * prices.traffic_gb;
  return (cpuNs / NS_PER_HOUR) * prices.core_hour + moved + kept;
}

// The inputs as one process saw them; the baseline's second arm, which is only timed, has the baseline's sizes.
function inputsOf(data, process) {
  const { inputs, processes, control } = data;
  const workloads = Object.entries(inputs.workloads).map(([workload, place]) => {
    const codecs = Object.entries(own(processes, workload) || {}).map(([codec, timed]) => {
      const mine = own(place.codecs, codec) || own(place.codecs, codec.replace(control, ""));
      const times = Object.entries(timed).filter(([, values]) => values[process] !== null);
      return [codec, { ...mine, time_ns: Object.fromEntries(times.map(([name, values]) => [name, values[process]])) }];
    });
    return [workload, { kind: place.kind, codecs: Object.fromEntries(codecs) }];
  });
  return { ...inputs, workloads: Object.fromEntries(workloads) };
}
