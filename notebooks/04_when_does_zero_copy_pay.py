# %% [markdown]
# # When does zero copy pay?
#
# FlatBuffers can be read where it lies: nothing is decoded, and a field is fetched when somebody asks for it. So
# opening costs next to nothing, and each field costs more than the attribute of a plain object. The question is for
# whom that is a bargain: how few fields must one read, what does it cost to check bytes that come from strangers, and
# what does a view keep alive.

# %%
import gc
import tracemalloc

import pandas as pd

from serlab import ChatRequest, from_document, open_codec
from serlab.notebook import open_run, say
from serlab.report import build_tables
from serlab.report.figures import access_figure
from serlab.report.lazy import lazy_table
from serlab.report.units import three_digits

# %%
CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine

operations = ["encode", "decode", "read-one", "read-k", "relay"]
rows = open_run(CORPUS, RERUN, parts=["time"], operations=operations)
timed = set(rows[rows["metric"] == "time"]["codec"])
views = [name for name in ("flatbuffers", "flatbuffers-unverified") if name in timed]
run = rows.attrs["environment"]["run"]
say(f"Run {run}. Workloads: {rows['workload'].nunique()}. Codecs with views: {', '.join(views) or 'none'}.")

# %% [markdown]
# ## Words
#
# A *view* is a reader over the bytes, with the attribute names of the message. `flatbuffers` *verifies* before it gives
# a view: it walks all offsets once, so that damaged or hostile bytes raise an error. `flatbuffers-unverified` trusts
# them. The first is for bytes from outside, the second only for bytes that you wrote yourself.

# %%
text = "x" * 100_000
messages = [{"role": "user", "content": text}]
request = from_document(ChatRequest, {"model": "small", "messages": messages})
codec = open_codec("flatbuffers", ChatRequest)
data = codec.encode(request)
view = codec.open(data)
assert view.model == "small" and view.messages[-1].content == text and codec.decode(data) == request
say(f"A view of {len(data):,} bytes, of type `{type(view).__name__}`, gives the model: `{view.model}`.")

# %% [markdown]
# ## Method
#
# The *access curve*: open a message and read a share of its fields, from none to all. A codec without views has to
# decode first, so that its curve is flat. Where a view's curve crosses that of orjson, decoding whole is as cheap.
#
# ## Result
#
# Two workloads: the one on which opening unverified gains most against decoding whole, and the one on which it gains
# least.

# %%
own = lazy_table(rows, views)
against = lazy_table(rows, views, "orjson")
trusted = against[against["codec"] == "flatbuffers-unverified"].set_index("workload")["opens_ratio"]
assert own.empty or set(own["verdict"]) <= {"up to a share", "always", "never", "unsure"}
ends = list(dict.fromkeys([trusted.idxmin(), trusted.idxmax()])) if len(trusted) else []
curves = ["orjson", "msgspec-msgpack", "protobuf", *views]
access_figure(rows, ends, [name for name in curves if name in set(rows["codec"])]) if ends else say(
    "No codec with views carries these messages, so that nothing below has figures.")  # fmt: skip

# %% [markdown]
# ### Up to which share of the fields?
#
# `opens` is opening a view against decoding whole with orjson. Then, the share of the fields up to which the view is
# cheaper, with its interval: `always` and `never` hold in every process, `unsure` means that processes disagree.


# %%
def shares(table: pd.DataFrame) -> pd.Series:
    """Write up to which share a view is cheaper."""
    spans = [f"≤ {row.share:.0%} [{row.share_low:.0%}, {row.share_high:.0%}]" for row in table.itertuples()]
    return table["verdict"].where(table["verdict"] != "up to a share", spans)


def wide(name: str) -> pd.DataFrame:
    """Give one view's comparison with orjson, a row for each workload."""
    table = against[against["codec"] == name].set_index("workload")
    return pd.DataFrame({f"{name} opens": table["opens_ratio"].map(three_digits), "pays": shares(table)})


pd.concat([wide(name) for name in views], axis=1) if ends else None


# %%
def tally(table: pd.DataFrame, name: str) -> str:
    """Count the verdicts on one view, and give the share in the middle."""
    kept = table[table["codec"] == name]
    counts = ", ".join(f"{verdict} {n}" for verdict, n in kept["verdict"].value_counts().items())
    share = kept["share"].median()
    return f"{name}: {counts}" + (f"; that share is {share:.0%} at the median" if share == share else "")


say("Cheaper than orjson, workloads:", "\n".join(f"- {tally(against, name)}" for name in views)) if ends else None

# %% [markdown]
# ### Against the decoder of the same format
#
# Who has chosen FlatBuffers already asks something else: open a view, or decode the same bytes to a message?

