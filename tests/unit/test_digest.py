"""Digests: blind to order, batching, scale and row numbers; awake to every value."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.warehouse import digest
from astraeus_pipeline.warehouse.survey import Survey
from tests.fixtures.charges import batch, charge

DAY = date(2026, 10, 3)
amounts = st.decimals(
    min_value=Decimal("-99999999"), max_value=Decimal("99999999"), places=11, allow_nan=False
)
charges = st.builds(
    lambda cost, name, tags: charge(DAY, cost=str(cost), resource_id=name, tags=tags),
    amounts,
    st.text(max_size=8),
    st.sampled_from([None, "{}", '{"team":"a"}']),
)


def digests(*batches) -> dict:
    survey = Survey(FOCUS_COSTS)
    for each in batches:
        survey.add(each)
    return {key: facts.digest for key, facts in survey.slices.items()}


@settings(max_examples=40, deadline=None)
@given(st.lists(charges, min_size=1, max_size=12), st.randoms())
def test_digest_ignores_order_batches_and_scale(rows: list[dict], chance: random.Random) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)
    cut = chance.randint(0, len(rows))
    parts = [part for part in (shuffled[:cut], shuffled[cut:]) if part]
    again = [batch(part, first_row=77, scale=chance.choice((12, 18, 24, 30))) for part in parts]
    assert digests(batch(rows)) == digests(*again)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(charges, min_size=1, max_size=6),
    st.sampled_from(["billed_cost", "resource_id", "tags", "charge_period_end", "invoice_id"]),
)
def test_digest_moves_with_any_value(rows: list[dict], column: str) -> None:
    changed = [dict(row) for row in rows]
    old = changed[0].get(column)
    if column == "billed_cost":
        changed[0][column] = old + Decimal("0.00000000001")
    elif column == "charge_period_end":
        changed[0][column] = changed[0]["charge_period_start"]
    else:
        changed[0][column] = f"{old}-" if column != "tags" else '{"team":"other"}'
    assert digests(batch(rows)) != digests(batch(changed))


def test_digest_tells_amounts_apart_that_differ_far_beyond_64_bits() -> None:
    values = [Decimal(2) ** power for power in range(30, 64)]
    found = {digests(batch([charge(DAY, cost=str(value))])).popitem()[1] for value in values}
    assert len(found) == len(values)


def test_dictionary_encoded_text_digests_as_plain_text() -> None:
    plain = batch([charge(DAY, resource_id=name) for name in ("a", None, "b", "a")]).rows
    at = plain.schema.get_field_index("resource_id")
    encoded = plain.set_column(at, "resource_id", plain.column(at).dictionary_encode())
    assert (digest.row_hashes(plain) == digest.row_hashes(encoded)).all()


def test_null_and_empty_text_differ() -> None:
    assert digests(batch([charge(DAY, resource_id=None)])) != digests(
        batch([charge(DAY, resource_id="")])
    )


def test_swapped_columns_differ() -> None:
    left = digests(batch([charge(DAY, sku_id="a", sku_meter="b")]))
    assert left != digests(batch([charge(DAY, sku_id="b", sku_meter="a")]))


def test_empty_digest_is_that_of_no_rows() -> None:
    assert digest.digest_text(0, 0) == "0:0000000000000000"
