# %% [markdown]
# # What does a streamed token cost on a real wire, and when does a cache pay?
#
# [Another notebook](06_what_does_streaming_cost_per_token.ipynb) counts bytes and codec time. Between a model and its
# user there is more: an HTTP library, the event loop, the kernel's sockets, a second process. Does a format that halves
# the codec's time change what a token costs? Here whole streams are read from a real server, and each
# improvement is set against the form that it starts from.
#
# The cheapest call is the one that is not made. So the second half asks what a cache costs each request, and how often
# it must hit. The last part asks whether reuse of buffers and messages adds anything.

# %%
from random import Random

import pandas as pd

from serlab import codec_names
from serlab.frames import encode_frame
from serlab.notebook import open_run, readable, say
from serlab.notebook.claims import compare_arms, count_among, least_among, most_among
from serlab.notebook.wire_claims import filled_in, reuse_claims, sharing_claims, small_cache
from serlab.report.figures import hit_figure, token_figure
from serlab.report.formatting import TIME, scaled
from serlab.report.wire_forms import baseline_form, floors_of, forms_of, gains, lead, stream_forms
from serlab.report.wire_reuse import (
    Costs,
    backends_of,
    baseline_way,
    break_even_table,
    growth_table,
    hit_rates,
    mean_costs,
    pooling_table,
    sharing_table,
)
from serlab.report.wire_tables import wire_arms
from serlab.workloads import english

# %%
CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine; needs pip install 'serlab[service]'
TOKENS_PER_SECOND = 50  # what a model streams to one user
MODEL_MS = 500  # what a model takes for a whole answer

experiments = ("stream", "cache", "pooling")
rows = open_run(CORPUS, RERUN, stored="stored/wire", parts=("size", "wire"), experiments=experiments)
environment = rows.attrs["environment"]

# %%
rows, added = filled_in(rows, [*experiments, "pooling/share", "pooling/count"])
say(
    f"Run {environment['run']}: {environment['cpu']}, {environment['cores']} cores, {environment['os']}.",
    *(f"**Not measured with these messages: {name}. What follows of it is the stored run's.**" for name in added),
)

# %% [markdown]
# ## Words
#
# - A stream comes in *pieces*. The *envelope* is all that a piece says beside its text: id, model, date, index. It is
#   *full* if every piece says it, and *slim* if only the first one does.
# - *Framing* tells where a piece ends: `sse` (server-sent events, what most APIs send), `ndjson` (a line each) or
#   `frames` (length and checksums, for formats that are not text).
# - *Coalescing* puts several tokens into one piece.
# - *floor: bytes* reads the same bytes from the same server and drops them: no unwrapping, no decoding. What the server
#   does is in it. It is a comparison and no lower bound: it can take longer than decoding (see below).
# - A cache is asked with a *key*. A *look-up* gives bytes, a *hit* a message, a *put* keeps one.
# - *A/A* is the baseline measured twice under two names. A difference that is no larger than that is a *tie*, and bears
#   the mark `=` in the tables.

# %% [markdown]
# Framing first, as it is plainest: how many bytes does each kind add to a piece?

# %%
piece = b'{"text":" sea"}'
framed = {"sse": b"data: %b\n\n" % piece, "ndjson": b"%b\n" % piece, "frames": encode_frame(piece)}
framing = {name: len(data) - len(piece) for name, data in framed.items()}
assert all(piece in data for data in framed.values()) and min(framing.values()) > 0
say("Bytes that framing adds to a piece: " + ", ".join(f"`{name}` {count}" for name, count in framing.items()) + ".")

# %% [markdown]
# And the token itself? The server answers with English words, each with the space before it.

# %%
text = english(Random(0), 100_000)
own_bytes = len(text.encode()) / len(text.split())
assert 2 < own_bytes < 12
say(f"A token is {own_bytes:.1f} bytes of text.")

# %% [markdown]
# ## Method
#
# Client and server are two processes on one machine. The model takes no time, so nothing hides what the wire costs.
# All forms are read by turns in random order, in several fresh processes; a ratio is taken within a process, and its
# interval in brackets is over the processes. Every form must bring the same text.

