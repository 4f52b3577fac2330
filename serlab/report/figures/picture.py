"""A picture: panels that Vega-Lite draws, shown by a notebook as PNG, written as PNG and SVG, without a browser."""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serlab.errors import UnknownNameError
from serlab.folders import write_atomically
from serlab.report.figures.charts import Row, Spec
from serlab.visible import visible

FORMATS = ("png", "svg")
PNG = b"\x89PNG\r\n\x1a\n"
SCALE = 1.5
"""Pixels of a PNG for each of a specification's."""
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
"""The first comes with vl-convert and is as wide as the next two, so that pictures are the same everywhere."""
SMALL = 11
"""Pixels of the smallest text; at the width of a page on GitHub these are 8 points."""
DARK = "#444444"
CONFIG: Spec = {
    "background": "white",
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "grid": False, "domainColor": DARK, "tickColor": DARK, "labelFontSize": SMALL, "titleFontSize": 12,
        "titleFontWeight": "normal", "labelColor": "#000000", "titleColor": "#000000", "labelLimit": 240,
        "labelPadding": 4,
    },
    "title": {"fontSize": 13, "anchor": "start", "frame": "group", "offset": 8},
    "text": {"fontSize": SMALL},
    "rule": {"color": DARK},
    "legend": {"labelFontSize": SMALL, "title": None, "symbolSize": 60, "symbolOpacity": 1, "labelLimit": 240},
}  # fmt: skip
"""White, to be read in a dark page too."""


class Picture:
    """A figure.

    Attributes:
        spec: the Vega-Lite specification, with its data.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec: Spec = _seen(spec)

    def __repr__(self) -> str:
        count = len(self.spec["concat"])
        return f"<Picture of {count} panel{'s' * (count > 1)}>"

    def data(self, suffix: str) -> bytes:
        """Return the bytes of a file; equal rows give equal bytes.

        Args:
            suffix: png or svg.
        """
        import vl_convert

        if suffix == "svg":
            return vl_convert.vegalite_to_svg(self.spec).encode()
        return _packed(vl_convert.vegalite_to_png(self.spec, scale=SCALE))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Show the picture in a notebook, also to a reader whose viewer runs no script."""
        return {"image/png": self.data("png"), "text/plain": repr(self)}


def _seen(value: Any) -> Any:
    """Make all texts visible: names come from data, and none may turn what is around it."""
    if isinstance(value, dict):
        return {key: _seen(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_seen(one) for one in value]
    return visible(value) if isinstance(value, str) else value


def pixels(png: bytes) -> tuple[int, int, bytes]:
    """Return the width and height of a PNG and its pixels, filtered as they are in the file.

    Source: Portable Network Graphics (third edition), "Datastream structure": length, type, data and CRC of each chunk.
    """
    data, at = b"", len(PNG)
    while at < len(png):
        size = int.from_bytes(png[at : at + 4])
        data += png[at + 8 : at + 8 + size] if png[at + 4 : at + 8] == b"IDAT" else b""
        at += size + 12
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24]), zlib.decompress(data)


def _packed(png: bytes) -> bytes:
    """Compress a PNG as far as it goes, since notebooks keep their pictures, and leave out what is no pixel."""
    chunks = {b"IHDR": png[16:29], b"IDAT": zlib.compress(pixels(png)[2], 9), b"IEND": b""}
    packed = (
        len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4) for kind, data in chunks.items()
    )
    return PNG + b"".join(packed)


def save(figure: Picture, path: str | Path) -> Path:
    """Write a figure; equal rows give equal bytes.

    Args:
        figure: from one of the figure functions.
        path: a .png or .svg file.

    Returns:
        The path.

    Raises:
        UnknownNameError: another ending.
        ResultsError: the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        raise UnknownNameError.of("format of figures", suffix, FORMATS)
    write_atomically(path, figure.data(suffix))
    return path


def panel(rows: Sequence[Row], layers: Sequence[Spec], width: float, height: float, *title: str) -> Spec:
    """Return one panel; the title has as many lines as those beside it, or they would not stand level."""
    # A title is a list of lines, so that no name is read as anything but text.
    head = {"title": {"text": list(title)}} if title else {}
    return {"data": held(rows), "width": width, "height": height, **head, "layer": [*layers]}


def held(rows: Sequence[Row]) -> Spec:
    """Return rows as the data of a panel or of a layer, without what is not a number."""
    return {"values": [{key: value for key, value in row.items() if value == value} for row in rows]}


def sheet(panels: Sequence[Spec], columns: int, *note: str) -> Picture:
    """Return a figure of panels, line by line, with a note below it all."""
    said = {"text": list(note), "orient": "bottom", "anchor": "middle", "frame": "bounds", "fontSize": 12,
            "fontWeight": "normal"}  # fmt: skip
    title = {"title": said} if note else {}
    return Picture({"concat": list(panels), "columns": columns, "spacing": {"row": 14, "column": 18}, "align": "each",
                    **title, "config": CONFIG})  # fmt: skip


def widths(texts: Mapping[str, bool]) -> dict[str, float]:
    """Return text → pixels: beside each text Vega draws a box as wide as it is, whose place the scene tells.

    Args:
        texts: text → whether it is bold.
    """
    import vl_convert

    rows = [{"text": text, "fontWeight": "bold" if is_bold else "normal"} for text, is_bold in texts.items()]
    look: Spec = {"font": {"value": FONT}, "fontSize": {"value": SMALL}}
    look |= {name: {"field": name} for name in ("text", "fontWeight")}
    ends = {"x": {"field": "bounds.x1"}, "x2": {"field": "bounds.x2"}}
    written = {"name": "written", "type": "text", "from": {"data": "texts"}, "encode": {"enter": look}}
    boxes = {"type": "rect", "from": {"data": "written"}, "encode": {"enter": ends}}
    spec = {"data": [{"name": "texts", "values": rows}], "marks": [written, boxes]}
    scene = vl_convert.vega_to_scenegraph(spec)["scenegraph"]
    found = next(mark for mark in scene["items"][0]["items"] if mark["marktype"] == "rect")["items"]
    return {text: box["width"] for text, box in zip(texts, found, strict=True)}
