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

from serlab import build, decide, open_codec
from serlab.decide.ranking import read_run
from serlab.decide.scenarios import scenario_names
from serlab.errors import ScenarioError
from serlab.fidelity import evolution_cells, fidelity_cells
from serlab.notebook import open_run, say
from serlab.notebook.claims import compare, measure
from serlab.notebook.corpora import flips
from serlab.notebook.wire_claims import small_cache
from serlab.report import build_tables
from serlab.report.fastest import leader_table
from serlab.report.formatting import TIME, scaled
from serlab.report.wire_calls import call_table, connection_table, saving_table
from serlab.report.wire_forms import baseline_form, stream_forms
from serlab.report.wire_reuse import break_even_table
from serlab.report.wire_tables import wire_arms

# %%
CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine
MODEL_MS = 500  # what a model takes for a whole answer, for the cache at the end

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
best = compare(rows, ["msgpack", "protobuf", "flatbuffers"], "size", "raw", to="orjson")
say(
    f"The smallest binary format needs {best.median():.2f} of JSON's bytes at the median workload, "
    f"{best.least():.2f} on {best.least():workload} and {best.most():.2f} on {best.most():workload}."
)

# %% [markdown]
# ## [02 How fast do codecs encode and decode?](02_how_fast_to_encode_and_decode.ipynb)

