# %% [markdown]
# # What gets lost?
#
# A format that drops a field is small and fast. So before any figure counts, one must know what a format keeps: of odd
# values, of bytes that a stranger sent, of messages that an older or newer program wrote, and of bytes that were
# damaged on the way. An error is no loss: the program hears of it. The loss that hurts is the silent one.

# %%
import pandas as pd

from serlab import DecodeError, Limits, build, from_document, open_codec
from serlab.corpus import read
from serlab.fidelity import evolution_cells, fidelity_cells
from serlab.notebook import open_run, say
from serlab.notebook.corpora import flips

CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine
CODECS = ["orjson", "msgspec-json", "msgpack", "msgspec-msgpack", "protobuf", "flatbuffers"]
pd.set_option("display.max_colwidth", None)

# %% [markdown]
# ## Method
#
# Nothing here is copied from a manual: every cell of the tables below is the outcome of code that runs now, with the
# libraries that are installed. What went in is compared strictly with what comes out: `1` is not `1.0`, absent is not
# null.
#
# - **kept**: it came back equal. **refused**: an error. **changed**: something else came back, without an error.
# - A *trap* is a value that one format or another cannot carry, such as a very large integer.

# %%
cells = pd.DataFrame(fidelity_cells(CODECS))
evolution = pd.DataFrame(evolution_cells(CODECS))
assert set(cells["outcome"]) <= {"kept", "refused", "changed", "no case", "missing"}
assert set(evolution["outcome"]) <= {"reads", "loses", "misreads", "refuses", "missing"}
say(f"{cells['trap'].nunique()} traps and {evolution['change'].nunique()} changes of a schema, {len(CODECS)} codecs.")


# %%
def counted(table, direction):
    """Count the outcomes of one direction, a row for each codec."""
    here = table[(table["direction"] == direction) & (table["outcome"] != "no case")]
    return pd.crosstab(here["codec"], here["outcome"]).reindex(here["codec"].unique())


def silent(table, direction):
    """Count what is changed without an error, by codec."""
    here = table[table["direction"] == direction]
    return (here["outcome"] == "changed").groupby(here["codec"], sort=False).sum()


# %% [markdown]
# ## Result
#
# ### Odd values, there and back

# %%
counted(cells, "round trip")

# %%
changed = cells[(cells["direction"] == "round trip") & (cells["outcome"] == "changed")]
by_trap = changed.groupby("trap")["codec"].agg(list)
say(
    "Changed without an error:",
    *(f"- {trap}: {'all' if set(names) == set(CODECS) else ', '.join(names)}" for trap, names in by_trap.items()),
    "Key order in a typed message means nothing to JSON (RFC 8259). In all other cases of this table a value came back "
    "equal or was refused.",
)

# %% [markdown]
# ### The library by itself
#
# These codecs check what their libraries let through. Used alone, with its defaults, a library may do otherwise:

# %%
alone = silent(cells, "library, round trip").rename("library alone, changed")
pd.concat([alone, silent(cells, "round trip").rename("serlab's codec, changed")], axis=1)

# %%
examples = cells[(cells["direction"] == "library, round trip") & (cells["outcome"] == "changed")]
examples = examples.drop_duplicates(["codec", "detail"]).groupby("codec", sort=False).head(2)
examples[["codec", "trap", "detail"]].rename(columns={"detail": "came back … for what was sent"}).set_index("codec")

# %% [markdown]
# ### Bytes from a stranger
#
# A key twice, a number too large, a message that was cut, bytes behind it. Where such bytes state no value, only a
# refusal is faithful.

# %%
counted(cells, "foreign bytes")

# %%
foreign = silent(cells, "foreign bytes")
cut = cells[(cells["trap"] == "cut between two fields") & (cells["outcome"] == "changed")]["codec"].unique()
say(
    f"Most is let through by {foreign.idxmax()} ({foreign.max()}), least by {foreign.idxmin()} ({foreign.min()}).",
    f"A message that was cut between two fields is taken for a whole one by {', '.join(cut)}: the format has no "
    "end, so whatever carries it must say how long a message is."
    if len(cut)
    else "No codec takes a message that was cut for a whole one.",
)

