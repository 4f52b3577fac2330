"""What all message types share: the base struct and the field kinds.

A field may be absent (`UNSET`), null (`None`) or hold a value; the three stay different through every codec. The
types are chosen so that msgspec's strict conversion never coerces: what converts at all converts without loss. So a
number that may come as `1` or `1.0` is an `int | float`, integers are bounded to 64 bits, and unknown fields are an
error that `from_document` turns into an entry of `extra`. Where servers are known to be sloppy, or where text would be
left over, a field also takes the other JSON types: `Text`, `Label`, `Count`, `Texts`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
from msgspec import UNSET as UNSET
from msgspec import Meta, UnsetType

# Non-finite numbers (NaN, infinities) in messages: JSON has none, and its fast libraries write them as null.
#
# To look at every number of a message costs about as much as to encode it. So a message whose numbers are known to be
# finite is *sealed*: `from_document` has looked at them, or a JSON parser has read them, which refuses others. What is
# set by attribute later is looked at when it is set; a number that is not finite breaks all seals. A message without a
# seal, made by hand, copied or decoded from another format, is looked at whole each time.
#
# A list or an object that is changed in place (`metadata["a"] = …`, `messages.append(…)`) enters nothing: set the
# field again (`message.metadata = message.metadata`), and it is looked at.
#
# For each type of struct a function is generated that looks at the fields that may hold a float, and at no other.
#
# Source: RFC 8259, section 6.

NO_FLOAT = frozenset({str, int, bool, type(None), UnsetType, bytes})
"""Types of values that need no look, and of fields."""


COLLECTIONS = (list, tuple, set, frozenset)

Look = Callable[[Any], bool]


class _Looks(dict[type, Look]):
    """Type → function that tells whether all numbers in a value of that type are finite; made when first needed.

    Args:
        arrays: look into arrays of numbers.
    """

    def __init__(self, arrays: bool) -> None:
        super().__init__({float: isfinite, list: self.all_in_list, dict: self.all_in_dict})
        if arrays:
            self[np.ndarray] = _all_in_array

    def __missing__(self, type_: type) -> Look:
        self[type_] = self.generated(type_) if issubclass(type_, msgspec.Struct) else self.of_kind(type_)
        return self[type_]

    def of_kind(self, type_: type) -> Look:
        """Choose the look of a type that is not JSON's own: libraries write subclasses, tuples and numpy's numbers."""
        if issubclass(type_, (float, np.floating)):
            return isfinite
        if issubclass(type_, COLLECTIONS):
            return self.all_in_list
        return self.all_in_dict if issubclass(type_, dict) else _nothing_inside

    def all_in_list(self, values: Iterable[Any]) -> bool:
        """Look at the items of a list, a tuple or a set."""
        for value in values:
            type_ = type(value)
            if type_ not in NO_FLOAT and not self[type_](value):
                return False
        return True

    def all_in_dict(self, values: dict[Any, Any]) -> bool:
        """Look at the values of an object."""
        for value in values.values():
            type_ = type(value)
            if type_ not in NO_FLOAT and not self[type_](value):
                return False
        return True

    def generated(self, type_: type[msgspec.Struct]) -> Look:
        """Generate the function for a struct: straight-line code, which beats a loop over sixty fields of a type."""
        hints = get_type_hints(type_, include_extras=True)
        lines = ["def look(m):"]
        for name in type_.__struct_fields__:
            if may_hold_float(hints[name]):
                lines += [f"    v = m.{name}", "    if v is not UNSET and type(v) not in NO_FLOAT:"]
                lines += ["        if not LOOKS[type(v)](v):", "            return False"]
        namespace: dict[str, Any] = {"UNSET": UNSET, "NO_FLOAT": NO_FLOAT, "LOOKS": self}
        exec("\n".join([*lines, "    return True"]), namespace)
        look: Look = namespace["look"]
        return look


def _nothing_inside(value: Any) -> bool:
    """Let pass what holds no number."""
    return True


def _all_in_array(array: np.ndarray) -> bool:
    """Look at the numbers of an array; counting takes half the time of `all` (1,536 float32)."""
    if array.dtype.kind not in "fiub":
        return is_finite(array.tolist())
    return bool(np.count_nonzero(np.isfinite(array)) == array.size)


LOOKS, BESIDE_ARRAYS = _Looks(arrays=True), _Looks(arrays=False)


def is_finite(value: Any, arrays: bool = True) -> bool:
    """Return whether a value holds no NaN and no infinity.

    Args:
        value: a message, a struct, plain JSON values or an array.
        arrays: look into arrays as well.
    """
    type_ = type(value)
    try:
        return type_ in NO_FLOAT or (LOOKS if arrays else BESIDE_ARRAYS)[type_](value)
    except RecursionError:
        return _is_finite_at_any_depth(value, arrays)


def _is_finite_at_any_depth(value: Any, arrays: bool) -> bool:
    """Look as `is_finite` does, with a list in place of the interpreter's stack; at what holds itself only once."""
    waiting, seen = [value], set()
    while waiting:
        value = waiting.pop()
        if not isinstance(value, (*COLLECTIONS, dict, msgspec.Struct)):
            if not is_finite(value, arrays):
                return False
        elif id(value) not in seen:
            seen.add(id(value))
            if isinstance(value, msgspec.Struct):
                waiting += [getattr(value, name) for name in value.__struct_fields__]
            else:
                waiting += value.values() if isinstance(value, dict) else value
    return True


