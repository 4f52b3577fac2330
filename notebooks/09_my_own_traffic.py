# %% [markdown]
# # What about my own traffic?
#
# Built-in workloads are somebody's guess at what traffic looks like. Yours has its own lengths, fields and oddities.
# This notebook takes a file of recorded bodies, shows what is in it, what each format would lose of
# it, and what each would cost, and ends with a decision for one boundary.
#
# Without a file it writes a small example and goes on with that, so that you see what you will get.

# %%
import io
import json
import tempfile
from pathlib import Path

from serlab.corpus import read
from serlab.decide import scenario_names
from serlab.notebook import open_run, readable, say
from serlab.notebook.claims import compare
from serlab.notebook.corpora import outcomes, sizes_by_kind, take_stock, write_example
from serlab.notebook.overview import decide_each, what_would_change
from serlab.report import build_tables

CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure your corpus now, on this machine; once is enough
SCENARIO = "service-hop"  # the boundary that is decided, one of `serlab decide --list`
CODECS = ["orjson", "msgspec-json", "msgpack", "msgspec-msgpack", "protobuf", "flatbuffers"]

# %% [markdown]
# ## Method
#
# A corpus is a file with one body a line (`.jsonl`, also `.gz` and `.zst`): a request, an answer, a chunk, a pair of
# request and answer, or a line of the Batch API. What a body is, is told from its shape. To record one, write a line
# per call where your client or gateway has both bodies at hand:


# %%
def record(file, request, response):
    """Append one call to a recording."""
    file.write(json.dumps({"request": request, "response": response}) + "\n")


call = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
recording = io.StringIO()
record(recording, call, {"object": "chat.completion", "choices": [{"index": 0, "message": {"content": "hello"}}]})
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "my.jsonl").write_text(recording.getvalue())
    assert [body.kind for body in read(f"{folder}/my.jsonl")] == ["ChatRequest", "ChatResponse"]

# %% [markdown]
# **Privacy.** Such a file holds what people wrote. serlab reads it on this machine and sends nothing anywhere; a
# results folder keeps sizes, times and the file's name. But where a codec changes or refuses a body, the finding
# quotes the place and may quote a value, so look at `journal.jsonl` before you pass a results folder on. Keys and
# cookies stand in headers, which do not belong into the file.
#
# ## Result
#
# ### What is in the file

# %%
file = CORPUS or str(write_example(Path(tempfile.mkdtemp(), "example.jsonl")))
stock, bodies = take_stock(file, CODECS)
assert len(bodies) == stock.bodies
say(
    f"`{Path(file).name}`: {stock.bodies:,} bodies of {bodies['kind'].nunique()} kinds, "
    f"{bodies['json_bytes'].sum() / 1e6:.2f} MB as compact JSON; lines that cannot be read: {stock.unreadable_lines}.",
    *(f"- line {error.line}: {error.reason}" for error in stock.unreadable[:5]),
)

# %%
kinds = sizes_by_kind(bodies)
readable(kinds)

# %%
main = kinds.index[0] if len(kinds) else "nothing"
sizes = bodies[bodies["kind"] == main]["json_bytes"]
say(
    f"Most bytes are of kind `{main}`: {kinds['share of bytes'].max():.0%}. Its largest body is "
    f"{sizes.max() / sizes.median():.1f} times its median, and its mean {sizes.mean() / sizes.median():.1f} times"
    + (": a mean says little of a usual body." if sizes.mean() > 1.5 * sizes.median() else ".")
    if len(kinds)
    else "The file holds no body that can be read."
)

# %% [markdown]
# ### What each format would lose
#
# Each body goes through each codec and must come back equal. `refused` is an error that the program sees; `changed`
# would be a silent loss; `no schema` is a body of another API, which only formats without a schema carry.

# %%
parity = outcomes(stock)
assert (parity.sum(axis=1) == stock.bodies).all()
parity.head(15)

