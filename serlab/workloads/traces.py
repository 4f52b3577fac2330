"""Token lengths of real requests, as quantiles of published traces.

Sources: the Azure LLM inference trace 2023, conversation and code (Azure public dataset, CC-BY-4.0; 19,366 and 8,819
requests), and the Mooncake conversation trace (Apache-2.0; 12,031 requests). Quantiles are of inputs and of outputs
apart: how the two go together is not kept.
"""

from bisect import bisect_right
from typing import NamedTuple

PERCENT = (0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100)
"""The percentages at which the quantiles stand."""

CHARACTERS_PER_TOKEN = 4
"""Of English text, the rule of thumb in OpenAI's tokenizer documentation."""


class Trace(NamedTuple):
    """Quantiles of a trace at `PERCENT`, in tokens."""

    input: tuple[int, ...]
    output: tuple[int, ...]


TRACES = {
    "azure-conv": Trace(
        (2, 29, 181, 207, 396, 1020, 1189, 2734, 4083, 4142, 14050),
        (7, 16, 41, 54, 85, 129, 395, 424, 451, 601, 1000),
    ),
    "azure-code": Trace(
        (3, 17, 75, 147, 578, 1469, 2745, 5186, 7302, 7436, 7437),
        (6, 6, 6, 7, 9, 13, 24, 55, 90, 252, 1899),
    ),
    "mooncake-conv": Trace(
        (891, 894, 901, 964, 2307, 6909, 15366, 27367, 39549, 85401, 126195),
        (1, 3, 10, 24, 157, 350, 472, 597, 698, 1120, 2000),
    ),
}


def tokens_at(quantiles: tuple[int, ...], share: float) -> int:
    """Interpolate a quantile table.

    Args:
        quantiles: tokens at `PERCENT`.
        share: 0 to 1, the share of requests that are shorter.

    Returns:
        A length in tokens.
    """
    percent = share * 100
    right = min(max(bisect_right(PERCENT, percent), 1), len(PERCENT) - 1)
    low, high = PERCENT[right - 1], PERCENT[right]
    step = (percent - low) / (high - low)
    return round(quantiles[right - 1] + step * (quantiles[right] - quantiles[right - 1]))