# %%
say("Cheaper than its own decoder, workloads:", "\n".join(f"- {tally(own, name)}" for name in views)) if ends else None

# %% [markdown]
# ### What does verifying cost?
#
# Verified against unverified: opening, reading one field, and decoding whole.

# %%
time = build_tables(rows[rows["metric"] == "time"])["time"]
pairs = time[time["codec"].isin(views)].pivot(index=["operation", "workload"], columns="codec", values="ratio")
checked = (pairs[views[0]] / pairs[views[-1]]).groupby("operation").median() if views else pd.Series(dtype=float)
names = {"read-0%": "opening", "read-one": "reading one field", "decode": "decoding whole"}
costs = [f"{text} {checked[name]:.2f}" for name, text in names.items() if name in checked]
say(f"Verified takes, as a multiple of unverified, at the median workload: {', '.join(costs) or 'not measured'}.")

# %% [markdown]
# ### A gateway: read two fields, change one, pass the rest on
#
# That is where one expects a view to shine. But what has been changed must be written again, and a format that writes
# offsets has to build its buffer anew. `relay` reads `model` and `stream`, writes another `model` and passes the rest
# on. In how many workloads is that faster than with orjson?

# %%
relay = time[(time["operation"] == "relay") & time["verdict"].isin(["faster", "tie", "slower"])]
relay = relay[~relay["codec"].str.endswith(("-base64", "-bin"))]
table = pd.crosstab(relay["codec"], relay["verdict"]).reindex(columns=["faster", "tie", "slower"], fill_value=0)
table["× orjson, median"] = relay.groupby("codec")["ratio"].median().round(2)
table.sort_values("× orjson, median")

# %% [markdown]
# ### What a view keeps alive
#
# A view has no data of its own. As long as one part of it is kept as a view, all the bytes are kept. What is held by
# the view from above, by its list of messages, by the model as a string, and by the message that is decoded whole?


# %%
def held(make) -> int:
    """Give what stays allocated while a result is kept and the bytes it was read from are dropped."""
    gc.collect()
    tracemalloc.start()
    result = make(bytes(memoryview(data)))
    now, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return now if result is not None else 0


# %%
ways = {
    "the view": lambda data: codec.open(data),
    "its list of messages": lambda data: codec.open(data).messages,
    "its model, a string": lambda data: codec.open(data).model,
    "the decoded message": lambda data: codec.decode(data),
}
kept = pd.DataFrame({"kept_bytes": {name: held(make) for name, make in ways.items()}})
assert kept.loc["its list of messages", "kept_bytes"] > len(data) > 10 * kept.loc["its model, a string", "kept_bytes"]
(kept / len(data)).round(1).rename(columns={"kept_bytes": "keeps, times the bytes of the buffer"})

# %% [markdown]
# So: copy what outlives the request. A string that a view gives is a string of its own and holds nothing else. A list
# of messages holds all of the buffer. And the buffer must not be written to while a view lives:

# %%
buffer = bytearray(data)
lazy = codec.open(buffer)
before, place = lazy.model, buffer.index(b"small")
buffer[place : place + 5] = b"other"
say(f"The same view, read twice, while somebody reuses its buffer: first `{before}`, then `{lazy.model}`.")

# %% [markdown]
# ## Answer


# %%
def pays(name: str) -> str:
    """Sum up one view against orjson."""
    verdicts = against[against["codec"] == name]["verdict"].value_counts()
    always, some = verdicts.get("always", 0), verdicts.get("up to a share", 0)
    share = against[against["codec"] == name]["share"].median()
    limit = f" (up to {share:.0%} of them at the median)" if share == share else ""
    never = verdicts.get("never", 0)
    return f"`{name}`: on {always} whatever is read, on {some} if few fields are read{limit}, on {never} never"


# %%
ahead = (relay[relay["codec"].isin(views)]["verdict"] == "faster").sum()
say(
    f"**Against orjson, of {against['workload'].nunique()} workloads, where does a view pay?** "
    + "; ".join(map(pays, views))
    + ".",
    f"Verifying multiplies the cost of opening by {checked.get('read-0%', float('nan')):.1f} at the median. A gateway "
    f"that changes a field gains from views in {ahead} of {relay['codec'].isin(views).sum()} cases.",
    "Keep strings, not views, beyond the request that brought the bytes.",
) if ends else say("**With these messages, never: no codec with views carries them.**")

# %% [markdown]
# ## Limits
#
# - A vector of numbers counts as one field and is read as an array: on messages that are one long vector, a view that
#   reads "all" has touched no number.
# - The curve says what fields cost that are read once. A view that is read again and again pays each time.
# - That decoding whole is followed by free reading is measured on orjson's messages, which are the same objects.
