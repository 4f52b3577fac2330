"""What a chat message holds: parts of content, tool calls, reasoning, citations, audio and images.

Source: the OpenAI API reference (chat completions) and what compatible providers add to it: Azure OpenAI, Cerebras,
DeepSeek, Gemini, Groq, Mistral, OpenRouter, Perplexity, SGLang, Together, vLLM, xAI, Z.ai, LiteLLM.
"""

from typing import Annotated

from serlab.messages.base import UNSET, Bare, Count, Free, Int, Json, Label, Number, Opt, Part, Text

NotText = Annotated[dict[str, Free] | int | float | bool, "json"]
"""What some servers send where text or a list of parts belongs."""


class FunctionCall(Part):
    """A call's function name and its arguments: JSON text in the API, an object from some servers."""

    name: Opt[str] = UNSET
    arguments: Opt[Text] = UNSET
    description: Opt[str] = UNSET
    parsed_arguments: Opt[Json] = UNSET
    thought_signature: Opt[str] = UNSET


class CustomCall(Part):
    """A call of a custom tool with free text."""

    name: Opt[str] = UNSET
    input: Opt[Text] = UNSET


class ToolCall(Part):
    """A tool call, whole or, in a stream, a piece of one."""

    index: Opt[Count] = UNSET
    id: Opt[Label] = UNSET
    type: Opt[str] = UNSET
    function: Opt[FunctionCall] = UNSET
    custom: Opt[CustomCall] = UNSET
    extra_content: Opt[Json] = UNSET
    thought_signature: Opt[str] = UNSET
    provider_specific_fields: Opt[Json] = UNSET
    cache_control: Opt[Json] = UNSET
    status: Opt[str] = UNSET


class MediaUrl(Part):
    """An image, audio, video or document by address or data URI."""

    url: Opt[str] = UNSET
    detail: Opt[str] = UNSET
    format: Opt[str] = UNSET
    mime_type: Opt[str] = UNSET
    image_url: Opt[str] = UNSET
    data: Opt[str] = UNSET
    max_dynamic_patch: Opt[Int] = UNSET
    min_dynamic_patch: Opt[Int] = UNSET
    content_hash: Opt[str] = UNSET


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
    uri: Opt[str] = UNSET
    url: Opt[str] = UNSET
    id: Opt[str] = UNSET


class CacheControl(Part):
    """A prompt-cache mark."""

    type: Opt[str] = UNSET
    ttl: Opt[str] = UNSET


class ThinkingPart(Part):
    """A piece of a thinking part (Mistral)."""

    type: Opt[str] = UNSET
    text: Opt[Text] = UNSET
    reference_ids: Opt[Json] = UNSET


class ContentPart(Part):
    """One part of a message's content."""

    type: Opt[str] = UNSET
    text: Opt[Text] = UNSET
    image_url: Opt[str | MediaUrl] = UNSET
    input_audio: Opt[InputAudio | Annotated[str, "json"]] = UNSET
    file: Opt[InputFile | Annotated[str, "json"]] = UNSET
    refusal: Opt[Text] = UNSET
    cache_control: Opt[CacheControl] = UNSET
    video_url: Opt[str | MediaUrl] = UNSET
    audio_url: Opt[str | MediaUrl] = UNSET
    file_url: Opt[str | MediaUrl] = UNSET
    document_url: Opt[str | MediaUrl] = UNSET
    document_name: Opt[str] = UNSET
    input_video: Opt[Json] = UNSET
    video: Opt[Json] = UNSET
    image: Opt[Json] = UNSET
    thinking: Opt[str | list[ThinkingPart | Bare] | NotText] = UNSET
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
    data: Opt[Text] = UNSET
    file_id: Opt[str] = UNSET
    media_type: Opt[str] = UNSET
    mime_type: Opt[str] = UNSET
    prompt_cache_breakpoint: Opt[Json] = UNSET
    # Other APIs' parts, as proxies pass them on: Bedrock, Cohere, Gemini, Responses.
    document: Opt[Json] = UNSET
    output: Opt[Json] = UNSET
    reasoning: Opt[Text] = UNSET
    summary: Opt[Json] = UNSET
    toolUse: Opt[Json] = UNSET
    toolResult: Opt[Json] = UNSET
    guardContent: Opt[Json] = UNSET
    reasoningContent: Opt[Json] = UNSET
    audio: Opt[Json] = UNSET
    min_pixels: Opt[Number] = UNSET
    max_pixels: Opt[Number] = UNSET
    fps: Opt[Number] = UNSET


class ReasoningDetail(Part):
    """A piece of reasoning in a provider's own form (OpenRouter)."""

    type: Opt[str] = UNSET
    text: Opt[Text] = UNSET
    summary: Opt[str | list[ThinkingPart | Bare] | NotText] = UNSET
    data: Opt[Text] = UNSET
    id: Opt[str] = UNSET
    format: Opt[str] = UNSET
    index: Opt[Int] = UNSET
    signature: Opt[str] = UNSET
    provider: Opt[str] = UNSET
    content: Opt[Text] = UNSET


