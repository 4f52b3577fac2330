# %% [markdown]
# # Does the codec matter on the wire?
#
# A codec timed by itself looks like everything. A caller waits for a whole call: for a connection, for the transport's
# own work, for the distance and for the model. How much of a call is the codec? Would anyone notice another one? And
# what else could be done for the same call, and does it save more?

# %%
import pandas as pd

from serlab.notebook import open_run, readable, say
from serlab.notebook.claims import compare, compare_arms, count_among, least_among, measure, most_among
from serlab.notebook.wire_claims import (
    even_at_ms,
    filled_in,
    kept_sentence,
    parts_of,
    said_of,
    saved_one_way,
    share_texts,
    stall_sentences,
    times_codec,
    worth,
)
from serlab.report.figures import call_figure
from serlab.report.formatting import SIZE, scaled
from serlab.report.wire_calls import (
    TRANSPORTS,
    call_table,
    connection_table,
    delayed,
    is_noticed,
    left_table,
    one_way,
    saving_table,
    stall_table,
)
from serlab.report.wire_forms import form_table, rival_table
from serlab.report.wire_tables import wire_arms

# %%
CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine
EXPERIMENTS = ("transport", "vectors", "loop-stall", "connection", "cancel")

rows = open_run(CORPUS, RERUN, stored="stored/wire", parts=("size", "wire"), experiments=EXPERIMENTS)
machine = rows.attrs["environment"]
rows, borrowed = filled_in(rows, EXPERIMENTS)
say(
    f"Run {machine['run']}: {machine['cores']} cores, {machine['processes']} workers.",
    *([f"**Not measured in it, and taken from the stored run: {', '.join(borrowed)}.**"] if borrowed else []),
)

# %% [markdown]
# ## Words
#
# - A *call* is a request and its answer, from the moment the client begins to encode until it has decoded the answer.
# - *Bytes alone* is the same call with the same bytes, which nobody encodes or decodes: what the transport, two
#   processes and the kernel cost.
# - The *codec's share* is what of a call the bytes alone do not cost. In the first experiment a message goes to a
#   server and comes back, so it is coded four times: encoded here, decoded there, encoded there, decoded here.
# - *A/A* is the baseline measured twice, as if it were two codecs. How far the two are apart is what this machine
#   makes of no difference, in either direction. A difference inside that band, or whose interval includes none, is a
#   *tie*: `=`.
# - What something *saves* of a call is a difference of two times of the same worker; shown is the median over workers.
# - A *round trip* is the time that a packet takes to the other side and back.
#
# ## Method
#
# `serlab wire` runs clients and servers as they are used, in two processes on loopback. Everything that an experiment
# compares is timed by turns in the same worker process, and a ratio is one of two figures of the same worker. Brackets
# are 95 % intervals over workers.

# %%
calls = call_table(rows)
base = calls[calls["verdict"] == "baseline"]["codec"].iloc[0]
assert (calls["call_ns"] > 0).all() and (calls["codec_share"] < 1).all()
raw = rows[(rows["operation"] == "size") & (rows["metric"] == "raw") & (rows["codec"] == base)]
sizes = raw.groupby("workload")["value"].mean().sort_values()
sizes = sizes[sizes.index.isin(calls["workload"])]
said = ", ".join(f"`{name}` {scaled(size, SIZE)}" for name, size in sizes.items())
say(f"The baseline is `{base}`. Messages, as it writes them: {said}.")

# %% [markdown]
# ## What is a call made of?
#
# Two calls over HTTP/1.1, one at a time, on a connection that stands: first the smallest messages, then the largest.
# The last column is the ratio of whole calls to the baseline's.

# %%
small, large = sizes.index[0], sizes.index[-1]
parts_of(calls, small)

# %%
parts_of(calls, large)

# %%
of_base = calls[calls["codec"] == base]
http = of_base[of_base["transport"] == "http"].set_index("workload", drop=False).loc[sizes.index]
say(f"With `{base}`:", *(f"- {said_of(rows, name, base)}" for name in dict.fromkeys((small, large))))

# %% [markdown]
# ## By payload and transport
#
# The same two over three transports. A bar's grey part is a library's work as much as a protocol's: HTTP/2 is `h2`
# here, which is written in Python, and the inside of gRPC is C.

