"""Chat messages in the chat-completions wire shape.

Source: the OpenAI API reference (chat completions) and what compatible providers add to it: Azure OpenAI, Cerebras,
DeepSeek, Gemini, Groq, Mistral, OpenRouter, Perplexity, SGLang, Together, vLLM, xAI, Z.ai, LiteLLM.
"""

from typing import Any

from serlab.messages.base import UNSET, Int, Json, Message, Number, Opt, Part, Tokens
from serlab.messages.common import ContentFilterResults, ErrorBody, Logprobs, PromptFilterResult, TimeInfo, Usage


class FunctionCall(Part):
    """A call's function name and its arguments: JSON text in the API, an object from some servers."""

    name: Opt[str] = UNSET
    arguments: Opt[str | dict[str, Any]] = UNSET
    description: Opt[str] = UNSET
    parsed_arguments: Opt[Json] = UNSET
    thought_signature: Opt[str] = UNSET


class CustomCall(Part):
    """A call of a custom tool with free text."""

    name: Opt[str] = UNSET
    input: Opt[str] = UNSET


class ToolCall(Part):
    """A tool call, whole or, in a stream, a piece of one."""

    index: Opt[Int] = UNSET
    id: Opt[str] = UNSET
    type: Opt[str] = UNSET
    function: Opt[FunctionCall] = UNSET
    custom: Opt[CustomCall] = UNSET
    extra_content: Opt[Json] = UNSET
    thought_signature: Opt[str] = UNSET
    provider_specific_fields: Opt[Json] = UNSET
    cache_control: Opt[Json] = UNSET


class MediaUrl(Part):
    """An image, audio, video or document by address or data URI."""

    url: Opt[str] = UNSET
    detail: Opt[str] = UNSET
    format: Opt[str] = UNSET
    mime_type: Opt[str] = UNSET


class InputAudio(Part):
    """Audio as base64."""

    data: Opt[str] = UNSET
    format: Opt[str] = UNSET


class InputFile(Part):
    """A file by id or as base64."""

    file_id: Opt[str] = UNSET
    file_data: Opt[str] = UNSET
    filename: Opt[str] = UNSET
    file_url: Opt[str] = UNSET
    format: Opt[str] = UNSET
    mime_type: Opt[str] = UNSET


class CacheControl(Part):
    """A prompt-cache mark."""

    type: Opt[str] = UNSET
    ttl: Opt[str] = UNSET


class ThinkingPart(Part):
    """A piece of a thinking part (Mistral)."""

    type: Opt[str] = UNSET
    text: Opt[str] = UNSET
    reference_ids: Opt[Json] = UNSET


class ContentPart(Part):
    """One part of a message's content."""

    type: Opt[str] = UNSET
    text: Opt[str] = UNSET
    image_url: Opt[str | MediaUrl] = UNSET
    input_audio: Opt[InputAudio] = UNSET
    file: Opt[InputFile] = UNSET
    refusal: Opt[str] = UNSET
    cache_control: Opt[CacheControl] = UNSET
    video_url: Opt[str | MediaUrl] = UNSET
    audio_url: Opt[str | MediaUrl] = UNSET
    file_url: Opt[str | MediaUrl] = UNSET
    document_url: Opt[str | MediaUrl] = UNSET
    document_name: Opt[str] = UNSET
    input_video: Opt[Json] = UNSET
    video: Opt[Json] = UNSET
    image: Opt[Json] = UNSET
    thinking: Opt[str | list[ThinkingPart]] = UNSET
    signature: Opt[str] = UNSET
    closed: Opt[bool] = UNSET
    reference_ids: Opt[Json] = UNSET
    annotations: Opt[Json] = UNSET
    id: Opt[str] = UNSET
    name: Opt[str] = UNSET
    input: Opt[Json] = UNSET
    content: Opt[Json] = UNSET
    tool_use_id: Opt[str] = UNSET
    source: Opt[Json] = UNSET
    title: Opt[str] = UNSET
    data: Opt[str] = UNSET
    file_id: Opt[str] = UNSET
    media_type: Opt[str] = UNSET
    mime_type: Opt[str] = UNSET
    prompt_cache_breakpoint: Opt[Json] = UNSET


class ReasoningDetail(Part):
    """A piece of reasoning in a provider's own form (OpenRouter)."""

    type: Opt[str] = UNSET
    text: Opt[str] = UNSET
    summary: Opt[str | list[ThinkingPart]] = UNSET
    data: Opt[str] = UNSET
    id: Opt[str] = UNSET
    format: Opt[str] = UNSET
    index: Opt[Int] = UNSET
    signature: Opt[str] = UNSET