# %% [markdown]
# ### When the schema changes
#
# Two programs are never updated in the same second. What does an old reader make of new bytes, and a new one of old?
# *Loses*: the value is absent. *Misreads*: a wrong value, and no error.

# %%
both = pd.crosstab(evolution["codec"], evolution["outcome"])
both.reindex(evolution["codec"].unique())

# %% [markdown]
# Not every change is one that may be made. The guides of protobuf ("Updating A Message Type"), FlatBuffers
# ("Evolution") and msgspec ("Schema Evolution") forbid some and allow others on a condition: protobuf's `int32` and
# `int64` are compatible *while a value fits both*. A wrong value after a forbidden change breaks no promise; it says
# what a mistake costs. Marks in brackets are such changes, a `?` behind one means the condition.

# %%
MARKS = {"reads": "", "refuses": "refuses", "loses": "LOSES", "misreads": "MISREADS", "missing": "?"}
RULED = {"allowed": "{}", "conditional": "{} ?", "forbidden": "({})"}
old = evolution[evolution["direction"] == "old reader, new bytes"].copy()
assert set(evolution["rule"]) <= set(RULED)
old["mark"] = [
    RULED[rule].format(MARKS[outcome]) if MARKS[outcome] else ""
    for outcome, rule in zip(old["outcome"], old["rule"], strict=True)
]
wide = old.pivot(index="change", columns="codec", values="mark").reindex(old["change"].unique())
formats = [name for name in ("orjson", "msgpack", "protobuf", "flatbuffers") if name in wide]
wide[formats][(wide[formats] != "").any(axis=1)].rename_axis("old reader, new bytes")

# %%
safe = [
    name
    for name, rows_ in evolution.groupby("change", sort=False)
    if (rows_["outcome"] == "reads").all() and (rows_["rule"] == "allowed").all()
]
misread = evolution[evolution["outcome"] == "misreads"]
ruled = pd.crosstab(misread["codec"], misread["rule"])
ruled = ruled.reindex(index=evolution["codec"].unique(), columns=list(RULED), fill_value=0)
ruled.rename_axis("misread, by what the format's rules say of the change")

# %%
kept_rules = int(ruled["allowed"].sum())
by_format = ", ".join(f"{name} {ruled['forbidden'][name]}" for name in formats)
conditional = ruled[ruled["conditional"] > 0]["conditional"]
broken = misread[misread["rule"] == "conditional"].groupby("codec", sort=False)["change"].unique()
say(
    f"Allowed by all rules and read right by all formats, in both directions: {', '.join(safe) or 'nothing'}.",
    "**No format misreads a change that its own rules allow.**"
    if not kept_rules
    else f"**{kept_rules} times a format misreads a change that its own rules allow.**",
    f"Wrong values without an error come of changes that the rules forbid ({int(ruled['forbidden'].sum())} times)"
    + (
        f", and of values that break a rule's condition ({int(conditional.sum())} times: "
        + "; ".join(f"{name} with {', '.join(changes)}" for name, changes in broken.items())
        + ")."
        if len(conditional)
        else "."
    ),
    f"Readings that are silently wrong after a forbidden change: {by_format}.",
)

# %% [markdown]
# ### Damage on the way
#
# One bit flips in an encoded message: a faulty memory, disk or proxy. Each codec gets the same number of damaged
# messages, bare and in a frame of serlab, whose header holds checksums.

# %%
TRIALS = 500
own = next((body for body in read(CORPUS) if body.kind != "document"), None) if CORPUS else None
kind = own.kind if own else "ChatRequest"
message = from_document(kind, own.document) if own else build("chat-turn")[0]
bare = pd.DataFrame({name: flips(open_codec(name, kind), message, TRIALS) for name in CODECS}).T
framed = pd.DataFrame({name: flips(open_codec(name, kind), message, TRIALS, framed=True) for name in CODECS}).T
assert (bare.sum(axis=1) == TRIALS).all() and (framed.sum(axis=1) == TRIALS).all()
bare.assign(**{"in a frame: refused": framed["refused"]})

