"""An embeddings call by the form of its vectors, from the experiment `vectors`."""

from typing import Any

import pandas as pd

from serlab.report.wirearms import Arms, wire_arms

VECTORS = "vectors"
FORMS = ("list", "base64", "bin", "packed")


def form_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Give what a call takes in each form of the vectors.

    Args:
        rows: the tidy table of a run.

    Returns:
        One row for each form and codec: `call_ns` with its interval, `body_bytes` of the answer, the ratio to the first
        codec that was measured twice with its interval and verdict, and by it `saved_ns` of that one's call. In base64
        a codec stands for its variant, which sends the same.

    Raises:
        NotMeasuredError: the run lacks the experiment.
    """
    arms = wire_arms(rows, VECTORS)
    pairs = [(form, codec) for form in FORMS for codec in arms.codecs(form) if not codec.endswith("-base64")]
    return pd.DataFrame([form_of(arms, form, codec) for form, codec in pairs])


def form_of(arms: Arms, form: str, codec: str) -> dict[str, Any]:
    """Make the record of a form and a codec."""
    name, base = f"{codec} {form}", arms.baseline()
    call, found, whole = arms.estimate(name), arms.versus(name, base), arms.value(base)
    record: dict[str, Any] = {"form": form, "codec": codec, "body_bytes": arms.value(name, "body-bytes")}
    record |= dict(zip(("call_ns", "call_ns_low", "call_ns_high"), call[:3], strict=True))
    record |= dict(zip(("ratio", "ratio_low", "ratio_high"), found.ratio[:3], strict=True))
    record |= {"saved_ns": whole * (1 - found.ratio.value)}
    record |= {"saved_ns_low": whole * (1 - found.ratio.high), "saved_ns_high": whole * (1 - found.ratio.low)}
    words = {"less": "faster", "more": "slower"}
    return record | {"verdict": "" if name == base else words.get(found.verdict, found.verdict)}
