# %% [markdown]
# # How fast do codecs encode and decode?
#
# Every message that a service sends is encoded once and decoded once, and in between nobody else gets that core. So the
# time is paid in cores, and in how long other requests wait. The question is which codec takes least, on which
# messages, and how much of the difference is more than the noise of the machine.

# %%
import pandas as pd

from serlab.codecs import find_info
from serlab.measure.options import STAGES
from serlab.notebook import open_run, readable, say
from serlab.notebook.claims import compare
from serlab.report import build_tables
from serlab.report.fastest import leader_table
from serlab.report.figures import ratio_figure

# %%
CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine

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
again = {operation: compare(rows, "orjson (A/A)", operation, to="orjson") for operation in ("encode", "decode")}
say(
    "orjson against itself, over the workloads: "
    + "; ".join(f"to {name} from {one.least():.3f} to {one.most():.3f}" for name, one in again.items())
    + "."
)

# %% [markdown]
# ## Method
#
# A fresh process measures all codecs of one workload in short batches, in random order, so that a busy neighbour meets
# all of them alike. It gives one ratio; the figure is the median over processes, with an interval that resamples the
# processes. Each codec has shown before that it gives the messages that are timed back equal.
# `08_how_noisy_is_this_machine` tests this method itself.
#
# ## Result
#
# The workloads with the quickest and the slowest messages. A bar to the left is faster than orjson. The grey band is
# A/A, the dashed line is the floor, `=` marks a tie. Google's own FlatBuffers builder is left out of the picture, which
# it might squeeze. Codecs that differ from these on vectors only are in `05_what_do_vectors_cost`.

# %%
base = both[both["verdict"] == "baseline"]
verdicts = both[both["verdict"].isin(["faster", "tie", "slower"])]
per_message = base.groupby("workload")["time_ns"].sum()
ends = list(dict.fromkeys([per_message.idxmin(), per_message.idxmax()]))
infos = {name: find_info(name) for name in both["codec"].unique()}  # None for what is no codec
vectors = [name for name, info in infos.items() if info and info.vectors]
shown = [name for name, info in infos.items() if not (info and (info.vectors or info.reference))]
ratio_figure(rows, ends, codecs=[name for name in shown if name in set(base["codec"]) | set(verdicts["codec"])])

# %%
google = {
    operation: compare(rows, "flatbuffers-official", operation, to="orjson") for operation in ("encode", "decode")
}
say(
    "Google's own FlatBuffers takes, at the median workload, "
    + " and ".join(f"{one.median():.1f} times as long as orjson to {name}" for name, one in google.items())
    + "."
)

# %% [markdown]
# ### Who is ahead of orjson, and how often?
#
# On how many workloads is a codec faster than orjson, slower, or tied with it?

# %%
counted = verdicts[~verdicts["codec"].isin(vectors)]
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
def places(operation: str, codecs: list[str]) -> dict:
    """Claim of each codec on how many workloads it is the fastest of them or ties with the fastest."""
    found = {name: compare(rows, name, operation, to=codecs).count("tie") for name in codecs}
    return dict(sorted(((name, one) for name, one in found.items() if one.value), key=lambda item: -item[1].value))


def tally(operation: str, codecs: list[str]) -> str:
    """Say how often each codec is the fastest or ties with it."""
    return f"{operation}: " + ", ".join(f"{name} {one:of}" for name, one in places(operation, codecs).items())


every = sorted({*base["codec"], *verdicts["codec"]})
say("Fastest or tied with the fastest, of the workloads that a codec carries:")
say(f"- {tally('encode', every)}\n- {tally('decode', every)}")

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
FLOORS = {"encode": ("floor: copy", "a copy of the bytes"), "decode": ("floor: strings", "making the strings")}


def above(operation: str) -> str:
    """Say how many times the floor the fastest codec and orjson take."""
    floor, named = FLOORS[operation]
    fastest, orjson = (compare(rows, codecs, operation, to=floor).median() for codecs in (every, "orjson"))
    return f"to {operation}, {fastest:.1f} times {named}; orjson {orjson:.1f} times"


say(f"At the median workload the fastest codec takes, {'; '.join(map(above, FLOORS))}.")

