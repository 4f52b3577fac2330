# %% [markdown]
# # Does the codec matter on the wire?
#
# A codec timed by itself looks like everything. A caller waits for a whole call: for a connection, for the transport's
# own work, for the distance and for the model. How much of a call is the codec? Would anyone notice another one? And
# what else could be done for the same call, and does it save more?

# %%
import pandas as pd

from serlab.notebook import open_run, readable, say
from serlab.notebook.wired import filled_in
from serlab.report.figures import call_figure
from serlab.report.units import SIZE, TIME, scaled, three_digits
from serlab.report.wirearms import wire_arms
from serlab.report.wirecalls import call_table, delayed, saving_table
from serlab.report.wirewaits import connection_table, left_table, stall_table

# %%
CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine
EXPERIMENTS = ("transport", "vectors", "loop-stall", "connection", "cancel")

rows = open_run(CORPUS, RERUN, stored="stored/wire", parts=("size", "wire"), experiments=EXPERIMENTS)
machine = rows.attrs["environment"]
rows, borrowed = filled_in(rows, EXPERIMENTS)
absent = [name for name in EXPERIMENTS if not rows["operation"].str.startswith(f"wire/{name}/").any()]
say(
    f"Run {machine['run']}: {machine['cores']} cores, {machine['processes']} processes.",
    *([f"**Not of this run but of the stored one: {', '.join(borrowed)}.**"] if borrowed else []),
    *([f"**Not measured: {', '.join(absent)}.** What hangs on it is left out below."] if absent else []),
)

# %% [markdown]
# ## Words
#
# - A *call* is a request and its answer, from the moment the client begins to encode until it has decoded the answer.
# - *Bytes alone* is the same call with the same bytes, which nobody encodes or decodes. It is the floor: what the
#   transport, two processes and the kernel cost.
# - The *codec's share* is what of a call the bytes alone do not cost. In this experiment a message goes to a server
#   and comes back, so it is coded four times: encoded here, decoded there, encoded there, decoded here.
# - *A/A* is the baseline measured twice, as if it were two codecs. How far the two are apart is what this machine
#   makes of nothing. A difference no larger than that, or whose interval holds none, is a *tie*, marked `=`.
# - A *round trip* is the time that a packet takes to the other side and back.
#
# ## Method
#
# `serlab wire` runs clients and servers as they are used, in two processes on loopback. All arms of an experiment are
# timed by turns in the same worker process, and a ratio compares two of them within one worker. Brackets are
# 95 % intervals over workers.

# %%
calls = call_table(rows)
base = calls[calls["verdict"] == "baseline"]["codec"].iloc[0]
assert (calls["call_ns"] > 0).all() and (calls["codec_share"] < 1).all()
raw = rows[(rows["operation"] == "size") & (rows["metric"] == "raw") & (rows["codec"] == base)]
sizes = raw.groupby("workload")["value"].mean()
sizes = sizes[sizes.index.isin(calls["workload"])].sort_values()
small, large = sizes.index[0], sizes.index[-1]
ours = calls[(calls["codec"] == base) & (calls["transport"] == "http")].set_index("workload").loc[sizes.index]
say(
    f"The baseline is `{base}`. Messages, as it writes them: "
    + ", ".join(f"`{name}` {scaled(size, SIZE)}" for name, size in sizes.items())
    + "."
)

# %% [markdown]
# ## What is a call made of?
#
# Two calls over HTTP/1.1, one at a time, on a connection that stands: first the smallest messages, then the largest.


# %%
def parts(workload, way="http"):
    """Give the calls of a workload over a transport, each split into bytes alone and codec."""
    here = calls[(calls["workload"] == workload) & (calls["transport"] == way)].set_index("codec")
    shown = readable(here, ["call_ns", "transport_ns", "codec_ns", "codec_share", "ratio"])
    shown["codec's share"] += here["part_verdict"].map({"tie": " ="}).fillna("")
    return shown.rename(columns={"transport": "bytes alone", "codec": "coding", "ratio": f"× {base}'s call"})


