"""A card that fails: what its place says, and what the log keeps."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest
from structlog.testing import capture_logs

from app.components import states
from astraeus_pipeline.errors import AstraeusError, DatabaseError, UnforeseenError


def cards() -> None:
    import streamlit as st

    from app.components import states
    from astraeus_pipeline.errors import DatabaseError

    with states.guarded("The first card"):
        raise KeyError("canary of a *password*")
    with states.guarded("The second card"):
        raise DatabaseError("The database did not answer.", hint="Ask again *later*.")
    st.write("The rest lives on.")


def test_a_card_tells_a_number_and_the_log_the_rest() -> None:
    with capture_logs() as logged:
        at = AppTest.from_function(cards).run()
    assert not at.exception
    assert [each.value for each in at.markdown] == ["The rest lives on."]
    unforeseen, known = (each.value for each in at.error)
    numbers = [each["correlation_id"] for each in logged]
    assert unforeseen.startswith("The first card cannot be shown: something unexpected happened")
    assert unforeseen.endswith(f"(quote {numbers[0]})")
    assert "canary" not in unforeseen
    assert r"The database did not answer. Ask again \*later\*." in known
    assert known.endswith(f"(quote {numbers[1]})")
    assert "KeyError: 'canary of a *password*'" in logged[0]["traceback"]
    assert "traceback" not in logged[1]


def test_what_nobody_has_foreseen_becomes_one_type_with_its_cause() -> None:
    with capture_logs() as logged, pytest.raises(UnforeseenError) as raised, states.foreseen("It"):
        raise ZeroDivisionError("canary")
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert raised.value.number == logged[0]["correlation_id"]
    assert "canary" not in str(raised.value)
    own = DatabaseError("away")
    with pytest.raises(AstraeusError) as passed, states.foreseen("It"):
        raise own
    assert passed.value is own
