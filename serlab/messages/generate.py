"""Generation messages: what a service asks of an engine, with token ids on either side.

Source: the OpenAI completions reference, vLLM's and SGLang's sampling parameters.
"""

from serlab.messages.base import UNSET, Int, Json, Message, Number, Opt, Part, Prompt, Tokens
from serlab.messages.chat import ResponseFormat, StreamOptions
from serlab.messages.common import ContentFilterResults, ErrorBody, Logprobs, PromptFilterResult, Usage


class GenerateRequest(Message):
    """A prompt, as text or token ids, and how to sample its continuation."""

    model: Opt[str] = UNSET
    prompt: Opt[Prompt] = UNSET
    prompt_token_ids: Opt[Tokens] = UNSET
    input_ids: Opt[Prompt] = UNSET
    text: Opt[Prompt] = UNSET
    suffix: Opt[str] = UNSET
    temperature: Opt[Number] = UNSET
    max_tokens: Opt[Int] = UNSET
    min_tokens: Opt[Int] = UNSET
    top_p: Opt[Number] = UNSET
    top_k: Opt[Int] = UNSET
    min_p: Opt[Number] = UNSET
    presence_penalty: Opt[Number] = UNSET
    frequency_penalty: Opt[Number] = UNSET
    repetition_penalty: Opt[Number] = UNSET
    stop: Opt[str | list[str]] = UNSET
    stop_token_ids: Opt[Tokens] = UNSET
    ignore_eos: Opt[bool] = UNSET
    seed: Opt[Int] = UNSET
    n: Opt[Int] = UNSET
    best_of: Opt[Int] = UNSET
    logprobs: Opt[bool | Int] = UNSET
    prompt_logprobs: Opt[Int] = UNSET
    logit_bias: Opt[Json] = UNSET
    echo: Opt[bool] = UNSET
    stream: Opt[bool] = UNSET
    stream_options: Opt[StreamOptions] = UNSET
    skip_special_tokens: Opt[bool] = UNSET
    return_token_ids: Opt[bool] = UNSET
    response_format: Opt[ResponseFormat] = UNSET
    sampling_params: Opt[Json] = UNSET
    user: Opt[str] = UNSET
    request_id: Opt[str] = UNSET
    priority: Opt[Int] = UNSET
    metadata: Opt[Json] = UNSET
    options: Opt[Json] = UNSET
    system: Opt[str] = UNSET
    template: Opt[str] = UNSET
    context: Opt[Tokens] = UNSET
    raw: Opt[bool] = UNSET
    format: Opt[Json] = UNSET
    images: Opt[list[str]] = UNSET
    keep_alive: Opt[Json] = UNSET
    kv_transfer_params: Opt[Json] = UNSET


class GenerateChoice(Part):
    """One continuation of the prompt."""

    index: Opt[Int] = UNSET
    text: Opt[str] = UNSET
    token_ids: Opt[Tokens] = UNSET
    logprobs: Opt[Logprobs] = UNSET
    finish_reason: Opt[str] = UNSET
    native_finish_reason: Opt[str] = UNSET
    stop_reason: Opt[str | Int] = UNSET
    matched_stop: Opt[str | Int] = UNSET
    seed: Opt[Int] = UNSET
    reasoning: Opt[str] = UNSET
    prompt_logprobs: Opt[Json] = UNSET
    prompt_token_ids: Opt[Tokens] = UNSET
    content_filter_results: Opt[ContentFilterResults] = UNSET


class GenerateResponse(Message):
    """A continuation, as text or token ids, with its finish reason and usage."""

    id: Opt[str] = UNSET
    object: Opt[str] = UNSET
    created: Opt[Number] = UNSET
    model: Opt[str] = UNSET
    text: Opt[str] = UNSET
    token_ids: Opt[Tokens] = UNSET
    output_ids: Opt[Tokens] = UNSET
    finish_reason: Opt[str] = UNSET
    stop_reason: Opt[str | Int] = UNSET
    logprobs: Opt[Logprobs] = UNSET
    choices: Opt[list[GenerateChoice]] = UNSET
    usage: Opt[Usage] = UNSET
    service_tier: Opt[str] = UNSET
    system_fingerprint: Opt[str] = UNSET
    provider: Opt[str] = UNSET
    request_id: Opt[str] = UNSET
    meta_info: Opt[Json] = UNSET
    metadata: Opt[Json] = UNSET
    prompt_filter_results: Opt[list[PromptFilterResult]] = UNSET
    kv_transfer_params: Opt[Json] = UNSET
    error: Opt[str | ErrorBody] = UNSET
    # Ollama
    created_at: Opt[str] = UNSET
    response: Opt[str] = UNSET
    thinking: Opt[str] = UNSET
    done: Opt[bool] = UNSET
    done_reason: Opt[str] = UNSET
    context: Opt[Tokens] = UNSET
    total_duration: Opt[Int] = UNSET
    load_duration: Opt[Int] = UNSET
    prompt_eval_count: Opt[Int] = UNSET
    prompt_eval_duration: Opt[Int] = UNSET
    eval_count: Opt[Int] = UNSET
    eval_duration: Opt[Int] = UNSET