class ThinkingBlock(Part):
    """A thinking block passed on from another API (LiteLLM)."""

    type: Opt[str] = UNSET
    thinking: Opt[str] = UNSET
    signature: Opt[str] = UNSET
    data: Opt[str] = UNSET
    cache_control: Opt[CacheControl] = UNSET


class UrlCitation(Part):
    """A web page that the answer rests on; the indexes are into its text."""

    start_index: Opt[Int] = UNSET
    end_index: Opt[Int] = UNSET
    title: Opt[str] = UNSET
    url: Opt[str] = UNSET
    content: Opt[str] = UNSET
    type: Opt[str] = UNSET


class Annotation(Part):
    """A mark on the answer: a citation of a page or a file."""

    type: Opt[str] = UNSET
    url_citation: Opt[UrlCitation] = UNSET
    file_citation: Opt[Json] = UNSET
    file: Opt[Json] = UNSET
    index: Opt[Int] = UNSET
    start_index: Opt[Int] = UNSET
    end_index: Opt[Int] = UNSET
    title: Opt[str] = UNSET
    url: Opt[str] = UNSET


class SearchResult(Part):
    """A page that a search brought (Perplexity, Z.ai)."""

    title: Opt[str] = UNSET
    url: Opt[str] = UNSET
    link: Opt[str] = UNSET
    date: Opt[str] = UNSET
    last_updated: Opt[str] = UNSET
    snippet: Opt[str] = UNSET
    content: Opt[str] = UNSET
    source: Opt[str] = UNSET
    icon: Opt[str] = UNSET
    media: Opt[str] = UNSET
    refer: Opt[str] = UNSET
    publish_date: Opt[str] = UNSET


class Audio(Part):
    """Spoken output: base64 data and its transcript; in a request the id of an earlier answer."""

    id: Opt[str] = UNSET
    data: Opt[str] = UNSET
    expires_at: Opt[Int] = UNSET
    transcript: Opt[str] = UNSET
    voice: Opt[str] = UNSET
    format: Opt[str] = UNSET


class ImagePart(Part):
    """An image that the model made."""

    type: Opt[str] = UNSET
    index: Opt[Int] = UNSET
    image_url: Opt[str | MediaUrl] = UNSET


class ChatTurn(Part):
    """One message of a conversation, as a request carries it."""

    role: Opt[str] = UNSET
    content: Opt[str | list[ContentPart]] = UNSET
    tool_calls: Opt[list[ToolCall]] = UNSET
    tool_call_id: Opt[str] = UNSET
    name: Opt[str] = UNSET
    refusal: Opt[str] = UNSET
    reasoning: Opt[str | list[ReasoningDetail]] = UNSET
    reasoning_content: Opt[str | list[ContentPart]] = UNSET
    reasoning_details: Opt[list[ReasoningDetail]] = UNSET
    annotations: Opt[list[Annotation]] = UNSET
    function_call: Opt[FunctionCall] = UNSET
    audio: Opt[Audio] = UNSET
    cache_control: Opt[CacheControl] = UNSET
    prefix: Opt[bool] = UNSET
    thinking_blocks: Opt[list[ThinkingBlock]] = UNSET
    thinking: Opt[str] = UNSET
    thought_signature: Opt[str] = UNSET
    extra_content: Opt[Json] = UNSET
    images: Opt[list[ImagePart]] = UNSET
    partial: Opt[bool] = UNSET
    provider_specific_fields: Opt[Json] = UNSET
    reasoning_text: Opt[str] = UNSET
    reasoning_opaque: Opt[str] = UNSET
    encrypted_content: Opt[str] = UNSET
    executed_tools: Opt[Json] = UNSET
    tool_name: Opt[str] = UNSET
    tools: Opt[Json] = UNSET
    weight: Opt[Number] = UNSET
    end_turn: Opt[bool] = UNSET
    channel: Opt[str] = UNSET
    citations: Opt[Json] = UNSET
    prompt_cache_breakpoint: Opt[Json] = UNSET
    id: Opt[str] = UNSET
    metadata: Opt[Json] = UNSET