# %% [markdown]
# ### Where does the time go?
#
# Encoding is *populate*, which makes the library's own object of the message, and *serialize*, which makes bytes of it.
# Where a format has no number for NaN and infinity, a *check* looks for them in between. Decoding is *deserialize*,
# bytes to the library's object, and *convert*, that object to a message. *serialize* and *deserialize* are the
# library's own callables.

# %%
ORDER = ["populate", "check", "serialize", "deserialize", "convert"]
stages = time[time["operation"].isin(ORDER) & time["codec"].isin(plain)]
shown = stages[stages["workload"].isin(ends)]
parts = shown.pivot_table(index=["workload", "codec"], columns="operation", values="time_ns", sort=False)
parts = parts.reindex(columns=[name for name in ORDER if name in parts])
readable(parts.add_suffix("_ns")).rename(columns=lambda name: name.removesuffix("_ns")) if len(parts) else say(
    "This run did not time the stages; with `RERUN = True` they are."
)

# %% [markdown]
# What share of encoding and of decoding is spent outside the library? Each workload has its own share; this is the one
# in the middle, with the least and the most.


# %%
def steps_of(codec: str) -> tuple[list[str], list[str]]:
    """List the stages of encoding and of decoding that a codec has on each of its workloads."""
    often = stages[stages["codec"] == codec]["operation"].value_counts()
    have = [name for name in ORDER if often.get(name) == often.get("serialize")]
    return [name for name in ORDER[:3] if name in have], [name for name in ORDER[3:] if name in have]


def outside(codec: str, form: str = "{:.0%} [{:.0%}, {:.0%}]") -> str:
    """Say what share of encoding and decoding is spent outside the library's own writer and reader."""
    said = []
    for name, steps in zip(("encoding", "decoding"), steps_of(codec), strict=True):
        for stage in (stage for stage in steps if stage not in ("serialize", "deserialize")):
            share = compare(rows, codec, stage, to_operations=steps)
            said.append(f"*{stage}* {form.format(share.median(), share.least(), share.most())} of {name}")
    return f"{codec}: {', '.join(said)}"


measured = [codec for codec in plain if codec in set(stages["codec"])]
say(*(f"- {outside(codec)}" for codec in measured)) if measured else say("Not timed in this run.")

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
def first(operation: str) -> str:
    """Say who is fastest, how often, and what is gained on orjson."""
    found, best = places(operation, every), compare(rows, every, operation, to="orjson")
    most = max((one.value for one in found.values()), default=0)
    names = [f"`{name}` ({one:of})" for name, one in found.items() if one.value == most]
    said = f"**To {operation}, fastest or tied with the fastest on most workloads: {', '.join(names)}.** "
    ahead = best.count("less")
    if not ahead.value:
        return said + "None is measurably faster than orjson."
    return said + (
        f"The fastest codec of each workload is measurably faster than orjson on {ahead:of}, and takes "
        f"{best.median():.2f} of its time at the median."
    )


say(
    first("encode"),
    first("decode"),
    f"Spent outside the library, at the median workload: {'; '.join(outside(codec, '{:.0%}') for codec in measured)}."
    if measured
    else "Where the time goes was not measured in this run.",
)

# %% [markdown]
# Time against orjson's, over all workloads; `ahead` counts the workloads on which a codec is surely faster than orjson.

# %%
grouped = counted.groupby(["operation", "codec"], sort=False)
spans = grouped["ratio"].agg(least="min", median="median", most="max").round(2)
spans["ahead"] = grouped["verdict"].agg(lambda verdict: (verdict == "faster").sum())
spans.sort_values(["operation", "median"])

# %% [markdown]
# Whether that matters is another question: it hangs on what else a caller waits for. See `10_which_format_when`.
#
# ## Limits
#
# - Every codec is warm, its bytes are in the cache and the garbage collector is off. A cold call takes longer.
# - Encoding from and decoding to typed, lossless messages is what is timed, every stage included. A program that is
#   content with the library's own objects pays only *serialize* and *deserialize*.
# - Only ratios travel to other machines, and those only roughly.
# - With so many figures some intervals miss the truth; that two codecs tie is no proof that they are equal.