# %%
conditions = environment.get("wire", {})
stream, cache, pooling = (wire_arms(rows, name) for name in experiments)
say(
    *(f"*{name}*: {conditions[name]['conditions']}." for name in experiments if name in conditions),
    f"Messages: `{stream.workload}` is answered with a stream, `{cache.workload}` is cached.",
)

# %% [markdown]
# ## Streaming
#
# ### The plain version
#
# A full piece for each token, as server-sent events: what every client of such an API reads today.

# %%
forms = stream_forms(stream)
plain = baseline_form(stream)
plain_bytes = compare_arms(rows, stream, plain.arm, metric="token-bytes")
plain_ns = compare_arms(rows, stream, plain.arm)
assert plain_bytes.value > own_bytes and plain_ns.value > 0
say(
    f"`{plain}` sends {plain_bytes:.0f} bytes for a token of {own_bytes:.1f}: {plain_bytes.value / own_bytes:.0f} "
    f"times the text. A token takes {plain_ns:ns} from end to end; the machine's own spread (A/A) is "
    f"{stream.control(plain.arm).low:.2f} to {stream.control(plain.arm).high:.2f} of that."
)

# %% [markdown]
# ### First improvement: another codec
#
# Each codec in its usual way: text as events, the others as frames. `ratio` is time against the plain version.

# %%
is_usual = (forms["transport"] == "http") & (forms["envelope"] == "full") & (forms["every"] == 1)
usual = forms[is_usual & (forms["framing"] != "ndjson")]
readable(usual, ["wire_bytes", "time_ns", "ratio"])

# %%
named = {str(form): form for form in forms_of(stream)}
others = [named[name] for name in usual.index if name != str(plain)]
sizes = [compare_arms(rows, stream, form.arm, plain.arm, "token-bytes") for form in others or [plain]]
times = [compare_arms(rows, stream, form.arm, plain.arm) for form in others]
smallest = least_among(sizes)
small = (others or [plain])[sizes.index(min(sizes, key=lambda one: one.value))]
words = {str(form): one.words("faster", "slower", "tie") for form, one in zip(others, times, strict=True)}
faster, slower = ([name for name, said in words.items() if said == word] for word in ("faster", "slower"))
say(
    f"The smallest, `{small}`, sends {smallest:.2f} of the plain version's bytes.",
    f"In time, {count_among(times, 'tie'):of} tie with it"
    + (f"; faster: {', '.join(f'`{name}`' for name in faster)}" if faster else "; none is faster")
    + (f"; slower: {', '.join(f'`{name}`' for name in slower)}." if slower else "; none is slower."),
)

# %% [markdown]
# ### Second: other framing
#
# The same JSON as lines instead of events. Binary pieces have only frames, so there framing and codec come together.
# From here on `bytes ratio` and `time ratio` are against the form that a line starts from, not the plain version.

# %%
json, binary = lead(stream, "sse"), lead(stream, "frames")
events = plain._replace(codec=json)
frames = plain._replace(codec=binary, framing="frames")
lines = gains(stream, {f"{json}: lines instead of events": (events._replace(framing="ndjson"), events)})
readable(lines, ["wire_bytes", "bytes_ratio", "time_ratio"])

# %% [markdown]
# ### Third: a slim envelope
#
# The client keeps what the first piece said. No codec changes.

# %%
bases = {json: events, binary: frames}
slim = gains(
    stream, {f"{name}: slim, not full": (base._replace(envelope="slim"), base) for name, base in bases.items()}
)
readable(slim, ["wire_bytes", "bytes_ratio", "time_ratio"])

# %%


def steps_of(pairs, metric="latency"):
    """Claim how the form after each step stands to the one before, where both were measured."""
    found = [compare_arms(rows, stream, after.arm, before.arm, metric) for after, before in pairs]
    return [one for one in found if one.workloads]


slimmed = [(base._replace(envelope="slim"), base) for base in bases.values()]
left = steps_of(slimmed, "token-bytes")
slim_json = slimmed[0][0]
beside = compare_arms(rows, stream, slim_json.arm, small.arm, "token-bytes")
slim_bytes, small_bytes = (compare_arms(rows, stream, one.arm, metric="token-bytes") for one in (slim_json, small))
said = beside.words("is smaller than", "does not get below", "does not get below")
say(
    f"Of the bytes {least_among(left):.2f} to {most_among(left):.2f} are left without the envelope. "
    f"The time: {' and '.join(one.words('faster', 'slower', 'tie') for one in steps_of(slimmed))}. "
    f"JSON with a slim envelope ({slim_bytes:.0f} bytes) {said} `{small}` with a full one ({small_bytes:.0f})."
)

