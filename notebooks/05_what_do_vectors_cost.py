# %% [markdown]
# # What do vectors cost?
#
# An embedding is a list of a thousand numbers or more. As text, each of them is written out in decimal digits and read
# back by a parser; as bytes, all of them are one copy. The question is how much that saves, whether the numbers come
# back exactly, and from which bandwidth on the bytes no longer matter.

# %%
import numpy as np
import pandas as pd

from serlab import EmbeddingResponse, from_document, open_codec
from serlab.notebook import open_run, readable, say
from serlab.notebook.claims import compare
from serlab.report import build_tables
from serlab.report.fastest import leader_table
from serlab.report.figures import crossover_figure
from serlab.report.figures.curves import costs_of, crossing, total_ns
from serlab.report.figures.look import RATE
from serlab.report.formatting import scaled

# %%
CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine

rows = open_run(CORPUS, RERUN, parts=["size", "time"], operations=["encode", "decode"])
has_vectors = "EmbeddingResponse" in set(rows["message"])
rows = rows if has_vectors else open_run()
rows = rows[rows["message"] == "EmbeddingResponse"]
workload = rows["workload"].value_counts().index[0]
note = "" if has_vectors else "**There are no embeddings in this corpus; what follows is the stored run.** "
say(f"{note}Run {rows['run'].iloc[0]}, workload `{workload}`.")

# %% [markdown]
# ## Words
#
# The same numbers can be written in four ways:
#
# - *text*: decimal digits in a JSON list;
# - *list*: a MessagePack list, each number as a float64 with a type byte before it;
# - *base64*: the bytes of the array as letters in a JSON string, as the embeddings API itself offers;
# - *packed*: the bytes of the array as they lie in memory, in MessagePack's `bin`, protobuf or FlatBuffers.

# %%
WAYS = {
    "text": ["orjson", "msgspec-json", "json"],
    "list": ["msgpack", "msgspec-msgpack"],
    "base64": ["orjson-base64", "msgspec-json-base64", "json-base64"],
    "packed": ["msgpack-bin", "msgspec-msgpack-bin", "protobuf", "flatbuffers", "flatbuffers-unverified"],
}
way_of = {codec: way for way, codecs in WAYS.items() for codec in codecs}
assert len(way_of) == sum(map(len, WAYS.values()))

# %% [markdown]
# ### One number
#
# Models compute in float32, and JSON has no such thing: a float32 is turned into a float64, and that takes more digits
# than the number ever had.

# %%
number = np.float32(0.1)
digits = {"as float32": str(number), "as JSON writes it": str(float(number))}
assert np.float32(float(digits["as JSON writes it"])) == number
say(
    f"The float32 next to 0.1 has {number.nbytes} bytes. In JSON it is `{digits['as JSON writes it']}`, "
    f"{len(digits['as JSON writes it'])} letters. In base64 it is {number.nbytes * 4 / 3:.1f} letters."
)

# %% [markdown]
# ### Is it exact?
#
# Packing is only fair if nothing is lost. Take a vector of float32, and one of numbers that float32 cannot hold; encode
# both with one codec of each way, decode them, and compare each number.


# %%
def response(values: np.ndarray) -> EmbeddingResponse:
    """Make a response with one vector."""
    item = {"object": "embedding", "index": 0, "embedding": values.tolist()}
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return from_document(EmbeddingResponse, {"object": "list", "model": "m", "data": [item], "usage": usage})


exact = np.random.default_rng(0).standard_normal(1_536)
single = exact.astype(np.float32)
assert (single != exact).all()


# %%
def per_number(name: str, values: np.ndarray) -> float:
    """Encode and decode a vector, check each number, and give the bytes per number."""
    codec = open_codec(name, EmbeddingResponse)
    data = codec.encode(response(values))
    assert np.array_equal(np.array(codec.decode(data).data[0].embedding, dtype=float), values.astype(float))
    return len(data) / len(values)