class ChatReply(Part):
    """The message of a whole answer."""

    role: Opt[str] = UNSET
    content: Opt[str | list[ContentPart]] = UNSET
    reasoning: Opt[str | list[ReasoningDetail]] = UNSET
    reasoning_content: Opt[str | list[ContentPart]] = UNSET
    tool_calls: Opt[list[ToolCall]] = UNSET
    refusal: Opt[str] = UNSET
    annotations: Opt[list[Annotation]] = UNSET
    reasoning_details: Opt[list[ReasoningDetail]] = UNSET
    function_call: Opt[FunctionCall] = UNSET
    audio: Opt[Audio] = UNSET
    images: Opt[list[ImagePart]] = UNSET
    thinking_blocks: Opt[list[ThinkingBlock]] = UNSET
    executed_tools: Opt[Json] = UNSET
    extra_content: Opt[Json] = UNSET
    thought_signature: Opt[str] = UNSET
    reasoning_text: Opt[str] = UNSET
    reasoning_opaque: Opt[str] = UNSET
    encrypted_content: Opt[str] = UNSET


class ChatDelta(Part):
    """What one chunk of a streamed answer adds to its message."""

    role: Opt[str] = UNSET
    content: Opt[str | list[ContentPart]] = UNSET
    reasoning: Opt[str | list[ReasoningDetail]] = UNSET
    reasoning_content: Opt[str | list[ContentPart]] = UNSET
    tool_calls: Opt[list[ToolCall]] = UNSET
    refusal: Opt[str] = UNSET
    reasoning_details: Opt[list[ReasoningDetail]] = UNSET
    function_call: Opt[FunctionCall] = UNSET
    annotations: Opt[list[Annotation]] = UNSET
    audio: Opt[Audio] = UNSET
    channel: Opt[str] = UNSET
    images: Opt[list[ImagePart]] = UNSET
    executed_tools: Opt[Json] = UNSET
    extra_content: Opt[Json] = UNSET
    reasoning_opaque: Opt[str] = UNSET


class FunctionSpec(Part):
    """A function that the model may call; `parameters` is any JSON Schema."""

    name: Opt[str] = UNSET
    description: Opt[str] = UNSET
    parameters: Opt[Json] = UNSET
    strict: Opt[bool] = UNSET
    returns: Opt[Json] = UNSET
    response: Opt[Json] = UNSET
    cache_control: Opt[CacheControl] = UNSET
    defer_loading: Opt[bool] = UNSET


class CustomSpec(Part):
    """A custom tool with free text as its input."""

    name: Opt[str] = UNSET
    description: Opt[str] = UNSET
    format: Opt[Json] = UNSET


class Tool(Part):
    """A tool of a request: a function, a custom tool or one that the provider runs."""

    type: Opt[str] = UNSET
    function: Opt[FunctionSpec] = UNSET
    custom: Opt[CustomSpec] = UNSET
    cache_control: Opt[CacheControl] = UNSET
    name: Opt[str] = UNSET
    description: Opt[str] = UNSET
    parameters: Opt[Json] = UNSET
    strict: Opt[bool] = UNSET
    input_schema: Opt[Json] = UNSET
    web_search: Opt[Json] = UNSET
    retrieval: Opt[Json] = UNSET
    server_label: Opt[str] = UNSET
    server_url: Opt[str] = UNSET
    allowed_tools: Opt[Json] = UNSET
    require_approval: Opt[Json] = UNSET
    headers: Opt[Json] = UNSET
    google_search: Opt[Json] = UNSET
    eager_input_streaming: Opt[bool] = UNSET
    defer_loading: Opt[bool] = UNSET
    max_uses: Opt[Int] = UNSET
    user_location: Opt[Json] = UNSET
    allowed_domains: Opt[Json] = UNSET
    blocked_domains: Opt[Json] = UNSET
    engine: Opt[str] = UNSET
    max_results: Opt[Int] = UNSET


class ToolChoice(Part):
    """Which tool the model is to call."""

    type: Opt[str] = UNSET
    function: Opt[FunctionCall] = UNSET
    custom: Opt[CustomCall] = UNSET
    name: Opt[str] = UNSET
    mode: Opt[str] = UNSET
    tools: Opt[Json] = UNSET
    allowed_tools: Opt[Json] = UNSET
    disable_parallel_tool_use: Opt[bool] = UNSET


class JsonSchema(Part):
    """A named JSON Schema that the answer has to fit."""

    name: Opt[str] = UNSET
    description: Opt[str] = UNSET
    schema: Opt[Json] = UNSET
    strict: Opt[bool] = UNSET


class ResponseFormat(Part):
    """What form the answer has to take."""

    type: Opt[str] = UNSET
    json_schema: Opt[JsonSchema] = UNSET
    schema: Opt[Json] = UNSET
    grammar: Opt[str] = UNSET


