"""An embeddings call by the form of its vectors, from the experiment `vectors`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from serlab.cases import BOUND, Case, Conditions
from serlab.codecs import find_info
from serlab.report.wire_calls import NOTICED, SAVED
from serlab.report.wire_tables import ArmFacts, Arms, wire_arms
from serlab.stats import Estimate, median_of

VECTORS = "vectors"
WORDS = {"less": "faster", "more": "slower"}
FORMS = ("list", "base64", "bin", "packed")


def form_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what a call takes in each form of the vectors.

    Args:
        rows: the tidy table of a run.

    Returns:
        One row for each form and codec: `call_ns` with its interval, `body_bytes` of the answer, the ratio to the first
        codec that was measured twice with its interval and verdict, and `saved_ns` of that one's call, with its
        interval. In base64 a codec stands for its variant, which sends the same.

    Raises:
        NotMeasuredError: the run lacks the experiment.
    """
    arms = wire_arms(rows, VECTORS)
    pairs = [(form, codec) for form in FORMS for codec in arms.codecs(form) if not _is_base64(codec)]
    return pd.DataFrame([_form_of(arms, form, codec) for form, codec in pairs])


def _is_base64(codec: str) -> bool:
    """Return whether a codec is a variant that writes base64, which its codec sends as well when it is asked to."""
    info = find_info(codec)
    return info is not None and info.vectors == "base64"


def _form_of(arms: Arms, form: str, codec: str) -> dict[str, Any]:
    """Make the record of a form and a codec."""
    name, base = f"{codec} {form}", arms.baseline()
    call, found = arms.estimate(name), arms.versus(name, base)
    record: dict[str, Any] = {"form": form, "codec": codec, "body_bytes": arms.value(name, "body-bytes")}
    record |= dict(zip(("call_ns", "call_ns_low", "call_ns_high"), call[:3], strict=True))
    record |= dict(zip(("ratio", "ratio_low", "ratio_high"), found.ratio[:3], strict=True))
    record |= dict(zip(SAVED, arms.saved(name, base)[:3], strict=True))
    return record | {"verdict": "" if name == base else WORDS.get(found.verdict, found.verdict)}


def rival_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what the fastest form saves of a whole embeddings call against what is there today.

    Two rivals: the baseline's list of numbers, and its base64, which the official client asks for by default.

    Args:
        rows: the tidy table of a run.

    Returns:
        One row for each rival that was measured, in the columns of `serlab.report.wire_calls.saving_table`: `workload`,
        the `rival`, the fastest of the others with its form as `codec`, verdict, `saved_ns` with its interval,
        `noticed_ns`, and the rival's `call_ns`.

    Raises:
        NotMeasuredError: the run lacks the experiment.
    """
    arms = wire_arms(rows, VECTORS)
    codec = arms.baseline_codec()
    names = [f"{name} {form}" for form in FORMS for name in arms.codecs(form) if not _is_base64(name)]
    rivals = [name for name in (f"{codec} list", f"{codec} base64") if name in names]
    return pd.DataFrame([_rival_of(arms, rival, [name for name in names if name != rival]) for rival in rivals])


def _rival_of(arms: Arms, rival: str, others: list[str]) -> dict[str, Any]:
    """Make the record of a rival."""
    against = {name: arms.versus(name, rival) for name in others}
    faster = [name for name, found in against.items() if found.verdict == "less"]
    best = min(faster or others, key=lambda name: against[name].ratio.value)
    said, saved = against[best].verdict, arms.saved(best, rival)
    record: dict[str, Any] = {
        "workload": arms.workload,
        "rival": rival,
        "codec": best,
        "verdict": WORDS.get(said, said),
    }
    record |= dict(zip(SAVED, saved[:3], strict=True))
    return record | {"noticed_ns": saved.value / NOTICED if faster else 0.0, "call_ns": arms.value(rival)}


# The forms of a stream side by side, from the experiment `stream` on the wire: bytes, time and the client's work.

NAMES = {"http": "", "http2": "HTTP/2", "grpc": "gRPC"}
"""How a form's name shows its transport; that of the most forms is left out."""

BYTES = Case("bytes", BOUND)
"""The arm that reads the bytes of a form and drops them."""

TIME_WORDS = {"less": "faster", "more": "slower"}


class Form(NamedTuple):
    """What a stream was sent as.

    Attributes:
        codec: of the pieces.
        transport: http, http2 or grpc.
        framing: sse, ndjson, frames or messages.
        envelope: full or slim.
        every: tokens in a piece.
    """

    codec: str
    transport: str
    framing: str
    envelope: str
    every: int

    @classmethod
    def of(cls, codec: str, under: Conditions) -> "Form":
        """Make the form of a codec under the conditions of the experiment."""
        return cls(str(codec), under.transport or "", under.framing or "", under.envelope or "", under.every or 1)

    @property
    def arm(self) -> str:
        """Name the arm."""
        return f"{self.codec} {self.conditions}"

    @property
    def conditions(self) -> str:
        """Name what the arms of a group have in common."""
        return f"{self.transport}/{self.framing}/{self.envelope}/every={self.every}"

    def __str__(self) -> str:
        """Name the form for people: codec and framing, then what differs from a full piece a token over HTTP/1.1.

        "×8" are eight tokens in a piece.
        """
        framing = "" if self.transport == "grpc" else self.framing
        several = f"×{self.every}" if self.every > 1 else ""
        parts = (self.codec, framing, NAMES[self.transport], self.envelope.replace("full", ""), several)
        return " ".join(filter(None, parts))


