"""What is called with damaged bytes, and what must hold."""

from collections.abc import Callable
from random import Random

from serlab.codecs import open_codec
from serlab.errors import DecodeError, SerlabError
from serlab.frames import FrameDecoder, decode_frame, encode_frame, end_frame
from serlab.messages import to_document
from tests.fuzz.damage import touch

Target = Callable[[str, str, bytes], bool]
"""(codec, kind, data) → whether the bytes were accepted; anything but DecodeError that comes out is a finding."""


class SilentChangeError(AssertionError):
    """A damaged frame gave something that had not gone in."""


class GrownError(AssertionError):
    """The case took more memory than a decoder may."""


def refuses(call: Callable[[], object]) -> bool:
    """Return whether a call refused; memory that ran out inside is no refusal but a finding."""
    try:
        call()
    except DecodeError as error:
        if isinstance(error.__cause__, MemoryError):
            raise GrownError("the memory ran out") from error
        return True
    return False


def decode(codec: str, kind: str, data: bytes) -> bool:
    """Decode; what comes back can be used like any message, or refuses in serlab's own terms."""
    found: list[object] = []
    if refuses(lambda: found.append(open_codec(codec, kind).decode(data))):
        return False
    assert kind in ("document", type(found[0]).__name__)
    for use in (to_document, open_codec(codec, kind).encode):
        try:
            use(found[0])
        except SerlabError:
            continue
    return True


def view(codec: str, kind: str, data: bytes) -> bool:
    """Open, touch every attribute, and make the message of it."""
    found: list[object] = []
    if refuses(lambda: found.append(open_codec(codec, kind).open(data))):
        return False
    refuses(lambda: touch(found[0]))
    materialize = getattr(found[0], "materialize", None)
    return materialize is None or not refuses(materialize)


def relay(codec: str, kind: str, data: bytes) -> bool:
    """Pass on under another model."""
    try:
        return not refuses(lambda: open_codec(codec, kind).relay(data, lambda model, stream: "other"))
    except SerlabError:
        # A document without a model, or what the format reads and cannot write.
        return True


def frame(codec: str, kind: str, data: bytes) -> bool:
    """Read damaged bytes as a frame, and damage a frame around them: no other payload ever comes out of it."""
    refuses(lambda: decode_frame(data))
    random = Random(data)
    whole = encode_frame(data)
    broken = bytearray(whole)
    for _ in range(random.randrange(1, 4)):
        broken[random.randrange(len(broken))] ^= 1 << random.randrange(8)
    cut = whole[: random.randrange(len(whole))]
    for bad in (bytes(broken), cut, whole + b"\0"):
        found: list[bytes] = []
        if not refuses(lambda bad=bad, found=found: found.append(decode_frame(bad))) and (found[0] != data):
            raise SilentChangeError(f"{found[0]!r} instead of {data!r}")
    return stream(data, random)


def stream(data: bytes, random: Random) -> bool:
    """Damage a stream of frames: only payloads that went in come out, in their order, and the damage is noticed."""
    sent = [data, b"", data[::-1]]
    whole = b"".join([*(encode_frame(part, number) for number, part in enumerate(sent)), end_frame(len(sent))])
    broken = bytearray(whole)
    broken[random.randrange(len(broken))] ^= 1 << random.randrange(8)
    for source in (whole, bytes(broken), whole[: random.randrange(len(whole))]):
        got: list[bytes] = []
        refused = refuses(lambda source=source, got=got: read(source, got, random))
        if got != sent[: len(got)] or refused == (source is whole):
            raise SilentChangeError(f"{got!r} instead of {sent!r}")
    return True


def read(source: bytes, got: list[bytes], random: Random) -> None:
    """Feed a decoder pieces of any length."""
    decoder, start = FrameDecoder(), 0
    while start < len(source):
        end = start + random.choice((1, 7, 16, 1000))
        got.extend(decoder.feed(source[start:end]))
        start = end
    decoder.close()


TARGETS: dict[str, Target] = {"decode": decode, "open": view, "relay": relay, "frame": frame}
