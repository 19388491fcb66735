"""Opens workbooks, PDFs and images in a process of its own, with little memory and time.

Whoever makes such a file chooses how much work its parser has: the process is ended before the
app feels it. `python -m app.assistant.attachments.opening KIND` reads the file from its input and
writes JSON.
"""

from __future__ import annotations

import base64
import io
import json
import os
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from app.assistant.attachments.kinds import Kind
from app.assistant.attachments.sheets import MOST_COLUMNS, MOST_LINES, as_text
from astraeus_pipeline.errors import ConfigError

_ROOT: Final = Path(__file__).parents[3]
_SECONDS: Final = 30
_CPU_SECONDS: Final = 20
_MEMORY: Final = 1536 * 1024 * 1024
MOST_PAGES: Final = 20
MOST_PIXELS: Final = 40_000_000
# What models look at: finer images are scaled down by their providers anyway.
_SIDE: Final = 2000
_MOST_IMAGES: Final = 8
MOST_CHARACTERS: Final = 60_000
_MOST_UNPACKED: Final = 100 * 1024 * 1024
_MOST_PARTS: Final = 2_000


@dataclass(frozen=True)
class Opened:
    """What is in a file: rows of a workbook's first sheet; or text, and images as PNG (base64)."""

    rows: tuple[tuple[str, ...], ...] = ()
    text: str = ""
    images: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class _RefusedError(Exception):
    """A file that is not opened, in a sentence."""


def opened(kind: Kind, content: bytes) -> Opened:
    """Return what is in a file. Raises: ConfigError, in a sentence, where it cannot be opened."""
    try:
        done = subprocess.run(  # noqa: S603 - this module in our own interpreter; `kind` is one of three words
            [sys.executable, "-m", __name__, kind],
            input=content,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            cwd=_ROOT,
            # Nothing of the app's own environment: no keys, no addresses.
            env={"PYTHONPATH": str(_ROOT), "PATH": os.defpath},
        )
        said: Any = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise ConfigError(
            "The file is broken, or takes more time or memory than a file may.",
            hint="Attach a plainer copy, as CSV or PNG say.",
        ) from None
    if "refused" in said:
        raise ConfigError(str(said["refused"]), hint="Attach another copy of it.")
    return Opened(
        tuple(tuple(row) for row in said["rows"]),
        said["text"],
        tuple(said["images"]),
        tuple(said["notes"]),
    )


def _workbook(content: bytes) -> Opened:
    _check_archive(content)
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    sheet = book.worksheets[0]
    rows: list[tuple[str, ...]] = []
    for row in sheet.iter_rows(max_col=MOST_COLUMNS, values_only=True):
        rows.append(tuple(as_text(each) for each in row))
        if len(rows) > MOST_LINES + 1:
            raise _RefusedError(f"The table has more than {MOST_LINES:,} rows.")
    named = [each.title for each in book.worksheets]
    notes = [f"Of its {len(named)} sheets the first is read: {named[0]!r}."]
    return Opened(tuple(rows), notes=tuple(notes) if len(named) > 1 else ())


def _check_archive(content: bytes) -> None:
    """Refuse archives that are no workbook, or would unpack into too much."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = archive.infolist()
        names = {each.filename for each in parts}
        if not {"[Content_Types].xml", "xl/workbook.xml"} <= names:
            raise _RefusedError("The file is an archive, and no XLSX workbook.")
        if len(parts) > _MOST_PARTS or sum(each.file_size for each in parts) > _MOST_UNPACKED:
            raise _RefusedError("The workbook would unpack into more than 100 MB.")
        for each in parts:
            if each.filename.endswith((".xml", ".rels")):
                with archive.open(each) as part:
                    # Entities can grow without end, and no workbook has any.
                    if b"<!DOCTYPE" in part.read(4096):
                        raise _RefusedError("The workbook declares XML entities.")


def _image(content: bytes) -> Opened:
    return Opened(images=(_as_png(content),))


def _as_png(content: bytes) -> str:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP")) as found:
            if found.width * found.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            # Redrawn: without what its file says about places and people.
            drawn = found.convert("RGB")
    except Image.DecompressionBombError:
        raise _RefusedError(
            f"The image has more than {MOST_PIXELS // 1_000_000} megapixels."
        ) from None
    drawn.thumbnail((_SIDE, _SIDE))
    out = io.BytesIO()
    drawn.save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def _document(content: bytes) -> Opened:
    import pypdf

    reader = pypdf.PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise _RefusedError("The PDF is encrypted with a password.")
    pages = len(reader.pages)
    if pages > MOST_PAGES:
        raise _RefusedError(f"The PDF has {pages} pages, and {MOST_PAGES} can be read.")
    text = "\n\n".join(page.extract_text() for page in reader.pages)
    if len(text) > MOST_CHARACTERS:
        raise _RefusedError("The PDF has more text than one reading takes.")
    if any(each.isdigit() for each in text):
        return Opened(text=text)
    images: list[str] = []
    for page in reader.pages:
        largest = max(
            (each for each in page.images if each.image is not None),
            key=lambda each: each.image.width * each.image.height if each.image else 0,
            default=None,
        )
        if largest is not None and largest.image is not None:
            if largest.image.width * largest.image.height > MOST_PIXELS:
                raise _RefusedError("A page of the PDF has too large an image.")
            out = io.BytesIO()
            largest.image.convert("RGB").save(out, "PNG")
            images.append(_as_png(out.getvalue()))
    if not images:
        raise _RefusedError("The PDF has no text and no images that could be read.")
    if len(images) > _MOST_IMAGES:
        raise _RefusedError(
            f"The PDF has {len(images)} scanned pages, and {_MOST_IMAGES} can be read."
        )
    return Opened(images=tuple(images), notes=("It has no text: its images are read.",))


_OPENERS: Final[dict[str, Callable[[bytes], Opened]]] = {
    "xlsx": _workbook,
    "image": _image,
    "pdf": _document,
}


def main(kind: str) -> None:
    """Open what comes in, and write what is in it."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        said: dict[str, Any] = asdict(_OPENERS[kind](sys.stdin.buffer.read()))
    except _RefusedError as refused:
        said = {"refused": str(refused)}
    except Exception as error:  # noqa: BLE001 - a parser raises anything on a broken file
        # By its kind alone: its words may be those of the file. The app raises it as ConfigError.
        said = {"refused": f"The file is broken: it cannot be opened ({type(error).__name__})."}
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
