"""Frames: encoded messages one after another in a file or a stream, each with its length and a checksum.

    with open("log.frames", "wb") as file, FrameWriter(file) as frames:
        frames.write(codec.encode(message))
    with open("log.frames", "rb") as file:
        messages = [codec.decode(data) for data in read_frames(file)]

Why. No codec notices all damage: one flipped bit changed the data without an error in 60–82 % of trials in every one of
them, and protobuf takes bytes that are cut at a field's boundary for a shorter message. Nor does an encoded message
tell where it ends. A frame tells both, whatever the codec.

The format. A frame is a header of 16 bytes and the payload, one encoded message. All numbers are little-endian:

    byte 0   u32   length word: the payload's bytes in the low 31 bits; the top bit marks the END frame
    byte 4   u32   header check: xxh32 of the length word's 4 bytes, seeded with the sequence number modulo 2^32
    byte 8   u64   payload check: xxh3_64 of the payload, seeded with the sequence number
    byte 16        the payload

- The sequence number counts the frames of a stream from 0. It is not sent: a frame that was dropped, doubled or moved
  stands where another number is expected and fails its check. A frame by itself has the number 0.
- The header check comes first, so that a reader believes no length that is damaged, neither to wait nor to allocate
  for. It is made before the payload check has arrived: eight bytes are enough to refuse garbage. xxh32 of four bytes is
  one to one, so no damage to the length word alone, however many bits, passes.
- The END frame's payload is the number of frames before it, as u64. It closes a stream, since one that is cut between
  two frames looks whole. Readers insist on it unless told otherwise (`require_end=False`, for streams that stay open or
  whose writer was killed). Nothing may follow it.
- 16 bytes keep the payload's alignment: FlatBuffers and vectors can be read in place, from `open_frame` too.
- There is neither a magic number nor a version: the first header check is one. A later format would use other seeds.

What a reader does. It hands out every payload that came before the damage, then raises `DecodeError` with the frame's
number, its offset, what was expected and what came. It goes no further: with a length lost there is no next frame to
trust. Memory grows with the bytes that have arrived, never with the length that a header claims. `max_bytes` bounds a
payload; see `MAX_BYTES`. Errors of the stream itself (`OSError`, a socket's timeout) pass unchanged.

What it does not do. Damage passes by chance once in 2^64 (a payload), and whoever means harm can compute the checks: a
frame is no signature: unless one has written it oneself, what is in it is a stranger's bytes
(`serlab.codecs.decode_untrusted`). Frames of two streams at the same place are not told apart.

- `encode_frame`, `frame_parts`, `decode_frame`, `open_frame`: one frame, no stream.
- `FrameDecoder`: bytes as they come, cut anywhere → payloads; does no input or output, so it fits any event loop.
- `FrameWriter`, `read_frames`, `read_frames_async`: files, sockets and async streams.

Source: the xxHash specification (XXH32, XXH3).
"""

from serlab.frames.decoder import FrameDecoder
from serlab.frames.frame import (
    HEADER_BYTES,
    MAX_BYTES,
    MAX_PAYLOAD,
    decode_frame,
    encode_frame,
    end_frame,
    frame_parts,
    open_frame,
)
from serlab.frames.reading import read_frames, read_frames_async
from serlab.frames.writing import FrameWriter

__all__ = [
    "HEADER_BYTES",
    "MAX_BYTES",
    "MAX_PAYLOAD",
    "FrameDecoder",
    "FrameWriter",
    "decode_frame",
    "encode_frame",
    "end_frame",
    "frame_parts",
    "open_frame",
    "read_frames",
    "read_frames_async",
]
