# %% [markdown]
# # What does streaming cost per token?
#
# A streamed answer comes in chunks, about one for each token. Every chunk repeats the id, the model and the date of
# the answer beside a few letters of text. And a chunk is encoded, sent and decoded many times a second for each user
# who waits. Three things could be done about it: another format, other framing, or more tokens in a chunk. This
# notebook puts a figure on each.

# %%
import io

import pandas as pd

from serlab import codec_names, decide, open_codec, sse
from serlab.codecs import codec_info
from serlab.errors import ScenarioError
from serlab.frames import FrameWriter, read_frames
from serlab.notebook import open_run, readable, say
from serlab.notebook.claims import compare, measure
from serlab.notebook.corpora import chunks_of, coalesced, text_of
from serlab.report import build_tables

CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine
TOKENS_PER_SECOND = 80  # what one user's answer arrives at

# %%
rows = open_run(CORPUS, RERUN, operations=["encode", "decode", "stream"], parts=["size", "time"])
own_stream = (rows["message"] == "ChatChunk").any()
rows = rows if own_stream else open_run()
rows = rows[rows["message"] == "ChatChunk"]
workload = rows["workload"].value_counts().index[0]
chunks = chunks_of(CORPUS)
say(
    ("" if own_stream else "**This run holds no stream; what follows is of the built-in one.** ")
    + f"Times are of `{workload}`; bytes are counted here, on {len(chunks):,} chunks."
)

# %% [markdown]
# ## Method
#
# Bytes are counted in this notebook: each chunk is encoded by each codec and decoded again, and both must be equal.
# Times come from the run: `stream` is encode, decode and putting the text together, the work of both ends, per chunk.
#
# First, what is there to send? The text of a chunk is all that the user sees of it.

# %%
text_bytes = sum(len(text_of(chunk).encode()) for chunk in chunks)
orjson = open_codec("orjson", "ChatChunk")
json_bytes = sum(len(orjson.encode(chunk)) for chunk in chunks)
assert 0 <= text_bytes < json_bytes
say(
    f"A chunk holds {text_bytes / len(chunks):.1f} bytes of text and takes {json_bytes / len(chunks):.0f} bytes as "
    f"JSON: {text_bytes / json_bytes:.1%} of what is sent is text."
)

# %% [markdown]
# ## Result
#
# ### Bytes per chunk, with what holds chunks apart
#
# JSON travels as server-sent events: `data: ` before each chunk, an empty line behind it. Bytes that are no text may
# hold a newline, so the binary formats need a length instead. serlab's frames are one such way: a header with the
# length and two checksums, so that a damaged or lost chunk is noticed (see [what gets lost](07_what_gets_lost.ipynb)).


# %%
def events(payloads):
    """Send chunks as server-sent events."""
    return b"".join(b"data: %b\n\n" % data for data in [*payloads, sse.DONE])


def frames(payloads):
    """Send chunks as frames with checksums."""
    with io.BytesIO() as file:
        with FrameWriter(file) as writer:
            for data in payloads:
                writer.write(data)
        return file.getvalue()


assert list(read_frames(io.BytesIO(frames([b"one", b"two"])))) == [b"one", b"two"]
lines = enumerate(events([b'{"a": 1}', b'{"b": 2}']).splitlines())
assert [event.data for event in sse.events(lines)] == [b'{"a": 1}', b'{"b": 2}', sse.DONE]


# %%
def sent(codec, chunks):
    """Give a stream's payload bytes and what it takes on the wire, per chunk that is sent."""
    bound = open_codec(codec, "ChatChunk")
    payloads = [bound.encode(chunk) for chunk in chunks]
    assert [bound.decode(data) for data in payloads[:50]] == chunks[:50]
    framed = events(payloads) if codec_info(codec).format.name == "JSON" else frames(payloads)
    return sum(map(len, payloads)), len(framed)


