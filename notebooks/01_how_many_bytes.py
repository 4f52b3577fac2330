# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # How many bytes does each format need?
#
# Bytes cost bandwidth, memory in a cache and money for storage. Formats differ in what they write: JSON repeats every
# field name in every message, MessagePack does so too but packs numbers, and the schema formats write no names at all.
# The question is what is left of that once a message is mostly text, and once it is compressed.

# %%
from serlab.notebook import open_run, readable, say
from serlab.report import build_tables

CORPUS = ""  # your own recorded traffic, for example "my.jsonl"
RERUN = False  # True: measure now, on this machine

rows = open_run(CORPUS, RERUN, parts=["size"])
say(f"Run {rows.attrs['environment']['run']}, {rows['workload'].nunique()} workloads, {rows['codec'].nunique()} arms.")

# %% [markdown]
# ## Method
#
# Every message of a workload is encoded by every codec, and decoded again to see that nothing was lost: a codec that
# lost something has no figure here. `raw` is the mean length; `gzip` and `zstd` compress each message by itself, as a
# web server would. `raw_ratio` is against orjson, the baseline everywhere.

# %%
size = build_tables(rows)["size"]
codecs = ["orjson", "msgpack", "protobuf", "flatbuffers"]
assert (size["raw_bytes"] > 0).all()
# JSON is JSON: two libraries that write compact JSON write the same length.
plain = size[size["codec"].isin(["json", "orjson", "msgspec-json"])]
assert (plain.groupby("workload")["raw_bytes"].nunique() == 1).all()

# %% [markdown]
# ## Result
#
# Raw size against orjson. Below 1 is smaller.

# %%
raw = size[size["codec"].isin(codecs)].pivot(index="workload", columns="codec", values="raw_ratio")[codecs]
raw.round(2)

# %%
binary = raw.drop(columns="orjson")
best = binary.min(axis=1)
text_heavy, number_heavy = best.idxmax(), best.idxmin()
say(
    f"The best binary format needs {best.max():.2f} of JSON's bytes on `{text_heavy}` and {best.min():.2f} on "
    f"`{number_heavy}`. The gain is in numbers and in field names; text takes the same bytes everywhere."
)

# %% [markdown]
# ### After compression
#
# Compressors remove what repeats, and field names repeat most of all. So a format's lead may vanish, or turn around.

# %%
zstd = size[size["codec"].isin(codecs)].pivot(index="workload", columns="codec", values="zstd_bytes")[codecs]
zstd = zstd.div(zstd["orjson"], axis=0)
zstd.round(2)

# %%
larger = {codec: int((zstd[codec] > 1).sum()) for codec in zstd.columns if codec != "orjson"}
say(
    "After zstd, larger than JSON on: "
    + ", ".join(f"{codec} {count} of {len(zstd)} workloads" for codec, count in larger.items())
    + "."
)

# %% [markdown]
# ## Answer

# %%
say(
    f"**For text, the format hardly matters; for numbers it matters more than anything.** On `{text_heavy}` the smallest "
    f"of these formats saves {1 - best[text_heavy]:.0%} of the bytes, on `{number_heavy}` {1 - best[number_heavy]:.0%}. "
    f"If the bytes are compressed anyway, the choice among these formats moves the size by "
    f"{zstd.drop(index=number_heavy).min(axis=1).median() - 1:+.0%} at the median of the other workloads."
)

# %% [markdown]
# ## Limits
#
# The text of the built-in workloads is synthetic, so that compressed sizes are indications; set `CORPUS` to your own
# traffic for a figure. Compression costs time, which is not in these tables: see `02_how_fast_to_encode_and_decode` and
# `10_which_format_when`.