# %%
call_figure(rows, list(dict.fromkeys((small, large))))

# %% [markdown]
# The share that is codec, for the baseline and every workload:

# %%
shares = of_base.assign(share=share_texts(of_base)).pivot(index="workload", columns="transport", values="share")
shares = shares.reindex(index=sizes.index, columns=list(TRANSPORTS))
shares.rename(columns=TRANSPORTS).rename_axis(columns=None)

# %%
compared = calls[calls["verdict"].isin(["tie", "faster", "slower"])]
counts = pd.crosstab(compared["transport"], compared["verdict"])
counts = counts.reindex(index=list(TRANSPORTS), columns=["faster", "tie", "slower"], fill_value=0)
counts.rename(index=TRANSPORTS).rename_axis(index=f"calls, against {base}", columns=None)

# %%
over = {name: f"wire/transport/{name}/inflight=1" for name in TRANSPORTS if name in set(calls["transport"])}
whole = [
    compare(rows, codec, operation, "latency", to=base, workloads=[workload]).at(workload)
    for transport, operation in over.items()
    for workload in sizes.index
    for codec in compared["codec"].unique()
]
bare = f"floor: bytes of {base}"
alone = {name: measure(rows, bare, operation, "latency") for name, operation in over.items()}
dear, cheap = (choose(alone, key=lambda name: alone[name].values.median()) for choose in (max, min))
dearer = compare(rows, bare, over[dear], "latency", to_operations=over[cheap]).median()
rest = {name: compare(rows, bare, over[name], "latency", to=base).values for name in (dear, cheap)}
say(
    f"{count_among(whole, 'tie'):of} comparisons of whole calls tie. Bytes alone take {dearer:.1f} times as long over "
    f"{TRANSPORTS[dear]} as over {TRANSPORTS[cheap]} at the median workload, and the codec is the smaller share there "
    f"on {(rest[dear] > rest[cheap]).sum()} of {len(rest[dear])}."
)

# %% [markdown]
# ### Several calls at once
#
# A codec's time is not only waited for: on a busy core it keeps other calls from being served. Small messages were also
# sent eight at a time. A call is then the time between two answers.

# %%
eight = call_table(rows, inflight=8)
eight = eight[eight["verdict"] == "baseline"].set_index(["workload", "transport"]) if len(eight) else eight
both = {"a call": readable(eight, ["call_ns"])["call"], "codec's share": share_texts(eight)} if len(eight) else {}
pd.DataFrame(both).rename(index=TRANSPORTS) if both else say("Not measured: no message here is small.")

# %% [markdown]
# ## What the distance and the model do to it
#
# Nobody calls a model over loopback. What follows is **arithmetic**, not a measurement: the codec's part stays what it
# was measured to be, and the call gets longer, by one round trip or by the time of a model.

# %%
MODEL_MS = 500
WAITS_MS = {"loopback": 0, "+ 1 ms": 1, "+ 10 ms": 10, "+ 50 ms": 50, f"+ a model of {MODEL_MS} ms": MODEL_MS}
diluted = delayed(http, WAITS_MS)
assert (diluted["loopback"] - http["codec_share"]).abs().max() < 1e-9
diluted.map(lambda part: f"{100 * part:.2g} %").add(http["part_verdict"].map({"tie": " ="}).fillna(""), axis=0)

# %% [markdown]
# When would someone notice *another* codec? Never for all of the codec's part, since no codec takes no time. Take the
# fastest in the run, over HTTP/1.1, and call a hundredth of a call noticeable. What the change saves then tells how
# long a call may be. Below, it has to be a hundredth at the lower end of its interval.
#
# Here a body went both ways and was coded twice each way. A real call carries its large body in one direction: a long
# request and a short answer, or the other way round. So what counts is *one way*, which is half of what was saved.

