"""One message of a conversation: as a request carries it, as an answer, and as a chunk adds to it.

Source: the OpenAI API reference (chat completions) and what compatible providers add to it: Azure OpenAI, Cerebras,
DeepSeek, Gemini, Groq, Mistral, OpenRouter, Perplexity, SGLang, Together, vLLM, xAI, Z.ai, LiteLLM.
"""

from serlab.messages.base import UNSET, Int, Json, Label, Number, Opt, Part, Text
from serlab.messages.content import (
    Annotation,
    Audio,
    CacheControl,
    Content,
    FunctionCall,
    ImagePart,
    Reasoning,
    ReasoningDetail,
    ThinkingBlock,
    ToolCall,
)


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
