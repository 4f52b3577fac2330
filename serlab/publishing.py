"""The subcommands that show a run to others: report, export and figures."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from serlab.console import console, is_unicode, literal
from serlab.folders import agreeing
from serlab.running import FINDING, refuse_small, show_page, split

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
    """Write the tables and the page of a results folder again, and show the summary; status 1 as the run itself."""
    from serlab.outcomes import UNMEASURED
    from serlab.page import write_page
    from serlab.report import write_tables
    from serlab.results import is_finished, load_findings, load_results
    from serlab.terminal import is_amiss, show_summary

    refuse_small()
    where = console()
    with agreeing(directory):
        written = write_tables(directory)
        page = write_page(directory, scenario or ())
        rows, findings = load_results(directory), load_findings(directory)
        show_summary(where, rows, findings)
    if not is_finished(directory):
        stopped = f"This run was stopped: what it has measured is shown; go on with --resume -o {directory}"
        where.print(literal(stopped), soft_wrap=True)
    elif any(one["outcome"] == UNMEASURED for one in findings):
        where.print(literal(f"What is unmeasured is measured by --resume -o {directory}"), soft_wrap=True)
    where.print(literal(f"{len(written)} files in {directory / 'tables'}"), soft_wrap=True)
    show_page(page)
    if is_amiss(rows, findings):
        raise typer.Exit(FINDING)


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
    from serlab.folders import write_atomically
    from serlab.report.selection import export_table

    if standalone and format_ != "tex":
        raise typer.BadParameter(f"--standalone is for --format tex, got {format_}")
    with agreeing(directory):
        text, caption = export_table(directory, table, format_, selections or (), split(columns), standalone)
    if caption_file is not None:
        write_atomically(caption_file, f"{caption}\n".encode())
    if output is None:
        print(written_for(text, format_), end="")
    else:
        write_atomically(output, text.encode())


def written_for(text: str, format_: str) -> str:
    """Write a table so that a standard output which has not every character loses none of HTML's."""
    if format_ != "html" or is_unicode(getattr(sys.stdout, "encoding", None)):
        return text
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def figures(directory: Folder) -> None:
    """Draw what a results folder holds, as DIR/figures/*.png and *.svg; needs the extra `notebooks`."""
    from serlab.report.figures import write_figures

    with agreeing(directory):
        count = sum(1 for _ in write_figures(directory))
    console().print(literal(f"{count} files in {directory / 'figures'}"), soft_wrap=True)
