"""What an attached file is, by its content and not by its name; and how large it may be."""

from __future__ import annotations

from typing import Final, Literal

from astraeus_pipeline.errors import ConfigError

Kind = Literal["csv", "xlsx", "pdf", "image"]
MEDIA: Final[dict[Kind, str]] = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
    "image": "image/*",
}
# What file dialogs offer.
ENDINGS: Final = ("pdf", "png", "jpg", "jpeg", "webp", "csv", "xlsx")
MOST_MEGABYTES: Final = 10
MOST_BYTES: Final = MOST_MEGABYTES * 1024 * 1024
_HEAD: Final = 1024


def kind_of(content: bytes) -> Kind:
    """Return what a file is. Raises: ConfigError for one that is empty, too large, or another."""
    if not content.strip(b"\0 \t\r\n"):
        raise ConfigError("The file is empty.", hint="Attach another.")
    if len(content) > MOST_BYTES:
        raise ConfigError(
            f"The file is larger than {MOST_MEGABYTES} MB.", hint="Attach the part that matters."
        )
    if b"%PDF-" in content[:_HEAD]:
        return "pdf"
    if content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")) or (
        content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    ):
        return "image"
    if content.startswith(b"PK\x03\x04"):
        return "xlsx"  # which its parts must confirm
    if content.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise ConfigError(
            "The file is an old or an encrypted Office document.",
            hint="Save it as XLSX without a password, or as CSV.",
        )
    if _is_text(content):
        return "csv"
    raise ConfigError(
        "What the file is cannot be told from its content.",
        hint="PDF, PNG, JPEG, WebP, CSV and XLSX can be read.",
    )


def _is_text(content: bytes) -> bool:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    controls = sum(content[:4096].count(each) for each in range(32) if each not in (9, 10, 12, 13))
    return controls == 0 and b"\0" not in content