first = {way: codecs[0] for way, codecs in WAYS.items()}
both = {"float32": single, "not float32": exact}
bytes_each = pd.DataFrame({kind: {w: per_number(c, v) for w, c in first.items()} for kind, v in both.items()})
bytes_each.add_prefix("bytes per number, ").round(1)

# %%
ratio = bytes_each["not float32"] / bytes_each["float32"]
lost = np.abs(single / exact - 1).max()
say(
    f"All come back exactly. The codecs pack numbers as float32 only if all of them fit: otherwise packed vectors "
    f"take {ratio['packed']:.1f} times the bytes. Rounding to float32 first would change a number by {lost:.0e} of "
    "itself at the most: often nothing beside what the model is uncertain of, but no longer the same numbers."
)

# %% [markdown]
# ## Method
#
# The built-in workload is a response with many vectors of float32, as a model gives them. Bytes are per message, times
# are ratios to orjson within a process, as in `02_how_fast_to_encode_and_decode`.
#
# ## Result

# %%
tables = build_tables(rows[rows["workload"] == workload])
time = tables["time"][tables["time"]["codec"].isin(way_of)]
table = tables["size"][tables["size"]["codec"].isin(way_of)].set_index("codec")[["raw_bytes", "zstd_bytes"]]
for operation in ("encode", "decode"):
    of = time[time["operation"] == operation].set_index("codec")
    table[operation] = readable(of, ["time_ns"])["time"] + ", " + of["ratio"].map("{:.3f}×".format)
table.insert(0, "way", table.index.map(way_of))
table = table.sort_values("raw_bytes", kind="stable")
readable(table).rename(columns=lambda name: name.removesuffix("_bytes"))

# %%
there = {way: [name for name in codecs if name in table.index] for way, codecs in WAYS.items()}
ways = {way: codecs for way, codecs in there.items() if codecs}
sizes = {way: compare(rows, codecs, "size", "raw", to="orjson").at(workload) for way, codecs in ways.items()}
left = {way: compare(rows, codecs, "size", "zstd", to_metric="raw").at(workload) for way, codecs in ways.items()}
say(
    "Size against orjson's text, the smallest codec of each way: "
    + ", ".join(f"{way} {one:.2f}" for way, one in sizes.items())
    + ". zstd leaves of their own size: "
    + ", ".join(f"{way} {one:.2f}" for way, one in left.items())
    + "."
)

# %% [markdown]
# ### Who is fastest?

# %%
every = list(table.index)
ratios = {operation: compare(rows, every, operation, to="orjson").at(workload) for operation in ("encode", "decode")}
fastest = {op: leader_table(rows, [op], workloads=[workload]).iloc[0] for op in ratios}


def first(operation: str) -> str:
    """Say who is fastest, and how it stands to orjson."""
    one, row = ratios[operation], fastest[operation]
    if one.codec == "orjson":
        return f"To {operation}, no codec takes less time than orjson"
    direction = one.words("faster than", "slower than", "within the noise of")
    interval = f"[{row['ratio_low']:.3f}, {row['ratio_high']:.3f}]"
    return f"To {operation}, {one:codec} takes least: {one:.3f} {interval} of orjson's time, {direction} orjson; " + (
        f"tied with {row['ties']}" if row["ties"] else "none ties with it"
    )


say(*(f"- {first(operation)}." for operation in ratios))

# %% [markdown]
# ### From which bandwidth on?
#
# Both sides of the wire and the wire itself: encode, send, decode. On a slow wire bytes decide, on a fast one the
# processor does. Below one is faster than orjson; a ring marks where two are equal.

# %%
drawn = ["orjson", "msgpack", "orjson-base64", "msgpack-bin", "protobuf", "flatbuffers"]
crossover_figure(rows, [workload], codecs=[name for name in drawn if name in set(rows["codec"])])