class StreamOptions(Part):
    """Settings of a streamed answer."""

    include_usage: Opt[bool] = UNSET
    include_obfuscation: Opt[bool] = UNSET
    continuous_usage_stats: Opt[bool] = UNSET
    chunk_include_usage: Opt[bool] = UNSET


class ReasoningOptions(Part):
    """How much the model is to reason (OpenRouter and others)."""

    effort: Opt[str] = UNSET
    max_tokens: Opt[Int] = UNSET
    exclude: Opt[bool] = UNSET
    enabled: Opt[bool] = UNSET
    summary: Opt[str] = UNSET


class ThinkingOptions(Part):
    """Whether the model is to think (Z.ai, DeepSeek, LiteLLM)."""

    type: Opt[str] = UNSET
    budget_tokens: Opt[Int] = UNSET
    clear_thinking: Opt[bool] = UNSET
    display: Opt[str] = UNSET


class Prediction(Part):
    """Text that the answer is likely to repeat."""

    type: Opt[str] = UNSET
    content: Opt[str | list[ContentPart]] = UNSET


class ChatRequest(Message):
    """A request for the next turn of a conversation."""

    model: Opt[str] = UNSET
    messages: Opt[list[ChatTurn]] = UNSET
    stream: Opt[bool] = UNSET
    stream_options: Opt[StreamOptions] = UNSET
    temperature: Opt[Number] = UNSET
    top_p: Opt[Number] = UNSET
    max_tokens: Opt[Int] = UNSET
    max_completion_tokens: Opt[Int] = UNSET
    n: Opt[Int] = UNSET
    stop: Opt[str | list[str]] = UNSET
    seed: Opt[Int] = UNSET
    presence_penalty: Opt[Number] = UNSET
    frequency_penalty: Opt[Number] = UNSET
    logit_bias: Opt[Json] = UNSET
    logprobs: Opt[bool | Int] = UNSET
    top_logprobs: Opt[Int] = UNSET
    tools: Opt[list[Tool]] = UNSET
    tool_choice: Opt[str | ToolChoice] = UNSET
    parallel_tool_calls: Opt[bool] = UNSET
    functions: Opt[list[FunctionSpec]] = UNSET
    function_call: Opt[str | FunctionCall] = UNSET
    response_format: Opt[ResponseFormat] = UNSET
    user: Opt[str] = UNSET
    metadata: Opt[Json] = UNSET
    store: Opt[bool] = UNSET
    service_tier: Opt[str] = UNSET
    modalities: Opt[list[str]] = UNSET
    audio: Opt[Audio] = UNSET
    prediction: Opt[Prediction] = UNSET
    reasoning_effort: Opt[str] = UNSET
    verbosity: Opt[str] = UNSET
    web_search_options: Opt[Json] = UNSET
    safety_identifier: Opt[str] = UNSET
    prompt_cache_key: Opt[str] = UNSET
    prompt_cache_retention: Opt[str] = UNSET
    prompt_cache_options: Opt[Json] = UNSET
    moderation: Opt[Json] = UNSET
    # Sampling settings of open servers (vLLM, SGLang, llama.cpp, Together, OpenRouter).
    top_k: Opt[Int] = UNSET
    min_p: Opt[Number] = UNSET
    top_a: Opt[Number] = UNSET
    typical_p: Opt[Number] = UNSET
    repetition_penalty: Opt[Number] = UNSET
    length_penalty: Opt[Number] = UNSET
    min_tokens: Opt[Int] = UNSET
    stop_token_ids: Opt[Tokens] = UNSET
    ignore_eos: Opt[bool] = UNSET
    best_of: Opt[Int] = UNSET
    echo: Opt[bool] = UNSET
    skip_special_tokens: Opt[bool] = UNSET
    guided_json: Opt[Json] = UNSET
    guided_regex: Opt[str] = UNSET
    guided_choice: Opt[Json] = UNSET
    guided_grammar: Opt[str] = UNSET
    chat_template: Opt[str] = UNSET
    chat_template_kwargs: Opt[Json] = UNSET
    add_generation_prompt: Opt[bool] = UNSET
    continue_final_message: Opt[bool] = UNSET
    documents: Opt[Json] = UNSET
    random_seed: Opt[Int] = UNSET
    # Routing, reasoning and search settings of providers.
    reasoning: Opt[ReasoningOptions] = UNSET
    reasoning_format: Opt[str] = UNSET
    reasoning_split: Opt[bool] = UNSET
    include_reasoning: Opt[bool] = UNSET
    disable_reasoning: Opt[bool] = UNSET
    clear_thinking: Opt[bool] = UNSET
    thinking: Opt[ThinkingOptions] = UNSET
    enable_thinking: Opt[bool] = UNSET
    prompt_mode: Opt[str] = UNSET
    safe_prompt: Opt[bool] = UNSET
    provider: Opt[Json] = UNSET
    models: Opt[list[str]] = UNSET
    route: Opt[str] = UNSET
    transforms: Opt[Json] = UNSET
    plugins: Opt[Json] = UNSET
    usage: Opt[Json] = UNSET
    session_id: Opt[str] = UNSET
    search_parameters: Opt[Json] = UNSET
    search_settings: Opt[Json] = UNSET
    compound_custom: Opt[Json] = UNSET
    citation_options: Opt[str] = UNSET
    cache_control: Opt[CacheControl] = UNSET
    extra_body: Opt[Json] = UNSET
    extra_headers: Opt[Json] = UNSET
    deferred: Opt[bool] = UNSET
    guardrails: Opt[Json] = UNSET
    system: Opt[Json] = UNSET
    options: Opt[Json] = UNSET
    format: Opt[Json] = UNSET
    keep_alive: Opt[Json] = UNSET
    timeout: Opt[Number] = UNSET
    max_retries: Opt[Int] = UNSET
    request_id: Opt[str] = UNSET
    priority: Opt[Int] = UNSET
    return_token_ids: Opt[bool] = UNSET
    prompt_logprobs: Opt[Int] = UNSET
    kv_transfer_params: Opt[Json] = UNSET
    data_sources: Opt[Json] = UNSET


