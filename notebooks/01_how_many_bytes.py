# %% [markdown]
# # How many bytes does each format need?
#
# Bytes cost bandwidth, memory in a cache and money for storage. Formats differ in what they write beside the content:
# JSON and MessagePack repeat every field name in every message, the schema formats (protobuf, FlatBuffers) write none.
# They differ most in how they write numbers. The question is what is left of that in real messages, which are mostly
# text, and what is left of it after compression.

# %%
import pandas as pd

from serlab import ChatRequest, build, from_document, open_codec
from serlab.notebook import open_run, say
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
best = raw.drop(columns="orjson").min(axis=1)
small = best[best > 0.9]
say(
    f"Uncompressed, the smallest of the three binary formats needs {best.min():.2f} of JSON's bytes on "
    f"`{best.idxmin()}` and {best.max():.2f} on `{best.idxmax()}`. "
    f"On {len(small)} of {len(best)} workloads it saves less than a tenth."
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
larger = {codec: int((zstd[codec] > 1.005).sum()) for codec in codecs if codec != "orjson"}
packed = zstd.drop(columns="orjson").min(axis=1)
say(
    f"After zstd, larger than JSON on {len(zstd)} workloads: "
    + ", ".join(f"{codec} on {count}" for codec, count in larger.items())
    + f". The smallest format saves a tenth or more on {int((packed <= 0.9).sum())}, before compression it was "
    f"{int((best <= 0.9).sum())}."
)

# %%
whole = size[size["codec"] == "orjson"].set_index("workload")
gain = (whole["zstd_bytes"] / whole["raw_bytes"]).loc[raw.index]
beats = int((gain < best).sum())
say(
    f"Compressing JSON makes it smaller than the best uncompressed binary format on {beats} of {len(gain)} workloads; "
    f"at the median JSON shrinks to {gain.median():.2f} of its size."
)

# %% [markdown]
# ## Answer

# %%
most, typical = best.idxmin(), best.median()
text_wins = "Most bytes of the typical message are text, so choose by something else than size."
say(
    f"**At the median workload the smallest binary format needs {typical:.2f} of JSON's bytes, at best "
    f"{best.min():.2f}, on `{most}`.** "
    f"Where both are compressed with zstd it needs {packed.median():.2f} at the median.",
    "Numbers and short messages gain, as the first cells show; long text does not. "
    + (text_wins if typical > 0.9 else "In these messages that is enough to choose by size."),
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
