"""The one place that imports matplotlib: a figure without pyplot, which a notebook shows by itself, once.

pyplot keeps every figure in a global list and may open windows; a `Figure` with the Agg canvas does neither, so that
the same code draws in a script, in a server without a display and in a notebook.
"""

import io
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 150
STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "figure.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.edgecolor": "#444444",
    "axes.grid": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    # Text as paths: an SVG in a page cannot bring its font along, and with another font's widths labels would overlap.
    "svg.fonttype": "path",
    # Ids of clip paths would be random otherwise.
    "svg.hashsalt": "serlab",
    # Names come from data: none is a formula to be set.
    "text.parse_math": False,
}
"""The font comes with matplotlib, so that pictures are the same everywhere; white, to be read in a dark page too."""


SESSION = {"backend", "backend_fallback", "interactive", "toolbar", "timezone", "webagg.port"}
"""Settings of the program that draws, not of a picture."""


class Picture(Figure):
    """A figure with serlab's style, whatever the program's own settings are."""

    def __init__(self, width: float, height: float) -> None:
        super().__init__(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(self)

    def draw(self, renderer: Any) -> None:
        """Draw; ticks are made only here, so the style has to hold here too."""
        with style():
            super().draw(renderer)

    def data(self, suffix: str) -> bytes:
        """Give the file's bytes, without a date, so that equal rows give equal bytes.

        Args:
            suffix: png or svg.
        """
        buffer = io.BytesIO()
        metadata = {"Date": None} if suffix == "svg" else {"Software": None}
        with style():
            # Notebooks keep their pictures, so a PNG is packed as small as its pixels allow.
            packing: Any = {"pil_kwargs": {"optimize": True}} if suffix == "png" else {}
            self.savefig(buffer, format=suffix, dpi=DPI, metadata=metadata, **packing)
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        """Show the picture in a notebook, where no pyplot is there to do it."""
        return self.data("png")


def style() -> Any:
    """Hold serlab's settings while a figure is made or drawn; a program's own would give another picture."""
    defaults = {key: value for key, value in matplotlib.rcParamsDefault.items() if key not in SESSION}
    settings: Any = {**defaults, **STYLE}
    return matplotlib.rc_context(settings)
