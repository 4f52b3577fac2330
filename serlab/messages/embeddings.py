"""Embedding messages: the OpenAI wire shape, and those of Cohere, Gemini and Ollama beside it.

Source: the OpenAI, Cohere, Gemini (`embedContent`, `batchEmbedContents`), Voyage and Ollama API references.
"""

from array import array
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import numpy as np

from serlab.messages.base import (
    UNSET,
    AnyError,
    Count,
    Int,
    Item,
    Json,
    Label,
    Message,
    Number,
    OneVector,
    Opt,
    Part,
    Prompt,
    Text,
    Texts,
    Usage,
    Vector,
    Vectors,
    set_field,
)


class TextPart(Part):
    """A piece of the text to embed (Gemini)."""

    text: Opt[Text] = UNSET
    inlineData: Opt[Json] = UNSET
    fileData: Opt[Json] = UNSET
    inline_data: Opt[Json] = UNSET
    file_data: Opt[Json] = UNSET


class TextContent(Part):
    """The text to embed (Gemini)."""

    parts: Opt[list[TextPart]] = UNSET
    role: Opt[str] = UNSET


class EmbedContent(Part):
    """One request of a batch (Gemini)."""

    model: Opt[str] = UNSET
    content: Opt[TextContent] = UNSET
    taskType: Opt[str] = UNSET
    title: Opt[str] = UNSET
    outputDimensionality: Opt[Int] = UNSET
    embedContentConfig: Opt[Json] = UNSET


class EmbeddingRequest(Message):
    """A request for the vectors of some texts."""

    model: Opt[str] = UNSET
    input: Opt[Prompt] = UNSET
    encoding_format: Opt[str] = UNSET
    dimensions: Opt[Count] = UNSET
    user: Opt[Label] = UNSET
    # Voyage, Mistral, NVIDIA, vLLM, OpenRouter
    input_type: Opt[str] = UNSET
    output_dimension: Opt[Int] = UNSET
    output_dtype: Opt[str] = UNSET
    truncation: Opt[bool] = UNSET
    truncate: Opt[str | bool] = UNSET
    metadata: Opt[Json] = UNSET
    extra_body: Opt[Json] = UNSET
    provider: Opt[Json] = UNSET
    normalize: Opt[bool] = UNSET
    task: Opt[str] = UNSET
    late_chunking: Opt[bool] = UNSET
    embedding_type: Opt[Json] = UNSET
    priority: Opt[Int] = UNSET
    # Cohere
    texts: Opt[Texts] = UNSET
    inputs: Opt[Prompt] = UNSET
    images: Opt[Texts] = UNSET
    embedding_types: Opt[Texts] = UNSET
    max_tokens: Opt[Int] = UNSET
    # Gemini
    requests: Opt[list[EmbedContent]] = UNSET
    content: Opt[TextContent | Annotated[str | list[Item], "json"]] = UNSET
    taskType: Opt[str] = UNSET
    title: Opt[str] = UNSET
    outputDimensionality: Opt[Int] = UNSET
    embedContentConfig: Opt[Json] = UNSET
    instances: Opt[Json] = UNSET
    parameters: Opt[Json] = UNSET
    # Ollama
    prompt: Opt[Prompt] = UNSET
    options: Opt[Json] = UNSET
    keep_alive: Opt[Json] = UNSET
    input_text: Opt[Text] = UNSET
    embeddingConfig: Opt[Json] = UNSET
    inputImage: Opt[str] = UNSET
    messages: Opt[Json] = UNSET
    embedding_format: Opt[str] = UNSET
    embeddings_type: Opt[Json] = UNSET
    return_multivector: Opt[bool] = UNSET
    add_special_tokens: Opt[bool] = UNSET
    truncate_prompt_tokens: Opt[Int] = UNSET
    embed_dtype: Opt[str] = UNSET
    endianness: Opt[str] = UNSET
    request_id: Opt[str] = UNSET
    text: Opt[Json] = UNSET
    timeout: Opt[Number] = UNSET
    num_retries: Opt[Int] = UNSET
    api_base: Opt[str] = UNSET
    custom_llm_provider: Opt[str] = UNSET
    mm_processor_kwargs: Opt[Json] = UNSET
    prompt_name: Opt[str] = UNSET
    instruction: Opt[str] = UNSET
    modality: Opt[Json] = UNSET
    fallbacks: Opt[Json] = UNSET
    tags: Opt[Json] = UNSET
    litellm_metadata: Opt[Json] = UNSET
    model_id: Opt[str] = UNSET
    project_id: Opt[str] = UNSET
    space_id: Opt[str] = UNSET