known = set(rows["codec"]) & set(codec_names())
codecs = [name for name in ("orjson", "msgpack", "msgspec-msgpack", "protobuf", "flatbuffers") if name in known]
wire = pd.DataFrame({codec: sent(codec, chunks) for codec in codecs}, index=["payload_bytes", "wire_bytes"]).T
per_chunk = wire / len(chunks)
per_chunk["framing"] = (1 - wire["payload_bytes"] / wire["wire_bytes"]).map("{:.1%}".format)
per_chunk["× text"] = wire["wire_bytes"] / max(text_bytes, 1)
readable(per_chunk)

# %%
smallest = wire["wire_bytes"].idxmin()
saved = 1 - wire["wire_bytes"].min() / wire["wire_bytes"]["orjson"]
framing = 1 - wire["payload_bytes"] / wire["wire_bytes"]
say(
    f"With framing, `{smallest}` is the smallest: {saved:.0%} fewer bytes than JSON as events, and "
    f"{per_chunk['× text'].min():.0f} times the text."
    if saved > 0
    else "With framing, no other format here sends fewer bytes than JSON as events.",
    f"Framing is {framing['orjson']:.1%} of JSON's bytes and {framing[smallest]:.1%} of those of `{smallest}`.",
)

# %% [markdown]
# ### More tokens in a chunk
#
# A sender may wait for a few tokens and send them as one chunk. Chunks that say more than text (a tool call, the
# finish reason, the usage) stay as they are.

# %%
tokens = [1, 2, 4, 8, 16]
packed = {count: coalesced(chunks, count) for count in tokens}
assert packed[1] == chunks
assert all("".join(map(text_of, some)) == "".join(map(text_of, chunks)) for some in packed.values())
table = pd.DataFrame({codec: {count: sent(codec, packed[count])[1] for count in tokens} for codec in codecs})
table = (table / len(chunks)).rename_axis("tokens in a chunk, at most")
table["longest wait"] = [f"{(count - 1) / TOKENS_PER_SECOND * 1000:.0f} ms" for count in tokens]
table.round(1)

# %%
best_single = table.loc[1, codecs].min()
enough = [count for count in tokens if table.loc[count, "orjson"] < best_single]
say(
    "Bytes on the wire per chunk of the original stream. "
    + (
        f"JSON with {enough[0]} tokens in a chunk needs fewer bytes ({table.loc[enough[0], 'orjson']:.0f}) than any "
        f"of these formats with one ({best_single:.0f}), and makes the first of them wait "
        f"{table.loc[enough[0], 'longest wait']} longer at {TOKENS_PER_SECOND} tokens a second."
        if enough
        else f"Even {tokens[-1]} tokens in a chunk do not bring JSON below the smallest format with one "
        f"({best_single:.0f})."
    )
)

# %% [markdown]
# ### Time per chunk
#
# Encode, decode and put together, both ends in one process. `ratio` is to orjson with its 95 % interval; a `tie` is a
# difference no larger than what the machine shows between orjson and itself.

# %%
time = build_tables(rows)["time"]
time = time[(time["operation"] == "stream") & ~time["verdict"].isin(["floor", "A/A"]) & (time["workload"] == workload)]
time = time.set_index("codec")
time["interval"] = [f"{one.ratio_low:.2f}–{one.ratio_high:.2f}" for one in time.itertuples()]
readable(time[["time_ns", "ratio", "interval", "verdict"]])

# %% [markdown]
# ### The share of a token's time, and streams on a core
#
# A token takes the model a while. What share of it is codec? And if a core did nothing else than both ends' coding,
# how many streams could it carry? Sockets, TLS and the event loop come on top, so this is a bound, not a promise.

# %%
budget_ns = 1e9 / TOKENS_PER_SECOND
share = pd.DataFrame({"time_ns": time["time_ns"], "of a token's time": time["time_ns"] / budget_ns})
share["streams on a core"] = (1 / share["of a token's time"]).astype(int)
share["of a token's time"] = share["of a token's time"].map("{:.3%}".format)
assert (share["streams on a core"] > 0).all()
readable(share)

