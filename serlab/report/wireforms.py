"""An embeddings call by the form of its vectors, from the experiment `vectors`."""

from typing import Any

import pandas as pd

from serlab.codecs import find_info
from serlab.report.wirearms import Arms, wire_arms
from serlab.report.wirecalls import NOTICED, SAVED

VECTORS = "vectors"
WORDS = {"less": "faster", "more": "slower"}
FORMS = ("list", "base64", "bin", "packed")


def form_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Give what a call takes in each form of the vectors.

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
    pairs = [(form, codec) for form in FORMS for codec in arms.codecs(form) if not is_base64(codec)]
    return pd.DataFrame([form_of(arms, form, codec) for form, codec in pairs])


def is_base64(codec: str) -> bool:
    """Tell whether a codec is a variant that writes base64, which its codec sends as well when it is asked to."""
    info = find_info(codec)
    return info is not None and info.vectors == "base64"


def form_of(arms: Arms, form: str, codec: str) -> dict[str, Any]:
    """Make the record of a form and a codec."""
    name, base = f"{codec} {form}", arms.baseline()
    call, found = arms.estimate(name), arms.versus(name, base)
    record: dict[str, Any] = {"form": form, "codec": codec, "body_bytes": arms.value(name, "body-bytes")}
    record |= dict(zip(("call_ns", "call_ns_low", "call_ns_high"), call[:3], strict=True))
    record |= dict(zip(("ratio", "ratio_low", "ratio_high"), found.ratio[:3], strict=True))
    record |= dict(zip(SAVED, arms.saved(name, base)[:3], strict=True))
    return record | {"verdict": "" if name == base else WORDS.get(found.verdict, found.verdict)}


def rival_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Tell what the fastest form saves of a whole embeddings call against what is there today.

    Two rivals: the baseline's list of numbers, and its base64, which the official client asks for by default.

    Args:
        rows: the tidy table of a run.

    Returns:
        One row for each rival that was measured, in the columns of `serlab.report.wirecalls.saving_table`: `workload`,
        the `rival`, the fastest of the others with its form as `codec`, verdict, `saved_ns` with its interval,
        `noticed_ns`, and the rival's `call_ns`.

    Raises:
        NotMeasuredError: the run lacks the experiment.
    """
    arms = wire_arms(rows, VECTORS)
    codec = arms.baseline().rpartition(" ")[0]
    names = [f"{name} {form}" for form in FORMS for name in arms.codecs(form) if not is_base64(name)]
    rivals = [name for name in (f"{codec} list", f"{codec} base64") if name in names]
    return pd.DataFrame([rival_of(arms, rival, [name for name in names if name != rival]) for rival in rivals])


def rival_of(arms: Arms, rival: str, others: list[str]) -> dict[str, Any]:
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