def equal_vectors(a: Any, b: Any) -> bool:
    """Compare two vectors, arrays by type and bits.

    Args:
        a: a vector, or anything else that a field may hold.
        b: the other one.

    Returns:
        Whether they are equal; arrays of different dtype are not, NaN equals NaN of the same bits.
    """
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(equal_vectors, a, b))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return False
    return type(a) is type(b) and bool(a == b)


class VectorPart(Part, eq=False):
    """A struct with vectors in it, compared field by field since arrays have no single truth value."""

    def __eq__(self, other: object) -> bool:
        """Compare type and fields, arrays by their bits."""
        if type(other) is not type(self):
            return NotImplemented
        names = self.__struct_fields__
        return all(equal_vectors(getattr(self, name), getattr(other, name)) for name in names)

    def __ne__(self, other: object) -> bool:
        """Tell the opposite; a struct without `eq` compares identities here."""
        return not self == other

    __hash__ = None  # type: ignore[assignment]


class Embedding(VectorPart, eq=False):
    """One vector and where it belongs; Gemini calls the vector `values`."""

    object: Opt[str] = UNSET
    index: Opt[Count] = UNSET
    embedding: Opt[Vector] = UNSET
    values: Opt[Vector] = UNSET
    statistics: Opt[Json] = UNSET
    shape: Opt[Json] = UNSET
    encoding: Opt[str] = UNSET
    text: Opt[Text] = UNSET
    embeddings: Opt[Vectors] = UNSET
    embeddingType: Opt[str] = UNSET
    prompt_token_ids: Opt[Json] = UNSET
    truncated: Opt[Json] = UNSET
    multimodal: Opt[Json] = UNSET
    sparse_embedding: Opt[Json] = UNSET


class EmbeddingsByType(VectorPart, eq=False):
    """Vectors of one batch by number type (Cohere)."""

    float: Opt[Vectors] = UNSET
    int8: Opt[Vectors] = UNSET
    uint8: Opt[Vectors] = UNSET
    binary: Opt[Vectors] = UNSET
    ubinary: Opt[Vectors] = UNSET
    base64: Opt[Texts] = UNSET
    values: Opt[Vector] = UNSET
    statistics: Opt[Json] = UNSET


class VectorByType(VectorPart, eq=False):
    """One vector by number type (Titan)."""

    float: Opt[Vector] = UNSET
    int8: Opt[Vector] = UNSET
    uint8: Opt[Vector] = UNSET
    binary: Opt[Vector] = UNSET
    ubinary: Opt[Vector] = UNSET


class UsageMetadata(Part):
    """Token counts in Gemini's names."""

    promptTokenCount: Opt[Int] = UNSET
    totalTokenCount: Opt[Int] = UNSET
    promptTokenDetails: Opt[Json] = UNSET
    promptTokensDetails: Opt[Json] = UNSET


class EmbeddingResponse(Message, eq=False):
    """The vectors of some texts.

    `data` is the OpenAI form. In `embeddings` stand a list of `Embedding` (Gemini), a list of vectors (Cohere v1,
    Ollama) or vectors by type (Cohere v2); in `embedding` one vector (Ollama) or one `Embedding` (Gemini).
    """

    id: Opt[Label] = UNSET
    object: Opt[str] = UNSET
    created: Opt[Number | str] = UNSET
    model: Opt[str] = UNSET
    data: Opt[list[Embedding]] = UNSET
    usage: Opt[Usage] = UNSET
    embeddings: Opt[Vectors | EmbeddingsByType] = UNSET
    embedding: Opt[OneVector | Embedding] = UNSET
    texts: Opt[Texts] = UNSET
    meta: Opt[Json] = UNSET
    response_type: Opt[str] = UNSET
    usageMetadata: Opt[UsageMetadata] = UNSET
    metadata: Opt[Json] = UNSET
    total_duration: Opt[Int] = UNSET
    load_duration: Opt[Int] = UNSET
    prompt_eval_count: Opt[Int] = UNSET
    provider: Opt[str] = UNSET
    service_tier: Opt[str] = UNSET
    system_fingerprint: Opt[str] = UNSET
    request_id: Opt[str] = UNSET
    error: Opt[AnyError] = UNSET
    embeddingsByType: Opt[VectorByType] = UNSET
    inputTextTokenCount: Opt[Count] = UNSET
    images: Opt[Json] = UNSET
    num_tokens: Opt[Count] = UNSET
    token_count: Opt[Count] = UNSET
    created_at: Opt[Json] = UNSET
    message: Opt[Text] = UNSET
    results: Opt[Json] = UNSET
    warnings: Opt[Json] = UNSET
    input_tokens: Opt[Count] = UNSET

    __eq__ = VectorPart.__eq__
    __ne__ = VectorPart.__ne__
    __hash__ = None  # type: ignore[assignment]


