"""What a scenario is made of; the TOML files under `scenarios/` explain each setting where it stands."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

Amount = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Setting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of a scenario's tables: immutable, and without keys that nobody reads."""


class Message(Setting, frozen=True, forbid_unknown_fields=True):
    """One kind of message at the boundary.

    Attributes:
        per_call: how many of them one call of the model brings.
        operations: operation → how often per message.
        compress: how often per message it is compressed, where `wire.compression` is not "none".
        decompress: the same for the reverse.
        workloads: workload or corpus → its share among the messages of this kind; empty means all that the run has,
            alike.
    """

    per_call: Amount = 1.0
    operations: dict[str, Amount] = field(default_factory=dict)
    compress: Amount = 1.0
    decompress: Amount = 1.0
    workloads: dict[str, Amount] = field(default_factory=dict)


class Wire(Setting, frozen=True, forbid_unknown_fields=True):
    """The way between the two ends: bits per second, how often a message goes over it, and compressed how."""

    bandwidth_bit_per_s: Positive = 1e9
    crossings: Amount = 1.0
    compression: Literal["none", "gzip", "zstd"] = "none"


class Storage(Setting, frozen=True, forbid_unknown_fields=True):
    """What is kept: copies per message, and for how many days."""

    copies: Amount = 0.0
    days: Amount = 0.0


class Constraints(Setting, frozen=True, forbid_unknown_fields=True):
    """What the format must be able to do, see `serlab.decide.formats`.

    Only `untrusted_bytes` is asked for where nothing is said: what checks nothing must be chosen on purpose.
    """

    browser: bool = False
    person: bool = False
    other_languages: bool = False
    unknown_fields: bool = False
    untrusted_bytes: bool = True


class Latency(Setting, frozen=True, forbid_unknown_fields=True):
    """What one call waits for beside codec and wire.

    Attributes:
        time_to_first_token_s: of one call of the model.
        tokens: in one answer.
        tokens_per_s: rate after the first token.
        model_calls: how many calls of the model one call of the service waits for.
        other_s: everything else.
    """

    time_to_first_token_s: Amount = 0.0
    tokens: Amount = 0.0
    tokens_per_s: Positive = 50.0
    model_calls: Amount = 1.0
    other_s: Amount = 0.0


class Prices(Setting, frozen=True, forbid_unknown_fields=True):
    """Money per core-hour, per 10^9 bytes that cross the wire, and per 10^9 bytes stored for a month.

    The defaults, and those of the built-in scenarios, are examples and no one's offer.
    """

    currency: str = "USD"
    core_hour: Amount = 0.04
    traffic_gb: Amount = 0.01
    storage_gb_month: Amount = 0.02


class Thresholds(Setting, frozen=True, forbid_unknown_fields=True):
    """The least saving that is worth a change of format: a share of the whole latency, money per million messages."""

    latency_share: Amount = 0.01
    saving_per_million: Amount = 1.0


class Scenario(Setting, frozen=True, forbid_unknown_fields=True):
    """A boundary of a system: what crosses it, how, under what constraints, and at what prices.

    Attributes:
        name: of the file, without its suffix.
        question: one sentence.
        objective: what codecs are ranked by: "time" is codec and wire per message, "money" all that has a price.
        messages: kind of message → how many, and what is done to each.
        wire: the way between the two ends.
        storage: what is kept.
        constraints: what the format must be able to do.
        latency: what a call waits for; None where nobody waits.
        prices: of CPU time, traffic and storage.
        thresholds: below which the answer is to stay with the baseline.
        codecs: codec → constraint → whether it meets it; for other packages' codecs, of which serlab knows nothing.
        max_refused_share: the share of a workload's bodies that a codec may refuse and still be recommended; what
            refuses more than 1 % has no figures, whatever stands here.
    """

    question: str
    messages: dict[str, Message]
    name: str = ""
    objective: Literal["time", "money"] = "time"
    wire: Wire = Wire()
    storage: Storage = Storage()
    constraints: Constraints = Constraints()
    latency: Latency | None = None
    prices: Prices = Prices()
    thresholds: Thresholds = Thresholds()
    codecs: dict[str, dict[str, bool]] = field(default_factory=dict)
    max_refused_share: Share = 0.0


SECTIONS: dict[str, type[Setting]] = {
    "wire": Wire,
    "storage": Storage,
    "constraints": Constraints,
    "latency": Latency,
    "prices": Prices,
    "thresholds": Thresholds,
}
"""Table of a scenario's file → its type."""
