"""The models of line items on Spark, without Spark: macros of both engines, its grammar, types."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest
import sqlglot
import yaml

from astraeus_pipeline.contracts import RAW_TABLES
from astraeus_pipeline.contracts.line_items import LEFT_OUT, LINE_ITEM_TABLES, SCALE, TIED_COSTS
from astraeus_pipeline.settings import PROJECT_ROOT

PROJECT = PROJECT_ROOT / "dbt_project"
MACROS = sorted((PROJECT / "macros").rglob("*.sql"))
DISPATCHED = sorted(
    {
        name
        for path in MACROS
        for name in re.findall(r"adapter\.dispatch\('(\w+)'\)", path.read_text())
    }
)


_MACRO = re.compile(r"{%-? macro .*?{%-? endmacro -?%}", re.S)
_NAME = re.compile(r"{%-? macro (\w+)")


class _Returned(Exception):
    pass


class Engine:
    """dbt's rendering of one engine's SQL, with the macros of the project and nothing else."""

    def __init__(self, name: str) -> None:
        self.prefixes = (f"{name}__", "default__")
        self.environment = jinja2.Environment(extensions=["jinja2.ext.do"])
        self.macros: dict[str, Callable[..., Any]] = {}
        self.globals: dict[str, Any] = {
            "adapter": self,
            "return": self._return,
            "ref": lambda name: f"some.{name}",
            "source": lambda schema, name: f"{schema}.{name}",
            "config": lambda **_: "",
            "is_incremental": lambda: False,
            "execute": False,
        }
        # each by itself, as dbt has them: beside one another they would not return to us
        texts = [text for path in MACROS for text in _MACRO.findall(path.read_text())]
        names = [_NAME.findall(text)[0] for text in texts]
        self.globals |= {name: self._late(name) for name in names}
        for name, text in zip(names, texts, strict=True):
            module = self.environment.from_string(text, self.globals).module
            self.macros[name] = getattr(module, name)

    def dispatch(self, name: str) -> Callable[..., Any]:
        found = [each + name for each in self.prefixes if each + name in self.macros]
        return self._late(found[0])

    def render(self, path: Path) -> str:
        return self.environment.from_string(path.read_text(), self.globals).render()

    def _late(self, name: str) -> Callable[..., Any]:
        def call(*words: Any, **named: Any) -> Any:
            try:
                return self.macros[name](*words, **named)
            except _Returned as returned:
                return returned.args[0]

        return call

    @staticmethod
    def _return(value: Any) -> None:
        raise _Returned(value)


@pytest.fixture(scope="module")
def spark() -> Engine:
    return Engine("spark")


def tagged() -> list[Path]:
    """Return the models that the project tags with line_items."""
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["models"]["astraeus"]
    names = [
        (layer, name)
        for layer, entries in project.items()
        for name, entry in entries.items()
        if isinstance(entry, dict) and entry.get("+tags") == "line_items"
    ]
    return [PROJECT / "models" / layer / f"{name}.sql" for layer, name in names]


@pytest.mark.parametrize("name", DISPATCHED)
def test_what_is_dispatched_is_said_for_both_engines(name: str, spark: Engine) -> None:
    assert f"spark__{name}" in spark.macros
    assert f"default__{name}" in spark.macros or f"postgres__{name}" in spark.macros


@pytest.mark.parametrize("path", tagged(), ids=lambda path: path.stem)
def test_the_models_are_sql_of_spark(path: Path, spark: Engine) -> None:
    text = re.sub(r"--[^\n]*", "", spark.render(path))
    assert not re.findall(r"::|->>|~\*?|\bjsonb|\bany\(|\blateral\b", text)
    assert sqlglot.parse_one(text, dialect="spark").find(sqlglot.exp.Select)


def test_a_model_that_is_postgresqls_alone_would_be_seen(spark: Engine) -> None:
    text = spark.render(PROJECT / "models" / "staging" / "stg_aws__costs.sql")
    assert "null::text" in text and "~*" in text


def test_the_union_is_of_all_tagged_staging_and_of_all_there_is_in_postgresql(
    spark: Engine,
) -> None:
    staged = [path.stem for path in tagged() if path.parent.name == "staging"]
    assert spark.globals["staged_costs"]() == sorted(staged)
    everything = {path.stem for path in (PROJECT / "models" / "staging").glob("stg_*__costs*.sql")}
    assert set(Engine("postgres").globals["staged_costs"]()) == everything


def test_python_and_dbt_mean_the_same_tables_types_and_sums(spark: Engine) -> None:
    views = [
        name.removeprefix("stg_").replace("__", "_") for name in spark.globals["staged_costs"]()
    ]
    assert set(views) == set(LINE_ITEM_TABLES) == set(TIED_COSTS)
    assert spark.globals["spark_type"]("numeric") == f"decimal(38, {SCALE})"
    mapped = Engine("postgres").globals["raw_costs"]()
    for table, costs in TIED_COSTS.items():
        for cost, columns in costs.items():
            assert mapped[table][cost] == list(columns), (table, cost)
        listed = {
            cost
            for cost, columns in mapped[table].items()
            if cost.endswith("_cost") and not isinstance(columns, str)
        }
        assert listed == set(costs)
        left_out = [f"{LEFT_OUT[table]} is not null"] if table in LEFT_OUT else []
        assert list(mapped[table].get("excluded", {}).values()) == left_out
    assert {table.name for table in RAW_TABLES} >= set(LINE_ITEM_TABLES)


def test_the_lock_is_pinned_hashed_and_free_of_addresses() -> None:
    lock = (PROJECT_ROOT / "deploy" / "spark.lock").read_text()
    lines = [line for line in lock.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(re.findall(r"\\\n +--hash=sha256:[0-9a-f]{64}", lock)) >= len(lines) > 30
    assert "://" not in lock
    main = (PROJECT_ROOT / "requirements.lock").read_text()
    for name in ("dbt-core", "dbt-adapters", "dbt-common"):
        pins = [re.search(rf"^{name}==(\S+)", text, re.M) for text in (lock, main)]
        assert pins[0] and pins[1] and pins[0].group(1) == pins[1].group(1), name