# %% [markdown]
# ### Fourth: several tokens in a piece
#
# Fewer pieces are fewer envelopes, fewer decodes and fewer wake-ups. Again each line is set against
# what it starts from.

# %%
every = int(forms["every"].max())
steps = {f"{name}: {every} tokens": (base._replace(every=every), base) for name, base in bases.items()}
slim_bases = {f"{name} slim": base._replace(envelope="slim") for name, base in bases.items()}
steps |= {f"{name}: {every} tokens": (base._replace(every=every), base) for name, base in slim_bases.items()}
coalesced = gains(stream, steps)
readable(coalesced, ["wire_bytes", "bytes_ratio", "time_ratio"])

# %% [markdown]
# It has a price that no codec can win back: the first token of a piece waits for those that come after it. The run
# cannot show it, since its model takes no time, but it is arithmetic.


# %%
def wait_ms(tokens: int, per_second: float) -> float:
    """Tell how long the first of so many tokens waits for the last."""
    return (tokens - 1) / per_second * 1000


assert wait_ms(1, 50) == 0 and wait_ms(2, 50) == 20
waits = {f"{n} tokens": {f"{rate}/s": f"{wait_ms(n, rate):.0f} ms" for rate in (20, 50, 100)} for n in (1, 2, 4, every)}
pd.DataFrame(waits).T.rename_axis("in a piece, at tokens a second of")

# %%
gathered = steps_of(steps.values())
say(
    f"{every} tokens a piece take {least_among(gathered):.2f} to {most_among(gathered):.2f} of the time a token "
    f"({count_among(gathered, 'less'):of} measurably faster), and make a user wait "
    f"{wait_ms(every, TOKENS_PER_SECOND):.0f} ms at {TOKENS_PER_SECOND} tokens a second. Two tokens a piece would cost "
    f"{wait_ms(2, TOKENS_PER_SECOND):.0f} ms and halve the pieces."
)

# %% [markdown]
# ### Fifth: another transport
#
# HTTP/2 and gRPC against HTTP/1.1, with the same codec and full pieces. Each transport is a library too (aiohttp,
# h2, grpc.aio), so this compares what one would use, not the protocols as such.

# %%
moves = {f"{json}: HTTP/2, not HTTP/1.1": (events._replace(transport="http2"), events)}
moves |= {f"{binary}: HTTP/2, not HTTP/1.1": (frames._replace(transport="http2"), frames)}
moves |= {f"{binary}: gRPC, not HTTP/1.1": (frames._replace(transport="grpc", framing="messages"), frames)}
transports = gains(stream, moves)
readable(transports, ["wire_bytes", "bytes_ratio", "time_ratio"])

# %%
moved = steps_of(moves.values())
say(
    f"Of {len(moved)} moves: {count_among(moved, 'less'):.0f} faster, {count_among(moved, 'tie'):.0f} tie, "
    f"{count_among(moved, 'more'):.0f} slower. In time they range from {least_among(moved):.2f} to "
    f"{most_among(moved):.2f} of HTTP/1.1 with one stream at a time; what HTTP/2 and gRPC are for, many streams on one "
    "connection, is not in it."
)

# %% [markdown]
# ### How much of it is the wire?
#
# *floor: bytes* reads the same bytes and drops them. `floor share` is its time as a share of the form's. It can be more
# than all of it: who drops what it reads is back at the socket sooner, finds less there, and wakes up more often. So it
# says what reading alone takes on this machine, not what no decoder could beat.

# %%
floors = floors_of(stream, codec_names())
readable(floors.drop(columns="is_all"), ["time_ns", "floor_ns", "floor_share"])