# %%
measured = [name for name in time.index if not codec_info(name).variant_of]
best = compare(rows, measured, "stream", to="orjson").at(workload)
STREAMS = 1000
PER_CORE = STREAMS * TOKENS_PER_SECOND / 1e9
traffic = per_chunk["wire_bytes"] * STREAMS * TOKENS_PER_SECOND * 8 / 1e6
orjson_ns = measure(rows, "orjson", "stream").at(workload)


def core(name: str, claim) -> str:
    """Say what a codec takes for a chunk, and for all of a gateway's."""
    return f"{claim:ns} a chunk with `{name}`, {claim.value * PER_CORE:.0%} of a core"


def with_best() -> str:
    """Say what the fastest codec takes in place of orjson, and whether that is a difference."""
    if best.codec == "orjson":
        return ", and no codec takes less"
    claim = measure(rows, best.codec, "stream").at(workload)
    return f"; {core(best.codec, claim)}, " + best.words("measurably less", "measurably more", "which is a tie")


say(
    f"A gateway that carries {STREAMS:,} streams of {TOKENS_PER_SECOND} tokens a second spends on coding: "
    f"{core('orjson', orjson_ns)}{with_best()}.",
    f"Its streams are {traffic['orjson']:.0f} Mbit/s as JSON"
    + (f" and {traffic[smallest]:.0f} Mbit/s as `{smallest}`." if smallest != "orjson" else "."),
)

# %% [markdown]
# And for one answer? `serlab.decide` puts codec and wire beside everything that a caller waits for.

# %%
try:
    verdict = decide(rows, "streaming-hop").verdict
except ScenarioError as error:
    verdict = f"Not decided: {error}"
say(f"> {verdict}")

# %% [markdown]
# ## Answer

# %%
part = orjson_ns.value / budget_ns
notice = "so that one user does not notice it" if part < 0.01 else "which one user may notice"
say(
    f"**Coding a chunk with orjson takes {orjson_ns:ns}, {part:.3%} of the time in which the next token comes,** "
    f"{notice}. On a gateway with {STREAMS:,} streams that is {orjson_ns.value * PER_CORE:.0%} of a core."
)

# %%
others = {name: compare(rows, name, "stream", to="orjson").at(workload) for name in measured if name != "orjson"}
ahead = {name: one for name, one in others.items() if one.verdict == "less"}
said = ", ".join(f"`{name}` ({one:.2f} of its time)" for name, one in ahead.items())
small = others.get(smallest)
say(
    f"**Measurably faster than orjson:** {said}." if ahead else "**No format here is measurably faster than orjson.**",
    *(
        [
            f"**The smallest on the wire, `{smallest}`,** takes {small:.2f} of orjson's time, "
            f"{small.words('which is faster', 'which is slower', 'a tie')}."
        ]
        if small
        else []
    ),
)

# %%
few = tokens[2]
one, some = table.loc[1], table.loc[few]
kept = 1 - some["orjson"] / one["orjson"]
say(
    f"**More tokens in a chunk:** {few} of them take JSON from {one['orjson']:.0f} to {some['orjson']:.0f} bytes per "
    f"token, {kept:.0%} fewer, and the sender codes fewer chunks; the smallest format with one token takes "
    f"{best_single:.0f}. "
    + (
        "So try that before you change the format: a reader that joins what it gets need not change."
        if some["orjson"] < best_single
        else "So here the format saves more than that."
    )
)

# %% [markdown]
# ## Limits
#
# - A chunk is counted as a token. Some servers send several tokens in one, some send one in pieces.
# - The built-in stream carries padding that hides the length of a token (`obfuscation`), as the API that it is
#   modelled on does; a stream without it is smaller in every format. Set `CORPUS` to your own.
# - Compression over the whole connection would remove most of what chunks repeat. It is not measured here.
# - Times are those of a warm process that does nothing else, both ends on one core.
