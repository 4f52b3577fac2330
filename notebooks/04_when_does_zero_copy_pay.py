# %% [markdown]
# # When does zero copy pay?
#
# FlatBuffers can be read where it lies: nothing is decoded, and a field is fetched when somebody asks for it. Then a
# field costs more than the attribute of a plain object does, and bytes that come from outside must be checked first.
# The question is for whom that is a bargain: how few fields must one read, what does the check cost, and what does a
# view keep alive?

# %%
import gc
import tracemalloc

import pandas as pd

from serlab import ChatRequest, from_document, open_codec
from serlab.codecs import codec_info
from serlab.notebook import open_run, say
from serlab.notebook.claims import compare
from serlab.report import build_tables
from serlab.report.fastest import lazy_table
from serlab.report.figures import access_figure
from serlab.report.formatting import three_digits

# %%
CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine

operations = ["encode", "decode", "read-one", "read-k", "relay"]
rows = open_run(CORPUS, RERUN, parts=["time"], operations=operations)
timed = rows[(rows["metric"] == "time") & (rows["role"] == "measured")]
decoders = sorted(timed[timed["operation"] == "decode"]["codec"].unique())
views = [name for name in ("flatbuffers", "flatbuffers-unverified") if name in decoders]
plain = [name for name in decoders if name not in views]
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
# decode first, so that its curve is nearly flat. Where a view's curve crosses another, decoding whole is as cheap. Who
# only opens has read nothing, so a view *pays* where opening it and reading one field is cheaper than decoding whole.
# The rival is the codec that decodes each workload fastest. In the figure that is one of the flat curves.
#
# ## Result
#
# Two workloads: the one on which opening unverified gains most against decoding whole, and the one on which it gains
# least.

# %%
own = lazy_table(rows, views)
against = lazy_table(rows, views, decoders)
trusted = against[against["codec"] == "flatbuffers-unverified"].set_index("workload")["opens_ratio"]
assert own.empty or set(own["verdict"]) <= {"up to a share", "always", "never", "unsure"}
assert (against[against["one_ratio"] > 1]["verdict"].isin(["never", "unsure"])).all()
ends = list(dict.fromkeys([trusted.idxmin(), trusted.idxmax()])) if len(trusted) else []
curves = ["orjson", "msgspec-msgpack", "protobuf", *views]
access_figure(rows, ends, [name for name in curves if name in set(rows["codec"])]) if ends else say(
    "No codec with views carries these messages, so that nothing below has figures.")  # fmt: skip

# %% [markdown]
# ### Up to which share of the fields?
#
# `one field` is opening a view and reading one field, against the fastest whole decode, which is named beside it. Then,
# the share of the fields up to which the view is cheaper, with its interval: `always` means all of them, `never` that
# one field costs more already, and `unsure` that one field makes no measurable difference.


# %%
def shares(table: pd.DataFrame) -> pd.Series:
    """Write up to which share a view is cheaper."""
    spans = [f"≤ {row.share:.0%} [{row.share_low:.0%}, {row.share_high:.0%}]" for row in table.itertuples()]
    return table["verdict"].where(table["verdict"] != "up to a share", spans)


def wide(name: str) -> pd.DataFrame:
    """Give one view's comparison with the fastest whole decoder, a row for each workload."""
    table = against[against["codec"] == name].set_index("workload")
    return pd.DataFrame({f"{name}, one field": table["one_ratio"].map(three_digits), "pays": shares(table)})


rivals = against.groupby("workload")["whole"].first()
pd.concat([rivals.rename("fastest whole"), *(wide(name) for name in views)], axis=1) if ends else None

# %% [markdown]
# On how many workloads is the view measurably cheaper, if one reads so much? Messages with few fields have no tenth.

# %%
STEPS = {"read-1": "one field", "read-10%": "a tenth", "read-50%": "half", "read-100%": "all fields"}


def cheaper(view: str, step: str, rivals: list[str]):
    """Compare opening a view and reading so much with decoding whole and reading as much."""
    return compare(
        rows, view, step, to=rivals, to_operations="decode", to_reads=step, to_readers=plain
    )  # fmt: skip


def tally(view: str, rivals: list[str]) -> str:
    """Count the workloads on which a view is cheaper."""
    ratios = {text: cheaper(view, step, rivals) for step, text in STEPS.items()}
    return f"`{view}`: " + ", ".join(f"{text} {one.count('less'):of}" for text, one in ratios.items() if len(one))


say(*(f"- {tally(name, decoders)}" for name in views)) if ends else None

# %% [markdown]
# ### Against the decoder of the same format
#
# Who has chosen FlatBuffers already asks something else: open a view, or decode the same bytes to a message?

# %%
say(*(f"- {tally(name, [name])}" for name in views)) if ends else None

# %% [markdown]
# ### What does verifying cost?
#
# Verified against unverified: opening, reading one field, and decoding whole.

# %%
time = build_tables(rows[rows["metric"] == "time"])["time"]
names = {"read-0%": "opening", "read-one": "reading one field", "decode": "decoding whole"}
checked = {name: compare(rows, views[0], name, to=views[-1]) for name in names} if len(views) == 2 else {}
costs = ", ".join(f"{names[name]} {one.median():.2f}" for name, one in checked.items())
say(f"Verified takes, as a multiple of unverified, at the median workload: {costs or 'not measured'}.")

# %% [markdown]
# ### A gateway: read two fields, change one, pass the rest on
#
# That is where one expects a view to shine. But what has been changed must be written again, and a format that writes
# offsets has to build its buffer anew. `relay` reads `model` and `stream`, writes another `model` and passes the rest
# on. In how many workloads is that faster than with orjson?

# %%
relay = time[(time["operation"] == "relay") & time["verdict"].isin(["faster", "tie", "slower"])]
relay = relay[[not codec_info(name).vectors for name in relay["codec"]]]
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
def pays(view: str) -> str:
    """Sum up one view against the fastest whole decoder."""
    one, every = (cheaper(view, step, decoders) for step in ("read-1", "read-100%"))
    return f"`{view}` on {one.count('less'):of} if one field is read, on {every.count('less'):of} even if all are"


def gateway(view: str) -> str:
    """Sum up one view at a gateway."""
    ratios = compare(rows, view, "relay", to="orjson")
    return f"`{view}` faster on {ratios.count('less'):of}, slower on {ratios.count('more'):of}"


# %%
opening = checked["read-0%"].median() if checked else None
say(
    "**On how many workloads is a view cheaper than the fastest codec that decodes whole?** "
    + "; ".join(map(pays, views))
    + ". Up to which share of the fields, the table above says for each workload.",
    *([f"Verified, opening takes {opening:.1f} times as long as unverified, at the median."] if opening else []),
    f"A gateway that changes a field, against orjson: {'; '.join(map(gateway, views))}.",
    "Keep strings, not views, beyond the request that brought the bytes.",
) if ends else say("**With these messages, never: no codec with views carries them.**")

# %% [markdown]
# ## Limits
#
# - A vector of numbers counts as one field and is read as an array: on messages that are one long vector, a view that
#   reads "all" has touched no number.
# - The curve says what fields cost that are read once. A view that is read again and again pays each time.
# - What it costs to read from a decoded message is measured with the fastest codec without a view. The others decode to
#   the same objects.