def baseline_form(arms: Arms) -> Form:
    """Return the form that the others are compared with: the first that was measured twice."""
    base = arms.arm(arms.baseline())
    return Form.of(base.case, base.conditions)


def forms_of(arms: Arms) -> list[Form]:
    """List the forms that were measured, floors and A/A aside."""
    return [Form.of(arm.case, arm.conditions) for arm in arms.of() if arm.case.is_compared]


def lead(arms: Arms, framing: str) -> str:
    """Name the codec that stands for its sort in every shape of a framing; "" where there is none."""
    return next((form.codec for form in forms_of(arms) if form.framing == framing and form.envelope == "slim"), "")


def stream_forms(arms: Arms) -> pd.DataFrame:
    """Tabulate the forms, the one with the most bytes first.

    Args:
        arms: of the experiment.

    Returns:
        One row for each form, with its name as the index: the parts of the form, bytes a token, time a token (the
        ratio to the baseline times the baseline's median, since a ratio is free of what the machine does between
        workers) with ratio, interval and verdict, and the client's processor time a token.
    """
    table = pd.DataFrame({str(form): _record_of(arms, form) for form in forms_of(arms)}).T
    kinds = {"every": int} | {name: float for name in table.columns if name.endswith(("_ns", "_bytes", "low", "high"))}
    return table.astype(kinds | {"ratio": float}).sort_values(["wire_bytes", "time_ns"], ascending=[False, True])


def _record_of(arms: Arms, form: Form) -> dict[str, Any]:
    """Return the figures of a form."""
    found, scale = arms.versus(form.arm, arms.baseline()), arms.value(arms.baseline())
    ratio = found.ratio
    record = {**form._asdict(), "wire_bytes": arms.value(form.arm, "token-bytes"), "time_ns": ratio.value * scale}
    record |= {"low_ns": ratio.low * scale, "high_ns": ratio.high * scale}
    record |= {"ratio": ratio.value, "ratio_low": ratio.low, "ratio_high": ratio.high}
    verdict = "baseline" if form.arm == arms.baseline() else found.verdict
    return record | {"verdict": TIME_WORDS.get(verdict, verdict), "client_ns": _client_work(arms, form.arm).value}


def _client_work(arms: Arms, arm: str) -> Estimate:
    """Estimate the processor time that the client uses for a token, all of its threads together, in ns."""
    times, shares = (arms.figures.get(metric, {}).get(arm, {}) for metric in ("latency", "client-cpu"))
    return median_of({i: times[i] * shares[i] for i in times.keys() & shares.keys()})


def floors_of(arms: Arms, order: Sequence[str] = ()) -> pd.DataFrame:
    """Set forms against the same bytes that are read and dropped: nobody unwraps or decodes them.

    That is no lower bound: who drops what it reads is back at the socket sooner, finds less, and wakes up more often.

    Args:
        arms: of the experiment.
        order: of the run's codecs, which says whose bytes a floor reads: those of a group's first codec.

    Returns:
        One row for each transport and framing, the lowest floor first, with its form as the index: time a token, the
        floor's, and what share of the time the floor is, with interval; `is_all` where that share is not measurably
        less than all of it.
    """
    alone = [arm for arm in arms.of() if arm.case == BYTES]
    forms = [carrier for arm in alone if (carrier := _carrier_of(arms, arm, order))]
    records = {str(form): _floor_of(arms, form) for form in forms}
    return pd.DataFrame(records).T.infer_objects().sort_values("floor_ns") if records else pd.DataFrame()


def _carrier_of(arms: Arms, floor: ArmFacts, order: Sequence[str]) -> Form | None:
    """Name the form whose bytes a floor reads: the baseline's, or that of the first codec."""
    codecs = arms.codecs(floor.under)
    first = [arms.baseline_codec(), *order]
    codecs.sort(key=lambda name: first.index(name) if name in first else len(first))
    return Form.of(codecs[0], floor.conditions) if codecs else None


def _floor_of(arms: Arms, form: Form) -> dict[str, Any]:
    """Return the figures of a floor."""
    floor = f"{BYTES} {form.conditions}"
    found = arms.versus(floor, form.arm)
    share = found.ratio
    record: dict[str, Any] = {"time_ns": arms.value(form.arm), "floor_ns": arms.value(floor)}
    record |= {"floor_share": share.value, "floor_share_low": share.low, "floor_share_high": share.high}
    return record | {"is_all": found.verdict in ("tie", "more")}


def gains(arms: Arms, steps: Mapping[str, tuple[Form, Form]]) -> pd.DataFrame:
    """Set each step against what it starts from.

    Args:
        arms: of the experiment.
        steps: name → the form after it and the one before.

    Returns:
        One row for each step that was measured, with its name as the index: bytes a token after it, their ratio to
        those before, and the ratio of the times with interval and verdict.
    """
    records = {name: _gain_of(arms, *step) for name, step in steps.items()}
    return pd.DataFrame({name: record for name, record in records.items() if record}).T.infer_objects()


def _gain_of(arms: Arms, after: Form, before: Form) -> dict[str, Any]:
    """Return the figures of one step; none where a form was not measured."""
    time, size = (arms.versus(after.arm, before.arm, metric) for metric in ("latency", "token-bytes"))
    if not time.ratio.n:
        return {}
    record = {"wire_bytes": arms.value(after.arm, "token-bytes"), "bytes_ratio": size.ratio.value}
    value, low, high, _ = time.ratio
    record |= {"time_ratio": value, "time_ratio_low": low, "time_ratio_high": high}
    return record | {"time_verdict": TIME_WORDS.get(time.verdict, time.verdict)}
