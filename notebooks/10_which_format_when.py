# %% [markdown]
# # Which format, when?
#
# The other notebooks answer one question each: [bytes](01_how_many_bytes.ipynb),
# [time](02_how_fast_to_encode_and_decode.ipynb), [memory](03_what_does_it_allocate.ipynb), and so on. A decision needs
# them together, and it needs to know what else a caller waits for: what is a faster codec worth beside a model that
# takes seconds?

# %%
import pandas as pd

from serlab import decide
from serlab.decide import load_scenario, scenario_names
from serlab.decide.scenarios import percent
from serlab.notebook import open_run, readable, say
from serlab.notebook.overview import decide_each, headline, overview, sections, what_would_change
from serlab.notebook.wire_claims import small_cache
from serlab.report.wire_tables import wire_arms

CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine
BANDWIDTH = 140e6  # bit/s, of the wire in the "what if" below
MODEL_MS = 500  # what a miss waits for in a cache that is too small

rows = open_run(CORPUS, RERUN, operations=["encode", "decode", "read-one", "relay"])
say(f"Run {rows.attrs['environment']['run']}, {rows['workload'].nunique()} workloads.")

# %% [markdown]
# ## Method
#
# A *scenario* is one boundary of a system: which messages cross it, what is done to each, how fast the wire is, what
# the format must be able to do (a browser reads it, a stranger may have written it), and how long the caller waits for
# the model. Some are built in. Copy the nearest with `serlab decide --copy NAME > mine.toml` and put your own figures
# in.
#
# Cost is CPU time plus time on the wire, or money. Codecs are ranked by it, with ties. A change must then save enough
# to be worth it: one percent of the whole latency of a call, or one dollar per million messages, unless the scenario
# says otherwise. Else the answer is to stay with what there is.

# %%
scenarios = {name: load_scenario(name) for name in scenario_names()}
say("\n".join(f"- **{name}**: {one.question}" for name, one in scenarios.items()))

# %%
decisions, missing = decide_each(rows, scenarios)
assert decisions.keys() | missing.keys() == scenarios.keys()
assert all(one.recommended in [*one.order.tied, one.order.baseline, ""] for one in decisions.values())
say(
    f"{len(decisions)} of {len(scenarios)} scenarios can be decided with this run.",
    *(f"Not decided: {reason}" for reason in missing.values()),
    *(f"- {name}: {note}" for name, one in decisions.items() for note in one.notes),
)

# %% [markdown]
# ## Result
#
# `cost` is the cheapest codec's against the baseline's, with its 95 % interval: below one is cheaper. `cheapest saves`
# is what is left of that in the whole call.

# %%
table = overview(decisions)
table.rename_axis(None)

# %%
changes = [name for name, one in decisions.items() if one.recommended not in (one.order.baseline, "")]
stays = [name for name, one in decisions.items() if one.recommended == one.order.baseline]
say(
    f"At {len(changes)} of {len(decisions)} boundaries another format is worth it"
    + (f": {', '.join(f'**{name}** ({headline(decisions[name])})' for name in changes)}." if changes else "."),
    f"At {len(stays)} the answer is to stay, although at "
    f"{sum(decisions[name].order.reason == 'too little' for name in stays)} of them something is measurably cheaper.",
)

# %% [markdown]
# ### What would change the answer
#
# Each weight of a scenario is halved and doubled to see whether the answer turns. Besides, there is a call so fast
# that the saving would count, a constraint that bars a cheaper codec, and a wire so slow that the smaller codec
# overtakes the faster one.

# %%
pd.set_option("display.max_colwidth", None)
reasons = {name: "; ".join(what_would_change(one)) for name, one in decisions.items()}
pd.DataFrame({"answer": table.get("answer", pd.Series(dtype=str)), "otherwise": pd.Series(reasons, dtype=str)})

# %% [markdown]
# ### What if the wire is slower, or the model faster?
#
# One boundary, with other wires and other models. Each cell is the answer. `wait` is what the caller waits for beside
# codec and wire.

# %%
timed = {name: one for name, one in decisions.items() if one.scenario.objective == "time" and one.latency_share}
undecided = {name: one for name, one in timed.items() if one.order.reason == "too little"} or timed
chosen = max(undecided, key=lambda name: undecided[name].order.saving, default="")
wires = {"10 Mbit/s": 10e6, f"{BANDWIDTH / 1e6:.0f} Mbit/s": BANDWIDTH, "1 Gbit/s": 1e9, "10 Gbit/s": 10e9}
waits = {"1 ms": 0.001, "10 ms": 0.01, "100 ms": 0.1, "1 s": 1.0, "10 s": 10.0}