parts(small)

# %%
parts(large)


# %%
def told(workload):
    """Say what of a baseline's call is codec, and whether that is to be seen at all."""
    one = ours.loc[workload]
    found = f"{one['codec_share']:.0%} [{one['codec_share_low']:.0%}, {one['codec_share_high']:.0%}]"
    said = f"Of a `{workload}` call with {base}, {scaled(one['call_ns'], TIME)} on loopback, {found} is codec"
    return said + (": a tie with no codec at all." if one["part_verdict"] == "tie" else ".")


say(told(small), told(large) if large != small else "There is one workload only.")

# %% [markdown]
# ## By payload and transport
#
# The same for each workload over three transports. HTTP/2 is `httpx2` here, which is written in Python; gRPC's
# transport is C. So a bar's grey part is a library's work more than a protocol's.

# %%
call_figure(rows)

# %%
of_base = calls[calls["codec"] == base]
cells = of_base.assign(share=readable(of_base, ["codec_share"])["codec's share"])
cells["share"] += cells["part_verdict"].map({"tie": " ="}).fillna("")
shares = cells.pivot(index="workload", columns="transport", values="share").reindex(sizes.index)
shares.rename_axis(columns=f"{base}: codec's share over")

# %%
counted = calls[calls["verdict"].isin(["tie", "faster", "slower"])]
counts = counted.groupby(["transport", "verdict"]).size().unstack(fill_value=0)
counts = counts.reindex(columns=["faster", "tie", "slower"], fill_value=0)
alone = calls[calls["codec"] == base].groupby("transport")["transport_ns"].median()
say(
    f"Of {len(counted)} comparisons of whole calls with {base}'s, "
    + "; ".join(
        f"over {way} {row['faster']} are faster, {row['tie']} tie and {row['slower']} are slower"
        for way, row in counts.iterrows()
    )
    + ".",
    f"The dearest transport for bytes alone is {alone.idxmax()}, {alone.max() / alone.min():.1f} times {alone.idxmin()} "
    "at the median workload: the same codec is a smaller share of a dearer transport.",
)

# %% [markdown]
# ### Several calls at once
#
# A codec's time is not only waited for: on a busy core it keeps other calls from being served. Small messages were also
# sent eight at a time.

# %%
at_once = call_table(rows, inflight=8)
busy = at_once[at_once["verdict"] == "baseline"].set_index(["workload", "transport"]) if len(at_once) else at_once
readable(busy, ["call_ns", "codec_share"]) if len(busy) else say("Not measured: no message here is small.")

# %% [markdown]
# ## What the distance and the model do to it
#
# Nothing here was on loopback for its own sake: a real call crosses a distance and waits for a model. What follows is
# **arithmetic**, not a measurement. The codec's part stays what it was measured to be; the call gets longer by one
# round trip, or by the time of a model.

# %%
WAITS_MS = {"loopback": 0, "+ 1 ms": 1, "+ 10 ms": 10, "+ 50 ms": 50, "+ a model of 500 ms": 500}
diluted = delayed(ours, WAITS_MS)
assert (diluted["loopback"] - ours["codec_share"]).abs().max() < 1e-9
marks = ours["part_verdict"].map({"tie": " ="}).fillna("")
diluted.map("{:.2%}".format).add(marks, axis=0)

# %% [markdown]
# When would someone notice *another* codec? Not for the whole of the codec's part, since no codec takes no time. Take
# the fastest in the run, over HTTP/1.1, and call a hundredth of a call noticeable. Then what the change saves tells how
# long a call may be.

# %%
savings = saving_table(calls)
by_http = savings[savings["transport"] == "http"].set_index("workload").loc[sizes.index]
shown = readable(by_http, ["codec", "saved_ns", "verdict", "noticed_ns"])
shown.loc[by_http["verdict"] != "faster", "noticed"] = "–"
shown.rename(columns={"codec": "fastest", "saved": f"saves against {base}", "noticed": "1 % of calls up to"})