# %%
echoed = saving_table(calls)
echoed = echoed[echoed["transport"] == "http"].set_index("workload", drop=False).loc[sizes.index]
savings = one_way(echoed)
both_ways = readable(echoed, ["saved_ns"])["saved"]
shown = readable(savings, ["codec", "saved_ns", "verdict", "noticed_ns"]).assign(both=both_ways)
shown.loc[savings["verdict"] != "faster", "noticed"] = "–"
shown = shown[["codec", "both", "saved", "verdict", "noticed"]]
shown.set_axis(["fastest", f"saves against {base}, both ways", "one way", "verdict", "1 % of a call up to"], axis=1)

# %%
gained = {name: saved_one_way(rows, one, base) for name, one in savings.iterrows()}
behind = [name for name, one in savings.iterrows() if is_noticed(one, MODEL_MS * 1e6)]
say(
    f"Another codec is measurably faster on {count_among(gained.values(), 'less'):of} workloads. Behind a model of "
    f"{MODEL_MS} ms "
    f"what it saves one way would be noticed on {len(behind)}"
    + (f": {', '.join(f'`{name}`' for name in behind)}." if len(behind) else ".")
)

# %% [markdown]
# ## Vectors through a whole embeddings call
#
# Vectors are numbers, and JSON writes numbers as text. Here a client sends texts, the server answers with their
# vectors, and the client ends with one float32 array; only the form of the vectors differs. *list* is number by number,
# *base64* the array's bytes as text in JSON, *bin* the same bytes in MessagePack's own type for them, *packed* the
# arrays of protobuf and FlatBuffers. The ratio is to the baseline's list.

# %%
forms = form_table(rows)
readable(forms.set_index(["form", "codec"]), ["call_ns", "body_bytes", "ratio"])

# %%
arms = wire_arms(rows, "vectors")
listed = arms.baseline()
of_list = {"to": listed.rpartition(" ")[0], "to_operations": "wire/vectors/list", "workloads": [arms.workload]}
among = {form: list(group["codec"]) for form, group in forms.groupby("form", sort=False) if form != "list"}
against = {
    form: compare(rows, codecs, f"wire/vectors/{form}", "latency", **of_list).at(arms.workload)
    for form, codecs in among.items()
}
others = {form: f"{one.codec} {form}" for form, one in against.items()}
say(
    f"The fastest of each form, its time against `{listed}`:",
    *(
        f"- {one:codec} {form}: {one.words('less', 'more', 'a tie')} ({one.between()})."
        for form, one in against.items()
    ),
)

# %% [markdown]
# What is there today is often no list: the official client asks for base64 unless it is told otherwise. So the fastest
# form has two rivals. These are real calls, so nothing is halved.

# %%
rivals = rival_table(rows)
shown = readable(rivals.set_index("rival"), ["codec", "saved_ns", "verdict", "noticed_ns"])
shown.loc[(rivals["verdict"] != "faster").to_numpy(), "noticed"] = "–"
shown.set_axis(["fastest of the others", "saves", "verdict", "1 % of a call up to"], axis=1)

# %% [markdown]
# ## Who else waits?
#
# While a body is coded on an event loop, nothing else on that loop runs. Here a client sends bodies at a steady pace,
# and a ticker on its loop, due each millisecond, notes how late it is: so late would anyone's request be. *inline*
# codes in the coroutine, *thread* by `asyncio.to_thread`. *floor: bytes* is the same traffic that nobody codes, *floor:
# idle* the machine by itself. Shown is the 99th percentile, on the messages with which the baseline stalls it longest.

# %%
stalls = stall_table(rows)
worst = measure(rows, base, "wire/loop-stall/inline", "stall-p99").most().workload
loop = stalls[stalls["workload"] == worst].set_index("codec")
shown = readable(loop, ["inline_ns", "inline_verdict", "thread_ns", "to_inline_ratio", "bodies_per_s"])
shown.set_axis(["inline", f"against {base}", "thread", "thread / inline", "bodies/s"], axis=1)

# %%
say(*stall_sentences(rows, stalls, worst, base))

# %% [markdown]
# ## What a connection costs
#
# The same small request on a connection that stands (*kept*), on a new one, and on a new one whose TLS session is
# resumed, with a relay between client and server that delays as a distance does.

# %%
links = connection_table(rows)
timed = links.assign(call=readable(links, ["call_ns"])["call"])
timed = timed.pivot(index=["protocol", "arm"], columns="rtt_ms", values="call")
timed.rename(columns=lambda ms: f"round trip {ms:g} ms").rename_axis(columns=None)

