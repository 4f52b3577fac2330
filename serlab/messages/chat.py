"""Chat responses and stream chunks in the chat-completions wire shape; requests stand in `chatrequest`.

Source: the OpenAI API reference (chat completions) and what compatible providers add to it: Azure OpenAI, Cerebras,
DeepSeek, Gemini, Groq, Mistral, OpenRouter, Perplexity, SGLang, Together, vLLM, xAI, Z.ai, LiteLLM.
"""

from typing import Annotated

from serlab.messages.base import UNSET, Count, Int, Item, Json, Label, Message, Number, Opt, Part, Text, Texts, Tokens
from serlab.messages.common import (
    AnyError,
    AnyLogprobs,
    ContentFilterResults,
    ErrorBody,
    PromptFilterResult,
    TimeInfo,
    Usage,
)
from serlab.messages.content import SearchResult
from serlab.messages.settings import ResponseFormat, StreamOptions, Tool, ToolChoice
from serlab.messages.turns import ChatDelta, ChatReply


class ChatChoice(Part):
    """One answer of a response."""

    index: Opt[Count] = UNSET
    message: Opt[ChatReply] = UNSET
    logprobs: Opt[AnyLogprobs] = UNSET
    finish_reason: Opt[Label] = UNSET
    native_finish_reason: Opt[str] = UNSET
    stop_reason: Opt[str | Int] = UNSET
    content_filter_results: Opt[ContentFilterResults] = UNSET
    seed: Opt[Json] = UNSET
    matched_stop: Opt[str | Int] = UNSET
    token_ids: Opt[Tokens] = UNSET
    error: Opt[ErrorBody | Annotated[str | list[Item] | Int | bool, "json"]] = UNSET
    delta: Opt[ChatDelta] = UNSET
    text: Opt[Text] = UNSET
    prompt_token_ids: Opt[Tokens] = UNSET
    content_filter_offsets: Opt[Json] = UNSET


class ChunkChoice(Part):
    """One piece of an answer in a stream."""

    index: Opt[Count] = UNSET
    delta: Opt[ChatDelta] = UNSET
    logprobs: Opt[AnyLogprobs] = UNSET
    finish_reason: Opt[Label] = UNSET
    native_finish_reason: Opt[str] = UNSET
    stop_reason: Opt[str | Int] = UNSET
    content_filter_results: Opt[ContentFilterResults] = UNSET
    token_ids: Opt[Tokens] = UNSET
    matched_stop: Opt[str | Int] = UNSET
    message: Opt[ChatReply] = UNSET
    text: Opt[Text] = UNSET
    prompt_token_ids: Opt[Tokens] = UNSET
    seed: Opt[Json] = UNSET
    content_filter_offsets: Opt[Json] = UNSET
    provider_specific_fields: Opt[Json] = UNSET


class XGroq(Part):
    """Groq's own envelope: the request id, the seed, and a stream's usage."""

    id: Opt[str] = UNSET
    seed: Opt[Int] = UNSET
    usage: Opt[Usage] = UNSET
    error: Opt[str] = UNSET
    debug: Opt[Json] = UNSET
    usage_breakdown: Opt[Json] = UNSET


class ChatResponse(Message):
    """A whole answer."""

    id: Opt[Label] = UNSET
    object: Opt[str] = UNSET
    created: Opt[Number | str] = UNSET
    model: Opt[str] = UNSET
    choices: Opt[list[ChatChoice]] = UNSET
    usage: Opt[Usage] = UNSET
    service_tier: Opt[str] = UNSET
    system_fingerprint: Opt[str] = UNSET
    provider: Opt[str] = UNSET
    x_groq: Opt[XGroq] = UNSET
    usage_breakdown: Opt[Json] = UNSET
    prompt_filter_results: Opt[list[PromptFilterResult]] = UNSET
    time_info: Opt[TimeInfo] = UNSET
    citations: Opt[Texts] = UNSET
    search_results: Opt[list[SearchResult]] = UNSET
    metadata: Opt[Json] = UNSET
    error: Opt[AnyError] = UNSET
    request_id: Opt[str] = UNSET
    prompt: Opt[Json] = UNSET
    prompt_logprobs: Opt[Json] = UNSET
    prompt_token_ids: Opt[Tokens] = UNSET
    kv_transfer_params: Opt[Json] = UNSET
    # A stored completion comes back with the settings of its request.
    request: Opt[Json] = UNSET
    temperature: Opt[Number] = UNSET
    top_p: Opt[Number] = UNSET
    presence_penalty: Opt[Number] = UNSET
    frequency_penalty: Opt[Number] = UNSET
    seed: Opt[Count] = UNSET
    tools: Opt[list[Tool]] = UNSET
    tool_choice: Opt[str | ToolChoice] = UNSET
    response_format: Opt[ResponseFormat | Annotated[str, "json"]] = UNSET
    moderation: Opt[Json] = UNSET
    timings: Opt[Json] = UNSET
    web_search: Opt[Json] = UNSET
    related_questions: Opt[Json] = UNSET
    message: Opt[Text] = UNSET
    result: Opt[Json] = UNSET
    prompt_text: Opt[Text] = UNSET
    openrouter_metadata: Opt[Json] = UNSET
    prompt_annotations: Opt[list[PromptFilterResult]] = UNSET


class ChatChunk(Message):
    """One event of a streamed answer."""

    id: Opt[Label] = UNSET
    object: Opt[str] = UNSET
    created: Opt[Number | str] = UNSET
    model: Opt[str] = UNSET
    service_tier: Opt[str] = UNSET
    system_fingerprint: Opt[str] = UNSET
    choices: Opt[list[ChunkChoice]] = UNSET
    usage: Opt[Usage] = UNSET
    obfuscation: Opt[str] = UNSET
    provider: Opt[str] = UNSET
    x_groq: Opt[XGroq] = UNSET
    error: Opt[AnyError] = UNSET
    prompt_filter_results: Opt[list[PromptFilterResult]] = UNSET
    time_info: Opt[TimeInfo] = UNSET
    citations: Opt[Texts] = UNSET
    search_results: Opt[list[SearchResult]] = UNSET
    prompt_token_ids: Opt[Tokens] = UNSET
    usage_breakdown: Opt[Json] = UNSET
    timings: Opt[Json] = UNSET
    p: Opt[str] = UNSET
    prompt_annotations: Opt[list[PromptFilterResult]] = UNSET
    provider_specific_fields: Opt[Json] = UNSET
    stream_options: Opt[StreamOptions] = UNSET
