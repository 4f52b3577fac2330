"""Chat requests, responses and stream chunks in the chat-completions wire shape.

Source: the OpenAI API reference (chat completions) and what compatible providers add to it: Azure OpenAI, Cerebras,
DeepSeek, Gemini, Groq, Mistral, OpenRouter, Perplexity, SGLang, Together, vLLM, xAI, Z.ai, LiteLLM.
"""

from typing import Annotated

from serlab.messages.base import (
    UNSET,
    AnyError,
    AnyLogprobs,
    ContentFilterResults,
    Count,
    ErrorBody,
    Int,
    Item,
    Json,
    Label,
    Message,
    Number,
    Opt,
    Part,
    Prompt,
    PromptFilterResult,
    Text,
    Texts,
    TimeInfo,
    Tokens,
    Usage,
)
from serlab.messages.content import (
    Annotation,
    Audio,
    CacheControl,
    Content,
    FunctionCall,
    FunctionSpec,
    ImagePart,
    Prediction,
    Reasoning,
    ReasoningDetail,
    ReasoningOptions,
    ResponseFormat,
    SearchResult,
    StreamOptions,
    ThinkingBlock,
    ThinkingOptions,
    Tool,
    ToolCall,
    ToolChoice,
)

# One message of a conversation: as a request carries it, as an answer, and as a chunk adds to it.
#
# Source: the OpenAI API reference (chat completions) and what compatible providers add to it: Azure OpenAI, Cerebras,
# DeepSeek, Gemini, Groq, Mistral, OpenRouter, Perplexity, SGLang, Together, vLLM, xAI, Z.ai, LiteLLM.


class ChatTurn(Part):
    """One message of a conversation, as a request carries it."""

    role: Opt[str] = UNSET
    content: Opt[Content] = UNSET
    tool_calls: Opt[list[ToolCall]] = UNSET
    tool_call_id: Opt[Label] = UNSET
    name: Opt[str] = UNSET
    refusal: Opt[Text] = UNSET
    reasoning: Opt[Reasoning] = UNSET
    reasoning_content: Opt[Content] = UNSET
    reasoning_details: Opt[list[ReasoningDetail]] = UNSET
    annotations: Opt[list[Annotation]] = UNSET
    function_call: Opt[FunctionCall] = UNSET
    audio: Opt[Audio] = UNSET
    cache_control: Opt[CacheControl] = UNSET
    prefix: Opt[bool] = UNSET
    thinking_blocks: Opt[list[ThinkingBlock]] = UNSET
    thinking: Opt[Text] = UNSET
    thought_signature: Opt[str] = UNSET
    extra_content: Opt[Json] = UNSET
    images: Opt[list[ImagePart]] = UNSET
    partial: Opt[bool] = UNSET
    provider_specific_fields: Opt[Json] = UNSET
    reasoning_text: Opt[Text] = UNSET
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
    tool_plan: Opt[Text] = UNSET
    template: Opt[Text] = UNSET
    parts: Opt[Json] = UNSET
    status: Opt[str] = UNSET
    context: Opt[Json] = UNSET


class ChatReply(Part):
    """The message of a whole answer."""

    role: Opt[str] = UNSET
    content: Opt[Content] = UNSET
    reasoning: Opt[Reasoning] = UNSET
    reasoning_content: Opt[Content] = UNSET
    tool_calls: Opt[list[ToolCall]] = UNSET
    refusal: Opt[Text] = UNSET
    annotations: Opt[list[Annotation]] = UNSET
    reasoning_details: Opt[list[ReasoningDetail]] = UNSET
    function_call: Opt[FunctionCall] = UNSET
    audio: Opt[Audio] = UNSET
    images: Opt[list[ImagePart]] = UNSET
    thinking_blocks: Opt[list[ThinkingBlock]] = UNSET
    executed_tools: Opt[Json] = UNSET
    extra_content: Opt[Json] = UNSET
    thought_signature: Opt[str] = UNSET
    reasoning_text: Opt[Text] = UNSET
    reasoning_opaque: Opt[str] = UNSET
    encrypted_content: Opt[str] = UNSET
    thinking: Opt[Text] = UNSET
    citations: Opt[Json] = UNSET
    provider_specific_fields: Opt[Json] = UNSET
    context: Opt[Json] = UNSET
    graph_data: Opt[Json] = UNSET
    llm_data: Opt[Json] = UNSET
    image_data: Opt[Json] = UNSET
    translation_data: Opt[Json] = UNSET
    web_search_data: Opt[Json] = UNSET