# %% [markdown]
# What should these be? The standards say how many round trips each takes: one for the request, one to open TCP, two
# more for the handshake of `TLS 1.2` and one for that of `TLS 1.3`. Measured is what the call took beyond the same call
# without distance, in round trips, at the longest distance.

# %%
far = links[links["rtt_ms"] == links["rtt_ms"].max()].set_index(["protocol", "arm"])
readable(far, ["trips", "formula_trips"]).set_axis(["measured", "by formula"], axis=1)

# %%
link, long_ms = wire_arms(rows, "connection"), links["rtt_ms"].max()
trips = [
    compare_arms(rows, link, f"{arm} {under}", f"formula: {arm} {under}", "round-trips")
    for protocol, arm in far.index
    for under in [f"{protocol}/rtt={long_ms:g}ms"]
]
resumed = [protocol for protocol, arm in far.index if arm == "resumed"]
pairs = {p: f"{p}/rtt={long_ms:g}ms" for p in resumed}
pairs = {p: compare_arms(rows, link, f"resumed {under}", f"new {under}") for p, under in pairs.items()}
say(
    f"Measured round trips are {least_among(trips):.2f} to {most_among(trips):.2f} of the formula's. "
    "Resuming a session, against a full handshake:",
    *(f"- {p}: {one.words('faster', 'slower', 'a tie')} ({one.between()})." for p, one in pairs.items()),
)

# %% [markdown]
# ### A connection against a codec
#
# Now the two side by side: how many times as much a kept connection saves, against a new one, as the fastest codec. The
# comparison favours the codec: the upper end of its interval against the lower end of the connection's, and a body that
# goes both ways and is coded four times.

# %%
at_most = echoed["saved_ns_high"]
reuse = links[links["arm"] == "new"].assign(trip=lambda t: t["rtt_ms"].map("{:g} ms".format))
times = {f"at least × codec, {name}": times_codec(reuse, at_most[name]) for name in dict.fromkeys((small, large))}
shown = readable(reuse, ["protocol", "trip", "saved_ns", "verdict"]).assign(**times)
shown.rename(columns={"trip": "round trip", "saved": "kept saves"}).set_index(["protocol", "round trip"])

# %% [markdown]
# From which distance on does a kept connection save more than the fastest codec? Arithmetic again, with the round trips
# of the formula.

# %%
tls = links["protocol"].iloc[-1]
even = {name: even_at_ms(links, tls, at_most[name]) for name in sizes.index}
say(
    f"A kept connection ({tls}) saves more of a call than any codec here",
    *(
        f"- on `{name}`: "
        + (
            f"from a round trip of {ms:.1f} ms on."
            if ms
            else "without any distance."
            if at_most[name] > 0
            else "as soon as it saves anything, since no codec does."
        )
        for name, ms in even.items()
    ),
)

# %% [markdown]
# ## Calls that nobody waits for any more
#
# A user closes the window. What is left behind, and does the server work on? Batches of calls were cancelled at random
# moments, and what each side held afterwards was compared with what it held before, in two batches (A/A). The table is
# memory, of a whole batch and to the page; it can be negative. A leak would be there in both columns of a side.

# %%
left = left_table(rows)
held = left[left["metric"] == "left-bytes"].pivot(index="transport", columns="arm", values="value")
counted = left[left["metric"].isin(["left-tasks", "left-descriptors"])]
held.map(lambda size: scaled(size, SIZE)).rename_axis(columns=None)

# %%
found = counted[(counted["least"] != 0) | (counted["most"] != 0)]
both = pd.concat([held[[side, f"{side} (A/A)"]].min(axis=1) for side in ("client", "server")])
say(
    f"Tasks or descriptors were left in {len(found)} of {len(counted)} counts over all workers. The most memory that "
    f"one side has in both columns is {scaled(both.max(), SIZE)}, at the median of the workers."
)

# %% [markdown]
# A server that hears of it stops; one that does not makes the rest of the answer for nobody. *told* is a transport's
# own way to say it; *untold* is HTTP/2 by a client that says nothing. *floor: poll* is what asking the
# server takes, which is in every figure. The model here takes a millisecond for a token, and the untold answer is
# short; a real one goes on for longer.

