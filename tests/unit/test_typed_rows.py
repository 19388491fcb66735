"""Rows into batches: what a column cannot hold is set apart, and nothing is cut or made up."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from astraeus_pipeline.contracts.aws import AWS_COSTS
from astraeus_pipeline.contracts.aws import AWS_RESOURCES as RESOURCES
from astraeus_pipeline.contracts.delivery import RowBatch
from astraeus_pipeline.contracts.typed_rows import exact, typed, whole_number
from astraeus_pipeline.warehouse.survey import Survey

DAY = date(2026, 10, 5)


def cost(amount: Any = Decimal(1), **more: Any) -> dict[str, Any]:
    return {
        **{"usage_date": DAY, "billing_period": DAY.replace(day=1), "linked_account_id": "1"},
        **{"record_type": "Usage", "service": "EC2", "currency": "USD", "unblended_cost": amount},
        **more,
    }


def amounts(batches: list[RowBatch]) -> list[Decimal]:
    return [row for each in batches for row in each.rows.column("unblended_cost").to_pylist()]


@pytest.mark.parametrize(
    "change",
    [
        {"service": 5},
        {"service": {"a": 1}},
        {"service": None},
        {"currency": ["USD"]},
        {"unblended_cost": "1"},
        {"unblended_cost": Decimal("NaN")},
        {"unblended_cost": Decimal("1E+999999999")},
        {"unblended_cost": Decimal("1E-999999999")},
        {"unblended_cost": Decimal("1E+30")},
        {"is_estimated": "perhaps"},
    ],
)
def test_a_row_that_does_not_fit_is_set_apart_and_those_beside_it_stand(
    change: dict[str, Any],
) -> None:
    rows = [cost(Decimal(number)) for number in range(1, 40)]
    found = list(typed(AWS_COSTS, [*rows[:17], cost(**change), *rows[17:]]))
    [reject] = [each for batch in found for each in batch.rejects]
    assert (reject.row_number, reject.usage_date) == (18, DAY) and reject.reason
    assert amounts(found) == [Decimal(number) for number in range(1, 40)]
    numbers = [n for each in found for n in each.rows.column("row_number").to_pylist()]
    assert numbers == [n for n in range(1, 41) if n != 18]


def test_amounts_that_no_one_scale_holds_stand_in_batches_of_their_own() -> None:
    wide, fine = Decimal("123456789012"), Decimal("0." + "3" * 30)
    found = list(typed(AWS_COSTS, [cost(wide), cost(fine), cost(wide)]))
    assert amounts(found) == [wide, fine, wide] and not any(each.rejects for each in found)


def test_a_sum_that_arrow_would_wrap_around_is_the_sum() -> None:
    large = Decimal("9e25")
    survey = Survey(AWS_COSTS)
    for batch in typed(AWS_COSTS, [cost(large)] * 3):
        survey.add(batch)
    assert survey.sums()["USD", "unblended_cost"] == 3 * large


def test_counts_and_times_are_not_cut_off() -> None:
    known = {"usage_date": DAY, "billing_period": DAY, "resource_id": "i", "resource_type": "t"}
    early = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))
    rows = [{**known, "iops": 5}, {**known, "iops": 5.5}, {**known, "created_at": early}]
    found = list(typed(RESOURCES, rows))
    assert [each.row_number for batch in found for each in batch.rejects] == [2, 3]


def test_what_postgresql_cannot_store_of_a_text_is_left_out() -> None:
    odd = {"service": "a\x00b", "usage_type": "half \ud800", "payload": '{"k": "\\u0000\\ud83d"}'}
    plain = {"service": "a\\u0000", "usage_type": "🙈", "payload": '{"k": "\\\\u0000", "n": NaN}'}
    [batch] = typed(AWS_COSTS, [cost(**odd), cost(**plain)])
    first, second = batch.rows.to_pylist()
    assert (first["service"], first["usage_type"]) == ("ab", "half ?")
    assert first["payload"] == '{"k": "?"}'
    assert (second["service"], second["usage_type"]) == ("a\\u0000", "🙈")
    assert second["payload"] == '{"k": "\\\\u0000", "n": "NaN"}'


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("1.50", "1.5"),
        (" -7E-3 ", "-0.007"),
        (".5", "0.5"),
        (12, "12"),
        (0.1, "0.1"),
        (1.7763568394002505e-15, "0.000000000000001776356839400250"),
        (Decimal("0E-999999999"), "0"),
    ],
)
def test_amounts_are_read_as_they_are_spelled(value: Any, read: str) -> None:
    assert exact(value) == Decimal(read)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, "", "1_000", "٣", "1,5", [0, [1], 2], {}, "nan", float("inf"), "9" * 5000),
        *("1e400", Decimal("1E+999999999"), "1E-999999999", "0." + "1" * 31, "1" * 27),
    ],
)
def test_what_python_would_take_for_a_number_is_none(value: Any) -> None:
    with pytest.raises(ValueError, match=r"amount|decimals|digits"):
        exact(value)


def test_a_count_is_whole() -> None:
    assert whole_number("12.0") == 12 and whole_number(Decimal(3)) == 3
    with pytest.raises(ValueError, match="no whole number"):
        whole_number("1.5")
