"""Colours keep their contrast on both backgrounds (WCAG 2.1: 3:1 for graphics, 4.5:1 for text)."""

from __future__ import annotations

import pytest

from app.components import palette


def luminance(color: str) -> float:
    channels = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_slots_and_ink_stand_out(theme: str) -> None:
    background = palette.BACKGROUND[theme]
    slots = palette.slots(theme)
    assert len(set(slots)) == 9
    assert min(contrast(color, background) for color in slots) >= 3
    assert contrast(palette.INK[theme], background) >= 4.5