# %%
lossy = [codec for codec in parity.index if parity["changed"][codec] or parity["refused"][codec]]
unknown = stock.unknown_fields.most_common(5)
say(
    "**Nothing is lost:** every codec gives back every body that it has a schema for."
    if not lossy
    else f"**Not every body comes back:** look at {', '.join(f'`{codec}`' for codec in lossy)}.",
    *(f"- {one['codec']}, line {one['line']}: {one['outcome']}" for one in stock.findings[:5]),
    f"{len(stock.unknown_fields)} fields are not known to the types and travel beside them as they are, at most "
    f"{max(stock.extra_share.values(), default=0):.1%} of the bytes of a kind: "
    f"{', '.join(f'`{name}`' for name, _ in unknown)}."
    if unknown
    else "No field is unknown to the types.",
)

# %% [markdown]
# ### What each format would cost
#
# From here on figures come from a run. With your own corpus, set `RERUN = True` once; without one, the run of the
# built-in workloads stands in, of which the example was made.

# %%
rows = open_run(CORPUS, RERUN, codecs=CODECS)
summary = build_tables(rows)["summary"]
measured = rows.drop_duplicates("workload").set_index("workload")["message"]
same_kind = [name for name in measured.index if measured[name] == main] or list(measured.index)
raw = summary[summary["workload"].isin(same_kind) & summary["codec"].isin(CODECS)]
workload = raw.groupby("workload")["raw_bytes"].max().idxmax()
costs = raw[raw["workload"] == workload].set_index("codec")
readable(costs[["raw_bytes", "size_ratio", "encode_ratio", "encode_verdict", "decode_ratio", "decode_verdict"]])

# %%
others = [name for name in CODECS if name != "orjson"]
fastest = compare(rows, others, "decode", to="orjson").at(workload)
smallest = compare(rows, others, "size", "raw", to="orjson").at(workload)
said = fastest.words("faster", "slower", "a tie")
say(
    f"`{workload}`, ratios to orjson. Of the others the fastest to decode is {fastest:codec} ({fastest:.2f}, {said}), "
    f"the smallest {smallest:codec} ({smallest:.2f} of the bytes). A tie is a difference inside what the "
    "machine shows between two equal things."
)

# %% [markdown]
# ### One decision

# %%
decisions, missing = decide_each(rows, [SCENARIO, *(name for name in scenario_names() if name != SCENARIO)])
chosen = next(iter(decisions), "")
say(
    *(f"`{SCENARIO}` cannot be decided: {reason}" for name, reason in missing.items() if name == SCENARIO),
    f"**{chosen}**: {decisions[chosen].verdict}" if chosen else "No built-in scenario fits this run; write your own.",
    *(f"- otherwise: {text}" for text in (what_would_change(decisions[chosen]) if chosen else ())),
)

# %% [markdown]
# ## Answer

# %%
lost = f"{', '.join(lossy)} lost or refused something" if lossy else "no codec lost anything"
say(
    f"**{stock.bodies:,} bodies, lines that cannot be read: {stock.unreadable_lines}; {lost}.**",
    f"On `{workload}`, of all but orjson, {fastest:codec} decodes in {fastest:.2f} of orjson's time ({said}), and "
    f"{smallest:codec} needs {smallest:.2f} of its bytes.",
    f"For {chosen}: {decisions[chosen].verdict}" if chosen else "No built-in scenario fits.",
    ""
    if CORPUS
    else "This was the example. Set `CORPUS` to your file and `RERUN = True`, run all cells, and it is yours.",
)

# %% [markdown]
# ## Limits
#
# - The first bodies of the file stand for it in the tables above (`serlab.notebook.corpora.MOST`); the run draws a
#   sample of all of it.
# - A recording of one hour is that hour. Take the bodies of a whole day, and of the boundary that the decision is for.
# - Of a pair, times are of each body by itself. What else your service does with it is not measured.
# - The scenario's wire, prices and waiting times are assumptions until you put your own; see [which format,
#   when](10_which_format_when.ipynb).
