# %% [markdown]
# # Which notebook answers my question?
#
# Each notebook asks one question about wire formats in LLM services and argues to an answer, on a stored run of the
# built-in workloads. Each can be run on your own traffic: set `CORPUS` to a file of recorded requests or responses and
# `RERUN` to `True` in its second cell.
#
# Here are the questions in reading order. The short answer below each comes from the same stored run, by the cell above
# it.

# %%
import pandas as pd

from serlab import decide
from serlab.decide.run import read_run
from serlab.decide.scenarios import scenario_names
from serlab.errors import ScenarioError
from serlab.notebook import open_run, say
from serlab.report import build_tables
from serlab.report.lazy import lazy_table
from serlab.report.leaders import leader_table
from serlab.report.units import TIME, scaled
from serlab.report.wirearms import wire_arms
from serlab.report.wirecache import break_even_table
from serlab.report.wirecalls import call_table, saving_table
from serlab.report.wirestreams import Form, stream_forms
from serlab.report.wirewaits import connection_table

# %%
CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine

operations = ["encode", "decode", "read-one", "read-k", "relay", "stream"]
rows = open_run(CORPUS, RERUN, parts=["size", "memory", "time"], operations=operations)
figures = rows[~rows["metric"].str.startswith(("lag", "rate", "byte-rate"))]
tables = build_tables(figures)
size, time, memory = (tables[name] for name in ("size", "time", "memory"))
environment = rows.attrs["environment"]
say(
    f"Run {environment['run']}: {environment['cpu']}, {environment['cores']} cores, {environment['python']}. "
    f"Workloads: {', '.join(rows['workload'].unique())}."
)

# %% [markdown]
# ## [01 How many bytes does each format need?](01_how_many_bytes.ipynb)

# %%
binary = size[size["codec"].isin(["msgpack", "protobuf", "flatbuffers"])]
best = binary.groupby("workload")["raw_ratio"].min()
say(
    f"The smallest binary format needs {best.median():.2f} of JSON's bytes at the median workload, "
    f"{best.min():.2f} on `{best.idxmin()}`."
)

# %% [markdown]
# ## [02 How fast do codecs encode and decode?](02_how_fast_to_encode_and_decode.ipynb)

# %%
leaders = pd.concat([leader_table(figures, [operation]) for operation in ("encode", "decode")])
often = leaders["fastest"].value_counts()
say(
    f"`{often.index[0]}` is fastest in {often.iloc[0]} of {len(leaders)} cases; the fastest codec takes "
    f"{leaders['ratio'].median():.2f} of orjson's time at the median."
)

# %% [markdown]
# ## [03 What does it allocate, and what stays?](03_what_does_it_allocate.ipynb)

# %%
decoded = memory[(memory["operation"] == "decode") & (memory["codec"] == "orjson")].set_index("workload")
share = decoded["retained_bytes"] / size[size["codec"] == "orjson"].set_index("workload")["raw_bytes"]
say(f"A message that is kept takes {share.median():.1f} times its JSON at the median, up to {share.max():.1f} times.")

# %% [markdown]
# ## [04 When does zero copy pay?](04_when_does_zero_copy_pay.ipynb)

# %%
timed = set(figures[figures["metric"] == "time"]["codec"])
views = [name for name in ("flatbuffers", "flatbuffers-unverified") if name in timed]
lazy = lazy_table(figures, views, "orjson")
counts = lazy[lazy["verdict"].isin(["always", "up to a share"])]["codec"].value_counts()
said = "; ".join(f"`{name}` on {counts.get(name, 0)} of {(lazy['codec'] == name).sum()} workloads" for name in views)
say(f"Cheaper than decoding with orjson for at least some share of the fields: {said or 'no view was measured'}.")

# %% [markdown]
# ## [05 What do vectors cost?](05_what_do_vectors_cost.ipynb)

# %%
vectors = rows[rows["message"] == "EmbeddingResponse"]["workload"].unique()
packed = leaders[leaders["workload"].isin(vectors)]
smallest = size[size["workload"].isin(vectors)].groupby("workload")["raw_ratio"].min()
say(
    f"As text, {1 / smallest.iloc[0]:.1f} times the bytes of the smallest codec, and with orjson "
    f"{' and '.join(f'{1 / ratio:.0f}' for ratio in packed['ratio'][:2])} times its time to encode and decode."
    if len(vectors)
    else "This run has no vectors."
)

# %% [markdown]
# ## [06 What does streaming cost per token?](06_what_does_streaming_cost_per_token.ipynb)