# Embedding vectors: JSON numbers ↔ numpy arrays, without changing a value.

BATCHES = ("float", "int8", "uint8", "binary", "ubinary")
"""The fields of `EmbeddingsByType` that hold lists of vectors."""

INT64 = range(-(2**63), 2**63)

SHORT = 32
"""Numbers of a vector up to which Python finds sooner than numpy whether float32 holds them: a stranger may send tens
of thousands of vectors of one number, at 6 µs each."""


def pack_vector(values: Any) -> Any:
    """Turn a list of JSON numbers into the narrowest array that holds each value exactly.

    Args:
        values: a list of numbers; anything else (base64 text, null, an array) is given back as it is.

    Returns:
        float32 where every value is exactly float32, else float64; int64 where all are integers; the list itself
        where integers and floats are mixed, since `1` and `1.0` are different JSON.
    """
    if type(values) is not list:
        return values
    kinds = set(map(type, values))
    if kinds == {float}:
        if len(values) <= SHORT:
            exact = (singles := array("f", values)).tolist() == values
            return np.array(singles, dtype=np.float32) if exact else np.array(values, dtype=np.float64)
        return _narrow(np.array(values, dtype=np.float64))
    if kinds == {int} and all(value in INT64 for value in (min(values), max(values))):
        return np.array(values, dtype=np.int64)
    return values


def _narrow(doubles: np.ndarray) -> np.ndarray:
    """Return float32 if it holds every value exactly, else the float64 array as it came."""
    with np.errstate(over="ignore"):
        singles = doubles.astype(np.float32)
    return singles if np.array_equal(singles.astype(np.float64), doubles) else doubles


def pack_vectors(message: EmbeddingResponse) -> EmbeddingResponse:
    """Replace the lists of numbers in a converted response by arrays of the same numbers, in place.

    Args:
        message: a response whose vectors are still lists.

    Returns:
        The same message.
    """
    _map_vectors(message, pack_vector)
    if type(message.embeddings) is list:
        set_field(message, "embeddings", [item(value, pack_vector) for value in message.embeddings])
    if type(message.embedding) is list:
        set_field(message, "embedding", pack_vector(message.embedding))
    return message


def item(value: Any, change: Callable[[Any], Any]) -> Any:
    """Pack one element of `embeddings`: an object becomes an `Embedding` where it fits, a list a vector."""
    if type(value) is not dict:
        return change(value)
    try:
        embedding = msgspec.convert(value, Embedding)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return value
    return _map_embedding(embedding, change)


def _map_vectors(message: EmbeddingResponse, change: Callable[[Any], Any]) -> None:
    """Apply `change` to every vector that stands in a struct of the message, in place."""
    for embedding in message.data or ():
        _map_embedding(embedding, change)
    if isinstance(message.embeddings, EmbeddingsByType):
        _map_by_type(message.embeddings, change)
    if isinstance(message.embeddingsByType, VectorByType):
        for name in VectorByType.__struct_fields__:
            set_field(message.embeddingsByType, name, change(getattr(message.embeddingsByType, name)))
    if isinstance(message.embedding, Embedding):
        _map_embedding(message.embedding, change)


def _map_embedding(embedding: Embedding, change: Callable[[Any], Any]) -> Embedding:
    """Apply `change` to the vectors of one `Embedding`, in place."""
    set_field(embedding, "embedding", change(embedding.embedding))
    set_field(embedding, "values", change(embedding.values))
    if type(embedding.embeddings) is list:
        set_field(embedding, "embeddings", list(map(change, embedding.embeddings)))
    return embedding


def _map_by_type(vectors: EmbeddingsByType, change: Callable[[Any], Any]) -> None:
    """Apply `change` to every vector of a batch by type, in place."""
    set_field(vectors, "values", change(vectors.values))
    for name in BATCHES:
        batch = getattr(vectors, name)
        if type(batch) is list:
            set_field(vectors, name, [change(vector) for vector in batch])
