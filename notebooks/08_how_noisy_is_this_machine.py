# %% [markdown]
# # How noisy is this machine?
#
# Measure the same thing twice and you get two figures. Before a difference between two codecs means anything, one must
# know how large a difference the machine shows between two *equal* things. A table without that is a table of
# accidents.

# %%
import subprocess
import sys

import numpy as np
import pandas as pd

from serlab.cases import CONTROL
from serlab.notebook import open_run, say
from serlab.notebook.claims import compare
from serlab.notebook.overview import (
    control_ratios,
    enough,
    process_ratios,
    reach_by_processes,
    reach_interval,
    variation,
)
from serlab.report import build_tables
from serlab.report.figures import noise_figure
from serlab.report.figures.points import repeats_figure, repeats_table
from serlab.stats import median_of

CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine
REPEATS = 0  # 10: ask the three tools below again, ten times each; takes eight minutes or more

rows = open_run(CORPUS, RERUN, parts=["time"])
environment = rows.attrs["environment"]
say(
    f"{environment['cpu']}, {environment['cores']} cores, load average {environment['load_average'][0]:.1f} at the "
    "start."
)

# %% [markdown]
# ## Method
#
# Some words first. A *process* is a fresh Python that measures all codecs in turn, in short batches in random order.
# Its figure is a *ratio* to the baseline. The figure in a table is the median over the processes, and its interval
# says where the median of other processes would most likely lie.
#
# The baseline is measured twice under two names. The ratio of the two, *A/A*, should be one in every group; what
# differs from one is the machine. And an interval should leave one out in one of twenty groups. More means that the
# intervals are too narrow and cannot be trusted; fewer, that they are wider than they need be.

# %%
EXPECTED = 0.05  # a 95 % interval leaves 1 out in 5 of 100 groups
time = build_tables(rows)["time"]
control = time[time["verdict"] == "A/A"]
wrong = (control["ratio_low"] > 1) | (control["ratio_high"] < 1)
assert len(control) == time.groupby(["workload", "operation"]).ngroups
processes = int(control["processes"].min())
say(f"{len(control)} groups, one for each workload and operation, {processes} processes each.")

# %% [markdown]
# ## Result
#
# ### The baseline against itself

# %%
noise_figure(rows)

# %%
draws = np.random.default_rng(0).binomial(len(control), EXPECTED, 10_000)
low, high = np.percentile(draws, [2.5, 97.5]).astype(int)
inside = (
    "as many as chance gives"
    if low <= wrong.sum() <= high
    else "more than chance gives"
    if wrong.sum() > high
    else "fewer than chance gives"
)
say(
    f"{wrong.sum()} of {len(control)} intervals leave 1 out, {wrong.mean():.1%}. Expected are {EXPECTED:.0%}: {low} "
    f"to {high} would not surprise. So these are {inside}.",
    f"The middle half of the ratios lies between {control['ratio'].quantile(0.25):.3f} and "
    f"{control['ratio'].quantile(0.75):.3f}; the farthest are {control['ratio'].min():.3f} and "
    f"{control['ratio'].max():.3f}.",
)

# %%
again = compare(rows, f"orjson{CONTROL}", "decode", to="orjson")
say(
    f"In decoding, for example, orjson takes {again.least():.3f} of its own time on {again.least():workload} and "
    f"{again.most():.3f} on {again.most():workload}."
)

# %% [markdown]
# ### What that makes of the other figures
#
# A codec's difference to the baseline counts only if its interval leaves the ratio one out *and* it is larger than the
# A/A of its group. Everything else is called a tie.

# %%
verdicts = time[time["verdict"].isin(["faster", "slower", "tie"])]
close = verdicts[verdicts["ratio"].between(1 / 1.05, 1.05)]
say(
    f"Of {len(verdicts):,} comparisons, {(verdicts['verdict'] == 'tie').sum()} are ties. Of the {len(close)} whose "
    f"ratio is within 5 % of 1, {(close['verdict'] == 'tie').sum()} are."
)

