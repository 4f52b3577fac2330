"""What a child of a server does: decode a request and make its answer, or a message and encode it again.

Parent and child speak over pipes that nobody else can write to: a pickle of a `Job` or of what came of it, and then
bytes, each after its length. The bytes go in pieces, so that neither side has to hold the loop up for all of them.
"""

import pickle
import sys
from typing import Any, NamedTuple

from serlab import codecs
from serlab.codecs import open_codec
from serlab.messages import EmbeddingRequest
from serlab.wire import answers
from serlab.wire.answers import FORMS, Reply, check, wants_usage
from serlab.wire.api_errors import api_error_for

SIZE = 8
"""Bytes of each length, little-endian."""


class Job(NamedTuple):
    """A request or a message, and what to do with it.

    Attributes:
        kind: of the message.
        codec: that it is in.
        answer: the kind of a whole answer, where the child encodes it, or of the message itself.
        written: the answer's codec.
        seed: the server's.
        tokens: of an answer.
        dimensions: of a vector.
    """

    kind: str
    codec: str
    answer: str
    written: str
    seed: int
    tokens: int
    dimensions: int


class Prepared(NamedTuple):
    """A request that a child has decoded and checked: what is left to know of it.

    Attributes:
        kind: its type.
        stream: whether its answer is a stream.
        usage: whether that ends with the count of tokens.
        items: texts or prompts.
        tokens: of the answer to each prompt; 0 for vectors.
        reply: the answer to be formed; None if it is encoded already.
        pieces: the encoded answer.
    """

    kind: type
    stream: bool
    usage: bool
    items: int
    tokens: int
    reply: Reply | None
    pieces: tuple[bytes, ...] = ()


def child() -> int:
    """Do jobs until the input ends."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(SIZE):
        job = pickle.loads(source.read(int.from_bytes(head, "little")))
        data = source.read(int.from_bytes(source.read(SIZE), "little"))
        found: Any
        try:
            found, data = _done(job, data)
        except Exception as error:
            found, data = api_error_for(error), b""
        message = pickle.dumps(found)
        for part in (message, data):
            target.write(len(part).to_bytes(SIZE, "little"))
            target.write(part)
        target.flush()
        del found, data, message, part
    return 0


def _done(job: Job, data: bytes) -> tuple[Prepared, bytes]:
    """Do one job; give what came of it, and the encoded answer if it is to be encoded here."""
    message = codecs.decode_untrusted(open_codec(job.codec, job.kind), data)
    if job.answer == job.kind:
        return Prepared(type(message), False, False, 1, 0, None), open_codec(job.written, job.answer).encode(message)
    check(message, job.tokens, job.dimensions)
    if isinstance(message, EmbeddingRequest):
        vectors = answers.embeddings_of(message, job.seed, job.dimensions)
        found = Prepared(type(message), False, False, len(answers.items_of(message.input)), 0, None)
        return found, open_codec(job.written, job.answer).encode(vectors)
    form = FORMS[type(message)]
    reply = form.reply(message, job.seed, job.tokens)
    found = Prepared(
        type(message), message.stream is True, wants_usage(message), reply.choices, len(reply.tokens), reply
    )
    if found.stream or not job.answer:
        return found, b""
    return found._replace(reply=None), open_codec(job.written, job.answer).encode(form.whole(reply))
