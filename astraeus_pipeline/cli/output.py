"""What commands print: tables and sentences for people, JSON for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from astraeus_pipeline.errors import AstraeusError

# Piped output is not cut to 80 columns.
console = Console(width=None if sys.stdout.isatty() else 160)
errors = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a script to read.")]


def print_json(content: Any) -> None:
    """Print content as JSON; dates and decimals as text."""
    typer.echo(json.dumps(content, default=str, indent=2))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows as a table; None is shown as a dash."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")  # an amount cut short is another amount
    for row in rows:
        table.add_row(*("-" if cell is None else escape(str(cell)) for cell in row))
    console.print(table)


def print_records(
    title: str, records: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str
) -> None:
    """Print records as JSON or as a table with their keys as headings."""
    if as_json:
        print_json(list(records))
    elif not records:
        console.print(empty)
    else:
        headings = [name.replace("_", " ") for name in records[0]]
        print_table(title, headings, ([*record.values()] for record in records))


def tell(text: str) -> None:
    """Print a sentence as it is, brackets included, to be broken by the terminal alone."""
    console.print(escape(text), highlight=False, soft_wrap=True)


def progress(text: str) -> None:
    """Print what is being done, beside what a script reads."""
    errors.print(escape(text), highlight=False, soft_wrap=True)


def size(count: float) -> str:
    """Spell out a number of bytes."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def report_error(error: AstraeusError) -> None:
    """Print what went wrong and the next step."""
    # Escaped: a message may quote what somebody wrote, brackets included.
    errors.print(f"[bold red]Error:[/] {escape(error.message)}", highlight=False, soft_wrap=True)
    if error.hint:
        errors.print(f"[bold]Next:[/] {escape(error.hint)}", highlight=False, soft_wrap=True)