# %%
dropping = {
    name: compare_arms(rows, stream, f"floor: bytes {named[name].conditions}", named[name].arm) for name in floors.index
}
words = {name: one.words("faster", "not faster", "not faster") for name, one in dropping.items()}
drowned = [name for name, word in words.items() if word == "not faster"]
say(
    f"Reading and dropping takes {least_among(dropping.values()):.0%} to {most_among(dropping.values()):.0%} of the "
    f"time, measurably more than half in {(floors['floor_share_low'] > 0.5).sum()} of {len(floors)} ways. "
    + (
        f"With {', '.join(f'`{name}`' for name in drowned)} it is not measurably faster than reading, unwrapping and "
        "decoding: there this run shows no time that a faster decoder could save."
        if drowned
        else "Everywhere it is measurably faster than reading, unwrapping and decoding."
    )
)

# %% [markdown]
# ### Streams on a core
#
# `client` is the processor time that the client's process uses for a token, all its threads together. A model streams
# slowly; how many streams could one core read? It is a bound, not a promise: here the model takes no time, so that a
# read of the socket often brings several pieces, where a slow model's pieces come one by one and wake the client each.

# %%
picked = [str(plain), str(small), *(str(one) for one, _ in [*moves.values(), *steps.values()])]
cores = forms.loc[[name for name in dict.fromkeys(picked) if name in forms.index], ["client_ns"]].copy()
cores["tokens/s of a core"] = [f"{1e9 / ns:,.0f}" for ns in cores["client_ns"]]
cores["streams"] = [f"{1e9 / ns / TOKENS_PER_SECOND:,.0f}" for ns in cores["client_ns"]]
readable(cores, list(cores.columns))

# %%
work = cores["client_ns"]
say(
    f"At {TOKENS_PER_SECOND} tokens a second a core reads at most {cores.loc[str(plain), 'streams']} plain streams, "
    f"{cores.loc[work.idxmin(), 'streams']} as `{work.idxmin()}` and {cores.loc[work.idxmax(), 'streams']} as "
    f"`{work.idxmax()}`. For one user the client is busy {work[str(plain)] * TOKENS_PER_SECOND / 1e9:.3%} of the time."
)

# %% [markdown]
# ### All forms at once
#
# Left is smaller, low is faster. Names say codec and framing, then what differs from full pieces of one
# token over HTTP/1.1: transport, `slim`, `×` tokens in a piece.

# %%
token_figure(rows, stream.workload)

# %% [markdown]
# ## Caching
#
# ### Words with figures: Zipf
#
# Some answers are wanted often, most hardly ever. *Zipf's law* says that the k-th most wanted is asked for in
# proportion to one over k to some exponent. It is an assumption, and the hit rates below stand on it.

# %%
KEYS, EXPONENT, REQUESTS = 1_000, 0.8, 20_000  # as the experiment has them
weights = [1 / rank**EXPONENT for rank in range(1, KEYS + 1)]
asked = Random(0).choices(range(KEYS), weights, k=REQUESTS)
ceiling = 1 - len(set(asked)) / REQUESTS
assert weights == sorted(weights, reverse=True) and 0 < ceiling < 1
say(
    f"The ten most wanted of {KEYS:,} answers get {sum(weights[:10]) / sum(weights):.0%} of the requests. Each answer "
    f"misses once, so that no cache hits more than {ceiling:.0%} of {REQUESTS:,} requests."
)

# %% [markdown]
# ### The plain version: what do the parts cost?
#
# A cache adds work to every request: make the key, look it up. Three places to keep answers: a dict in the process
# (`memory`), LMDB, which is a file in the process's memory, and Redis, a process of its own.

# %%
even = break_even_table(cache)
base_codec = baseline_way(cache)
parts = even[even["codec"] == base_codec].set_index("backend")[["get_ns", "hit_ns", "put_ns", "saved_ns"]]
absent = [name for name in ("memory", "lmdb", "redis") if name not in set(even["backend"])]
say(
    f"With `{base_codec}`. `get` is the look-up, `saved` what a hit saves of the cheapest call. The key costs "
    f"{compare_arms(rows, cache, 'key key'):ns} beside it." + (f" Not measured: {', '.join(absent)}." if absent else "")
)

# %%
readable(parts, list(parts.columns))

# %%
look_ups = {
    name: [
        compare_arms(rows, cache, f"{codec} {name}/get", f"{base_codec} {name}/get")
        for codec in cache.codecs(f"{name}/get")
        if codec != base_codec
    ]
    for name in backends_of(cache)
}
say(
    f"A look-up does not decode. Ties with `{base_codec}`: "
    + "; ".join(f"{name} {count_among(found, 'tie'):of}" for name, found in look_ups.items())
    + "."
)

