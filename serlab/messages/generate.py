"""Generation messages: what a service asks of an engine, with token ids on either side.

Source: the OpenAI completions reference, vLLM's and SGLang's sampling parameters.
"""

from typing import Annotated

from serlab.messages.base import (
    UNSET,
    AnyError,
    AnyLogprobs,
    ContentFilterResults,
    Count,
    Int,
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
    Tokens,
    Usage,
)
from serlab.messages.content import ResponseFormat, StreamOptions


class GenerateRequest(Message):
    """A prompt, as text or token ids, and how to sample its continuation."""

    model: Opt[str] = UNSET
    prompt: Opt[Prompt] = UNSET
    prompt_token_ids: Opt[Tokens] = UNSET
    input_ids: Opt[Prompt] = UNSET
    text: Opt[Prompt] = UNSET
    suffix: Opt[Text] = UNSET
    temperature: Opt[Number] = UNSET
    max_tokens: Opt[Count] = UNSET
    min_tokens: Opt[Int] = UNSET
    top_p: Opt[Number] = UNSET
    top_k: Opt[Count] = UNSET
    min_p: Opt[Number] = UNSET
    presence_penalty: Opt[Number] = UNSET
    frequency_penalty: Opt[Number] = UNSET
    repetition_penalty: Opt[Number] = UNSET
    stop: Opt[str | Texts] = UNSET
    stop_token_ids: Opt[Tokens] = UNSET
    ignore_eos: Opt[bool] = UNSET
    seed: Opt[Count] = UNSET
    n: Opt[Count] = UNSET
    best_of: Opt[Int] = UNSET
    logprobs: Opt[bool | Int] = UNSET
    prompt_logprobs: Opt[Int] = UNSET
    logit_bias: Opt[Json] = UNSET
    echo: Opt[bool] = UNSET
    stream: Opt[bool] = UNSET
    stream_options: Opt[StreamOptions] = UNSET
    skip_special_tokens: Opt[bool] = UNSET
    return_token_ids: Opt[bool] = UNSET
    response_format: Opt[ResponseFormat | Annotated[str, "json"]] = UNSET
    sampling_params: Opt[Json] = UNSET
    user: Opt[Label] = UNSET
    request_id: Opt[Label] = UNSET
    priority: Opt[Int] = UNSET
    metadata: Opt[Json] = UNSET
    options: Opt[Json] = UNSET
    system: Opt[Text] = UNSET
    template: Opt[str] = UNSET
    context: Opt[Tokens] = UNSET
    raw: Opt[bool] = UNSET
    format: Opt[Json] = UNSET
    images: Opt[Texts] = UNSET
    keep_alive: Opt[Json] = UNSET
    kv_transfer_params: Opt[Json] = UNSET
    # More sampling settings: vLLM, SGLang, llama.cpp, Together, Bedrock, Cohere.
    length_penalty: Opt[Number] = UNSET
    use_beam_search: Opt[bool] = UNSET
    include_stop_str_in_output: Opt[bool] = UNSET
    spaces_between_special_tokens: Opt[bool] = UNSET
    truncate_prompt_tokens: Opt[Int] = UNSET
    allowed_token_ids: Opt[Tokens] = UNSET
    add_special_tokens: Opt[bool] = UNSET
    guided_json: Opt[Json] = UNSET
    guided_regex: Opt[str] = UNSET
    guided_choice: Opt[Json] = UNSET
    guided_grammar: Opt[str] = UNSET
    structured_outputs: Opt[Json] = UNSET
    logits_processors: Opt[Json] = UNSET
    return_tokens_as_token_ids: Opt[bool] = UNSET
    cache_salt: Opt[Json] = UNSET
    vllm_xargs: Opt[Json] = UNSET
    prompt_embeds: Opt[Text] = UNSET
    json_schema: Opt[Json] = UNSET
    regex: Opt[str] = UNSET
    ebnf: Opt[str] = UNSET
    grammar: Opt[Json] = UNSET
    stop_regex: Opt[Json] = UNSET
    no_stop_trim: Opt[bool] = UNSET
    lora_path: Opt[Json] = UNSET
    session_params: Opt[Json] = UNSET
    return_logprob: Opt[Json] = UNSET
    logprob_start_len: Opt[Json] = UNSET
    top_logprobs_num: Opt[Json] = UNSET
    return_text_in_logprobs: Opt[bool] = UNSET
    rid: Opt[Json] = UNSET
    image_data: Opt[Json] = UNSET
    bad_words: Opt[Texts] = UNSET
    n_predict: Opt[Int] = UNSET
    cache_prompt: Opt[bool] = UNSET
    think: Opt[Json] = UNSET
    typical_p: Opt[Number] = UNSET
    top_a: Opt[Number] = UNSET
    stop_sequences: Opt[Texts] = UNSET
    max_tokens_to_sample: Opt[Count] = UNSET
    max_gen_len: Opt[Count] = UNSET
    p: Opt[Number] = UNSET
    k: Opt[Number] = UNSET
    num_generations: Opt[Count] = UNSET
    return_likelihoods: Opt[Json] = UNSET
    provider: Opt[Json] = UNSET
    models: Opt[Texts] = UNSET
    transforms: Opt[Json] = UNSET
    extra_body: Opt[Json] = UNSET
    service_tier: Opt[str] = UNSET
    reasoning: Opt[Json] = UNSET
    safety_model: Opt[str] = UNSET
    max_new_tokens: Opt[Count] = UNSET
    tokens: Opt[Json] = UNSET
    data_parallel_rank: Opt[Int] = UNSET
    mm_processor_kwargs: Opt[Json] = UNSET
    input_embeds: Opt[Json] = UNSET
    sampling_settings: Opt[Json] = UNSET
    parameters: Opt[Json] = UNSET
    input: Opt[Json] = UNSET
    return_prompt_logprobs: Opt[bool] = UNSET
    features: Opt[Json] = UNSET