class ThinkingBlock(Part):
    """A thinking block passed on from another API (LiteLLM)."""

    type: Opt[str] = UNSET
    thinking: Opt[Text] = UNSET
    signature: Opt[str] = UNSET
    data: Opt[str] = UNSET
    cache_control: Opt[CacheControl] = UNSET
    text: Opt[Text] = UNSET


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
    text: Opt[Text] = UNSET
    content: Opt[Text] = UNSET
    id: Opt[Label] = UNSET


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
    id: Opt[Label] = UNSET
    language: Opt[str] = UNSET
    score: Opt[Number] = UNSET
    text: Opt[Text] = UNSET
    index: Opt[Int] = UNSET
    site_name: Opt[str] = UNSET


class Audio(Part):
    """Spoken output: base64 data and its transcript; in a request the id of an earlier answer."""

    id: Opt[str] = UNSET
    data: Opt[str] = UNSET
    expires_at: Opt[Int] = UNSET
    transcript: Opt[str] = UNSET
    voice: Opt[Label] = UNSET
    format: Opt[str] = UNSET


class ImagePart(Part):
    """An image that the model made."""

    type: Opt[str] = UNSET
    index: Opt[Int] = UNSET
    image_url: Opt[str | MediaUrl] = UNSET
    url: Opt[str] = UNSET
    data: Opt[str] = UNSET
    b64_json: Opt[str] = UNSET
    detail: Opt[str] = UNSET


Content = str | list[ContentPart | Bare] | NotText
"""What a message says: text, or a list of parts and bare strings."""

Reasoning = str | list[ReasoningDetail | Bare] | NotText
"""What a model thought before its answer."""


# What a request asks for beside its messages: tools, the form of the answer, reasoning, streaming.
#
# Source: the OpenAI API reference (chat completions) and what compatible providers add to it: Azure OpenAI, Cerebras,
# DeepSeek, Gemini, Groq, Mistral, OpenRouter, Perplexity, SGLang, Together, vLLM, xAI, Z.ai, LiteLLM.


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
    requires_confirmation: Opt[bool] = UNSET
    external_execution: Opt[bool] = UNSET
    type: Opt[str] = UNSET
    examples: Opt[Json] = UNSET


class CustomSpec(Part):
    """A custom tool with free text as its input."""

    name: Opt[str] = UNSET
    description: Opt[str] = UNSET
    format: Opt[Json] = UNSET
    type: Opt[str] = UNSET


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
    mcp: Opt[Json] = UNSET
    x_search: Opt[Json] = UNSET
    collections_search: Opt[Json] = UNSET
    code_execution: Opt[Json] = UNSET
    code_interpreter: Opt[Json] = UNSET
    browser_search: Opt[Json] = UNSET
    url_context: Opt[Json] = UNSET
    server_description: Opt[str] = UNSET
    filters: Opt[Json] = UNSET
    search_context_size: Opt[str] = UNSET
    container: Opt[Json] = UNSET
    display_width_px: Opt[Int] = UNSET
    display_height_px: Opt[Int] = UNSET
    display_number: Opt[Int] = UNSET
    toolSpec: Opt[Json] = UNSET
    cachePoint: Opt[Json] = UNSET
    config: Opt[Json] = UNSET
    authorization: Opt[str] = UNSET
    graph_ids: Opt[Json] = UNSET
    vector_store_ids: Opt[Json] = UNSET


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
    # Some clients put the schema itself here.
    type: Opt[Json] = UNSET
    properties: Opt[Json] = UNSET
    required: Opt[Json] = UNSET
    additionalProperties: Opt[Json] = UNSET
    title: Opt[str] = UNSET
    items: Opt[Json] = UNSET


class ResponseFormat(Part):
    """What form the answer has to take."""

    type: Opt[str] = UNSET
    json_schema: Opt[JsonSchema] = UNSET
    schema: Opt[Json] = UNSET
    grammar: Opt[str] = UNSET
    name: Opt[str] = UNSET
    strict: Opt[bool] = UNSET
    pattern: Opt[str] = UNSET
    value: Opt[Json] = UNSET
    structures: Opt[Json] = UNSET
    triggers: Opt[Json] = UNSET


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
    type: Opt[str] = UNSET
    generate_summary: Opt[str] = UNSET
    max_reasoning_tokens: Opt[Int] = UNSET
    context: Opt[Json] = UNSET


class ThinkingOptions(Part):
    """Whether the model is to think (Z.ai, DeepSeek, LiteLLM)."""

    type: Opt[str] = UNSET
    budget_tokens: Opt[Int] = UNSET
    clear_thinking: Opt[bool] = UNSET
    display: Opt[str] = UNSET
    enabled: Opt[bool] = UNSET
    thinking_budget: Opt[Int] = UNSET


class Prediction(Part):
    """Text that the answer is likely to repeat."""

    type: Opt[str] = UNSET
    content: Opt[Content] = UNSET
