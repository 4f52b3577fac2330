"""Named, seeded messages of one kind, and the field that `read-one` reads.

The same name and seed give the same messages on every machine: only `random.Random.random` is used, whose values are
fixed by the Python documentation, and of arithmetic only what IEEE 754 rounds correctly. `**` on floats asks the C
library, and `sum` of floats adds otherwise since Python 3.12. The text is synthetic; see `serlab.workloads` for
what that means for compressed sizes.
"""

import json
import math
import struct
from base64 import b64encode
from bisect import bisect, bisect_right
from collections.abc import Callable
from functools import cache
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple

from serlab.errors import UnknownNameError
from serlab.messages import from_document

# Seeded text that looks like language: English with Zipf-weighted words, Chinese by characters.
#
# Synthetic text compresses otherwise than real text (its words recur as a vocabulary's weights say, not as a subject
# does), so compressed sizes on the built-in workloads are indications; your own traffic gives the figure.

WORDS = """the of and to a in is it you that he was for on are with as his they be at one have this from or had by hot
but some what there we can out other were all your when up use word how said an each she which do their time if will
way about many then them would write like so these her long make thing see him two has look more day could go come did
my sound no most number who over know water than call first people may down side been now find any new work part take
get place made live where after back little only round man year came show every good me give our under name very
through just form much great think say help low line before turn cause same mean differ move right boy old too does
tell sentence set three want air well also play small end put home read hand port large spell add even land here must
big high such follow act why ask men change went light kind off need house picture try us again animal point mother
world near build self earth father head stand own page should country found answer school grow study still learn plant
cover food sun four thought let keep eye never last door between city tree cross since hard start might story saw far
sea draw left late run while press close night real life few stop open seem together next white children begin got walk
example ease paper often always music those both mark book letter until mile river car feet care second group carry
took rain eat room friend began idea fish mountain north once base hear horse cut sure watch color face wood main enough
plain girl usual young ready above ever red list though feel talk bird soon body dog family direct pose leave song
measure state product black short numeral class wind question happen complete ship area half rock order fire south
problem piece told knew pass farm top whole king size heard best hour better true during hundred remember step early
hold west ground interest reach fast five sing listen six table travel less morning ten simple several vowel toward war
lay against pattern slow center love person money serve appear road map science rule govern pull cold notice voice fall
power town fine certain fly unit lead cry dark machine note wait plan figure star box noun field rest correct able pound
done beauty drive stood contain front teach week final gave green quick develop sleep warm free minute strong special
mind behind clear tail produce fact street inch lot nothing course stay wheel full force blue object decide surface deep
moon island foot yet busy test record boat common gold possible plane age dry wonder laugh thousand ago ran check game
shape yes cool miss brought heat snow bed bring sit perhaps fill east weight language among request response token model
server latency cache index vector schema buffer message stream client budget invoice customer account policy deploy
region cluster memory thread error retry timeout payload version field format column report summary review meeting
""".split()  # noqa: SIM905, a list of strings would take one line a word
CHINESE = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成"
    "方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工"
    "使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表"
    "化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结"
)
MARKS = "，。，、；，。，"


@cache
def _weights(size: int) -> tuple[float, ...]:
    """Sum up Zipf's weights, 1 / rank, for a vocabulary."""
    return tuple(accumulate(1.0 / (rank + 2.7) for rank in range(size)))


def _word(random: Random) -> str:
    """Draw a word."""
    sums = _weights(len(WORDS))
    return WORDS[bisect(sums, random.random() * sums[-1])]