class GenerateChoice(Part):
    """One continuation of the prompt."""

    index: Opt[Count] = UNSET
    text: Opt[Text] = UNSET
    token_ids: Opt[Tokens] = UNSET
    logprobs: Opt[AnyLogprobs] = UNSET
    finish_reason: Opt[Label] = UNSET
    native_finish_reason: Opt[str] = UNSET
    stop_reason: Opt[str | Int] = UNSET
    matched_stop: Opt[str | Int] = UNSET
    seed: Opt[Int] = UNSET
    reasoning: Opt[Text] = UNSET
    prompt_logprobs: Opt[Json] = UNSET
    prompt_token_ids: Opt[Tokens] = UNSET
    content_filter_results: Opt[ContentFilterResults] = UNSET
    log_probs: Opt[Json] = UNSET
    error: Opt[AnyError] = UNSET
    reasoning_content: Opt[Text] = UNSET
    hidden_states: Opt[Json] = UNSET
    finish_details: Opt[Json] = UNSET
    meta_info: Opt[Json] = UNSET
    raw_output: Opt[Json] = UNSET
    content_filter_offsets: Opt[Json] = UNSET
    routed_experts: Opt[Json] = UNSET
    message: Opt[Json] = UNSET
    delta: Opt[Json] = UNSET


class GenerateResponse(Message):
    """A continuation, as text or token ids, with its finish reason and usage."""

    id: Opt[Label] = UNSET
    object: Opt[str] = UNSET
    created: Opt[Number | str] = UNSET
    model: Opt[str] = UNSET
    text: Opt[Text] = UNSET
    token_ids: Opt[Tokens] = UNSET
    output_ids: Opt[Tokens] = UNSET
    finish_reason: Opt[Label] = UNSET
    stop_reason: Opt[str | Int] = UNSET
    logprobs: Opt[AnyLogprobs] = UNSET
    choices: Opt[list[GenerateChoice]] = UNSET
    usage: Opt[Usage] = UNSET
    service_tier: Opt[str] = UNSET
    system_fingerprint: Opt[str] = UNSET
    provider: Opt[str] = UNSET
    request_id: Opt[Label] = UNSET
    meta_info: Opt[Json] = UNSET
    metadata: Opt[Json] = UNSET
    prompt_filter_results: Opt[list[PromptFilterResult]] = UNSET
    kv_transfer_params: Opt[Json] = UNSET
    error: Opt[AnyError] = UNSET
    # Ollama
    created_at: Opt[str] = UNSET
    response: Opt[Text] = UNSET
    thinking: Opt[Text] = UNSET
    done: Opt[bool] = UNSET
    done_reason: Opt[str] = UNSET
    context: Opt[Tokens] = UNSET
    total_duration: Opt[Int] = UNSET
    load_duration: Opt[Int] = UNSET
    prompt_eval_count: Opt[Int] = UNSET
    prompt_eval_duration: Opt[Int] = UNSET
    eval_count: Opt[Int] = UNSET
    eval_duration: Opt[Int] = UNSET
    prompt: Opt[Prompt] = UNSET
    prompt_token_ids: Opt[Tokens] = UNSET
    prompt_logprobs: Opt[Json] = UNSET
    index: Opt[Count] = UNSET
    type: Opt[str] = UNSET
    token: Opt[Json] = UNSET
    prompt_tokens: Opt[Count] = UNSET
    generation_tokens: Opt[Count] = UNSET
    usage_metadata: Opt[Json] = UNSET
    time_info: Opt[Json] = UNSET
    perf_metrics: Opt[Json] = UNSET
    timings: Opt[Json] = UNSET
    metrics: Opt[Json] = UNSET
    matched_stop: Opt[Json] = UNSET
    sglext: Opt[Json] = UNSET
    message: Opt[Text] = UNSET
    cost: Opt[Json] = UNSET
    x_groq: Opt[Json] = UNSET
    latency_checkpoint: Opt[Json] = UNSET
    completion_tokens: Opt[Count] = UNSET
    embedding: Opt[Json] = UNSET
    reasoning_content: Opt[Text] = UNSET
    output_token_ids: Opt[Tokens] = UNSET
    images: Opt[Json] = UNSET
    logprob: Opt[Json] = UNSET
    finished: Opt[bool] = UNSET
    remote_host: Opt[Json] = UNSET
    remote_models: Opt[Json] = UNSET
    prompt_annotations: Opt[list[PromptFilterResult]] = UNSET