# %%
chunks = list(rows[rows["message"] == "ChatChunk"]["workload"].unique())
orjson = time[(time["codec"] == "orjson") & time["workload"].isin(chunks[:1])].set_index("operation")["time_ns"]
quick = leader_table(figures, ["encode", "decode"], workloads=chunks[:1])
say(
    f"A chunk takes {scaled(orjson['encode'] + orjson['decode'], TIME)} to encode and decode with orjson, "
    f"{scaled(quick['time_ns'].iloc[0], TIME)} with `{quick['fastest'].iloc[0]}`."
    if chunks
    else "This run has no stream."
)

# %% [markdown]
# ## [07 What gets lost?](07_what_gets_lost.ipynb)

# %%
parity = rows[rows["operation"] == "parity"].groupby("metric")["value"].sum()
say(
    f"Of {parity.sum():,.0f} round trips through a codec {parity.get('equal', 0):,.0f} came back equal, "
    f"{parity.get('changed', 0):,.0f} changed and {parity.get('refused', 0):,.0f} were refused; for "
    f"{parity.get('no_schema', 0):,.0f} the codec has no schema."
)

# %% [markdown]
# ## [08 How noisy is this machine?](08_how_noisy_is_this_machine.ipynb)

# %%
same = time[time["verdict"] == "A/A"]["ratio"]
off = (same - 1).abs()
say(
    f"orjson against itself, {len(same)} times: off by {off.median():.1%} at the median, {off.max():.1%} at the most. "
    f"{(time['verdict'] == 'tie').sum()} of {time['verdict'].isin(['tie', 'faster', 'slower']).sum()} comparisons tie."
)

# %% [markdown]
# ## [09 What about my own traffic?](09_my_own_traffic.ipynb)

# %%
spread = time[(time["operation"] == "decode") & (time["codec"] == "msgpack")].set_index("workload")["ratio"]
say(
    f"Measure it: msgpack decodes in {spread.min():.2f} of orjson's time on `{spread.idxmin()}` and in "
    f"{spread.max():.2f} on `{spread.idxmax()}`."
    + (" Which of the two is faster hangs on the messages." if spread.min() < 1 < spread.max() else "")
)

# %% [markdown]
# ## [10 Which format when?](10_which_format_when.ipynb)


# %%
def answer(name: str) -> str:
    """Name the codec for a scenario; "" where the run lacks what it needs."""
    try:
        return decide(run, name).recommended
    except ScenarioError:
        return ""


run = read_run(figures)
answers = {name: answer(name) for name in scenario_names()}
chosen = pd.Series([codec for codec in answers.values() if codec], dtype=object).value_counts()
say(
    f"{chosen.sum()} built-in scenarios get {len(chosen)} different answers: "
    + "; ".join(f"`{codec}` for {', '.join(n for n, c in answers.items() if c == codec)}" for codec in chosen.index)
    + "."
)

# %% [markdown]
# ## [11 Does the codec matter on the wire?](11_does_it_matter_on_the_wire.ipynb)

# %%
wire = open_run(stored="stored/wire")
saved = saving_table(call_table(wire))
saved = saved[saved["transport"] == "http"].sort_values("saved_ns")
sure = saved[saved["verdict"] == "faster"]
new = connection_table(wire).query("arm == 'new'").iloc[-1]
say(
    f"Of whole calls over HTTP/1.1 another codec is measurably faster than the baseline on {len(sure)} of {len(saved)} "
    "workloads"
    + "".join(f"; most on `{one.workload}`, by {scaled(one.saved_ns, TIME)}" for one in sure.tail(1).itertuples())
    + f". A kept connection saves {scaled(new['saved_ns'], TIME)} at a round trip of {new['rtt_ms']:g} ms "
    f"({new['protocol']}{', a tie' if new['verdict'] == 'tie' else ''})."
)

# %% [markdown]
# ## [12 What does a streamed token cost on a real wire, and when does a cache pay?](12_streaming_and_caching.ipynb)

# %%
streams = wire_arms(wire, "stream")
forms, pays = stream_forms(streams), break_even_table(wire_arms(wire, "cache"))["break_even_share"]
plain, lean = forms.loc[str(Form.read(streams.baseline()))], forms.loc[forms["wire_bytes"].idxmin()]
say(
    f"`{plain.name}`: {plain['wire_bytes']:.0f} bytes and {scaled(plain['time_ns'], TIME)} a token. `{lean.name}`: "
    f"{lean['wire_bytes']:.0f} bytes, {lean['ratio']:.2f} of the time ({lean['verdict']}). Against the cheapest call a "
    f"cache pays from {pays.min():.1%} hits on in the best case and from {pays.max():.1%} in the worst."
)