class ChatDelta(Part):
    """What one chunk of a streamed answer adds to its message."""

    role: Opt[str] = UNSET
    content: Opt[Content] = UNSET
    reasoning: Opt[Reasoning] = UNSET
    reasoning_content: Opt[Content] = UNSET
    tool_calls: Opt[list[ToolCall]] = UNSET
    refusal: Opt[Text] = UNSET
    reasoning_details: Opt[list[ReasoningDetail]] = UNSET
    function_call: Opt[FunctionCall] = UNSET
    annotations: Opt[list[Annotation]] = UNSET
    audio: Opt[Audio] = UNSET
    channel: Opt[str] = UNSET
    images: Opt[list[ImagePart]] = UNSET
    executed_tools: Opt[Json] = UNSET
    extra_content: Opt[Json] = UNSET
    reasoning_opaque: Opt[str] = UNSET
    reasoning_text: Opt[Text] = UNSET
    thinking_blocks: Opt[list[ThinkingBlock]] = UNSET
    token_id: Opt[Int] = UNSET
    provider_specific_fields: Opt[Json] = UNSET


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


# A chat request.
#
# Source: the OpenAI API reference (chat completions) and what compatible providers add to it: Azure OpenAI, Cerebras,
# DeepSeek, Gemini, Groq, Mistral, OpenRouter, Perplexity, SGLang, Together, vLLM, xAI, Z.ai, LiteLLM.


