"""The official client speaks to the server."""

from typing import Any

import numpy as np
import openai
import pytest

from serlab.wire import Faults, Settings, running
from tests.wire.helpers import CHAT, HANG_S, bounded, client, trust

TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
MESSAGES: Any = CHAT["messages"]


def official(server: Any, **options: Any) -> openai.AsyncOpenAI:
    """Make the official client for a server."""
    settings = {"base_url": f"{server.addresses.http}/v1", "api_key": "none", "max_retries": 0, "timeout": HANG_S}
    return openai.AsyncOpenAI(**(settings | options))


def test_plain_answer() -> None:
    """Text, finish reason and usage are there; a shorter answer is given where it is asked for."""

    async def work() -> None:
        async with running(Settings(tokens=20)) as server, official(server) as api:
            answer = await api.chat.completions.create(model="m", messages=MESSAGES)
            short = await api.chat.completions.create(model="m", messages=MESSAGES, max_completion_tokens=5)
            assert len((answer.choices[0].message.content or "").split()) == 20
            assert answer.choices[0].finish_reason == "stop" and short.choices[0].finish_reason == "length"
            assert answer.usage and short.usage
            assert (answer.usage.completion_tokens, short.usage.completion_tokens) == (20, 5)
            assert [model.id async for model in api.models.list()] == ["serlab"]

    bounded(work())


def test_streamed_answer_is_the_plain_one_in_pieces() -> None:
    """The pieces make the same text, and the usage comes last where it is asked for."""

    async def work() -> None:
        async with running(Settings(tokens=30)) as server, official(server) as api:
            plain = await api.chat.completions.create(model="m", messages=MESSAGES)
            options: Any = {"include_usage": True}
            stream = await api.chat.completions.create(
                model="m", messages=MESSAGES, stream=True, stream_options=options
            )
            chunks = [chunk async for chunk in stream]
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            assert text == plain.choices[0].message.content
            assert chunks[-1].usage == plain.usage and chunks[-2].choices[0].finish_reason == "stop"
            assert len(chunks) == 33 and {chunk.id for chunk in chunks} == {plain.id}

    bounded(work())


def test_tool_call_whole_and_streamed() -> None:
    """Who must call a tool calls it, with arguments that are JSON, in pieces too."""

    async def work() -> None:
        async with running() as server, official(server) as api:
            fixed: Any = {"model": "m", "messages": MESSAGES, "tools": [TOOL], "tool_choice": "required"}
            answer = await api.chat.completions.create(**fixed)
            call: Any = (answer.choices[0].message.tool_calls or [])[0]
            assert call.function.name == "look_up" and answer.choices[0].finish_reason == "tool_calls"
            async with api.chat.completions.stream(**fixed) as stream:
                final: Any = await stream.get_final_completion()
            assert final.choices[0].message.tool_calls[0].function.arguments == call.function.arguments
            none = await api.chat.completions.create(**(fixed | {"tool_choice": "none"}))
            assert none.choices[0].message.tool_calls is None and none.choices[0].message.content

    bounded(work())


def test_embeddings_as_floats_and_as_base64_are_the_same_vectors() -> None:
    """The client asks for base64 by itself; a text has its vector in any company."""

    async def work() -> None:
        async with running(Settings(dimensions=64)) as server, official(server) as api:
            base64 = await api.embeddings.create(model="e", input=["one", "two"])
            floats = await api.embeddings.create(model="e", input="two", encoding_format="float", dimensions=64)
            vectors = [np.array(item.embedding, np.float32) for item in (*base64.data, *floats.data)]
            assert np.array_equal(vectors[1], vectors[2]) and not np.array_equal(vectors[0], vectors[1])
            assert vectors[0].shape == (64,) and 0.5 < np.linalg.norm(vectors[0]) < 1.5
            assert base64.usage.prompt_tokens == 2

    bounded(work())


def test_completion_of_a_prompt() -> None:
    """The older path works too, whole and streamed."""

    async def work() -> None:
        async with running(Settings(tokens=9)) as server, official(server) as api:
            whole = await api.completions.create(model="m", prompt="once")
            stream = await api.completions.create(model="m", prompt="once", stream=True)
            assert whole.choices[0].text == "".join([piece.choices[0].text async for piece in stream])

    bounded(work())


PROMPTS: Any = [
    ("once upon a time", 1, 5),
    (["x", "y"], 2, 2),
    ([1, 2], 1, 2),
    ([[1, 2], [3, 4, 5], [6]], 3, 6),
    ([7], 1, 1),
]