# %%
MODEL_MS = 500
sure = by_http[by_http["verdict"] == "faster"]
unsure = [f"`{name}`" for name in by_http.index if name not in sure.index]
seen = [f"`{name}`" for name, one in sure.iterrows() if one["noticed_ns"] >= MODEL_MS * 1e6 + one["call_ns"]]
say(
    *(
        f"- `{name}`: `{one['codec']}` is noticed in calls up to {scaled(one['noticed_ns'], TIME)}."
        for name, one in sure.iterrows()
    ),
    *([f"- {', '.join(unsure)}: no codec is measurably faster than {base} (a tie)."] if unsure else []),
    f"In a call that waits {MODEL_MS} ms for a model, a change of codec is 1 % or more of the call for: "
    f"{', '.join(seen) or 'no workload here'}.",
)

# %% [markdown]
# ## Vectors through a whole embeddings call
#
# The largest share is that of numbers written as text. Here a client sends texts, the server answers with their
# vectors, and the client ends with one float32 array; the form of the vectors is all that differs. *list* is numbers one
# by one, *base64* the array's bytes as text in JSON, *bin* the same in MessagePack's own type for bytes, *packed* the
# schema formats' arrays.

# %%
if "vectors" in absent:
    forms = pd.DataFrame()
else:
    arms = wire_arms(rows, "vectors")
    names = [(f, c) for f in ("list", "base64", "bin", "packed") for c in arms.codecs(f) if not c.endswith("-base64")]
    listed = arms.baseline()
    found = [[*arms.estimate(f"{c} {f}")[:3], arms.value(f"{c} {f}", "body-bytes")] for f, c in names]
    columns = ["call_ns", "call_ns_low", "call_ns_high", "body_bytes"]
    forms = pd.DataFrame(found, pd.MultiIndex.from_tuples(names, names=["form", "codec"]), columns)
    forms["against"] = [str(v) + " =" * (v.verdict == "tie") for v in (arms.versus(f"{c} {f}", listed) for f, c in names)]
readable(forms, ["call_ns", "body_bytes", "against"]).rename(columns={"against": f"× {listed}"}) if len(forms) else None

# %%
if len(forms):
    least = forms["call_ns"].groupby("form").idxmin()
    fastest = {form: f"{codec} {form}" for form, (_, codec) in least.items()}
    binary = [form for form in ("bin", "packed") if form in fastest]
    text = f"{listed.partition(' ')[0]} base64"
words = ("less time", "more time")
say(
    f"- base64 asked of the same codec, against {listed}: {arms.versus(text, listed).words(*words)}."
    if text in arms.figures["latency"]
    else "",
    *(
        f"- `{fastest[form]}` against {listed}: {arms.versus(fastest[form], listed).words(*words)}; "
        f"against base64: {arms.versus(fastest[form], text).words(*words)}."
        for form in binary
    ),
) if len(forms) else say("Not measured.")

# %% [markdown]
# ## Who else waits
#
# While a body is coded on an event loop, nothing else on that loop runs. In this experiment a client sends large bodies
# at a steady pace, and a ticker on its loop notes how late it is each millisecond: so late would anyone's request be.
# *inline* codes in the coroutine, *thread* by `asyncio.to_thread`; the 99th percentile. *floor: bytes* is the same
# traffic that nobody codes, *floor: idle* the machine by itself.

# %%
stalls = stall_table(rows)
stalled = stalls[stalls["inline_verdict"] == "baseline"].set_index("workload")["inline_ns"] if len(stalls) else None
worst = stalled.idxmax() if len(stalls) else ""
at_worst = stalls[stalls["workload"] == worst].set_index("codec") if len(stalls) else stalls
columns = ["inline_ns", "inline_verdict", "thread_ns", "thread_ratio", "bodies_per_s"]
readable(at_worst, columns).rename(columns={"thread ratio": "thread / inline"}) if len(stalls) else None

