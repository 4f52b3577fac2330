"""A chat request.

Source: the OpenAI API reference (chat completions) and what compatible providers add to it: Azure OpenAI, Cerebras,
DeepSeek, Gemini, Groq, Mistral, OpenRouter, Perplexity, SGLang, Together, vLLM, xAI, Z.ai, LiteLLM.
"""

from typing import Annotated

from serlab.messages.base import UNSET, Count, Int, Json, Label, Message, Number, Opt, Prompt, Texts, Tokens
from serlab.messages.content import Audio, CacheControl, FunctionCall
from serlab.messages.settings import (
    FunctionSpec,
    Prediction,
    ReasoningOptions,
    ResponseFormat,
    StreamOptions,
    ThinkingOptions,
    Tool,
    ToolChoice,
)
from serlab.messages.turns import ChatTurn


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
