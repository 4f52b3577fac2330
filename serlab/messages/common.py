"""Parts that several messages share: usage, errors, filter results, log probabilities."""

from typing import Annotated

from serlab.messages.base import (
    UNSET,
    Bytes,
    Count,
    Float,
    Free,
    Int,
    Item,
    Json,
    Number,
    Opt,
    Part,
    Text,
    Texts,
    Tokens,
)


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