# %%
missed = bare["changed without an error"] / TRIALS
framed_missed = int(framed["changed without an error"].sum())
say(
    f"Bare, a flipped bit changes the message without an error in {missed.min():.0%} (`{missed.idxmin()}`) to "
    f"{missed.max():.0%} (`{missed.idxmax()}`) of {TRIALS} trials. In a frame, {framed_missed} of "
    f"{len(CODECS) * TRIALS:,} went unnoticed."
)

# %% [markdown]
# ### Bytes that mean harm
#
# Some bytes are small and make a decoder build something huge. `Limits` bounds what a decoder takes in and gives out;
# without the argument safe defaults hold.

# %%
request = b'{"model": "m", "messages": [], "metadata": {"a": %b}}'
HOSTILE = {
    "a million empty lists and one more": ("orjson", request % b"[%b[]]" % (b"[]," * 1_000_000), Limits()),
    "500 levels, of 32 allowed": ("orjson", request % (b"[" * 500 + b"]" * 500), Limits(max_depth=32)),
    "a list that claims 4 billion items": ("msgpack", b"\xdd\xff\xff\xff\xff", Limits()),
    "64 zero bytes": ("flatbuffers", bytes(64), Limits()),
    "2 kB, of 1 kB allowed": ("protobuf", bytes(2000), Limits(max_bytes=1000)),
}


def complaint(codec, data, limits):
    """Decode, and give the error that must come."""
    try:
        open_codec(codec, "ChatRequest", limits=limits).decode(data)
    except DecodeError as error:
        return str(error).partition("; ")[0]
    raise AssertionError("taken")


told = {name: {"bytes": f"{len(case[1]):,}", "answer": complaint(*case)} for name, case in HOSTILE.items()}
pd.DataFrame(told).transpose()

# %% [markdown]
# ### And whole messages?
#
# Traps are rare. What counts in the end is whether the bodies of a run came back. A codec that changes one has no
# figures, nor has one that refuses more than one in a hundred.

# %%
rows = open_run(CORPUS, RERUN, parts=["size"])
parity = rows[(rows["operation"] == "parity") & rows["codec"].isin(CODECS)]
parity = parity.pivot_table(index="codec", columns="metric", values="value", aggfunc="sum").reindex(CODECS).dropna()
parity.astype(int).rename(columns={"no_schema": "no schema"})

# %% [markdown]
# ## Answer

# %%
most = silent(cells, "round trip").max()
traps = cells[cells["direction"] == "round trip"]["trap"].nunique()
worst = " and ".join(f"`{name}`" for name in alone.index[alone == alone.max()])
equal, bad = int(parity["equal"].sum()), int(parity[["changed", "refused"]].to_numpy().sum())
say(
    f"**Of the messages of this run: {'nothing' if not bad else f'{bad:,} were refused or changed'}.** {equal:,} "
    "times a body went through a codec and came back equal.",
    f"**Of odd values:** at most {most} of {traps} traps are changed by a codec here, and up to {alone.max()} by a "
    f"library alone ({worst}).",
)

# %%
say(
    "**Of a changed schema:** "
    + (
        "nothing turns into a wrong value while a format's own rules are kept"
        if not kept_rules
        else f"{kept_rules} wrong values although a format's own rules were kept"
    )
    + f"; {int(conditional.sum())} where a value breaks a rule's condition, and "
    f"{by_format} where a rule is broken, of "
    f"{evolution.groupby('codec').size().max()} readings each. Allowed and read right in all formats: "
    f"{', '.join(safe) or 'nothing'}.",
    f"**Of damaged bytes:** {missed.min():.0%} to {missed.max():.0%} of flipped bits pass unnoticed, depending on "
    "the format. "
    + (
        f"A frame's checksum lets {framed_missed:,} of {len(CODECS) * TRIALS:,} pass."
        if framed_missed < bare["changed without an error"].sum()
        else "A frame's checksum did not help here."
    ),
)

# %% [markdown]
# ## Limits
#
# - A trap is one value. That a codec keeps these says nothing of values that nobody thought of; the tests also throw
#   random documents and random bytes at every codec.
# - The readers of the schema changes have strict types and ignore fields that they do not know. Lax ones lose more.
# - A frame's checksum finds accidents, not attackers: who can change the bytes can compute it again.