# %%
if len(stalls):
    loop = at_worst.loc[base]
    judged = at_worst[at_worst["inline_verdict"].isin(["faster", "slower", "tie"])]
    better, late = judged[judged["inline_verdict"] == "faster"], judged[judged["inline_verdict"] == "slower"]
    helped = at_worst[at_worst["thread_ratio_verdict"] == "less"].index
    hindered = at_worst[at_worst["thread_ratio_verdict"] == "more"].index
    behind = at_worst[at_worst["bodies_per_s"] < 0.95 * at_worst["bodies_per_s"].max()].index
say(
    f"On `{worst}` with {base}, others wait {scaled(loop['inline_ns'], TIME)} "
    f"[{scaled(loop['inline_ns_low'], TIME)}, {scaled(loop['inline_ns_high'], TIME)}] at the 99th percentile; with "
    f"bytes alone {scaled(at_worst.loc['floor: bytes', 'inline_ns'], TIME)}, and on an idle loop "
    f"{scaled(at_worst.loc['floor: idle', 'inline_ns'], TIME)}.",
    f"Of {len(judged)} other codecs, measurably shorter: {', '.join(better.index) or 'none'}; measurably longer: "
    f"{', '.join(late.index) or 'none'}; the rest tie.",
    f"A thread measurably shortens the wait for: {', '.join(helped) or 'no codec'}; it lengthens it for: "
    f"{', '.join(hindered) or 'none'}.",
    f"Client or server did not keep up with the pace with: {', '.join(behind) or 'none'}.",
) if len(stalls) else say("Not measured.")

# %% [markdown]
# ## What a connection costs
#
# The same small request on a connection that stands (*kept*), on a new one, and on a new one whose TLS session is
# resumed, with a relay between client and server that delays as a distance does.

# %%
connections = connection_table(rows)
if len(connections):
    timed = connections.assign(call=readable(connections, ["call_ns"])["call"])
    pivot = timed.pivot(index=["protocol", "arm"], columns="rtt_ms", values="call")
pivot.rename(columns=lambda ms: f"round trip {ms:g} ms").rename_axis(columns=None) if len(connections) else None

# %% [markdown]
# What should these be? The standards say how many round trips each takes: one for the request, one to open TCP, two
# more for the handshake of `TLS 1.2` and one for that of `TLS 1.3`. Measured is what the call took beyond the same call without
# distance, in round trips.

# %%
if len(connections):
    far = connections[connections["rtt_ms"] == connections["rtt_ms"].max()].set_index(["protocol", "arm"])
    trips = readable(far, ["trips", "formula_trips"]).set_axis(["measured", "by formula"], axis=1)
    off = (far["trips"] / far["formula_trips"] - 1).abs()
trips if len(connections) else say("Not measured.")

# %% [markdown]
# ### A connection against a codec
#
# Now the two side by side: what a kept connection saves against a new one, beside the most that the fastest codec may
# save of a call (the upper end of its interval, so that the comparison favours the codec).

# %%
at_most = by_http["saved_ns_high"].clip(lower=1)
reuse = connections[connections["arm"] == "new"].copy() if len(connections) else connections
for name in dict.fromkeys((small, large)):
    reuse[f"× codec on {name}"] = (reuse["saved_ns"] / at_most[name]).map(three_digits) if len(reuse) else ()
if len(reuse):
    reuse["round trip"] = [f"{ms:g} ms" for ms in reuse["rtt_ms"]]
ratios = [name for name in reuse.columns if name.startswith("× codec")]
readable(reuse.set_index(["protocol", "round trip"]), ["saved_ns", "verdict", *ratios]) if len(reuse) else None

# %% [markdown]
# How far must a server be for a new connection to cost as much as the codec could save? Arithmetic again, for `TLS 1.3`:
# the distance at which the round trips saved make up the difference.

