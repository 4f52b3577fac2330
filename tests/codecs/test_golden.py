"""The bytes of each format stay what they are."""

from serlab.codecs import open_codec
from serlab.messages import from_document
from tests.golden import CASES, FOLDER, encoded, golden
from tests.support.documents import DOCUMENTS
from tests.support.loops import every


@every(("codec", "kind"), CASES)
def test_codec_writes_the_golden_bytes(codec: str, kind: str) -> None:
    """Encoding the hand-made document gives exactly these bytes."""
    assert encoded(codec, kind) == golden(codec, kind)


@every(("codec", "kind"), CASES)
def test_golden_bytes_still_decode(codec: str, kind: str) -> None:
    """Bytes that an earlier version wrote give the same message."""
    assert open_codec(codec, kind).decode(golden(codec, kind)) == from_document(kind, DOCUMENTS[kind])


def test_every_golden_file_belongs_to_a_codec() -> None:
    """No file is left behind by a codec that is gone."""
    assert {path.stem for path in FOLDER.glob("*.json")} == {codec for codec, _ in CASES}