# %% [markdown]
# ### How many processes are needed?
#
# Each group's processes show how much one process differs from the next. From that follows how far the median of any
# number of them strays: `reach` is the distance that 95 of 100 such medians stay inside of. Whether that is right can
# be seen at the number of processes that this run has, where the A/A ratios themselves are known. In brackets: between
# which two the distance would lie with other workloads, 95 of 100 times.

# %%
COUNTS = [1, 3, 5, 10, 20, 40]
measured = {"all codecs": process_ratios(rows), "orjson against itself": control_ratios(rows)}
reach = pd.DataFrame({name: reach_by_processes(found, COUNTS) for name, found in measured.items()})
assert reach["all codecs"].is_monotonic_decreasing or reach["all codecs"].isna().all()
between = {name: reach_interval(found, COUNTS) for name, found in measured.items()}
pd.DataFrame(
    {
        name: [f"{reach[name][n]:.1%} [{ends['low'][n]:.1%}, {ends['high'][n]:.1%}]" for n in COUNTS]
        for name, ends in between.items()
    },
    index=pd.Index(COUNTS, name="processes"),
)

# %%
own = measured["orjson against itself"]
expected, ends = reach_by_processes(own, [processes])[processes], reach_interval(own, [processes]).loc[processes]
# Which of the two arms is the control is chance, so a ratio and its reciprocal are equally far from one.
off = control["ratio"].where(control["ratio"] > 1, 1 / control["ratio"]) - 1
seen = off.quantile(0.95)
say(
    f"With {processes} processes, orjson against itself should stay inside {expected:.1%} "
    f"[{ends['low']:.1%}, {ends['high']:.1%}] in 95 of 100 groups, and did inside {seen:.1%}."
)


# %%
def count_for(difference):
    """Say how many of the counts above are needed, and between which two with other workloads."""
    ends = between["all codecs"]
    own, low, high = (
        str(enough(reaches.items(), difference) or f"more than {COUNTS[-1]}")
        for reaches in (reach["all codecs"], ends["low"], ends["high"])
    )
    return own if low == high else f"{own} [{low}, {high}]"


needed = {difference: count_for(difference) for difference in (0.10, 0.05, 0.02, 0.01)}
say(
    "Processes needed to tell a difference: "
    + ", ".join(f"{count} for {one:.0%}" for one, count in needed.items())
    + "."
)

# %% [markdown]
# ### Why not `timeit`?
#
# One question, decode time of msgpack against orjson, asked of three tools in turn on a busy machine. `timeit` and
# `pyperf` measure one codec, then the other; serlab measures both side by side in each process. Each dot is one whole
# answer. (`scripts/noise.py` is the experiment; the answers are stored, since live ones differ each time.)

# %%
if REPEATS:
    command = [sys.executable, "../scripts/noise.py", "--repeat", str(REPEATS), "--csv", "../results/noise.csv"]
    subprocess.run(command, check=True)
repeats = pd.read_csv("../results/noise.csv" if REPEATS else "stored/noise.csv")
beside = repeats["busy_processes"].unique() if "busy_processes" in repeats else []
load = repeats["load_average"]
told = f"{', '.join(map(str, beside))} processes that count, started by the experiment"
say(
    f"Neighbours: {told if len(beside) else 'how many busy processes there were, the file does not say'}. "
    f"The load average, the tool at work included, was {load.median():.1f} at the median, {load.min():.1f} to "
    f"{load.max():.1f}.",
)

# %%
repeats_figure(repeats)

# %%
found = repeats_table(repeats)
assert (found["smallest"] <= found["median"]).all() and (found["median"] <= found["largest"]).all()
whole = ["repetitions", "intervals that hold the median", "other codec ahead", "seconds"]
shown = found[["median", "smallest", "largest"]].map("{:.2f}".format)
shown["variation"] = found["variation"].map("{:.1%}".format)
shown[whole] = found[whole].map(lambda value: "none given" if pd.isna(value) else f"{value:.0f}")
shown.rename_axis("tool")