def _sentence(random: Random) -> str:
    """Write a sentence of 5 to 20 words."""
    words = [_word(random) for _ in range(5 + int(random.random() * 16))]
    if len(words) > 11:
        words[len(words) // 2] += ","
    text = " ".join(words)
    return text[0].upper() + text[1:] + "."


def english(random: Random, length: int) -> str:
    """Write about `length` characters: paragraphs, now and then a list or a line of code."""
    parts: list[str] = []
    size = 0
    while size < length:
        part = _sentence(random)
        part += "\n\n" if random.random() < 0.12 else " "
        if random.random() < 0.06:
            said, called = f"**{_word(random)}**: {_word(random)}", f"{_word(random)}_{_word(random)}"
            part += f"- {said} `{called}({int(random.random() * 1000)})`\n"
        parts.append(part)
        size += len(part)
    return "".join(parts)[:length]


def _chinese(random: Random, length: int) -> str:
    """Write `length` characters of Chinese."""
    sums = _weights(len(CHINESE))
    characters: list[str] = []
    while len(characters) < length:
        characters += (CHINESE[bisect(sums, random.random() * sums[-1])] for _ in range(4 + int(random.random() * 12)))
        characters.append(MARKS[int(random.random() * len(MARKS))])
    return "".join(characters[:length])


def _identifier(random: Random, prefix: str, length: int = 24) -> str:
    """Make an id as APIs do: a prefix and random letters and digits."""
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    return prefix + "".join(alphabet[int(random.random() * 62)] for _ in range(length))


# Token lengths of real requests, as quantiles of published traces.
#
# Sources: the Azure LLM inference trace 2023, conversation and code (Azure public dataset, CC-BY-4.0; 19,366 and 8,819
# requests), and the Mooncake conversation trace (Apache-2.0; 12,031 requests). Quantiles are of inputs and of outputs
# apart: how the two go together is not kept.

PERCENT = (0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100)
"""The percentages at which the quantiles stand."""

CHARACTERS_PER_TOKEN = 4
"""Of English text, the rule of thumb in OpenAI's tokenizer documentation."""


class _Trace(NamedTuple):
    """Quantiles of a trace at `PERCENT`, in tokens."""

    input: tuple[int, ...]
    output: tuple[int, ...]


TRACES = {
    "azure-conv": _Trace(
        (2, 29, 181, 207, 396, 1020, 1189, 2734, 4083, 4142, 14050),
        (7, 16, 41, 54, 85, 129, 395, 424, 451, 601, 1000),
    ),
    "azure-code": _Trace(
        (3, 17, 75, 147, 578, 1469, 2745, 5186, 7302, 7436, 7437),
        (6, 6, 6, 7, 9, 13, 24, 55, 90, 252, 1899),
    ),
    "mooncake-conv": _Trace(
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


# Chat workloads: requests, responses and a stream, in the shape that the APIs send.

MODEL = "gpt-4o-2024-08-06"
CREATED = 1_754_432_626
IMAGE_BYTES = 786_432
"""Makes 1 MiB of base64."""


def _turn(role: str, content: Any) -> dict[str, Any]:
    """Build one message of a conversation."""
    return {"role": role, "content": content}


def _chat_turn(random: Random) -> list[Any]:
    """Build a short conversation."""
    roles = ("system", "user", "assistant", "user")
    turns = [_turn(role, english(random, length)) for role, length in zip(roles, (400, 350, 700, 300), strict=True)]
    settings = {"temperature": 0.7, "top_p": 1.0, "max_tokens": 1024, "stream": True, "user": _identifier(random, "u-")}
    return [{"model": MODEL, "messages": turns, **settings, "stream_options": {"include_usage": True}}]


def _agent_request(random: Random) -> list[Any]:
    """Build an agent's request: tools, and a history of calls and results."""
    tools = [_tool(random, i) for i in range(20)]
    turns = [_turn("system", english(random, 3000)), _turn("user", english(random, 600))]
    for _ in range(29):
        turns += _tool_exchange(random, tools)
    turns.append(_turn("user", english(random, 200)))
    settings = {"tool_choice": "auto", "parallel_tool_calls": True, "temperature": 0.2, "max_completion_tokens": 4096}
    return [{"model": MODEL, "messages": turns, "tools": tools, **settings}]


def _tool(random: Random, number: int) -> dict[str, Any]:
    """Build a tool with a JSON Schema of 3 to 7 properties."""
    properties = {f"{_word(random)}_{i}": _schema(random) for i in range(3 + int(random.random() * 5))}
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties)[:2],
        "additionalProperties": False,
    }
    function = {"name": f"{_word(random)}_{_word(random)}_{number}", "description": english(random, 160)}
    return {"type": "function", "function": {**function, "parameters": parameters, "strict": True}}


def _schema(random: Random) -> dict[str, Any]:
    """Build the schema of one property."""
    forms: list[dict[str, Any]] = [
        {"type": "string", "description": _sentence(random)},
        {"type": "string", "enum": [_word(random) for _ in range(4)]},
        {"type": "integer", "minimum": 0, "maximum": 100, "description": _sentence(random)},
        {"type": "array", "items": {"type": "string"}, "description": _sentence(random)},
        {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
    ]
    return forms[int(random.random() * len(forms))]


def _tool_exchange(random: Random, tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Build a call, its result and what the model makes of it."""
    call = tool_call(random, tools[int(random.random() * len(tools))]["function"]["name"])
    rows = [{"id": i, _word(random): _sentence(random), "score": round(random.random(), 4)} for i in range(12)]
    result = {"role": "tool", "tool_call_id": call["id"], "content": json.dumps({"rows": rows})}
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    return [asked, result, _turn("assistant", english(random, 700)), _turn("user", english(random, 250))]


def tool_call(random: Random, name: str) -> dict[str, Any]:
    """Build a call whose arguments are JSON text."""
    arguments = {_word(random): _sentence(random), "limit": int(random.random() * 50), "exact": random.random() < 0.5}
    return {
        "id": _identifier(random, "call_"),
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(arguments)},
    }


def _rag_request(random: Random) -> list[Any]:
    """Build a question over a long context in two languages."""
    passages = [english(random, 1500) if i % 3 else _chinese(random, 700) for i in range(24)]
    context = "\n\n".join(f"[{i + 1}] {passage}" for i, passage in enumerate(passages))
    turns = [_turn("system", english(random, 300)), _turn("user", f"{context}\n\n请回答:{_chinese(random, 30)}")]
    return [{"model": MODEL, "messages": turns, "temperature": 0, "max_tokens": 800}]


def _image_request(random: Random) -> list[Any]:
    """Build a question about an image given as base64."""
    url = f"data:image/jpeg;base64,{b64encode(_noise(random, IMAGE_BYTES)).decode()}"
    parts = [
        {"type": "text", "text": _sentence(random)},
        {"type": "image_url", "image_url": {"url": url, "detail": "high"}},
    ]
    return [{"model": MODEL, "messages": [_turn("user", parts)], "max_tokens": 300}]


def _noise(random: Random, size: int) -> bytes:
    """Draw bytes that do not compress, as those of a JPEG; `size` is a multiple of 4."""
    draw = random.random
    return struct.pack(f">{size // 4}I", *[int(draw() * 2**32) for _ in range(size // 4)])


def usage(prompt: int, completion: int) -> dict[str, Any]:
    """Build a usage report with its details."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _response(random: Random, message: dict[str, Any], finish: str, logprobs: Any = None) -> dict[str, Any]:
    """Build a whole answer around its message."""
    choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": finish}
    return {
        "id": _identifier(random, "chatcmpl-"),
        "object": "chat.completion",
        "created": CREATED,
        "model": MODEL,
        "choices": [choice],
        "usage": usage(812, 431),
        "service_tier": "default",
        "system_fingerprint": _identifier(random, "fp_", 10),
    }


def _answer(content: str | None, **fields: Any) -> dict[str, Any]:
    """Build an answer's message with the nulls that the API sends."""
    return {"role": "assistant", "content": content, **fields, "refusal": None, "annotations": []}


def _tool_call_response(random: Random) -> list[Any]:
    """Build an answer that calls two tools."""
    calls = [tool_call(random, f"{_word(random)}_{_word(random)}") for _ in range(2)]
    return [_response(random, _answer(None, tool_calls=calls), "tool_calls")]


def _chat_response(random: Random) -> list[Any]:
    """Build an answer of some paragraphs."""
    return [_response(random, _answer(english(random, 1700)), "stop")]


def _logprobs_response(random: Random) -> list[Any]:
    """Build an answer with log probabilities of every token."""
    entries = [{**_logprob(random), "top_logprobs": [_logprob(random) for _ in range(5)]} for _ in range(500)]
    content = "".join(entry["token"] for entry in entries)
    return [_response(random, _answer(content), "stop", {"content": entries, "refusal": None})]


def _logprob(random: Random) -> dict[str, Any]:
    """Build one token with its log probability and bytes."""
    token, share = f" {_word(random)}", random.random()
    return {"token": token, "logprob": -12.5 * share * share * share, "bytes": list(token.encode())}


def _stream(random: Random) -> list[Any]:
    """Build the chunks of a streamed answer: the role, words, the finish reason, the usage."""
    head = {
        "id": _identifier(random, "chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": MODEL,
    }
    head |= {"service_tier": "default", "system_fingerprint": _identifier(random, "fp_", 10)}
    deltas = [{"role": "assistant", "content": "", "refusal": None}]
    deltas += [{"content": f" {_word(random)}"} for _ in range(497)]
    chunks = [_chunk(head, [_choice(delta, None)], None, random) for delta in deltas]
    return [*chunks, _chunk(head, [_choice({}, "stop")], None, random), _chunk(head, [], usage(812, 497), random)]


def _choice(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    """Build one choice of a chunk."""
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _chunk(head: dict[str, Any], choices: list[Any], used: Any, random: Random) -> dict[str, Any]:
    """Build one chunk; the padding hides token lengths from an observer."""
    padding = _identifier(random, "", 2 + int(random.random() * 10))
    return {**head, "choices": choices, "usage": used, "obfuscation": padding}


def _mix(name: str) -> Callable[[Random], list[Any]]:
    """Return the builder of a traffic mix: one request in each sixteenth of the trace's lengths, in random order."""
    trace, count = TRACES[name], 16

    def build(random: Random) -> list[Any]:
        shares = [(i + random.random()) / count for i in range(count)]
        requests = [_mixed_request(random, tokens_at(trace.input, share), trace.output) for share in shares]
        order = sorted(range(count), key=[random.random() for _ in range(count)].__getitem__)
        return [requests[i] for i in order]

    return build


def _mixed_request(random: Random, tokens: int, output: tuple[int, ...]) -> dict[str, Any]:
    """Build a conversation whose text has about so many tokens."""
    characters = tokens * CHARACTERS_PER_TOKEN
    pieces = max(1, min(9, characters // 800)) | 1
    roles = ["user" if i % 2 == 0 else "assistant" for i in range(pieces)]
    turns = [_turn(role, english(random, max(1, characters // pieces))) for role in roles]
    limit = tokens_at(output, random.random())
    return {"model": MODEL, "messages": turns, "temperature": 1.0, "max_completion_tokens": limit, "stream": True}


# Workloads of numbers: embeddings and token ids.

VECTORS, DIMENSIONS = 32, 1536
"""A batch of 32 texts through a model with 1,536 dimensions (OpenAI's text-embedding-3-small)."""

TOKENS, VOCABULARY = 40_000, 128_000
"""A long prompt, and a vocabulary of the size that current models have."""


def _embeddings(random: Random) -> list[Any]:
    """Build an embeddings response whose values are exactly float32."""
    data = [{"object": "embedding", "index": i, "embedding": _unit_vector(random)} for i in range(VECTORS)]
    usage = {"prompt_tokens": 512, "total_tokens": 512}
    return [{"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage}]


def _unit_vector(random: Random) -> list[float]:
    """Draw a direction: sums of uniform numbers, near to normal, scaled to length 1 and rounded to float32."""
    draw = random.random
    values = [draw() + draw() + draw() - 1.5 for _ in range(DIMENSIONS)]
    length = math.sqrt(math.fsum(value * value for value in values))
    packed = struct.pack(f"<{DIMENSIONS}f", *(value / length for value in values))
    return list(struct.unpack(f"<{DIMENSIONS}f", packed))


def _eighth_power(share: float) -> float:
    """Bend a share of 0 to 1 towards 0."""
    square = share * share
    fourth = square * square
    return fourth * fourth


def _token_ids(random: Random) -> list[Any]:
    """Build a generation request with token ids; small ids are the frequent ones, as in a trained vocabulary."""
    ids = [int(VOCABULARY * _eighth_power(random.random())) for _ in range(TOKENS)]
    sampling = {"temperature": 0.7, "top_p": 0.95, "max_tokens": 512, "stop_token_ids": [2], "seed": 7}
    return [{"model": "llama-3.1-70b", "prompt_token_ids": ids, **sampling, "stream": True}]


Reader = Callable[[Any], Any]


class Workload(NamedTuple):
    """A row of the table: the kind of message, what it stands for, and what builds its documents."""

    kind: str
    description: str
    build: Callable[[Random], list[Any]]


WORKLOADS: dict[str, Workload] = {
    "chat-turn": Workload("ChatRequest", "a short conversation, about 2 kB", _chat_turn),
    "agent-request": Workload("ChatRequest", "20 tools and a long history, about 100 kB", _agent_request),
    "rag-request": Workload("ChatRequest", "one long context, English and Chinese, about 40 kB", _rag_request),
    "image-request": Workload("ChatRequest", "one image as 1 MB of base64", _image_request),
    "tool-call-response": Workload("ChatResponse", "an answer with two tool calls", _tool_call_response),
    "chat-response": Workload("ChatResponse", "an answer of about 2 kB", _chat_response),
    "logprobs-response": Workload("ChatResponse", "500 tokens × 5 log probabilities", _logprobs_response),
    "stream": Workload("ChatChunk", "500 chunks of one streamed answer", _stream),
    "embeddings": Workload("EmbeddingResponse", "32 vectors of 1,536 float32", _embeddings),
    "token-ids": Workload("GenerateRequest", "a prompt of 40,000 token ids", _token_ids),
    "azure-conv": Workload(
        "ChatRequest", "16 requests, lengths as in Azure's 2023 conversation trace", _mix("azure-conv")
    ),
    "azure-code": Workload("ChatRequest", "16 requests, lengths as in Azure's 2023 code trace", _mix("azure-code")),
    "mooncake-conv": Workload(
        "ChatRequest", "16 requests, lengths as in Mooncake's conversation trace", _mix("mooncake-conv")
    ),
}

READERS: dict[str, tuple[str, Reader]] = {
    "ChatRequest": ("messages[-1].content", lambda message: message.messages[-1].content),
    "ChatResponse": ("choices[0].message.content", lambda message: message.choices[0].message.content),
    "ChatChunk": ("model", lambda message: message.model),
    "EmbeddingRequest": ("model", lambda message: message.model),
    "EmbeddingResponse": ("data[0].embedding", lambda message: message.data[0].embedding),
    "GenerateRequest": ("prompt_token_ids", lambda message: message.prompt_token_ids),
    "GenerateResponse": ("finish_reason", lambda message: message.finish_reason),
}
"""Kind → the field that `read-one` reads, by name and as a function of a message or a view."""


def names() -> list[str]:
    """List the workloads."""
    return list(WORKLOADS)


def _find(name: str) -> Workload:
    """Look a workload up.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in WORKLOADS:
        raise UnknownNameError.of("workload", name, names())
    return WORKLOADS[name]


def kind(name: str) -> str:
    """Name the message type of a workload."""
    return _find(name).kind


def documents(name: str, seed: int = 0) -> list[Any]:
    """Build a workload's documents.

    Args:
        name: one of `names()`.
        seed: another seed gives other text and numbers of the same shape.
    """
    return _find(name).build(Random(f"{name}/{seed}"))


def build(name: str, seed: int = 0) -> list[Any]:
    """Build a workload's messages, all of one kind.

    Args:
        name: one of `names()`.
        seed: another seed gives other text and numbers of the same shape.

    Returns:
        The messages, equal for equal arguments.

    Raises:
        UnknownNameError: there is no such workload.
    """
    return [from_document(kind(name), document) for document in documents(name, seed)]


def read_one(kind_: str) -> Reader | None:
    """Return the function that reads the named field of a message or a view; None for kinds without one."""
    return READERS[kind_][1] if kind_ in READERS else None