# %%
leaders = pd.concat([leader_table(figures, [operation]) for operation in ("encode", "decode")])
often = leaders["fastest"].value_counts()
quickest = {name: compare(rows, list(often.index), name, to="orjson") for name in ("encode", "decode")}
say(
    f"`{often.index[0]}` is fastest in {often.iloc[0]} of {len(leaders)} cases. At the median workload the fastest "
    f"codec takes {quickest['encode'].median():.2f} of orjson's time to encode and {quickest['decode'].median():.2f} "
    f"to decode; measurably less on {quickest['encode'].count('less'):of} and {quickest['decode'].count('less'):of}."
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
timed = figures[(figures["metric"] == "time") & (figures["role"] == "measured")]
decoders = sorted(timed[timed["operation"] == "decode"]["codec"].unique())
views = [name for name in ("flatbuffers", "flatbuffers-unverified") if name in decoders]
plain = [name for name in decoders if name not in views]
whole = {"to": decoders, "to_operations": "decode", "to_reads": "read-1", "to_readers": plain}
pays = {name: compare(rows, name, "read-1", **whole).count("less") for name in views}
said = "; ".join(f"`{name}` on {one:of} workloads" for name, one in pays.items())
say(f"Cheaper than the fastest whole decode where one field is read: {said or 'no view was measured'}.")

# %% [markdown]
# ## [05 What do vectors cost?](05_what_do_vectors_cost.ipynb)

# %%
vectors = list(rows[rows["message"] == "EmbeddingResponse"]["workload"].unique()[:1])
names = [str(name) for name in size["codec"].unique()]
smallest = compare(rows, names, "size", "raw", to="orjson", workloads=vectors)
packed = {name: compare(rows, list(often.index), name, to="orjson", workloads=vectors) for name in quickest}
say(
    f"As numbers in JSON, {smallest.at(vectors[0]):1/.1f} times the bytes of {smallest.at(vectors[0]):codec}. With "
    f"orjson {packed['encode'].at(vectors[0]):1/.1f} times the time of {packed['encode'].at(vectors[0]):codec} to "
    f"encode and {packed['decode'].at(vectors[0]):1/.1f} times that of {packed['decode'].at(vectors[0]):codec} to "
    "decode."
    if vectors
    else "This run has no vectors."
)

# %% [markdown]
# ## [06 What does streaming cost per token?](06_what_does_streaming_cost_per_token.ipynb)

# %%
chunks = list(rows[rows["message"] == "ChatChunk"]["workload"].unique()[:1])
both = ["encode", "decode"]
chunk = measure(rows, "orjson", both, workloads=chunks)
quick = list(leader_table(figures, both, workloads=chunks)["fastest"]) if chunks else []
faster = compare(rows, quick, both, to="orjson", workloads=chunks)
say(
    f"A chunk takes {chunk.at(chunks[0]):ns} to encode and decode with orjson; the fastest, "
    f"{faster.at(chunks[0]):codec}, takes {faster.at(chunks[0]):.2f} of that."
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
    f"{parity.get('no_schema', 0):,.0f} the codec has no schema. Those are whole messages; what follows are odd ones."
)

# %% [markdown]
# Traps (values that one format or another cannot carry), schemas that change, and bits that flip are no part of a run:
# they are tried now.

# %%
CODECS = ["orjson", "msgspec-json", "msgpack", "msgspec-msgpack", "protobuf", "flatbuffers"]
MESSAGE = build("chat-turn")[0]
TRIALS = 100
traps, changes = pd.DataFrame(fidelity_cells(CODECS)), pd.DataFrame(evolution_cells(CODECS))
lost = traps[traps["outcome"] == "changed"].groupby("direction")["trap"].nunique()
tried = traps[traps["direction"] == "round trip"]["trap"].nunique()
misread = changes[changes["outcome"] == "misreads"]["rule"].value_counts()
passed = [flips(open_codec(name, "ChatRequest"), MESSAGE, TRIALS)["changed without an error"] for name in CODECS]
say(
    f"Of {tried} odd values {lost.get('round trip', 0)} came back changed through some codec without an error, through "
    f"some library alone {lost.get('library, round trip', 0)}. When a schema changed, a reader got a wrong value "
    f"without an error {misread.sum()} times: {misread.get('forbidden', 0)} after changes that the format's own rules "
    f"forbid, {misread.get('conditional', 0)} where a value broke a condition of the rules, "
    f"{misread.get('allowed', 0)} after changes that they allow. Of {TRIALS} flipped bits {min(passed)} to "
    f"{max(passed)} changed the message without an error, by format."
)

# %% [markdown]
# ## [08 How noisy is this machine?](08_how_noisy_is_this_machine.ipynb)

# %%
same = time[time["verdict"] == "A/A"]["ratio"]
off = same.where(same > 1, 1 / same) - 1
say(
    f"orjson against itself, {len(same)} times: off by {off.median():.1%} at the median, {off.max():.1%} at the most. "
    f"{(time['verdict'] == 'tie').sum()} of {time['verdict'].isin(['tie', 'faster', 'slower']).sum()} comparisons tie."
)

# %% [markdown]
# ## [09 What about my own traffic?](09_my_own_traffic.ipynb)

# %%
spread = compare(rows, "msgpack", "decode", to="orjson")
least, most = spread.least(), spread.most()
ends = [one.words("less", "more", "a tie") for one in (least, most)]
say(
    f"Measure it: msgpack decodes in {least:.2f} of orjson's time on {least:workload} ({ends[0]}) and in {most:.2f} on "
    f"{most:workload} ({ends[1]})."
    + (" Which of the two is faster hangs on the messages." if ends == ["less", "more"] else "")
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
plain, lean = forms.loc[str(baseline_form(streams))], forms.loc[forms["wire_bytes"].idxmin()]
say(
    f"`{plain.name}`: {plain['wire_bytes']:.0f} bytes and {scaled(plain['time_ns'], TIME)} a token. `{lean.name}`: "
    f"{lean['wire_bytes']:.0f} bytes, {lean['ratio']:.2f} of the time ({lean['verdict']}). Against the cheapest call a "
    f"cache pays from {pays.min():.1%} hits on in the best case and from {pays.max():.1%} in the worst.",
    f"In a cache (LMDB) with room for a tenth of the bytes, beside a model of {MODEL_MS} ms: "
    f"{small_cache(wire, wire_arms(wire, 'cache'), 'lmdb', '10%', MODEL_MS * 1e6)[1]}",
)
