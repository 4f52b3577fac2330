# %% [markdown]
# # How many bytes does each format need?
#
# Bytes cost bandwidth, memory in a cache and money for storage. Formats differ in what they write beside the content:
# JSON and MessagePack repeat every field name in every message, the schema formats (protobuf, FlatBuffers) write none.
# They differ most in how they write numbers. The question is what is left of that in real messages, which are mostly
# text, and what is left of it after compression.

# %%
from math import inf

import pandas as pd

from serlab import ChatRequest, build, from_document, open_codec
from serlab.notebook import open_run, say
from serlab.notebook.claims import compare
from serlab.report import build_tables
from serlab.report.figures import size_figure

# %%
CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine

rows = open_run(CORPUS, RERUN, parts=["size"])
codecs = ["orjson", "msgpack", "protobuf", "flatbuffers"]
say(f"Run {rows.attrs['environment']['run']}. Workloads: {rows['workload'].nunique()}.")

# %% [markdown]
# ## One message
#
# Before any statistics: what do the four formats write for the shortest chat request there is?


# %%
def request(text: str) -> ChatRequest:
    """Make a chat request of one message."""
    messages = [{"role": "user", "content": text}]
    return from_document(ChatRequest, {"model": "m", "messages": messages})


wire = {name: open_codec(name, ChatRequest).encode(request("hi")) for name in codecs}
assert len(wire["flatbuffers"]) == max(map(len, wire.values()))
pd.DataFrame({name: [len(data), repr(data)[2:45] + " …"] for name, data in wire.items()},
             index=["bytes", "begins with"]).T  # fmt: skip

# %% [markdown]
# JSON and MessagePack name `model`, `messages`, `role` and `content`. Protobuf writes a number in place of a name.
# FlatBuffers writes tables of offsets, so that a reader can jump to a field, and pays for it in small messages.
#
# How does that overhead grow with the text? Take the bytes of a message and subtract the bytes of its text.


# %%
def overhead(name: str, characters: int) -> int:
    """Count the bytes that are not text."""
    data = open_codec(name, ChatRequest).encode(request("x" * characters))
    return len(data) - characters


lengths = [10, 1_000, 100_000]
extra = pd.DataFrame({f"{n:,} letters": [overhead(name, n) for name in codecs] for n in lengths}, codecs)
assert ((extra.max(axis=1) - extra.min(axis=1)) < 20).all()
extra

# %% [markdown]
# It hardly grows. Text takes one byte a letter in every format, so the longer the text, the less the format matters.
# Numbers are another matter. Here are the bytes per number in a response full of embedding vectors.

# %%
vectors = build("embeddings")[0]
count = sum(len(item.embedding) for item in vectors.data)
sizes = {name: len(open_codec(name, type(vectors)).encode(vectors)) for name in codecs}
assert sizes["orjson"] > sizes["protobuf"] >= 4 * count
shown = ", ".join(f"{name} {bytes_ / count:.1f}" for name, bytes_ in sizes.items())
say(f"Bytes per number, of {count:,} numbers: {shown}.")

# %% [markdown]
# ## Method
#
# A *workload* is a set of messages of one kind. Every message of it is encoded by every codec, and decoded again to see
# that nothing was lost: a codec that lost something has no figure here. The size is the mean length of a message. A
# *ratio* is the size against orjson's JSON; below 1 is smaller. Compressed sizes are those of each message by itself,
# as a web server would compress it.

# %%
size = build_tables(rows[rows["operation"] == "size"])["size"]
assert (size["raw_bytes"] > 0).all()
raw = size.pivot(index="workload", columns="codec", values="raw_ratio").reindex(columns=codecs)
raw = raw.loc[raw.min(axis=1).sort_values().index]
assert (raw["orjson"].dropna() == 1).all()

# %% [markdown]
# ## Result
#
# Left of the line is smaller than JSON. The workload that gains most stands on top.

# %%
size_figure(rows, codecs=[name for name in codecs if name in set(rows["codec"])])

# %%
raw.round(2)

# %%
BINARY = [name for name in codecs if name != "orjson"]
best = compare(rows, BINARY, "size", "raw", to="orjson")
tenth = best.count((0, 0.9))
say(
    f"Uncompressed, the smallest of the three binary formats needs {best.least():.2f} of JSON's bytes on "
    f"{best.least():workload} and {best.most():.2f} on {best.most():workload}. It saves more than a tenth on "
    f"{tenth:of} workloads."
)

# %% [markdown]
# ### After compression
#
# A compressor removes what repeats, and field names repeat most of all. So a format's lead may vanish, or turn round.

# %%
zstd = size.pivot(index="workload", columns="codec", values="zstd_bytes")
zstd = zstd.div(zstd["orjson"], axis=0).reindex(index=raw.index, columns=codecs)
zstd.round(2)

# %%
larger = {name: compare(rows, name, "size", "zstd", to="orjson").count((1.005, inf)) for name in BINARY}
packed = compare(rows, BINARY, "size", "zstd", to="orjson")
say(
    "After zstd, larger than JSON by more than a rounding: "
    + ", ".join(f"{name} on {count:of} workloads" for name, count in larger.items())
    + f". The smallest of them saves more than a tenth on {packed.count((0, 0.9)):of} workloads; before compression it "
    f"was {tenth:of}."
)

# %%
gain = compare(rows, "orjson", "size", "zstd", to_metric="raw")
beats = compare(rows, "orjson", "size", "zstd", to=BINARY, to_metric="raw")
say(
    f"JSON with zstd is smaller than the smallest uncompressed binary format on {beats.count('less'):of} workloads; at "
    f"the median workload zstd leaves {gain.median():.2f} of JSON's bytes."
)

# %% [markdown]
# ## Answer


# %%
def worth(ratio: float) -> str:
    """Say what a ratio of sizes is worth."""
    if ratio < 0.9:
        return "on half of these workloads it saves more than a tenth of the bytes."
    if ratio < 1:
        return "that is less than a tenth of the bytes, so that size decides little there."
    return "no binary format is smaller than JSON there, so size is no reason to change."


# %%
typical, after = best.median(), packed.median()
say(
    f"**Uncompressed, the smallest binary format needs {typical:.2f} of JSON's bytes at the median workload**: "
    f"{worth(typical.value)} At best it needs {best.least():.2f}, on {best.least():workload}; at worst "
    f"{best.most():.2f}, on {best.most():workload}.",
    f"**Where both are compressed with zstd it needs {after:.2f} at the median**: {worth(after.value)}",
    "The first cells show why it hangs on the message: text takes the same bytes in every format, numbers and field "
    "names do not.",
)

# %% [markdown]
# ## Limits
#
# - The text of the built-in workloads is synthetic, so that compressed sizes are indications. Set `CORPUS` to your own
#   traffic for a figure that holds.
# - Each message is compressed by itself. A compressor that keeps its state over a connection, or has a dictionary
#   trained on other messages, does better on short ones; this run did not measure it.
# - Compression costs time, which is not in these tables: see `02_how_fast_to_encode_and_decode` and
#   `10_which_format_when`.