# %%
costs = left[left["metric"].isin(["stop-lag", "wasted-tokens"])]
costs = costs.pivot(index=["transport", "arm"], columns="metric", values="value")
costs = costs.set_axis(["stop_lag_ns", "wasted tokens"], axis=1)
readable(costs, ["stop_lag_ns", "wasted tokens"]).rename(columns={"stop lag": "server stops after"})

# %%
dropped = wire_arms(rows, "cancel")
ways = {arm: [t for t, name in costs["wasted tokens"].dropna().index if name == arm] for arm in ("told", "untold")}
told, untold = (
    {name: compare_arms(rows, dropped, f"{arm} {name}", metric="wasted-tokens") for name in names}
    for arm, names in ways.items()
)
fewest, most = least_among(told.values()), most_among(told.values())
say(
    f"A server that is told makes {fewest:.1f} to {most:.1f} tokens for nobody, those that were under way included.",
    *(f"Untold over {TRANSPORTS[name]} it makes {one:.0f}." for name, one in untold.items()),
)

# %% [markdown]
# ## Answer
#
# What shortens a call, in one table: the fastest codec against the baseline, a kept connection against a new one, and
# the forms of vectors against a list. They overlap: another codec may write vectors in another form.

# %%
own = reuse[reuse["protocol"] == tls]
packed = forms[(forms["codec"] + " " + forms["form"]).isin(others.values())]
named = [
    ("fastest codec, one way, " + savings["workload"], savings),
    (f"kept connection ({tls}), round trip " + own["trip"], own),
    ("vectors: " + packed["codec"] + " " + packed["form"] + f" for {listed}", packed),
]
levers = pd.concat([part.set_index(names) for names, part in named]).sort_values("saved_ns", ascending=False)
readable(levers, ["saved_ns", "verdict"]).rename_axis(index="of one call")

# %%
called = set(rivals["workload"])
say(
    f"**Would another codec than `{base}` be noticed in a whole call?** By what it saves one way; embeddings by their "
    "real call, against a list and against base64. It has to be a hundredth at the lower end of the interval.",
    *(f"- {worth(one, base, MODEL_MS * 1e6, gained[name])}" for name, one in savings.iterrows() if name not in called),
    *(
        f"- {worth(one, one['rival'], MODEL_MS * 1e6, compare_arms(rows, arms, one['codec'], one['rival'], saved=1.0))}"
        for _, one in rivals.iterrows()
    ),
)

# %%
say(kept_sentence(rows, own, {name: at_most[name] for name in dict.fromkeys((small, large))}))

# %%
shorter = [f"{one:codec} {form} takes {one.between()}" for form, one in against.items() if one.verdict == "less"]
say(
    f"**Send vectors as bytes.** Of the time of `{listed}`, {'; '.join(shorter)}."
    if shorter
    else "No form of the vectors was measurably faster than a list of numbers."
)

# %%
more = {name: one for name, one in untold.items() if name in told and one.value > most.value}
say(
    *(
        f"**See that the server hears of a cancelled call.** Over {TRANSPORTS[name]} one that did not made {one:.0f} "
        f"tokens for nobody, one that did {told[name]:.1f}."
        for name, one in more.items()
    ),
    *([] if more else ["A server that does not hear of a cancelled call made no more tokens for nobody here."]),
)

# %% [markdown]
# ## Limits
#
# - Loopback loses no packets and its bandwidth does not run out. On a slow wire a format's bytes cost time as well (see
#   [what vectors cost](05_what_do_vectors_cost.ipynb)), and a large body takes more than one round trip while a
#   connection is young.
# - Client and server share this machine's cores, and each uses one. Where the client is busy, a call takes longer than
#   between two machines.
# - Both sides are Python. Another language shifts a transport and its codecs by different factors.
# - The model sleeps. A real one competes for the processor, and one that cannot be interrupted stops later.
# - The fastest of several codecs is chosen by the same figures that tell what it saves, which flatters it a little.
# - The relay delays packets and does nothing else that a distance does.