# %%
spread = {tool: variation(answers["ratio"].tolist()) for tool, answers in repeats.groupby("tool", sort=False)}
spread_said = {tool: f"{one.value:.1%} [{one.low:.1%}, {one.high:.1%}]" for tool, one in spread.items()}
steady, wild = (pick(spread, key=lambda tool: spread[tool].value) for pick in (min, max))
turned = found[found["other codec ahead"] > 0]
say(
    f"“{steady}” varies least, by {spread_said[steady]}; “{wild}” most, by {spread_said[wild]}."
    + ("" if spread[steady].high < spread[wild].low else " Their intervals overlap, so that they may be alike."),
    "Which codec is ahead changed from one repetition to another with "
    + " and ".join(
        f"{tool} ({int(one['other codec ahead'])} of {int(one['repetitions'])})" for tool, one in turned.iterrows()
    )
    + "."
    if len(turned)
    else "All tools agreed in every repetition on which codec is ahead.",
)

# %% [markdown]
# Do they find the same? A tool can give one answer again and again, and a wrong one. For comparison: the same question
# in the run of this notebook.

# %%
middles = {tool: median_of(dict(enumerate(answers["ratio"]))) for tool, answers in repeats.groupby("tool", sort=False)}
quiet = compare(rows, "msgpack", "decode", to="orjson", workloads=["chat-response"])
here = f"In this notebook's run: {quiet.at('chat-response'):.2f}." if len(quiet) else "This run has no such messages."
apart = [
    (one, other)
    for place, one in enumerate(middles)
    for other in list(middles)[place + 1 :]
    if middles[one].high < middles[other].low or middles[other].high < middles[one].low
]
said = [f"{tool} {one.value:.2f} [{one.low:.2f}, {one.high:.2f}]" for tool, one in middles.items()]
say(
    f"Medians of all repetitions: {'; '.join(said)}. {here}",
    "Apart are " + "; ".join(f"{one} and {other}" for one, other in apart) + ": at most one of each two is right."
    if apart
    else "The intervals overlap: from these repetitions it cannot be told that any two tools find different ratios.",
    "Which of them is nearest to the ratio on an idle machine was not measured in the same hour.",
)

# %% [markdown]
# ## Answer

# %%
promise = "are too narrow" if wrong.sum() > high else "keep their word"
promise += ", and are wider than they need be" if wrong.sum() < low else ""
say(
    f"**On this machine, two equal things differ by up to {off.max():.1%}** in one group "
    f"of {len(control)}, by {off.median():.1%} at the median, with {processes} processes.",
    f"**The intervals {promise}:** {wrong.sum()} of {len(control)} leave the truth out.",
    f"**For a difference of 10 %,** processes needed: {needed[0.10]}; for 5 %, {needed[0.05]}; for 2 %, "
    f"{needed[0.02]}. Choose `--quick` (5), the default (10) or `--rigorous` (20) by that.",
    f"**The same ratio, asked again and again,** varied by {spread_said[wild]} with “{wild}” and by "
    f"{spread_said[steady]} with “{steady}”. Their medians, {middles[wild].value:.2f} and {middles[steady].value:.2f}, "
    + (
        "are apart: repeating would not have made them agree."
        if (wild, steady) in apart or (steady, wild) in apart
        else "cannot be told apart."
    ),
)

# %% [markdown]
# ## Limits
#
# - The groups of a run share its processes and its hour, so they are not independent, and the count of wrong intervals
#   varies more than chance alone makes it.
# - A run shows no noise that its processes did not meet. On another day, with another neighbour, the machine is
#   another one: every run carries its own A/A.
# - A/A shows noise, not bias: what favours one codec in every process alike, such as data that stay in the cache, it
#   cannot show.
# - The three tools were asked on one machine, with the neighbours that stand above. How they do on an idle machine was
#   not asked.
