# %% [markdown]
# # What does it allocate, and what stays?
#
# Memory is what a busy service runs out of first. What is allocated for a moment decides how many requests fit beside
# each other, and what stays decides how many messages a cache holds. The two have little to do with each other, and
# neither is the size on the wire.

# %%
import tracemalloc
from math import inf

import pandas as pd

from serlab import build, open_codec
from serlab.notebook import open_run, readable, say
from serlab.notebook.claims import compare
from serlab.report import build_tables
from serlab.report.figures import memory_figure

# %%
CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine

rows = open_run(CORPUS, RERUN, parts=["memory", "size"])
say(f"Run {rows.attrs['environment']['run']}. Workloads: {rows['workload'].nunique()}.")

# %% [markdown]
# ## Words
#
# - *allocations*: how often memory is asked for while one message is coded.
# - *bytes*: all that is asked for, added up, although much of it is given back at once.
# - *peak*: the most that is held at one moment, for the largest message of a workload.
# - *retained*: what stays allocated for as long as the result is kept.
#
# ## Method
#
# memray counts in a process of its own, never while something is timed. Figures are the difference between many passes
# and twice as many, so that what happens once cancels out, and counts repeat exactly. What a codec learns from its
# first messages is no cost of a message either: FlatBuffers writes code for a shape that it has met often, and only
# then is it counted.
#
# A check: `flatbuffers` and `flatbuffers-unverified` encode with the same code and differ only in how they read, so
# their figures to encode must agree.

# %%
tables = build_tables(rows)
memory, size = tables["memory"], tables["size"]
assert (memory[["bytes_per_op", "retained_bytes"]].min() >= 0).all()
written = memory[memory["operation"] == "encode"].pivot(index="workload", columns="codec", values="bytes_per_op")
twins = written.filter(["flatbuffers", "flatbuffers-unverified"]).dropna()
assert twins.empty or (twins.max(axis=1) <= 1.1 * twins.min(axis=1)).all()
say(f"Figures of memory, one for each workload, operation and codec: {len(memory):,}.")

# %% [markdown]
# ## Result
#
# A workload from the middle: half of the others allocate more to decode a message, half less. The codec that allocates
# the fewest bytes is on top; a bar that would hide the others is cut off with an arrow.