# %%
bandwidths = {"10 Mbit/s": 1e7, "100 Mbit/s": 1e8, "1 Gbit/s": 1e9, "10 Gbit/s": 1e10, "100 Gbit/s": 1e11}
at = [leader_table(rows, bandwidth_bit_per_s=bandwidth, workloads=[workload]) for bandwidth in bandwidths.values()]
at = pd.concat(at).set_index(pd.Index(bandwidths, name="wire"))
readable(at, ["fastest", "ties", "time_ns", "ratio"]).rename(columns={"ratio": "× orjson"})

# %% [markdown]
# The smallest packed codec need not be the fastest. Where do the two change places, if anywhere?

# %%
costs = costs_of(rows, workload, ["encode", "decode"], "raw", "orjson")
packed = {name: costs[name] for name in WAYS["packed"] if name in costs and name != "flatbuffers-unverified"}
assert packed, "a run without a packed codec answers nothing here"
small, quick = min(packed, key=lambda name: packed[name].bytes), min(packed, key=lambda name: packed[name].time.value)
change = crossing(packed[small], packed[quick]) if small != quick else float("nan")
say(
    f"Smallest: `{small}`; least time: `{quick}`. "
    + (f"The smallest is ahead below {scaled(change, RATE)}." if change > 0 else "They do not change places.")
)

# %% [markdown]
# Does JSON with base64 come near? It needs no new library on either side, and the embeddings API speaks it already.
# Above 1 it is faster than text.


# %%
def gain(codec: str, bandwidth: float) -> float:
    """Give how many times as fast as orjson's text a codec is, over a wire."""
    return float(total_ns(costs["orjson"], bandwidth) / total_ns(costs[codec], bandwidth))


base64 = {name: gain("orjson-base64", bandwidth) for name, bandwidth in bandwidths.items() if "orjson-base64" in costs}
say(
    "orjson with base64 against text: "
    + (", ".join(f"{value:.2f} times as fast at {name}" for name, value in base64.items()) or "not measured")
    + "."
)

# %% [markdown]
# ## Answer

# %%
slow, fast = at.iloc[0], at.iloc[-1]
smallest = min(sizes, key=lambda way: sizes[way].value)
last = {name: gain(name, bandwidths[fast.name]) for name in packed}
slowest = min(last, key=lambda name: last[name])


def over(wire) -> str:
    """Say who is fastest over a wire, and how it stands to orjson."""
    if wire["verdict"] == "baseline":
        return f"at {wire.name} no codec takes less time than orjson"
    tie = ", a tie" if wire["verdict"] == "tie" else ""
    return f"at {wire.name} `{wire['fastest']}` takes {wire['ratio']:.3f} of orjson's time{tie}"


def bytes_said() -> str:
    """Say which way takes the fewest bytes."""
    if smallest == "text":
        return "**No way to write vectors takes fewer bytes than text.**"
    return f"**Vectors as text are {sizes[smallest]:1/.1f} times the bytes of vectors that are {smallest}.**"


# %%
say(
    f"{bytes_said()} {first('encode')}. {first('decode')}.",
    f"Encoded, sent and decoded: {over(slow)}; {over(fast)}.",
    f"Of the packed formats the slowest at {fast.name} is `{slowest}`, {last[slowest]:.2f} times as fast as text.",
    f"base64 in JSON takes {sizes['base64']:.2f} of the bytes of text, without another format."
    if "base64" in sizes
    else "base64 in JSON was not measured.",
)

# %% [markdown]
# ## Limits
#
# - The vectors of the built-in workload are random float32, and so are the low digits of real ones. Vectors that were
#   rounded on purpose compress better.
# - The decoded vector is an array over bytes. A program that needs a Python list pays for making one number after the
#   other, in any format.
# - The wire is a bandwidth: no round trips, no encryption, no compression.
# - Half precision and quantised vectors are not in here; they save more than any codec, and lose something.
