"""Secrets in the tree: what looks like a key of somebody's, in any file that git has."""

from __future__ import annotations

import math
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from audit.locked import ROOT

_ALLOWED: Final = Path(__file__).with_name("secrets.toml")
_LARGEST: Final = 2_000_000
_KINDS: Final = {
    "AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "private key": re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
    "key of OpenAI's or Anthropic's": re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"),
    "token of GitHub's": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{60,})\b"),
    "token of Slack's": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "webhook": re.compile(r"hooks\.slack\.com/services/T\w+/B\w+/\w+"),
    "key of Google's": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "key of Perplexity's": re.compile(r"\bpplx-[A-Za-z0-9]{30,}"),
    "signed token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[\w-]{10,}"),
    "key of Azure's storage": re.compile(r"AccountKey=[A-Za-z0-9+/]{40,}={0,2}"),
    "password in an address": re.compile(
        r"\b[a-z][a-z0-9+]*://[^\s/:@{}<>$\"']+:(?!password@)([^\s/@{}<>$\"']{8,})@"
    ),
}
# Without any of these no pattern holds: most lines are passed over quickly.
_HINTS: Final = re.compile(
    r"AKIA|ASIA|BEGIN |sk-|gh[pousr]_|github_pat_|xox[abprs]-|hooks\.slack|AIza|pplx-|eyJ"
    r"|AccountKey|://[^/\s]*@|[sS]ecret|SECRET|[pP]ass|PASS|[kK]ey|KEY|[tT]oken|TOKEN"
)
# What is called a secret and is as random as one.
_CALLED: Final = re.compile(
    r"""(?i)(?:secret|passw(?:or)?d|passphrase|api_?key|token|master_key)\w*["']?\s*[:=]\s*"""
    r"""["']([A-Za-z0-9+/_=-]{20,})["']"""
)
_RANDOM: Final = 4.0  # bits a character; words of a language have fewer


@dataclass(frozen=True, order=True)
class Finding:
    """What looks like a secret, and where; never the secret."""

    path: str
    line: int
    kind: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind}"


def findings(root: Path = ROOT) -> list[Finding]:
    """Return what is found in the files that git has, but for what secrets.toml allows."""
    allowed = tomllib.loads(_ALLOWED.read_text())["allowed"]
    found = (each for path in _files(root) for each in _found(root, path))
    return sorted(
        each
        for each in found
        if not any(fnmatch(f"{each.path}: {each.kind}", known) for known in allowed)
    )


def kinds_in(line: str) -> list[str]:
    """Return the kinds of secrets that a line seems to hold."""
    if not _HINTS.search(line):
        return []
    kinds = [kind for kind, pattern in _KINDS.items() if pattern.search(line)]
    kinds += ["random secret" for value in _CALLED.findall(line) if _bits(value) >= _RANDOM]
    return kinds


def _found(root: Path, path: str) -> Iterator[Finding]:
    file = root / path
    if file.is_symlink() or not file.is_file() or file.stat().st_size > _LARGEST:
        return
    text = file.read_bytes().decode("utf-8", "replace")
    if not _HINTS.search(text):
        return
    for number, line in enumerate(text.splitlines(), start=1):
        yield from (Finding(path, number, kind) for kind in kinds_in(line))


def _files(root: Path) -> list[str]:
    told = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git of the PATH
        cwd=root,
        capture_output=True,
        check=True,
    )
    return [each for each in told.stdout.decode().split("\0") if each]


def _bits(value: str) -> float:
    counts = Counter(value)
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
