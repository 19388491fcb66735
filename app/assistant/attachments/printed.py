"""Amounts as people and programs print them, into exact decimals; what is ambiguous is not guessed.

"1,234" is a thousand in one place and little more than one in another: only other amounts of the
same file, or its format, tell which. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

# What stands before the decimals.
Mark = Literal[".", ","]
_LONGEST: Final = 64
_MINUS: Final = str.maketrans({"\u2212": "-", "\u2012": "-", "\u2013": "-", "\uff0d": "-"})
_SPACES: Final = re.compile(r"[\s\u00a0\u2007\u2009\u202f]+")
# Those that name one currency alone; a plain $ or ¥ names none.
_SIGNS: Final = {"US$": "USD", "€": "EUR", "£": "GBP", "₹": "INR"}
_NAMELESS: Final = ("$", "¥")
_CODE: Final = re.compile(r"[A-Z]{3}")
_WORDS: Final = re.compile(
    r"^(?P<before>[A-Z]{3}|US\$|[$€£¥₹])?(?P<rest>.*?)(?P<after>[A-Z]{3}|US\$|[$€£¥₹])?$"
)
_CREDIT: Final = re.compile(r"(?<=[\d)])\s?(CR|DR)$")
_EXPONENT: Final = re.compile(r"\d{1,40}(?:\.\d{1,40})?[eE][-+]?\d{1,2}")
_PLAIN: Final = re.compile(r"\d{1,40}")
# Thousands in threes, or the lakhs and crores of India.
_GROUPED: Final = re.compile(
    r"\d{1,3}(?:(?P<mark>[.,' ])\d{3})(?:(?P=mark)\d{3})*|\d{1,2}(?:,\d{2})+,\d{3}"
)


@dataclass(frozen=True)
class Printed:
    """An amount, or None and the `doubt` in words; `currency` where the print itself names it."""

    amount: Decimal | None
    currency: str | None = None
    doubt: str | None = None


def mark_of(texts: Iterable[str]) -> Mark | None:
    """Return the decimal mark that amounts of one file prove; None for none, or for both."""
    proved = {mark for each in texts if (mark := _proved(_stripped(each)[0])) is not None}
    return proved.pop() if len(proved) == 1 else None


def read(text: str, mark: Mark | None = None) -> Printed:
    """Return what an amount says; `mark` is what the file's other amounts or its format prove.

    A sign is a minus before or behind, parentheses, or CR behind: one of them.
    """
    if not text.strip():
        return Printed(None, None, "empty")
    if len(text) > _LONGEST:
        return Printed(None, None, "no amount")
    digits, is_negative, currency = _stripped(text)
    if is_negative is None:
        return Printed(None, currency, "no amount, or with two signs")
    value = _value(digits, mark)
    if isinstance(value, str):
        return Printed(None, currency, value)
    # Not by a minus sign: that would round at 28 digits.
    return Printed(value.copy_negate() if is_negative and value else value, currency)


def _stripped(text: str) -> tuple[str, bool | None, str | None]:
    """Return digits and their marks, whether it is below zero (None: unclear), the currency."""
    left = _SPACES.sub(" ", text.translate(_MINUS)).strip().replace("\u2019", "'")
    credit = _CREDIT.search(left)
    if credit:
        left = left[: credit.start()].rstrip()
    signs = 1 if credit and credit[1] == "CR" else 0
    named: str | None = None
    # Signs and currencies come in either order: "-$5", "$-5", "(5 USD)", "5- EUR".
    for _ in range(3):
        before = left
        found = _WORDS.match(left)
        if found and (found["before"] or found["after"]):
            for word in (found["before"], found["after"]):
                if word and word not in _NAMELESS:
                    code = _SIGNS.get(word, word)
                    if named not in (None, code):
                        return left, None, None
                    named = code
            left = found["rest"].strip()
        if left.startswith("(") and left.endswith(")"):
            signs, left = signs + 1, left[1:-1].strip()
        elif left.startswith("-"):
            signs, left = signs + 1, left[1:].strip()
        elif left.endswith("-"):
            signs, left = signs + 1, left[:-1].strip()
        elif left.startswith("+"):
            left = left[1:].strip()
        if left == before:
            break
    return left, None if signs > 1 else signs == 1, named


def _value(digits: str, mark: Mark | None) -> Decimal | str:
    """Return the value without its sign, or in words why there is none."""
    if _PLAIN.fullmatch(digits) or _EXPONENT.fullmatch(digits):
        return Decimal(digits)
    proved = _proved(digits)
    if proved is None:
        if _GROUPED.fullmatch(digits) is None:
            return "no amount"
        separator = next(each for each in digits if not each.isdigit())
        is_once = digits.count(separator) == 1
        if separator in ".," and is_once and mark is None:
            return "ambiguous: thousands or decimals"
        if separator == mark:
            return Decimal(digits.replace(separator, ".")) if is_once else "no amount"
        return Decimal(_only_digits(digits))
    if mark is not None and proved != mark:
        return "its decimals are marked otherwise than in the rest of the file"
    if proved not in digits:
        return Decimal(_only_digits(digits))
    whole, _, fraction = digits.rpartition(proved)
    return Decimal(f"{_only_digits(whole) or '0'}.{fraction}")


def _proved(digits: str) -> Mark | None:
    """Return the decimal mark that one amount proves by itself."""
    found = re.fullmatch(r"(?P<whole>[\d., ']*?)(?P<mark>[.,])(?P<fraction>\d{1,40})", digits)
    if found is None:
        return None
    whole, mark, fraction = found["whole"], found["mark"], found["fraction"]
    other = "," if mark == "." else "."
    if mark in whole:
        # 1.234.567 has its decimals, if any, behind a comma.
        grouped = _GROUPED.fullmatch(digits)
        return ("," if mark == "." else ".") if grouped and other not in whole else None
    is_grouped = bool(whole) and not whole.isdigit()
    if is_grouped and _GROUPED.fullmatch(whole) is None:
        return None
    if is_grouped or len(fraction) != 3 or len(whole) > 3 or whole.startswith("0") or not whole:
        return mark  # type: ignore[return-value] # the pattern has "." or "," there
    return None


def _only_digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def currency_of(text: str | None) -> str | None:
    """Return the ISO code that a text is, by code or by a sign of one currency alone."""
    if text is None:
        return None
    word = text.strip()
    if word in _SIGNS:
        return _SIGNS[word]
    return word.upper() if _CODE.fullmatch(word.upper()) else None