@pytest.mark.parametrize(("prompt", "choices", "tokens"), PROMPTS)
def test_each_prompt_has_its_choice_and_its_tokens_are_counted(prompt: Any, choices: int, tokens: int) -> None:
    """Texts are estimated at four characters a token, token ids are counted; a stream tells its choices by index."""

    async def work() -> None:
        fixed: Any = {"model": "m", "prompt": prompt, "max_tokens": 4}
        async with running() as server, official(server) as api:
            whole = await api.completions.create(**fixed)
            assert [choice.index for choice in whole.choices] == list(range(choices))
            assert whole.usage and whole.usage.prompt_tokens == tokens
            assert whole.usage.completion_tokens == 4 * choices == server.stats.tokens
            stream = await api.completions.create(**fixed, stream=True, stream_options={"include_usage": True})
            texts, usage = [""] * choices, None
            async for piece in stream:
                texts[piece.choices[0].index] += piece.choices[0].text
                usage = piece.usage or usage
            assert texts == [choice.text for choice in whole.choices] and usage == whole.usage
            assert server.stats.tokens == 8 * choices

    bounded(work())


def test_prompt_has_the_same_continuation_in_any_company() -> None:
    """Beside others, alone in a list, or by itself; other prompts have others."""

    async def work() -> None:
        async with running() as server, official(server) as api:
            asked: Any = (["x", "y", "x"], ["y"], "y", [[5, 6], [7]], [7])
            answers = [await api.completions.create(model="m", prompt=prompt) for prompt in asked]
            texts = [[choice.text for choice in answer.choices] for answer in answers]
            assert texts[0][1:2] == texts[1] == texts[2] and texts[3][1:] == texts[4]
            assert texts[0][0] == texts[0][2] != texts[0][1]
            assert len({answer.id for answer in answers}) == 4

    bounded(work())


@pytest.mark.parametrize(
    ("given", "tokens", "vectors"), [([1, 2], 2, 1), ([[1, 2], [3]], 3, 2), (["one", "two"], 2, 2)]
)
def test_embedded_token_ids_are_counted(given: Any, tokens: int, vectors: int) -> None:
    """A list of ids is one input, a list of lists has as many as it has lists."""

    async def work() -> None:
        async with running(Settings(dimensions=8)) as server, official(server) as api:
            answer = await api.embeddings.create(model="e", input=given)
            assert [item.index for item in answer.data] == list(range(vectors))
            assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (tokens, tokens)

    bounded(work())


ODD_INPUTS: Any = [[], [[]], [1, "x"], ["x", 1], ["x", [1]], [-1], [True], [1.5], [None], {"a": 1}, ["x"] * 2049]


@pytest.mark.parametrize("given", ODD_INPUTS, ids=lambda given: repr(given)[:12])
@pytest.mark.parametrize(("path", "param"), [("completions", "prompt"), ("embeddings", "input")])
def test_other_prompts_are_refused(path: str, param: str, given: Any) -> None:
    """The refusal says what is taken."""

    async def work() -> None:
        async with running() as server, client(server) as http:
            answer = await http.post(f"/v1/{path}", json={"model": "m", param: given})
            error = answer.json()["error"]
            assert answer.status_code == 400 and error["param"] == param and "token ids" in error["message"]

    bounded(work())


def test_client_works_over_http2_and_tls() -> None:
    """With its own HTTP client told whom to trust."""

    async def work() -> None:
        async with running() as server:
            http = openai.DefaultAsyncHttpxClient(verify=trust(server.addresses), http2=True, trust_env=False)
            async with official(server, base_url=f"{server.addresses.https}/v1", http_client=http) as api:
                raw = await api.chat.completions.with_raw_response.create(model="m", messages=MESSAGES)
                assert raw.http_response.http_version == "HTTP/2"

    bounded(work())


@pytest.mark.parametrize(
    ("faults", "error", "status"),
    [(Faults(error=1), openai.InternalServerError, 500), (Faults(rate_limit=1), openai.RateLimitError, 429)],
)
def test_client_raises_its_own_errors(faults: Faults, error: type[openai.APIStatusError], status: int) -> None:
    """The errors have the API's shape, so the client knows them."""

    async def work() -> None:
        async with running(Settings(faults=faults)) as server, official(server) as api:
            with pytest.raises(error) as caught:
                await api.chat.completions.create(model="m", messages=MESSAGES)
            assert caught.value.status_code == status and caught.value.code and caught.value.type

    bounded(work())


@pytest.mark.parametrize(
    ("fields", "param"), [({"messages": []}, "messages"), ({"n": 2}, "n"), ({"max_tokens": 0}, "max_tokens")]
)
def test_what_is_not_done_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    """The parameter at fault is named, as the API does."""

    async def work() -> None:
        async with running() as server, client(server) as http:
            answer = await http.post("/v1/chat/completions", json={**CHAT, **fields})
            assert answer.status_code == 400 and answer.json()["error"]["param"] == param
            assert server.stats.refused == 1 and server.stats.active == 0

    bounded(work())
