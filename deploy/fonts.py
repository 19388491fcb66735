"""Make the app's font from the IBM Plex Sans package: Latin, Greek and Cyrillic, as WOFF."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

TARGET: Final = Path(__file__).resolve().parent.parent / "app" / "static" / "plex.woff"
# Latin with extensions, Greek, Cyrillic, punctuation, currency signs, arrows, minus.
RANGES: Final = (
    (0x20, 0x17F), (0x370, 0x45F), (0x2010, 0x2030), (0x20A0, 0x20BF), (0x2190, 0x2193),
    (0x2212, 0x2212),
)  # fmt: skip


def main() -> None:
    """Write the font; the widths are not used, the weights are."""
    folder = files("fontpkg_ibm_plex_sans") / "files"
    with folder.joinpath("IBMPlexSans[wdth,wght].ttf").open("rb") as source:
        font = TTFont(source)
        options = subset.Options(layout_features=["*"], hinting=False)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=[code for one, last in RANGES for code in range(one, last + 1)])
        subsetter.subset(font)
        instancer.instantiateVariableFont(font, {"wdth": 100}, inplace=True)
        font.flavor = "woff"
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        font.save(TARGET)


if __name__ == "__main__":
    main()
