# %% [markdown]
# # How fast do codecs encode and decode?
#
# Every message that a service sends is encoded once and decoded once, and in between nobody else gets that core. So the
# time is paid in cores, and in how long other requests wait. The question is which codec takes least, on which
# messages, and how much of the difference is more than the noise of the machine.

# %%
import pandas as pd

from serlab.notebook import open_run, readable, say
from serlab.report import build_tables
from serlab.report.figures import ratio_figure
from serlab.report.leaders import leader_table

# %%
CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine

STAGES = ["populate", "serialize", "deserialize", "convert"]
rows = open_run(CORPUS, RERUN, parts=["time"], operations=["encode", "decode", *STAGES])
environment = rows.attrs["environment"]
say(
    f"Run {environment['run']} on {environment['cpu']}, {environment['cores']} cores, {environment['python']}, "
    f"{environment['effort']['processes']} processes. Workloads: {rows['workload'].nunique()}."
)

# %% [markdown]
# ## Words
#
# - *encode* turns a typed Python message into bytes, *decode* turns bytes into a message that owns its data.
# - The *baseline* is orjson: every figure is a ratio to it, within one process. Below one is faster.
# - *A/A* is orjson against orjson, under two names. It differs from one by what the machine does to two equal things.
# - A *tie* is a difference whose interval holds one, or that is no larger than A/A. No tie is called a win here.
# - The *floor* is the least that has to be done: to encode, copying the bytes; to decode, making the Python strings.

# %%
time = build_tables(rows[rows["metric"] == "time"])["time"]
both = time[time["operation"].isin(["encode", "decode"])]
assert set(both["verdict"]) <= {"baseline", "A/A", "floor", "faster", "slower", "tie", "failed"}
same = both[both["verdict"] == "A/A"]
say(
    f"orjson against itself, {len(same)} times: ratios from {same['ratio'].min():.3f} to {same['ratio'].max():.3f}; "
    f"the widest interval is {(same['aa_high'] / same['aa_low']).max() - 1:.0%} wide."
)

# %% [markdown]
# ## Method
#
# A fresh process measures all codecs of one workload in short batches, in random order, so that a busy neighbour meets
# all of them alike. It gives one ratio; the figure is the median over processes, with an interval that resamples the
# processes. Each codec has shown before that it gives every message back equal. `08_how_noisy_is_this_machine` tests
# this method itself.
#
# ## Result
#
# The workloads with the quickest and the slowest messages. A bar to the left is faster than orjson. The grey band is
# A/A, the dashed line is the floor, `=` marks a tie. Google's own FlatBuffers builder is left out: it is many times
# slower and would squeeze the others. Codecs that differ from these on vectors only are in `05_what_do_vectors_cost`.

# %%
base = both[both["verdict"] == "baseline"]
verdicts = both[both["verdict"].isin(["faster", "tie", "slower"])]
per_message = base.groupby("workload")["time_ns"].sum()
ends = list(dict.fromkeys([per_message.idxmin(), per_message.idxmax()]))
shown = [name for name in both["codec"].unique() if not name.endswith(("-official", "-base64", "-bin"))]
ratio_figure(rows, ends, codecs=[name for name in shown if name in set(base["codec"]) | set(verdicts["codec"])])

# %% [markdown]
# ### Who is ahead of orjson, and how often?
#
# On how many workloads is a codec faster than orjson, slower, or tied with it?

# %%
counted = verdicts[~verdicts["codec"].str.endswith(("-base64", "-bin"))]
outcomes = counted["operation"] + ": " + counted["verdict"]
pd.crosstab(counted["codec"], outcomes, colnames=[""])

# %% [markdown]
# ### Who is fastest?
#
# The fastest codec of each workload, the codecs that tie with it, its time for a message, and its ratio to orjson with
# the interval. First to encode:


# %%
def winners(operation: str) -> pd.DataFrame:
    """Name the fastest codec of each workload and those that tie with it."""
    table = leader_table(rows, [operation]).set_index("workload")
    return readable(table, ["fastest", "ties", "time_ns", "ratio"]).rename(columns={"ratio": "× orjson"})


winners("encode")

# %% [markdown]
# And to decode:

# %%
winners("decode")


# %%
def tally(operation: str, codecs: list[str] | None = None) -> str:
    """Say how often each codec is the fastest or ties with it."""
    table = leader_table(rows, [operation], codecs=codecs)
    assert table["fastest"].notna().all()
    found = [name for row in table.itertuples() for name in (row.fastest, *row.ties.split(", ")) if name]
    often = pd.Series(found).value_counts()
    return f"{operation}, {len(table)} workloads: " + ", ".join(f"{name} {n}" for name, n in often.items())


say("Fastest or tied with the fastest:", f"- {tally('encode')}\n- {tally('decode')}")

# %% [markdown]
# msgspec's codecs know the type while they read, so that there is no dictionary in between. Without them, among the
# formats that every language has a library for:

# %%
plain = [name for name in ["json", "orjson", "msgpack", "protobuf", "flatbuffers"] if name in set(both["codec"])]
say(f"- {tally('encode', plain)}\n- {tally('decode', plain)}")