# %%
if len(reuse):
    tls = connections[connections["protocol"] == connections["protocol"].iloc[-1]]
    near = tls[tls["rtt_ms"] == 0].set_index("arm")["call_ns"]
    extra = tls.dropna(subset=["formula_trips"]).drop_duplicates("arm").set_index("arm")["formula_trips"]
    distance_ms = (at_most - (near["new"] - near["kept"])) / (extra["new"] - extra["kept"]) / 1e6
say(
    *(
        f"- `{name}`: a kept connection ({tls['protocol'].iloc[0]}) saves more than the fastest codec "
        + (f"from a round trip of {ms:.1f} ms on." if ms > 0 else "even without any distance.")
        for name, ms in distance_ms.items()
    )
) if len(reuse) else say("Not measured.")

# %% [markdown]
# And a resumed session? It is a new connection with a shorter handshake.

# %%
if len(connections):
    link, long_ms = wire_arms(rows, "connection"), connections["rtt_ms"].max()
    under = {p: f"{p}/rtt={long_ms:g}ms" for p, arm in far.index if arm == "resumed"}
    resumed = {p: link.versus(f"resumed {place}", f"new {place}") for p, place in under.items()}
say(
    *(
        f"- {protocol}, round trip {long_ms:g} ms: resumed against new is {found.words('faster', 'slower')}."
        for protocol, found in resumed.items()
    ),
    f"Measured round trips are within {off.max():.0%} of the formula.",
) if len(connections) else None

# %% [markdown]
# ## Calls that nobody waits for any more
#
# A user closes the window. What is left behind, and how long does the server work on? Batches of calls were cancelled at
# random moments. What each side holds afterwards is compared with what it held before, twice.

# %%
left = left_table(rows)
if len(left):
    held = left[left["metric"].str.startswith("left-")].assign(side=lambda t: t["arm"].str.split(" ").str[0])
    ends = held.groupby(["transport", "side", "metric"]).agg(least=("least", "min"), most=("most", "max"))
    counts = ends.drop("left-bytes", level="metric")
    memory = held[held["metric"] == "left-bytes"].pivot(index="transport", columns="arm", values="value")
memory.map(lambda size: scaled(size, SIZE)) if len(left) else None

# %%
say(
    "Tasks and descriptors left, of all batches, transports and sides: at the most "
    f"{counts.abs().to_numpy().max():.0f}.",
    "Memory in the table is that of a whole batch, to the page, and can be negative. A leak would have to be there in "
    "the A/A column as well: "
    + (
        "no side has more than 1 MB in both columns."
        if (memory.abs().min(axis=1) < 1e6).all()
        else "look at what is large in both."
    ),
) if len(left) else say("Not measured.")

# %% [markdown]
# A server that hears of a cancelled call stops. One that does not hear of it makes the rest of the answer for nobody.
# *told* is a transport's own way to say it; *untold* is HTTP/2 by `httpx2` as it comes, which says nothing. *floor:
# poll* is what asking the server takes, and is in every figure. The model here takes a millisecond for a token, and the
# untold answer is short; a real one would be longer.

# %%
if len(left):
    costs = left[left["metric"].isin(["stop-lag", "wasted-tokens"])]
    costs = costs.pivot(index=["transport", "arm"], columns="metric", values="value")
    costs = costs.rename(columns={"stop-lag": "stop_lag_ns", "wasted-tokens": "wasted tokens"})
readable(costs) if len(left) else None

# %%
if len(left):
    waste = costs["wasted tokens"].dropna()
    stops, silent = waste.xs("told", level="arm"), waste[waste.index.get_level_values("arm") == "untold"]
say(
    f"A told server makes {stops.min():.1f} to {stops.max():.1f} tokens too many, what is under way included. "
    + " ".join(
        f"An untold one over {way} makes {count:.0f}: {count / stops[way]:.0f} times as many." for (way, _), count in silent.items()
    )
) if len(left) else None

# %% [markdown]
# ## Answer
#
# Everything above that shortens a call, in one table: what it saves of one call, and whether that is more than noise.