class ChatChoice(Part):
    """One answer of a response."""

    index: Opt[Int] = UNSET
    message: Opt[ChatReply] = UNSET
    logprobs: Opt[Logprobs] = UNSET
    finish_reason: Opt[str] = UNSET
    native_finish_reason: Opt[str] = UNSET
    stop_reason: Opt[str | Int] = UNSET
    content_filter_results: Opt[ContentFilterResults] = UNSET
    seed: Opt[Json] = UNSET
    matched_stop: Opt[str | Int] = UNSET
    token_ids: Opt[Tokens] = UNSET
    error: Opt[ErrorBody] = UNSET


class ChunkChoice(Part):
    """One piece of an answer in a stream."""

    index: Opt[Int] = UNSET
    delta: Opt[ChatDelta] = UNSET
    logprobs: Opt[Logprobs] = UNSET
    finish_reason: Opt[str] = UNSET
    native_finish_reason: Opt[str] = UNSET
    stop_reason: Opt[str | Int] = UNSET
    content_filter_results: Opt[ContentFilterResults] = UNSET
    token_ids: Opt[Tokens] = UNSET
    matched_stop: Opt[str | Int] = UNSET


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

    id: Opt[str] = UNSET
    object: Opt[str] = UNSET
    created: Opt[Number] = UNSET
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
    citations: Opt[list[str]] = UNSET
    search_results: Opt[list[SearchResult]] = UNSET
    metadata: Opt[Json] = UNSET
    error: Opt[str | ErrorBody] = UNSET
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
    seed: Opt[Int] = UNSET
    tools: Opt[list[Tool]] = UNSET
    tool_choice: Opt[str | ToolChoice] = UNSET
    response_format: Opt[ResponseFormat] = UNSET


class ChatChunk(Message):
    """One event of a streamed answer."""

    id: Opt[str] = UNSET
    object: Opt[str] = UNSET
    created: Opt[Number] = UNSET
    model: Opt[str] = UNSET
    service_tier: Opt[str] = UNSET
    system_fingerprint: Opt[str] = UNSET
    choices: Opt[list[ChunkChoice]] = UNSET
    usage: Opt[Usage] = UNSET
    obfuscation: Opt[str] = UNSET
    provider: Opt[str] = UNSET
    x_groq: Opt[XGroq] = UNSET
    error: Opt[str | ErrorBody] = UNSET
    prompt_filter_results: Opt[list[PromptFilterResult]] = UNSET
    time_info: Opt[TimeInfo] = UNSET
    citations: Opt[list[str]] = UNSET
    search_results: Opt[list[SearchResult]] = UNSET
    prompt_token_ids: Opt[Tokens] = UNSET
    usage_breakdown: Opt[Json] = UNSET