# %% [markdown]
# ### How far from the floor?
#
# A ratio to orjson says nothing about what is possible. The floor does: how many times the floor does the fastest
# decoder take, and orjson?


# %%
def floors(operation: str) -> pd.DataFrame:
    """Give how many times the floor the fastest codec and orjson take."""
    group = both[(both["operation"] == operation) & ~both["verdict"].isin(["floor", "failed", "A/A"])]
    first = group.sort_values("ratio").groupby("workload")["times_floor"].first()
    orjson = group[group["verdict"] == "baseline"].set_index("workload")["times_floor"]
    return pd.DataFrame({f"{operation}: fastest": first, f"{operation}: orjson": orjson})


distance = pd.concat([floors("encode"), floors("decode")], axis=1).sort_values("decode: fastest")
distance.round(1)

# %%
middle = distance.median()
say(
    f"At the median workload the fastest encoder takes {middle['encode: fastest']:.1f} times as long as a copy of the "
    f"bytes, and the fastest decoder {middle['decode: fastest']:.1f} times as long as making the strings. For orjson it is {middle['encode: orjson']:.1f} and {middle['decode: orjson']:.1f}."
)

# %% [markdown]
# ### Where does the time go?
#
# Encoding is two stages: *populate* makes the library's own object of the message, *serialize* makes bytes of it.
# Decoding is *deserialize*, bytes to the library's object, and *convert*, that object to a message.

# %%
stages = time[time["operation"].isin(STAGES) & time["workload"].isin(ends) & time["codec"].isin(plain)]
parts = stages.pivot_table(index=["workload", "codec"], columns="operation", values="time_ns", sort=False)
parts = parts.reindex(columns=STAGES)
readable(parts.add_suffix("_ns")).rename(columns=lambda name: name.removesuffix("_ns")) if len(parts) else say(
    "This run did not time the stages; with `RERUN = True` they are."
)


# %%
def converting(codec: str) -> str:
    """Say what share of encoding and decoding is spent outside the library's own reader and writer."""
    share = parts.xs(codec, level="codec").sum()
    encode, decode = share["populate"] + share["serialize"], share["deserialize"] + share["convert"]
    return f"{codec}: {share['populate'] / encode:.0%} of encoding, {share['convert'] / decode:.0%} of decoding"


measured = [codec for codec in plain if codec in parts.index.get_level_values("codec")]
between = "; ".join(map(converting, measured)) or "not timed in this run"
say(f"Spent between the message and the library's object: {between}.")

# %% [markdown]
# ### Messages per second
#
# What a core that does nothing else can code, decode and encode together.


# %%
def per_second(workload: str) -> pd.Series:
    """Give messages per second of one core, both ways."""
    codecs = pd.concat([base, counted])
    return 1e9 / codecs[codecs["workload"] == workload].groupby("codec")["time_ns"].sum()


rates = pd.DataFrame({f"{name}, messages/s": per_second(name) for name in ends})
readable(rates.sort_values(rates.columns[0], ascending=False).round(0))

# %%
load = build_tables(rows[rows["metric"].isin(["rate", "byte-rate"])]).get("throughput", pd.DataFrame())
many = load[load["scaling"].notna() & ~load["codec"].str.contains("floor|A/A")] if len(load) else load
scaling = many.groupby("mode")["scaling"].median() if len(load) else {}
gains = ", ".join(f"{value:.2f}× with {mode.replace('=', ' = ')}" for mode, value in scaling.items())
say(f"Against one process or thread, the rate at the median codec is {gains}." if gains else
    "This run did not measure several processes and threads; `serlab throughput` does.")  # fmt: skip

# %% [markdown]
# Where threads gain nothing it is because codecs hold Python's interpreter lock: threads of one process take turns, and
# more cores need more processes.
#
# ## Answer


# %%
lead = pd.concat([leader_table(rows, [operation]) for operation in ("encode", "decode")])
often = lead["fastest"].value_counts()
beaten = int((lead["verdict"] == "faster").sum())
say(
    f"**`{often.index[0]}` leads most often: in {often.iloc[0]} of {len(lead)} pairs of workload and direction.** "
    f"In {beaten} of {len(lead)} the fastest codec is ahead of orjson by more than the noise.",
    f"What is spent outside the library's own reader and writer: {between}.",
)

# %% [markdown]
# Time against orjson's, over all workloads; `ahead` counts the workloads on which a codec is surely faster than orjson.

# %%
grouped = counted.groupby(["operation", "codec"], sort=False)
spans = grouped["ratio"].agg(least="min", median="median", most="max").round(2)
spans["ahead"] = grouped["verdict"].agg(lambda verdict: (verdict == "faster").sum())
spans.sort_values(["operation", "median"])

# %% [markdown]
# Whether that matters is another question: coding takes microseconds where a model takes seconds. See
# `10_which_format_when`.
#
# ## Limits
#
# - Every codec is warm, its bytes are in the cache and the garbage collector is off. A cold call takes longer.
# - Decoding to a typed, lossless message is what is timed, conversion and check included. A program that is content
#   with dictionaries pays only *deserialize*.
# - Only ratios travel to other machines, and those only roughly.
# - With so many figures some intervals miss the truth; that two codecs tie is no proof that they are equal.