class Sealed:
    """The place of a message's seal, which is no field: it is not compared, encoded or copied."""

    # Not annotated: it would be taken for a field.
    __slots__ = ("seal",)


set_field = msgspec.structs.force_setattr
"""Set a field or the seal past what looks at values; 25 ns, half of what the slot's own descriptor takes."""


class Seals:
    """The seal that holds now, as `unbroken`; a message that bears it is known to hold finite numbers only."""

    __slots__ = ("unbroken",)

    def __init__(self) -> None:
        self.unbroken = object()


SEALS = Seals()
"""Look the seal up each time: it is another one as soon as one was broken."""


def _break_seals() -> None:
    """Let no seal hold that was set until now; a struct does not know in which messages it stands."""
    SEALS.unbroken = object()


def is_sealed(message: Any) -> bool:
    """Return whether all numbers in a message are known to be finite."""
    try:
        return bool(message.seal is SEALS.unbroken)
    except AttributeError:
        return False


def may_hold_float(hint: Any) -> bool:
    """Return whether a field of a type may hold a float, itself or somewhere inside."""
    if get_origin(hint) is Annotated:
        return may_hold_float(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return any(map(may_hold_float, get_args(hint)))
    if get_origin(hint) is list:
        return may_hold_float(get_args(hint)[0])
    return hint not in NO_FLOAT


T = TypeVar("T")

Opt = Union[T, None, UnsetType]
"""A field that may be absent (`UNSET`) or null (`None`)."""

Int = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""A signed 64-bit integer, the widest that every format here carries."""

Float = Annotated[float, Meta(ge=-1.7976931348623157e308, le=1.7976931348623157e308)]
"""A finite IEEE 754 double: JSON has no NaN and no infinity (RFC 8259, section 6)."""

Number = Int | Float
"""A JSON number; `1` and `1.0` stay different."""

if TYPE_CHECKING:
    Free: TypeAlias = Any
    Item: TypeAlias = Any
else:
    Free = object
    Inner = str | int | float | bool | list[Free] | dict[str, Free] | None
    Item = str | int | float | bool | list[Inner] | dict[str, Free] | None
"""Any JSON value, and any in a list. For `object` msgspec asks the `dec_hook` that a format may have, for `Any` it does
not; numbers and text in a list, of which there may be many, need not be looked at one by one.
"""

Json = Annotated[Free, "json"]
"""Any JSON value: a JSON Schema, metadata, provider settings. Schema codecs carry it as JSON text."""

Text = str | Annotated[int | float | bool | list[Item] | dict[str, Free], "json"]
"""Text, or whatever a server sends in its place. Schema codecs carry what is no string as JSON text."""

Label = str | Annotated[Int | Float | bool | dict[str, Free], "json"]
"""An id or a name, which some servers send as a number or an object."""

Count = Int | Annotated[Float | str, "json"]
"""An integer, which some servers send as `12.0` or `"12"`."""

Bare = str | int | float | bool | list[Item] | None
"""What may stand in a list of objects beside them."""

Texts = Annotated[list[Item], "strs"]
"""A list of strings; where something else is in it, schema codecs carry it as JSON text."""

Bytes = Annotated[list[Int | None], "bytes"]
"""A token's UTF-8 bytes, as the API lists them: integers 0 to 255; schema codecs carry others as JSON text."""

Tokens = Annotated[list[Int | list[Item] | None], "tokens"]
"""Token ids; packed 32-bit integers in the binary formats, JSON text where they are wider or nested."""

Prompt = Annotated[str | list[Item] | dict[str, Free], "prompt"]
"""A string, a list of strings, token ids, or a list of token-id lists; packed as such in the binary formats."""

Vector = Annotated[Free, "vector"]
"""An embedding: numpy float32 where every value is exactly float32, float64 or int64 where not; a list where integers
and floats are mixed; a string where the API sent base64."""

Vectors = Annotated[list[Free], "vectors"]
"""A list of `Vector`."""

OneVector = Annotated[str | list[Item], "vector"]
"""A `Vector` in a field that may hold an object instead."""

Never = Annotated[Mapping[str, Any], Meta(min_length=1, max_length=0)]


class _Nothing(Mapping[str, Any]):
    """An empty mapping that nobody can fill; what is pickled or copied comes back as the one object `NO_EXTRA`."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __reduce__(self) -> str:
        return "NO_EXTRA"


NO_EXTRA: Mapping[str, Any] = _Nothing()
"""The `extra` of a message that its type covers: one object for all, which nobody can fill by accident."""


class Part(
    msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """A struct inside a message. Fields that a document did not have are `UNSET`."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field; a number in it that is not finite breaks the seals, see `serlab.messages.base`."""
        set_field(self, name, value)
        if type(value) not in NO_FLOAT and not is_finite(value):
            _break_seals()


class Message(Part, Sealed, kw_only=True):
    """A whole request, response or chunk.

    `extra` holds what the types do not cover: JSON Pointer (RFC 6901) → value, from the root of the document. No
    document can set it by name, since no value satisfies its wire type.
    """

    extra: Never = msgspec.field(default=NO_EXTRA, name="$extra")


# Parts that several messages share: usage, errors, filter results, log probabilities.


class TokenDetails(Part):
    """What the tokens of a prompt or a completion were (OpenAI, OpenRouter, Mistral, xAI, Gemini)."""

    cached_tokens: Opt[Count] = UNSET
    audio_tokens: Opt[Count] = UNSET
    reasoning_tokens: Opt[Count] = UNSET
    accepted_prediction_tokens: Opt[Count] = UNSET
    rejected_prediction_tokens: Opt[Count] = UNSET
    text_tokens: Opt[Count] = UNSET
    image_tokens: Opt[Count] = UNSET
    video_tokens: Opt[Int] = UNSET
    cache_write_tokens: Opt[Int] = UNSET
    cache_creation_tokens: Opt[Int] = UNSET
    cache_creation_token_details: Opt[Json] = UNSET
    multimodal_tokens: Opt[Json] = UNSET
    messages: Opt[Json] = UNSET
    document_tokens: Opt[Count] = UNSET
    cached_tokens_details: Opt[Json] = UNSET


class CostDetails(Part):
    """What a call cost, split (OpenRouter)."""

    upstream_inference_cost: Opt[Number] = UNSET
    upstream_inference_prompt_cost: Opt[Number] = UNSET
    upstream_inference_completions_cost: Opt[Number] = UNSET
    upstream_inference_input_cost: Opt[Number] = UNSET
    upstream_inference_output_cost: Opt[Number] = UNSET
    input_audio_cache_read_tokens: Opt[Number] = UNSET


class Usage(Part):
    """Token counts, times and costs of one call, as the providers report them."""

    prompt_tokens: Opt[Count] = UNSET
    completion_tokens: Opt[Count] = UNSET
    total_tokens: Opt[Count] = UNSET
    prompt_tokens_details: Opt[TokenDetails] = UNSET
    completion_tokens_details: Opt[TokenDetails] = UNSET
    cost: Opt[Number | str | dict[str, Free]] = UNSET
    cost_details: Opt[CostDetails] = UNSET
    is_byok: Opt[bool] = UNSET
    prompt_cache_hit_tokens: Opt[Int] = UNSET
    prompt_cache_miss_tokens: Opt[Int] = UNSET
    cached_tokens: Opt[Count] = UNSET
    num_cached_tokens: Opt[Int] = UNSET
    reasoning_tokens: Opt[Count] = UNSET
    queue_time: Opt[Number] = UNSET
    prompt_time: Opt[Number] = UNSET
    completion_time: Opt[Number] = UNSET
    total_time: Opt[Number] = UNSET
    # Other names for the same counts: Anthropic-compatible gateways, Cohere, Voyage, Ollama.
    input_tokens: Opt[Count] = UNSET
    output_tokens: Opt[Count] = UNSET
    input_tokens_details: Opt[TokenDetails] = UNSET
    output_tokens_details: Opt[TokenDetails] = UNSET
    cache_creation_input_tokens: Opt[Int] = UNSET
    cache_read_input_tokens: Opt[Int] = UNSET
    prompt_audio_seconds: Opt[Number] = UNSET
    prompt_token_details: Opt[Json] = UNSET
    request_count: Opt[Int] = UNSET
    num_sources_used: Opt[Int] = UNSET
    num_search_queries: Opt[Int] = UNSET
    citation_tokens: Opt[Int] = UNSET
    search_context_size: Opt[str] = UNSET
    cost_in_usd_ticks: Opt[Int] = UNSET
    server_tool_use: Opt[Json] = UNSET
    pydantic_ai_gateway: Opt[Json] = UNSET
    service_tier: Opt[str] = UNSET
    latency_checkpoint: Opt[Json] = UNSET
    server_tool_use_details: Opt[Json] = UNSET
    tokens_per_second: Opt[Number] = UNSET
    prompt_tokens_per_second: Opt[Number] = UNSET
    time_per_output_token_ms: Opt[Number] = UNSET
    time_to_first_token_ms: Opt[Number] = UNSET
    draft_tokens: Opt[Count] = UNSET
    draft_tokens_acceptance: Opt[Number] = UNSET
    estimated_cost: Opt[Number | str] = UNSET
    cache_creation: Opt[Json] = UNSET
    audio_prompt_tokens: Opt[Count] = UNSET
    completion_token_details: Opt[Json] = UNSET


class ErrorBody(Part):
    """An error as a body or as an event inside a stream."""

    message: Opt[Text] = UNSET
    type: Opt[str] = UNSET
    param: Opt[Json] = UNSET
    code: Opt[str | Int] = UNSET
    status: Opt[str | Int] = UNSET
    status_code: Opt[Int] = UNSET
    failed_generation: Opt[str] = UNSET
    metadata: Opt[Json] = UNSET
    innererror: Opt[Json] = UNSET
    details: Opt[Json] = UNSET
    object: Opt[str] = UNSET
    error: Opt[Json] = UNSET
    request_id: Opt[str] = UNSET
    detail: Opt[Json] = UNSET


class ContentFilter(Part):
    """One verdict of a content filter (Azure OpenAI)."""

    filtered: Opt[bool] = UNSET
    severity: Opt[str] = UNSET
    detected: Opt[bool] = UNSET
    citation: Opt[Json] = UNSET
    details: Opt[Json] = UNSET
    id: Opt[str] = UNSET


class ContentFilterResults(Part):
    """The verdicts of a content filter on one prompt or choice (Azure OpenAI)."""

    hate: Opt[ContentFilter] = UNSET
    self_harm: Opt[ContentFilter] = UNSET
    sexual: Opt[ContentFilter] = UNSET
    violence: Opt[ContentFilter] = UNSET
    jailbreak: Opt[ContentFilter] = UNSET
    profanity: Opt[ContentFilter] = UNSET
    indirect_attack: Opt[ContentFilter] = UNSET
    protected_material_text: Opt[ContentFilter] = UNSET
    protected_material_code: Opt[ContentFilter] = UNSET
    ungrounded_material: Opt[ContentFilter] = UNSET
    custom_blocklists: Opt[Json] = UNSET
    error: Opt[ErrorBody] = UNSET


class PromptFilterResult(Part):
    """The verdicts on one prompt (Azure OpenAI)."""

    prompt_index: Opt[Int] = UNSET
    content_filter_results: Opt[ContentFilterResults] = UNSET
    content_filter_result: Opt[ContentFilterResults] = UNSET


class TopLogprob(Part):
    """One of the likeliest tokens at a position."""

    token: Opt[Text] = UNSET
    logprob: Opt[Number] = UNSET
    bytes: Opt[Bytes] = UNSET
    token_id: Opt[Int] = UNSET
    rank: Opt[Int] = UNSET


class TokenLogprob(Part):
    """The sampled token and its likeliest rivals."""

    token: Opt[Text] = UNSET
    logprob: Opt[Number] = UNSET
    bytes: Opt[Bytes] = UNSET
    top_logprobs: Opt[list[TopLogprob]] = UNSET
    token_id: Opt[Int] = UNSET


class Logprobs(Part):
    """Log probabilities of a choice: the chat form (`content`, `refusal`) and the older parallel lists."""

    content: Opt[list[TokenLogprob]] = UNSET
    refusal: Opt[list[TokenLogprob]] = UNSET
    tokens: Opt[Texts] = UNSET
    token_ids: Opt[Tokens] = UNSET
    token_logprobs: Opt[Json] = UNSET
    top_logprobs: Opt[Json] = UNSET
    text_offset: Opt[Json] = UNSET


AnyLogprobs = Logprobs | Annotated[list[Item] | Int | Float | bool, "json"]
"""Log probabilities; a list or one number from some servers."""

AnyError = str | ErrorBody | Annotated[list[Item] | Int | bool, "json"]
"""An error as text, as an object, or as a list of them."""


class TimeInfo(Part):
    """Server-side times in seconds (Cerebras)."""

    queue_time: Opt[Number] = UNSET
    prompt_time: Opt[Number] = UNSET
    completion_time: Opt[Number] = UNSET
    total_time: Opt[Number] = UNSET
    created: Opt[Number] = UNSET
