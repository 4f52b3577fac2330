"""What a request asks for beside its messages: tools, the form of the answer, reasoning, streaming.

Source: the OpenAI API reference (chat completions) and what compatible providers add to it: Azure OpenAI, Cerebras,
DeepSeek, Gemini, Groq, Mistral, OpenRouter, Perplexity, SGLang, Together, vLLM, xAI, Z.ai, LiteLLM.
"""

from serlab.messages.base import UNSET, Int, Json, Opt, Part
from serlab.messages.content import CacheControl, Content, CustomCall, FunctionCall


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