def answer(bandwidth, wait):
    """Decide the chosen boundary with another wire and another model."""
    latency = {"time_to_first_token_s": wait, "tokens": 0, "other_s": 0}
    return decide(decisions[chosen].run, chosen, bandwidth_bit_per_s=bandwidth, **latency).recommended


what_if = {wire: {wait: answer(wires[wire], waits[wait]) for wait in waits if chosen} for wire in wires}
pd.DataFrame(what_if).rename_axis(f"wait, {chosen}")

# %%
cells = pd.DataFrame(what_if)
other = cells != (decisions[chosen].order.baseline if chosen else "")
by_wait = other.sum(axis=1)
say(
    f"In {int(by_wait.sum())} of {cells.size} cells another format than {decisions[chosen].order.baseline} is the "
    "answer: "
    + ", ".join(f"in {count} where the wait is {wait}" for wait, count in by_wait.items())
    + "."
    + (
        " The less a caller waits for the model, the more often the format counts."
        if by_wait.is_monotonic_decreasing and by_wait.nunique() > 1
        else ""
    )
    if by_wait.sum()
    else "Nowhere in this table does another format pay."
)

# %% [markdown]
# ### A cache with too little room
#
# `response-cache` counts the work at a cache whose share of hits is given, as it is where there is room for every
# answer; the format then changes what an answer costs, not whether it is there. With too little room, smaller answers
# are more hits. That was measured on the wire, in the rows that [streaming and caching](12_streaming_and_caching.ipynb)
# speaks of too: LMDB with a tenth of the bytes that all answers take, under Zipf's law.

# %%
wire = open_run(stored="stored/wire")
cache = wire_arms(wire, "cache")
room, small = small_cache(wire, cache, "lmdb", "10%", MODEL_MS * 1e6)
readable(room, ["hit_share", "ratio"])

# %%
say(
    f"Run {wire.attrs['environment']['run']}, `{cache.workload}`, a model of {MODEL_MS} ms: {small}",
    f"With room for all, `response-cache` says: {decisions['response-cache'].verdict}"
    if "response-cache" in decisions
    else "With this run's messages `response-cache` cannot be decided.",
)

# %% [markdown]
# ### One decision, as a record
#
# A decision should be written down where the code is. `decision.to_markdown()` is a whole architecture decision
# record, with all options, break-even points, sensitivity and evidence; here are its main parts.

# %%
told = next(iter(changes or decisions), "")
say(sections(decisions[told].to_markdown(), ["Status", "Context", "Decision", "Consequences"]) if told else "None.")

# %% [markdown]
# ## Answer

# %%
final = pd.DataFrame({name: {"answer": headline(one), "because": one.verdict} for name, one in decisions.items()}).T
final.assign(otherwise=[what_would_change(decisions[name])[0] for name in final.index]) if len(final) else final

# %%
shares = {name: one.latency_share.baseline_share for name, one in decisions.items() if one.latency_share}
highest = max(shares, key=shares.get, default="")
say(
    f"**Stay with what there is at {len(stays)} of {len(decisions)} boundaries; change at {len(changes)}.**"
    + (
        f" The share of the latency that is codec and wire is largest at `{highest}`, {percent(shares[highest])}"
        + (" (one that changes)" if highest in changes else "")
        + f"; the median is {percent(pd.Series(shares).median())}."
        if shares
        else ""
    ),
    f"**In a cache with room for a tenth of the bytes:** {small}",
)

# %% [markdown]
# ## Limits
#
# - A scenario is an assumption. What it says of your system is in the file, and the table of what would change the
#   answer shows which of its figures matter; put your own there first.
# - The wire is a bandwidth: no round trips, no headers, no TLS. CPU time is that of one process with nothing else to
#   do.
# - Prices are examples. Compressed sizes of synthetic text are not those of yours; see [your own
#   traffic](09_my_own_traffic.ipynb).
# - A format has costs that no clock shows: a schema that two teams must keep in step, and bytes that nobody reads with
#   a pager. The record above names them; [what gets lost](07_what_gets_lost.ipynb) shows what happens when a schema
#   changes.
