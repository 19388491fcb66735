"""Allocation rules kept in order, audited, refused where they cannot work; by command and file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from astraeus_pipeline.cli import app
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import allocation_rules
from astraeus_pipeline.warehouse.allocation_rules import Rule, parse
from astraeus_pipeline.warehouse.engine import Database
from tests.fixtures.estate import installed

pytestmark = pytest.mark.integration


def test_rules_keep_their_order_and_every_change_is_audited(database: Database) -> None:
    def rule(name: str) -> Rule:
        return parse({"dimension": "team", "name": name, "effect": {"value": name}})

    with database.connect("app", autocommit=True) as conn:
        a, b = (allocation_rules.add(conn, rule(name), "ann") for name in "ab")
        c = allocation_rules.add(conn, rule("c"), "ann", position=1)
        allocation_rules.move(conn, a, 3, "ben")
        allocation_rules.change(conn, b, rule("bb"), "ben")
        allocation_rules.remove(conn, c, "ben")
        with pytest.raises(ConfigError, match="no position 3"):
            allocation_rules.move(conn, a, 3, "ben")
        with pytest.raises(ConfigError, match="no allocation rule 99"):
            allocation_rules.remove(conn, 99, "ben")
        found = [(each.position, each.name) for each in allocation_rules.list_rules(conn)]
        assert found == [(1, "bb"), (2, "a")]
        audited = conn.execute(
            "select actor, action, subject from app.audit_log"
            " where action like 'allocation_rule.%' order by id"
        ).fetchall()
    assert audited == [
        ("ann", "allocation_rule.add", str(a)),
        ("ann", "allocation_rule.add", str(b)),
        ("ann", "allocation_rule.add", str(c)),
        ("ben", "allocation_rule.move", str(a)),
        ("ben", "allocation_rule.change", str(b)),
        ("ben", "allocation_rule.remove", str(c)),
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"effect": {"shares": {"a": "0.6", "b": "0.3"}}}, "exactly 1, not 0.9"),
        ({"effect": {"shares": {}}}, "exactly 1, not 0"),
        ({"effect": {"shares": {"a": "1.5", "b": "-0.5"}}}, "effect.shares"),
        ({"effect": {"proportional_to": []}}, "effect.proportional_to"),
        ({"effect": {"value": "a", "tag": "team"}}, "exactly one"),
        ({"effect": {}}, "exactly one"),
        ({"effect": {"value": " "}}, "is empty"),
        ({"conditions": {"servce_name": "x"}}, "conditions.servce_name"),
        ({"conditions": {"service_name": []}}, "conditions.service_name"),
        ({"dimension": "galaxy"}, "dimension"),
        ({"valid_from": "2026-02-01", "valid_to": "2026-01-01"}, "before valid_from"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(wrong: Mapping[str, Any], says: str) -> None:
    right = {"dimension": "team", "name": "R", "effect": {"value": "a"}}
    parse(right)
    with pytest.raises(ConfigError, match=says) as refused:
        parse({**right, **wrong})
    assert refused.value.hint


def test_rules_come_from_the_command_line_and_from_files(
    database: Database, tmp_path: Path
) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(app, ["allocation", *words])
        if done.exception is not None:
            raise done.exception
        return done.output

    toml = """
        [[rule]]
        dimension = "environment"
        name = "Halves"
        effect.shares = { a = 0.1, b = 0.9 }
    """
    with installed(database, tmp_path):
        run("add", "Logs", "--when", "service_name=*log*", "--tag", "app=x", "--value", "Ops")
        run("add", "First", "--by-tag", "Team", "--at", "1", "--from", "2026-01-01")
        (tmp_path / "rules.toml").write_text(toml)
        run("import", str(tmp_path / "rules.toml"))
        listed = json.loads(run("list", "--json"))
        assert [(each["name"], each["position"]) for each in listed] == [
            ("First", 1),
            ("Logs", 2),
            ("Halves", 1),
        ]
        assert listed[1]["conditions"] == {"service_name": ["*log*"], "tags": {"app": ["x"]}}
        assert listed[2]["effect"] == {"shares": {"a": "0.1", "b": "0.9"}}
        assert "tags: app: x" in run("list")
        # what is listed can be read again, and a wrong rule in a file leaves all as it was
        (tmp_path / "rules.json").write_text(json.dumps(listed))
        run("import", str(tmp_path / "rules.json"), "--replace")
        (tmp_path / "rules.json").write_text(json.dumps([*listed, {"name": "half"}]))
        with pytest.raises(ConfigError, match="'half'"):
            run("import", str(tmp_path / "rules.json"), "--replace")
        again = json.loads(run("list", "--json"))
        assert [each["name"] for each in again] == ["First", "Logs", "Halves"]
        run("move", str(again[0]["id"]), "2")
        run("remove", str(again[1]["id"]))
        assert [each["name"] for each in json.loads(run("list", "--json"))] == ["First", "Halves"]