# %%
decode = memory[memory["operation"] == "decode"]
by_workload = decode[decode["codec"] == "orjson"].sort_values("bytes_per_op")["workload"].tolist()
middle = by_workload[len(by_workload) // 2]
memory_figure(rows, [middle])

# %% [markdown]
# ### Against orjson
#
# The same over all workloads: each codec against orjson, the median of the ratios. Below one is less.


# %%
def against(operation: str) -> pd.DataFrame:
    """Give the median ratios to orjson of one operation."""
    wide = memory[memory["operation"] == operation].pivot(index="workload", columns="codec")
    columns = {"allocations_per_op": "allocations", "bytes_per_op": "bytes", "peak_bytes": "peak"}
    ratios = {name: wide[column].div(wide[column]["orjson"], axis=0).median() for column, name in columns.items()}
    return pd.DataFrame(ratios).add_prefix(f"{operation}: ")


common = ["json", "orjson", "msgpack", "protobuf", "flatbuffers", "msgspec-json", "msgspec-msgpack"]
ratios = pd.concat([against("decode"), against("encode")], axis=1).reindex(common).dropna(how="all")
assert (ratios.loc["orjson"].dropna() == 1).all()
ratios.round(2)


# %%
def leader(metric: str):
    """Name the codec that is lowest to decode, or level with the lowest, on most workloads; and claim on how many."""
    found = {name: compare(rows, name, "decode", metric, to=list(ratios.index)).count("tie") for name in ratios.index}
    return max(found.items(), key=lambda item: (item[1].value, item[0] == "orjson"))


def lowest(metric: str, what: str) -> str:
    """Say which codec has the lowest figure, and how it stands to orjson."""
    name, often = leader(metric)
    if name == "orjson":
        return f"no codec has {what} more often than orjson, which has it on {often:of} workloads"
    median = compare(rows, name, "decode", metric, to="orjson").median()
    return f"`{name}` has {what} on {often:of} workloads, at the median {median:.2f} of orjson's"


say(f"To decode, {lowest('allocations', 'the fewest allocations')}; {lowest('peak', 'the lowest peak')}.")

# %% [markdown]
# ### What stays: messages
#
# A cache may keep messages as Python objects or as bytes. What does a decoded message keep, against the JSON it came
# from? A Python string has a header, a number is an object, and a field that is absent still has a slot.

# %%
base = decode[decode["codec"] == "orjson"].set_index("workload")["retained_bytes"]
raw = size[size["codec"] == "orjson"].set_index("workload")
kept = pd.DataFrame({"JSON_bytes": raw["raw_bytes"], "message_bytes": base, "zstd_bytes": raw["zstd_bytes"]})
kept["message / JSON"] = base / raw["raw_bytes"]
kept = kept.sort_values("message / JSON")
readable(kept).rename(columns=lambda name: name.removesuffix("_bytes"))

# %%
share = compare(rows, "orjson", "decode", "retained", to_operations="size", to_metric="raw")
packed = compare(rows, "orjson", "size", "zstd", to_metric="raw")
say(
    f"A message in memory takes {share.median():.1f} times its JSON at the median, from {share.least():.1f} on "
    f"{share.least():workload} to {share.most():.1f} on {share.most():workload}. Kept as zstd it is "
    f"{packed.median():.2f} of its JSON, and must be unpacked and decoded at each hit."
)

# %% [markdown]
# ### What stays: bytes
#
# Bytes look safe: what else should they keep than themselves? But an encoder writes into a buffer before it knows the
# length, and may hand that out as it is, with its unused end.

# %%
encode = memory[memory["operation"] == "encode"].merge(size[["workload", "codec", "raw_bytes"]])
encode["times"] = encode["retained_bytes"] / encode["raw_bytes"]
spare = encode.pivot(index="workload", columns="codec", values="times").reindex(columns=common)
spare.round(2)


# %%
def result_of(codec: str):
    """Compare what a codec's result keeps with its length."""
    return compare(rows, codec, "encode", "retained", to_operations="size", to_metric="raw")


def reserved(room) -> str:
    """Say what the room beside a result tells of how it was made."""
    double = room.count((2.0, inf))
    if room.most().value < 1.1:
        return "So it keeps hardly any room that it does not use."
    if not double.value:
        return "No more than a buffer has left that doubles whenever it is full."
    return (
        f"A buffer that doubles whenever it is full is at most twice as long as what is in it. On {double:of} "
        "workloads this is more: there, room was reserved beforehand for more than came."
    )


worst = spare.median().idxmax()
room = result_of(worst)
say(
    f"Most at the median: `{worst}`, whose result keeps {room.median():.1f} times its length, from "
    f"{room.least():.1f} on {room.least():workload} to {room.most():.1f} on {room.most():workload}. " + reserved(room)
)

# %% [markdown]
# Is that real? Python's own tracer sees it too. Keep a number of encoded messages, and look at what each holds; then
# keep copies in their place.


# %%
def held(count: int, make) -> float:
    """Give what one of many kept results holds, in bytes."""
    tracemalloc.start()
    kept_results = [make() for _ in range(count)]
    now, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return now / len(kept_results)


# %%
message = build("chat-turn")[0]
dumps = open_codec("orjson", type(message)).encode
length = len(dumps(message))
as_it_is = held(200, lambda: dumps(message))
copied = held(200, lambda: bytes(memoryview(dumps(message))))
assert copied < 1.1 * length + 100
say(
    f"orjson's result of {length:,} bytes holds {as_it_is / length:.1f} times its length, a copy "
    f"{copied / length:.1f} times. "
    + ("Before bytes go into a cache, copy them." if as_it_is > 1.5 * copied else "Nothing is gained by a copy.")
)

# %% [markdown]
# ## Answer

# %%
grown, spare_room = share.count("more"), room.median()
say(
    f"**To decode, {lowest('bytes', 'the fewest bytes allocated')}; {lowest('peak', 'the lowest peak')}.**",
    f"A kept message takes {share.median():.1f} times its JSON at the median, and more than its JSON on {grown:of} "
    "workloads: there a cache of JSON holds more than a cache of messages.",
    f"Copy the bytes before you keep them: those that `{worst}` hands out keep {spare_room:.1f} times their length at "
    "the median."
    if spare_room.value > 1.1
    else f"Bytes can be kept as they come: at the median none keeps more than {spare_room:.1f} times its length.",
)

# %% [markdown]
# ## Limits
#
# - What is retained is address space. Of a large buffer the system backs only the pages that were written, so that the
#   unused end of a long result costs less than the table says; that of a short one costs all of it.
# - A peak below about a kilobyte is the tracker's own.
# - A view keeps the whole buffer that it reads from: see `04_when_does_zero_copy_pay`.
# - Fragmentation, and what an allocator keeps for later, are not in these figures.
