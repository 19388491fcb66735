"""What is in an image, and whether anything is that must not be: `contents.py ROOT`.

Prints sizes, packages and the user's files; ends with 1 and the reason where something is wrong.
"""

from __future__ import annotations

import csv
import os
import re
import stat
import sys
from pathlib import Path

HOME = "opt/astraeus"
# Of ours: what serves. No tests, benchmarks, emulators, history, settings or keys.
OURS = {
    ".venv", "README.md", "app", "astraeus_pipeline", "dagster.yaml", "dbt_project",
    "pyproject.toml", "requirements.lock",
}  # fmt: skip
FORBIDDEN_FILES = re.compile(
    r"(^|/)(\.git|\.env|secrets|id_rsa|.*\.pem|.*\.key|pip\.conf|\.netrc|\.pgpass|conftest\.py)$"
)
# Certificates that libraries bring are public.
ALLOWED = re.compile(r"(cacert|root_?certs?|roots|ca-bundle)[^/]*\.pem$")
SECRET = re.compile(
    rb"-----BEGIN (RSA |EC |OPENSSH |ENCRYPTED )?PRIVATE KEY-----\n[A-Za-z0-9+/]{40}"
)
FORBIDDEN_PACKAGES = {
    "pip", "setuptools", "hatchling", "pytest", "mypy", "ruff", "moto", "playwright", "sqlfluff",
}  # fmt: skip
FORBIDDEN_PROGRAMS = ("gcc", "cc", "make", "git", "curl", "wget", "ssh")


def main(root: Path) -> int:
    """List and judge."""
    wrong = [*_ours(root), *_files(root), *_packages(root), *_programs(root)]
    for each in wrong:
        sys.stdout.write(f"WRONG {each}\n")
    return 1 if wrong else 0


def _ours(root: Path) -> list[str]:
    found = {each.name for each in (root / HOME).iterdir()}
    wrong = [f"{name} is in {HOME}" for name in sorted(found - OURS)]
    wrong += [f"{name} is missing in {HOME}" for name in sorted(OURS - found)]
    for needed in ("app/static/plex.woff", "dbt_project/target/manifest.json"):
        if not (root / HOME / needed).exists():
            wrong.append(f"{needed} was not made")
    if (root / HOME / "astraeus_pipeline" / "sandbox").exists():
        wrong.append("the emulators are in it")
    return wrong


def _files(root: Path) -> list[str]:
    wrong: list[str] = []
    total = files = 0
    sizes: dict[str, int] = {}
    for folder, folders, names in os.walk(root):
        where = Path(folder)
        relative = where.relative_to(root).as_posix()
        if relative.split("/")[0] in ("proc", "sys", "dev"):
            folders.clear()
            continue
        for name in names:
            path = where / name
            told = path.lstat()
            inside = f"{relative}/{name}"
            if stat.S_ISLNK(told.st_mode):
                continue
            total, files = total + told.st_size, files + 1
            part = "/".join(inside.split("/")[:2])
            sizes[part] = sizes.get(part, 0) + told.st_size
            if told.st_mode & (stat.S_ISUID | stat.S_ISGID):
                wrong.append(f"{inside} gives rights to whoever starts it")
            is_ours = inside.startswith(f"{HOME}/")
            if told.st_mode & stat.S_IWOTH or (is_ours and told.st_uid != 0):
                wrong.append(f"{inside} can be written by others than root")
            if is_ours:
                wrong += _of_ours(path, inside)
    sys.stdout.write(f"{files} files, {total / 1e6:.0f} MB\n")
    for part, size in sorted(sizes.items(), key=lambda each: -each[1])[:8]:
        sys.stdout.write(f"  {size / 1e6:7.0f} MB  {part}\n")
    return wrong


def _of_ours(path: Path, inside: str) -> list[str]:
    if FORBIDDEN_FILES.search(inside) and not ALLOWED.search(inside):
        return [f"{inside} does not belong into an image"]
    if "/site-packages/" in inside or path.suffix == ".pyc" or path.stat().st_size > 5_000_000:
        return []
    return [f"{inside} holds a private key"] if SECRET.search(path.read_bytes()) else []


def _packages(root: Path) -> list[str]:
    [site] = (root / HOME / ".venv" / "lib").glob("python3*/site-packages")
    found = sorted(
        {
            each.name.removesuffix(".dist-info").rsplit("-", 1)[0].lower()
            for each in site.glob("*.dist-info")
        }
    )
    listed = (root / "var/lib/dpkg/status").read_text().count("\nStatus: install ok installed")
    sys.stdout.write(f"{listed} packages of Debian, {len(found)} of Python:\n")
    sys.stdout.write(f"  {' '.join(found)}\n")
    return [f"the package {name} is in it" for name in found if name in FORBIDDEN_PACKAGES]


def _programs(root: Path) -> list[str]:
    return [
        f"{folder}/{name} is in it"
        for folder in ("bin", "usr/bin", "usr/local/bin")
        for name in FORBIDDEN_PROGRAMS
        if (root / folder / name).exists()
    ]


def write_bill(path: Path) -> None:
    """Write three days of a FOCUS bill."""
    columns = {
        "BillingAccountId": "b-1", "BillingAccountName": "Check", "BillingCurrency": "USD",
        "BillingPeriodStart": "2026-10-01T00:00:00Z", "BillingPeriodEnd": "2026-11-01T00:00:00Z",
        "ChargeCategory": "Usage", "ChargeClass": "", "ChargeDescription": "usage",
        "ChargeFrequency": "Usage-Based", "ConsumedQuantity": "1", "ConsumedUnit": "Hours",
        "InvoiceIssuerName": "Check", "PricingQuantity": "1", "PricingUnit": "Hours",
        "ProviderName": "Check", "PublisherName": "Check", "ServiceCategory": "Compute",
        "ServiceName": "Machines", "SubAccountId": "s-1",
    }  # fmt: skip
    with path.open("w", newline="") as handle:
        names = [*columns, "ChargePeriodStart", "ChargePeriodEnd", "BilledCost", "EffectiveCost",
                 "ListCost", "ContractedCost"]  # fmt: skip
        writer = csv.DictWriter(handle, names)
        writer.writeheader()
        for day in (1, 2, 3):
            of_day = dict.fromkeys(names[-4:], "1.25")
            period = {
                "ChargePeriodStart": f"2026-10-0{day}T00:00:00Z",
                "ChargePeriodEnd": f"2026-10-0{day + 1}T00:00:00Z",
            }
            writer.writerow({**columns, **period, **of_day})


if __name__ == "__main__":
    if sys.argv[1] == "--bill":
        write_bill(Path(sys.argv[2]))
    else:
        sys.exit(main(Path(sys.argv[1])))