# %%
levers = [
    (f"fastest codec, {name}", *by_http.loc[name, ["saved_ns", "saved_ns_low", "saved_ns_high", "verdict"]])
    for name in dict.fromkeys((small, large))
]
for (protocol, ms), one in (reuse.set_index(["protocol", "rtt_ms"]).iterrows() if len(reuse) else ()):
    if protocol == connections["protocol"].iloc[-1]:
        span = one[["saved_ns", "saved_ns_low", "saved_ns_high", "verdict"]]
        levers.append((f"kept connection, {protocol}, round trip {ms:g} ms", *span))
columns = ["lever", "saved_ns", "saved_ns_low", "saved_ns_high", "verdict"]
table = pd.DataFrame(levers, columns=columns).sort_values("saved_ns", ascending=False).set_index("lever")
readable(table, ["saved_ns", "verdict"])

# %%
little, much = ours.loc[small], ours.loc[large]
is_tied = little["part_verdict"] == "tie"
say(
    f"**For small messages: no.** The codec is {little['codec_share']:.0%} of a `{small}` call over HTTP/1.1"
    + (", which is a tie with nothing, " if is_tied else " ")
    + f"and {diluted.loc[small].iloc[-1]:.2%} of one that waits {MODEL_MS} ms for a model; "
    + (f"`{by_http.loc[small, 'codec']}` is measurably faster." if small in sure.index else "no other is measurably faster.")
    if not (small in sure.index and f"`{small}`" in seen)
    else f"**Even for small messages it does:** see `{small}` above.",
    f"**For large ones: {'yes' if large in sure.index else 'not measurably'}.** It is {much['codec_share']:.0%} of a "
    f"`{large}` call with {base}"
    + (
        f"; `{by_http.loc[large, 'codec']}` saves {scaled(by_http.loc[large, 'saved_ns'], TIME)}, 1 % of any call up to "
        f"{scaled(by_http.loc[large, 'noticed_ns'], TIME)}."
        if large in sure.index
        else "; no codec is measurably faster (a tie)."
    ),
)

# %%
first = reuse[(reuse["rtt_ms"] > 0) & (reuse["protocol"] == connections["protocol"].iloc[-1])] if len(reuse) else reuse
say(
    *(
        f"**Keep connections first.** At a round trip of {one['rtt_ms']:g} ms a kept one ({one['protocol']}) saves "
        f"{scaled(one['saved_ns'], TIME)}: at least {one['saved_ns'] / at_most[small]:.0f} times what any codec saves of "
        f"a `{small}` call, and {three_digits(one['saved_ns'] / at_most[large])} times what it saves of a `{large}` call."
        for _, one in first.tail(1).iterrows()
        if one["verdict"] == "faster"
    ),
    *(
        f"**Send vectors packed, or at least as base64:** {fastest[form]} takes "
        f"{arms.versus(fastest[form], listed)} of the time of {listed}."
        for form in (binary[:1] if len(forms) else ())
        if arms.versus(fastest[form], listed).verdict == "less"
    ),
    *(
        f"**See that a cancelled call is told to the server:** over {way} one that was not made {count:.0f} tokens for "
        "nobody, and would have made any longer answer whole."
        for (way, _), count in (silent.items() if len(left) else ())
        if count > 2 * stops[way]
    ),
)

# %% [markdown]
# ## Limits
#
# - Loopback has no bandwidth to run out of and loses no packets. On a slow wire a format's bytes cost time as well (see
#   [the vectors](05_what_do_vectors_cost.ipynb)), and a large body takes more than one round trip on a new connection.
# - Client and server share this machine's cores, and each uses one. Where the client is busy, a call is slower than
#   between two machines.
# - Both sides are Python. Another language's transport and codec shift the shares, and by different factors.
# - The model sleeps. A real one competes for the processor, and one that cannot be interrupted stops later.
# - The fastest of several codecs is chosen by the same figures that tell what it saves, which flatters it a little.
# - The relay's distance is a delay alone, on every packet; see `docs/service.md` for what it leaves out.