# %% [markdown]
# ### A hit by codec
#
# A hit decodes. Each cell is time, and the ratio to the baseline; the fastest decoder stands first.

# %%
hits = {name: {} for name in look_ups}
decode_ns = {codec: cache.value(f"{codec} decode") for codec in cache.codecs("decode")}
for name in hits:
    for codec in cache.codecs(f"{name}/hit"):
        against = cache.versus(f"{codec} {name}/hit", f"{base_codec} {name}/hit")
        mark = " =" if against.verdict == "tie" and codec != base_codec else ""
        hits[name][codec] = f"{scaled(cache.value(f'{codec} {name}/hit'), TIME)}, {against.ratio.value:.2f}×{mark}"
pd.DataFrame(hits).reindex(cache.codecs("decode")).sort_index(key=lambda names: names.map(decode_ns))

# %% [markdown]
# ### What does a hit save?
#
# At least the cheapest possible call: to a server on the same machine whose model takes no time. A real model takes
# longer; for it the saving is arithmetic.

# %%
saved = {name: compare_arms(rows, cache, f"{base_codec} {name}/hit", f"{base_codec} call") for name in look_ups}
call, model_ns = compare_arms(rows, cache, f"{base_codec} call"), MODEL_MS * 1e6
say(
    f"The call takes {call:ns}. Beside it "
    + "; ".join(
        f"a hit in {name} is {one.words('cheaper', 'dearer', 'a tie')} ({one.between()})" for name, one in saved.items()
    )
    + ".",
    f"With a model of {MODEL_MS} ms a hit takes one part in "
    + ", ".join(f"{(model_ns + call.value) / parts.loc[name, 'hit_ns']:,.0f} ({name})" for name in saved)
    + " of a call.",
)


# %% [markdown]
# ### From which hit rate does it pay?
#
# Every request pays key and look-up, a miss also the put, and a hit saves the call. So there is a hit rate at which a
# cache costs as much as it saves.

# %%
toy = Costs(key=0, get=1, hit=1, put=0, call=100)
assert toy.break_even() == 0.01 and toy.mean(0.01) == toy.call
assert Costs(key=0, get=60, hit=60, put=0, call=50).break_even() > 1, "never"
slow = break_even_table(cache, model_ns)
bounds = even.groupby("backend")["break_even_share"].agg(["min", "max"])
bounds.columns = ["cheapest call: best codec", "worst codec"]
bounds[f"{MODEL_MS} ms model: worst codec"] = slow.groupby("backend")["break_even_share"].max()
(100 * bounds).map("{:.2g} %".format)

# %%
wide = even.groupby("backend")[["break_even_share_low", "break_even_share_high"]].agg(
    {"break_even_share_low": "min", "break_even_share_high": "max"}
)
never = list(wide.index[wide["break_even_share_high"] > 1])
say(
    "Against the cheapest call, intervals included: "
    + "; ".join(f"{name} {low:.1%} to {high:.1%}" for name, low, high in wide.itertuples())
    + ". "
    + (f"In {', '.join(never)} it may never pay against such a call. " if never else "")
    + f"Against a model of {MODEL_MS} ms the dearest of them pays from {slow['break_even_share'].max():.2%} on."
)

# %% [markdown]
# ### What does a compact codec buy?
#
# All codecs get the same bytes of capacity, so that smaller answers are more answers. `+zstd` is a codec whose bytes
# are compressed when they are put, which counts in the put, and decompressed in a hit, which counts there.

# %%
hit_figure(rows, cache.workload)

# %%
rates = hit_rates(cache)
gains_at = {
    room: [
        compare_arms(rows, cache, f"{codec} {under}", f"{base_codec} {under}", "hit-rate", saved=-1.0)
        for codec in rates.columns
        if codec != base_codec
    ]
    for room, under in ((room, f"hits/capacity={100 * room:g}%") for room in rates.index)
}
gain = most_among(one for found in gains_at.values() for one in found)
where = next((room for room, found in gains_at.items() if gain._replace(form="at", parts=()) in found), rates.index[-1])
own, other = (
    compare_arms(rows, cache, f"{codec} hits/capacity={100 * where:g}%", metric="hit-rate")
    for codec in (base_codec, gain.codec)
)
last = gains_at[rates.index[-1]]
say(
    f"{gain:codec} gains most: {other:.1%} hits instead of {own:.1%} at {where:.0%} of the bytes. At "
    f"{rates.index[-1]:.0%} the others hit {least_among(last):.1%} to {most_among(last):.1%} more than `{base_codec}`."
    if gain.value > 0
    else f"No codec hits more often than `{base_codec}` in the same bytes."
)

