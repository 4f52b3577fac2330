"""The subcommands that show a run to others: report, export and figures."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from serlab.running import show_page, split

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A results folder.")]
Scenarios = Annotated[
    list[str] | None,
    typer.Option(
        "--scenario", metavar="NAME|FILE.toml", help="A boundary for the page to begin with; may be repeated."
    ),
]
Select = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="COLUMN=VALUE,…", help="Keep the rows with one of the values; repeat."),
]


def report(directory: Folder, scenario: Scenarios = None) -> None:
    """Write the tables and the page of a results folder again, and show the summary."""
    from serlab.page import write_page
    from serlab.report import terminal_tables, write_tables
    from serlab.results import is_finished, load_results

    written = write_tables(directory)
    page = write_page(directory, scenario or ())
    console = Console()
    for table in terminal_tables(load_results(directory)):
        console.print(table)
    if not is_finished(directory):
        console.print(
            f"This run was stopped: what it has measured is shown; go on with --resume -o {directory}", highlight=False
        )
    console.print(f"{len(written)} files in {directory / 'tables'}", highlight=False)
    show_page(page)


def export(
    directory: Folder,
    table: Annotated[str, typer.Option("--table", metavar="NAME", help="size, time, memory, summary, …")] = "summary",
    format_: Annotated[str, typer.Option("--format", metavar="FORMAT", help="md, csv, tex, html or json.")] = "md",
    selections: Select = None,
    columns: Annotated[
        list[str] | None, typer.Option("--columns", metavar="NAME,…", help="As in the CSV's header; repeat.")
    ] = None,
    standalone: Annotated[bool, typer.Option("--standalone", help="A LaTeX document, ready to compile.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="In place of stdout.")] = None,
    caption_file: Annotated[
        Path | None, typer.Option("--caption-file", metavar="FILE", help="The caption, which CSV has no place for.")
    ] = None,
) -> None:
    """Write one table of a results folder, or a part of it, for a paper, a page or a spreadsheet."""
    from serlab.report.selection import export_table
    from serlab.results import write_atomically

    if standalone and format_ != "tex":
        raise typer.BadParameter(f"--standalone is for --format tex, got {format_}")
    text, caption = export_table(directory, table, format_, selections or (), split(columns), standalone)
    if caption_file is not None:
        write_atomically(caption_file, f"{caption}\n".encode())
    if output is None:
        sys.stdout.write(text)
    else:
        write_atomically(output, text.encode())


def figures(directory: Folder) -> None:
    """Draw what a results folder holds, as DIR/figures/*.png and *.svg; needs the extra `notebooks`."""
    from serlab.report.figures import write_figures

    count = sum(1 for _ in write_figures(directory))
    Console().print(f"{count} files in {directory / 'figures'}", highlight=False)