class ChatRequest(Message):
    """A request for the next turn of a conversation."""

    model: Opt[str] = UNSET
    messages: Opt[list[ChatTurn]] = UNSET
    stream: Opt[bool] = UNSET
    stream_options: Opt[StreamOptions] = UNSET
    temperature: Opt[Number] = UNSET
    top_p: Opt[Number] = UNSET
    max_tokens: Opt[Count] = UNSET
    max_completion_tokens: Opt[Count] = UNSET
    n: Opt[Count] = UNSET
    stop: Opt[str | Texts] = UNSET
    seed: Opt[Count] = UNSET
    presence_penalty: Opt[Number] = UNSET
    frequency_penalty: Opt[Number] = UNSET
    logit_bias: Opt[Json] = UNSET
    logprobs: Opt[bool | Int] = UNSET
    top_logprobs: Opt[Count] = UNSET
    tools: Opt[list[Tool]] = UNSET
    tool_choice: Opt[str | ToolChoice] = UNSET
    parallel_tool_calls: Opt[bool] = UNSET
    functions: Opt[list[FunctionSpec]] = UNSET
    function_call: Opt[str | FunctionCall] = UNSET
    response_format: Opt[ResponseFormat | Annotated[str, "json"]] = UNSET
    user: Opt[Label] = UNSET
    metadata: Opt[Json] = UNSET
    store: Opt[bool] = UNSET
    service_tier: Opt[str] = UNSET
    modalities: Opt[Texts] = UNSET
    audio: Opt[Audio] = UNSET
    prediction: Opt[Prediction] = UNSET
    reasoning_effort: Opt[Label] = UNSET
    verbosity: Opt[str] = UNSET
    web_search_options: Opt[Json] = UNSET
    safety_identifier: Opt[str] = UNSET
    prompt_cache_key: Opt[str] = UNSET
    prompt_cache_retention: Opt[str] = UNSET
    prompt_cache_options: Opt[Json] = UNSET
    moderation: Opt[Json] = UNSET
    # Sampling settings of open servers (vLLM, SGLang, llama.cpp, Together, OpenRouter).
    top_k: Opt[Count] = UNSET
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
    reasoning: Opt[ReasoningOptions | Annotated[str | bool, "json"]] = UNSET
    reasoning_format: Opt[str] = UNSET
    reasoning_split: Opt[bool] = UNSET
    include_reasoning: Opt[bool] = UNSET
    disable_reasoning: Opt[bool] = UNSET
    clear_thinking: Opt[bool] = UNSET
    thinking: Opt[ThinkingOptions | Annotated[str | bool, "json"]] = UNSET
    enable_thinking: Opt[bool] = UNSET
    prompt_mode: Opt[str] = UNSET
    safe_prompt: Opt[bool] = UNSET
    provider: Opt[Json] = UNSET
    models: Opt[Texts] = UNSET
    route: Opt[str] = UNSET
    transforms: Opt[Json] = UNSET
    plugins: Opt[Json] = UNSET
    usage: Opt[Json] = UNSET
    session_id: Opt[str] = UNSET
    search_parameters: Opt[Json] = UNSET
    search_settings: Opt[Json] = UNSET
    compound_custom: Opt[Json] = UNSET
    citation_options: Opt[Label] = UNSET
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
    # More sampling settings: vLLM, SGLang, llama.cpp, Fireworks, Cohere.
    use_beam_search: Opt[bool] = UNSET
    include_stop_str_in_output: Opt[bool] = UNSET
    spaces_between_special_tokens: Opt[bool] = UNSET
    truncate_prompt_tokens: Opt[Int] = UNSET
    allowed_token_ids: Opt[Tokens] = UNSET
    bad_words: Opt[Texts] = UNSET
    add_special_tokens: Opt[bool] = UNSET
    mm_processor_kwargs: Opt[Json] = UNSET
    structured_outputs: Opt[Json] = UNSET
    guided_decoding_backend: Opt[str] = UNSET
    guided_whitespace_pattern: Opt[str] = UNSET
    structural_tag: Opt[Json] = UNSET
    return_tokens_as_token_ids: Opt[bool] = UNSET
    cache_salt: Opt[str] = UNSET
    vllm_xargs: Opt[Json] = UNSET
    regex: Opt[str] = UNSET
    ebnf: Opt[str] = UNSET
    grammar: Opt[Json] = UNSET
    stop_regex: Opt[Json] = UNSET
    no_stop_trim: Opt[bool] = UNSET
    lora_path: Opt[Json] = UNSET
    separate_reasoning: Opt[bool] = UNSET
    stream_reasoning: Opt[bool] = UNSET
    custom_logit_processor: Opt[Json] = UNSET
    input_ids: Opt[Prompt] = UNSET
    prompt_token_ids: Opt[Tokens] = UNSET
    return_hidden_states: Opt[Json] = UNSET
    cache_prompt: Opt[bool] = UNSET
    n_predict: Opt[Int] = UNSET
    timings_per_token: Opt[bool] = UNSET
    perf_metrics_in_response: Opt[bool] = UNSET
    context_length_exceeded_behavior: Opt[str] = UNSET
    prompt_truncate_len: Opt[Int] = UNSET
    p: Opt[Number] = UNSET
    k: Opt[Number] = UNSET
    safety_mode: Opt[str] = UNSET
    stop_sequences: Opt[Texts] = UNSET
    think: Opt[Json] = UNSET
    thinking_budget: Opt[Int] = UNSET
    # Search, routing and bookkeeping: Perplexity, Qwen, xAI, OpenRouter, LiteLLM, Azure, gateways.
    search_mode: Opt[str] = UNSET
    search_domain_filter: Opt[Json] = UNSET
    search_recency_filter: Opt[str] = UNSET
    search_after_date_filter: Opt[str] = UNSET
    search_before_date_filter: Opt[str] = UNSET
    return_images: Opt[bool] = UNSET
    return_related_questions: Opt[bool] = UNSET
    disable_search: Opt[bool] = UNSET
    enable_search: Opt[bool] = UNSET
    search_options: Opt[Json] = UNSET
    exclude_domains: Opt[Json] = UNSET
    include_domains: Opt[Json] = UNSET
    include: Opt[Json] = UNSET
    image_config: Opt[Json] = UNSET
    trace: Opt[Json] = UNSET
    fallbacks: Opt[Json] = UNSET
    tags: Opt[Json] = UNSET
    context_management: Opt[Json] = UNSET
    output_config: Opt[Json] = UNSET
    tool_resources: Opt[Json] = UNSET