# %% [markdown]
# More hits, but a slower hit: which weighs more? Put together, what does a request cost on average, in LMDB at a
# tenth of the bytes? Figures are ratios to the baseline, against the cheapest call and with the model. [Which format,
# when?](10_which_format_when.ipynb) speaks of the same rows.

# %%
store = "lmdb" if "lmdb" in look_ups else next(iter(look_ups))
fast = mean_costs(cache, store, "10%")
real, verdict = small_cache(rows, cache, store, "10%", model_ns)
both = real[["hit_share"]].join([fast.add_prefix("cheapest_call_"), real.add_prefix("model_")])
readable(both, ["hit_share", "cheapest_call_ratio", "model_ratio"])

# %%
tied, less, more = ((fast["verdict"] == word).sum() for word in ("tie", "less", "more"))
say(
    f"Against the cheapest call {tied} of {len(fast) - 1} tie with `{base_codec}`, {less} are cheaper, {more} dearer.",
    f"With a model of {MODEL_MS} ms: {verdict}",
)

# %% [markdown]
# ## Pooling
#
# Each message needs a buffer, a Packer, a Builder or a protobuf message to be written into. *Fresh* makes one each
# time, *kept* has one for all, *pooled* leases one, *copied* also copies the bytes out. Figures are against *fresh*,
# for the smallest and the largest messages of the run. `buffer` is a bytearray that msgspec writes into (`-orjson`:
# that orjson's bytes are copied into), `packer` is msgpack's, `builder` FlatBuffers' own, `message` a protobuf message.

# %%
pools = pooling_table(rows)
pools

# %%
reuse = reuse_claims(rows)
counts = {name: {word: count_among(found, word) for word in ("less", "tie", "more")} for name, found in reuse.items()}
say(
    *(
        f"*{name}*: {counts[name]['less']:of} faster than fresh, {counts[name]['tie']:.0f} tie, "
        f"{counts[name]['more']:.0f} slower; {least_among(found):.2f} to {most_among(found):.2f} of its time."
        for name, found in reuse.items()
    )
)

# %% [markdown]
# A protobuf message that is parsed into again and again: does it keep memory?

# %%
grown = growth_table(rows)
GROWTH = {
    "arena": "It does while it lives, and gives that back when it is deleted. It is no leak: its arena is freed whole.",
    "not deleted": "It does while it lives. What is left when it is deleted is not measured in this run.",
    "leak": "It does, and what it took stays when it is deleted: a leak.",
    "still": "No growth was measured.",
}
grows = {
    name: {
        variant: compare_arms(
            rows, wire_arms(rows, "pooling", name), f"{variant} message-decode", metric="growth-per-use"
        )
        for variant in ("fresh", "kept", "released")
    }
    for name in grown.index
}
say(
    *(
        f"`{name}`: {GROWTH[one['growth']]} The process grows by {grows[name]['kept']:B} a use where all are "
        f"parsed into one message, by {grows[name]['fresh']:B} with new ones"
        + (
            f"; {grows[name]['released']:B} a use are left when the one is deleted."
            if one["growth"] in ("arena", "leak")
            else "."
        )
        for name, one in grown.iterrows()
    ),
    *(["Not measured in this run."] if grown.empty else []),
)

# %% [markdown]
# And what does sharing cost? Taking and giving back, against a plain *list* of free objects: under a *lock*, from a
# *queue*, from a pool for which tasks are *waiting*, and *bare*, without what keeps an object from being given back
# twice. And counting, against `itertools.count`.

# %%
sharing = sharing_table(rows)
readable(sharing, ["time_ns", "ratio", "verdict"])

