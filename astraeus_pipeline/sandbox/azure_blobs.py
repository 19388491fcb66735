"""A Blob Storage that lists and reads the files of a folder: the two calls that exports need."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

STORAGE_ACCOUNT = "devstore"
_PAGE = 3  # blobs in one page of a listing, so that there are several


def list_blobs(request: Request, folder: Path) -> Response:
    """Answer List Blobs of a container, in pages; the prefix is echoed, as the SDK relies on it."""
    container = request.path_params["container"]
    prefix = request.query_params.get("prefix", "")
    root = folder / container
    if not root.is_dir():
        return _error(404, "ContainerNotFound")
    found = sorted(each.relative_to(root).as_posix() for each in root.rglob("*") if each.is_file())
    names = [each for each in found if each.startswith(prefix)]
    start = int(request.query_params.get("marker") or 0)
    shown = names[start : start + _PAGE]
    more = str(start + _PAGE) if start + _PAGE < len(names) else ""
    blobs = "".join(_listed(root / name, name) for name in shown)
    text = (
        f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{container}">'
        f"<Prefix>{escape(prefix)}</Prefix><Blobs>{blobs}</Blobs><NextMarker>{more}</NextMarker>"
        "</EnumerationResults>"
    )
    return Response(text, media_type="application/xml")


def read_blob(request: Request, folder: Path) -> Response:
    """Answer Get Blob, whole or a range, and Get Blob Properties."""
    path = folder / request.path_params["container"] / request.path_params["blob"]
    if not path.is_file():
        return _error(404, "BlobNotFound")
    content = path.read_bytes()
    headers = {
        "ETag": f'"{_etag(path)}"',
        "Last-Modified": _modified(path),
        "x-ms-blob-type": "BlockBlob",
        "Accept-Ranges": "bytes",
    }
    asked = request.headers.get("x-ms-range") or request.headers.get("range")
    if request.method == "HEAD":
        return Response(headers={**headers, "content-length": str(len(content))})
    if asked is None:
        return Response(content, headers=headers)
    first, _, last = asked.removeprefix("bytes=").partition("-")
    start, end = int(first), min(int(last or len(content)), len(content) - 1)
    if start >= len(content):
        return _error(416, "InvalidRange")
    headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
    return Response(content[start : end + 1], 206, headers)


def _listed(path: Path, name: str) -> str:
    return (
        f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{_modified(path)}"
        f"</Last-Modified><Etag>{_etag(path)}</Etag><Content-Length>{path.stat().st_size}"
        "</Content-Length><Content-Type>application/octet-stream</Content-Type>"
        "<BlobType>BlockBlob</BlobType></Properties></Blob>"
    )


def _etag(path: Path) -> str:
    return f"0x{hashlib.sha256(path.read_bytes()).hexdigest()[:15].upper()}"


def _modified(path: Path) -> str:
    return format_datetime(datetime.fromtimestamp(path.stat().st_mtime, UTC), usegmt=True)


def _error(status: int, code: str) -> Response:
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code></Error>'
    headers = {"x-ms-error-code": code}
    return Response(text, status, headers, media_type="application/xml")
