"""Workloads of numbers: embeddings and token ids."""

import math
import struct
from random import Random
from typing import Any

VECTORS, DIMENSIONS = 32, 1536
"""A batch of 32 texts through a model with 1,536 dimensions (OpenAI's text-embedding-3-small)."""

TOKENS, VOCABULARY = 40_000, 128_000
"""A long prompt, and a vocabulary of the size that current models have."""


def embeddings(random: Random) -> list[Any]:
    """Build an embeddings response whose values are exactly float32."""
    data = [{"object": "embedding", "index": i, "embedding": unit_vector(random)} for i in range(VECTORS)]
    usage = {"prompt_tokens": 512, "total_tokens": 512}
    return [{"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage}]


def unit_vector(random: Random) -> list[float]:
    """Draw a direction: sums of uniform numbers, near to normal, scaled to length 1 and rounded to float32."""
    draw = random.random
    values = [draw() + draw() + draw() - 1.5 for _ in range(DIMENSIONS)]
    length = math.sqrt(math.fsum(value * value for value in values))
    packed = struct.pack(f"<{DIMENSIONS}f", *(value / length for value in values))
    return list(struct.unpack(f"<{DIMENSIONS}f", packed))


def eighth_power(share: float) -> float:
    """Bend a share of 0 to 1 towards 0."""
    square = share * share
    fourth = square * square
    return fourth * fourth


def token_ids(random: Random) -> list[Any]:
    """Build a generation request with token ids; small ids are the frequent ones, as in a trained vocabulary."""
    ids = [int(VOCABULARY * eighth_power(random.random())) for _ in range(TOKENS)]
    sampling = {"temperature": 0.7, "top_p": 0.95, "max_tokens": 512, "stop_token_ids": [2], "seed": 7}
    return [{"model": "llama-3.1-70b", "prompt_token_ids": ids, **sampling, "stream": True}]