# %%
shared = sharing_claims(rows)
locks = [ratio for name, (_, ratio) in shared.items() if "lock" in name]
dearest = most_among(ratio for _, ratio in shared.values())
slowest = next(
    (name for name, (_, ratio) in shared.items() if ratio in dearest.parts and ratio.value == dearest.value), ""
)
dear = dearest.words("", "dearer", "")
say(
    f"A lock against none: {count_among(locks, 'more'):of} slower, {count_among(locks, 'tie'):.0f} tie, "
    f"{count_among(locks, 'less'):.0f} faster.",
    f"The dearest of all these is {slowest}: {dearest:.1f} times the plain way, {shared[slowest][0]:ns} each."
    if dear
    else "None of these ways is measurably dearer than the plain one.",
)

# %% [markdown]
# ## Answer

# %%
every_size = {form: compare_arms(rows, stream, form.arm, plain.arm, "token-bytes") for form in named.values()}
lean = min(every_size, key=lambda form: every_size[form].value)
shaped = events._replace(envelope="slim", every=every)
say(
    f"**A token of {own_bytes:.1f} bytes costs {plain_bytes:.0f} bytes and {plain_ns:ns}.** Of the codecs alone, "
    f"{count_among(times, 'less'):of} are measurably faster and {count_among(times, 'tie'):.0f} tie; the smallest "
    f"takes {smallest:.0%} of the bytes.",
)


# %%
def figures(form):
    """Say what a form costs."""
    time, size = (
        compare_arms(rows, stream, form.arm, to, metric) for to, metric in ((plain.arm, "latency"), ("", "token-bytes"))
    )
    return f"`{form}` needs {size:.0f} bytes and {time:.2f} of the time ({time.words('faster', 'slower', 'a tie')})"


shape = compare_arms(rows, stream, shaped.arm, small.arm, "token-bytes").words("smaller", "", "")
is_slower = compare_arms(rows, stream, shaped.arm, plain.arm).words("", "slower", "")
say(
    ("**Change the shape before the format.** " if shape and not is_slower else "")
    + f"{figures(shaped)}; of all forms the smallest, with {least_among(every_size.values()):.2f} of the plain "
    f"version's bytes, is this: {figures(lean)}. The price of {every} tokens a piece is "
    f"{wait_ms(every, TOKENS_PER_SECOND):.0f} ms at {TOKENS_PER_SECOND} tokens a second."
)

# %%
worst = even["break_even_share_high"].max()
say(
    ("**A cache pays early.** " if worst < 0.5 else "**Against the cheapest call a cache may not pay.** ")
    + f"It pays from {even['break_even_share'].min():.1%} hits on in the best case and from "
    f"{even['break_even_share'].max():.1%} in the worst, whose interval reaches {worst:.0%}; against a model of "
    f"{MODEL_MS} ms from {slow['break_even_share'].max():.2%}.",
    f"**In a cache that has room for a tenth of the bytes,** with that model: {verdict}",
)

# %%
share = {name: one["less"].value / len(reuse[name]) for name, one in counts.items()}
say(
    (
        "**One kept object gains more often than a pool.** "
        if share.get("kept", 0) > share.get("pooled", 0)
        else "**A kept object gains no more often than a pooled one.** "
    )
    + "; ".join(
        f"{name} is faster than fresh in {one['less']:of} cases, slower in {one['more']:.0f}"
        for name, one in counts.items()
    )
    + ", and the rest are ties.",
    *(
        f"**One protobuf message into which `{name}` is parsed again and again grows** by "
        f"{grows[name]['kept']:B} a use."
        for name, one in grown.iterrows()
        if one["growth"] != "still"
    ),
)

# %% [markdown]
# ## Limits
#
# - Bytes are those of the body; the heads of HTTP chunks, of gRPC messages, of TLS and of packets come on top, and
#   weigh more the smaller a piece is.
# - Loopback has no delay and no bandwidth limit. On a slow wire bytes weigh more than here.
# - One stream at a time. Client and server share the machine's cores; the server's work is in each form's time and in
#   its floor.
# - A slim envelope and coalescing need a client that knows them; both are this server's own.
# - Compression of the connection, which would take some of what full envelopes repeat, is not measured.
# - Answers are compressed each by itself. A dictionary made of earlier answers would make short ones smaller; it is not
#   measured.
# - A look-up that misses is taken to cost what one costs that finds bytes.
# - Hit rates follow from Zipf's law and an empty cache. Conversations that never repeat hit
#   nothing, whatever the codec.
