"""Put the table and the plot of a run into README.md: `.venv/bin/python scripts/readme.py results/DIR`."""

import sys
from pathlib import Path

import pandas as pd

from serlab.report import build_tables, caption_of
from serlab.report.figures import ratio_figure, save
from serlab.report.formatting import three_digits
from serlab.results import load_environment, load_results

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- results: written by scripts/readme.py from a results folder -->", "<!-- end of results -->"
WORKLOADS = ["agent-request", "chat-response", "stream", "embeddings"]
PLOTTED = ["agent-request", "chat-response", "embeddings"]
COLUMNS = {"size_ratio": "size", "encode_ratio": "encode", "decode_ratio": "decode", "read_one_ratio": "read one field"}


def main(directory: Path) -> None:
    """Write the block between the two marks, and docs/ratios.png."""
    rows = load_results(directory)
    (ROOT / "docs").mkdir(exist_ok=True)
    save(ratio_figure(rows, PLOTTED), ROOT / "docs/ratios.png")
    readme = ROOT / "README.md"
    head, _, rest = readme.read_text().partition(START)
    _, _, tail = rest.partition(END)
    readme.write_text(f"{head}{START}\n{block(rows, caption_of(load_environment(directory)))}{END}{tail}")


def block(rows: pd.DataFrame, caption: str) -> str:
    """Write the table, the plot and where they come from."""
    summary = build_tables(rows)["summary"]
    heads = ["workload", "codec", *COLUMNS.values()]
    lines = [f"| {' | '.join(heads)} |", "| --- | --- |" + " ---: |" * len(COLUMNS)]
    for workload in WORKLOADS:
        group = summary[summary["workload"] == workload].sort_values("decode_ratio")
        lines += [line_of(row, i == 0) for i, row in enumerate(group.to_dict("records"))]
    legend = (
        "Ratios to `orjson`, median over processes: 0.50 is half the bytes or half the time; `=` is a tie, a "
        "difference inside the noise of the machine. The fastest decoder of each workload stands first."
    )
    plot = "![Time per message against orjson, by codec and workload, with intervals](docs/ratios.png)"
    return "\n".join([legend, "", *lines, "", plot, "", f"<sub>{caption}</sub>", ""])


def line_of(row: dict[object, object], is_first: bool) -> str:
    """Write one codec's line."""
    name = f"**{row['workload']}**" if is_first else ""
    return f"| {name} | {row['codec']} | " + " | ".join(cell(row, column) for column in COLUMNS) + " |"


def cell(row: dict[object, object], column: str) -> str:
    """Write one ratio."""
    tie = row.get(column.replace("_ratio", "_verdict")) == "tie"
    return three_digits(float(str(row[column]))) + (" =" if tie else "")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
