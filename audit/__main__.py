"""`make audit`. Ends with 0 if all is well, 1 if something is wrong, 3 if nobody could be asked."""

from __future__ import annotations

import argparse
from pathlib import Path

from audit import advisories, bom, licences, locked, secrets


def main() -> int:
    """Audit, and say what was found."""
    words = argparse.ArgumentParser(prog="audit", description=__doc__)
    words.add_argument("--bom", type=Path, default=locked.ROOT / "dist" / "astraeus.cdx.json")
    words.add_argument("--advisories", type=Path, help="OSV's export for PyPI, instead of asking")
    words.add_argument("--service", help="the address of a service of OSV's kind")
    given = words.parse_args()

    packages, policy = locked.packages(), licences.Policy.read()
    wrong = licences.objections(packages, policy)
    licences.LIST.write_text(licences.listed(packages, policy))
    print(f"licences: {len(packages)} packages, {len(wrong)} objections; {licences.LIST}")
    bom.write(bom.document(packages, policy), given.bom)
    print(f"bill of materials: {given.bom} (CycloneDX 1.6)")
    found = [str(each) for each in secrets.findings()]
    print(f"secrets in the tree: {len(found)}")
    answer = (
        advisories.read_in(given.advisories, packages)
        if given.advisories
        else advisories.asked(service=given.service)
    )
    print(f"vulnerabilities: {answer.word.upper()}; {answer.says}")
    for each in (*wrong, *found, *answer.found):
        print(f"  {each}")
    if wrong or found or answer.word == "vulnerable":
        return 1
    return 3 if answer.word == "not asked" else 0


if __name__ == "__main__":
    raise SystemExit(main())
