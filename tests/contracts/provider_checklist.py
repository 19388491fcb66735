"""What a provider consists of, as checks that tell its author what is missing.

`missing_steps` walks the recipe of docs/adding-a-provider.md for one provider. It takes the
provider's key, the registered object (None for a folder that nobody registered) and the project's
tree, so that a planted skeleton can be judged like the real ones.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel, SecretStr

from astraeus_pipeline.conformance.policy import Policies
from astraeus_pipeline.contracts import RAW_TABLES, RawTable
from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.errors import AstraeusError, ConfigError
from astraeus_pipeline.providers.base import Provider
from tests.fixtures.faults import FaultTable

PACKAGE_FILES: Final = ("__init__.py", "config.py", "client.py", "records.py")
# A file of the common names that a provider does without, and why.
EXCUSED: Final[Mapping[tuple[str, str], str]] = {
    ("focus", "client.py"): "reads files by astraeus_pipeline/exports/store.py, as others may",
    ("focus", "records.py"): "types rows by astraeus_pipeline/exports/records.py, as others may",
}
# Providers that share an emulator and test files, and the word that these are named after.
FAMILIES: Final[Mapping[str, str]] = {"openai": "llm", "anthropic": "llm"}
# Datasets whose staging models are read as one, and the file that names each of them.
UNIONS: Final = {
    "costs": "macros/engines/rows.sql",
    "resources": "models/intermediate/int_resources_unioned.sql",
}
# What several providers may use: not the SDK of one.
SHARED_LIBRARIES: Final = frozenset(
    {"cryptography", "httpx", "msgspec", "pyarrow", "pydantic", "structlog", "tenacity"}
)
_SECRET_NAME: Final = re.compile(
    r"secret|password|passphrase|(access|private|account|api)_key$|token|connection_string"
)


@dataclass(frozen=True)
class Project:
    """The tree that providers live in, and what its tests say about faults."""

    root: Path
    fault_tables: Mapping[str, FaultTable] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """Read a file; nothing where there is none."""
        found = self.root / path
        return found.read_text() if found.is_file() else ""

    def has(self, path: str) -> bool:
        """Whether some file or folder is there; `path` may be a glob."""
        return any(self.root.glob(path))

    def provider_folders(self) -> list[str]:
        """Return the names of the packages in providers/."""
        found = (self.root / "astraeus_pipeline/providers").iterdir()
        return sorted(each.name for each in found if each.is_dir() and each.name[0] not in "_.")


Check = Callable[[str, Provider | None, Project], Iterator[str]]


def missing_steps(key: str, provider: Provider | None, project: Project) -> list[str]:
    """Return a sentence per missing thing, each with the step of the recipe that it belongs to."""
    return [
        f"{step}: {sentence}"
        for step, check in STEPS.items()
        for sentence in check(key, provider, project)
    ]


def _registry(key: str, provider: Provider | None, project: Project) -> Iterator[str]:
    if provider is None:
        yield f"providers/{key} is in no line of PROVIDERS in providers/registry.py"
    elif provider.key != key:
        yield f"the provider registered as {key!r} calls itself {provider.key!r}"


def _contract(key: str, provider: Provider | None, project: Project) -> Iterator[str]:
    if not project.has(f"astraeus_pipeline/contracts/{key}.py"):
        yield f"contracts/{key}.py with its RawTables is missing"
    for table in _tables(provider):
        if table not in RAW_TABLES:
            yield f"{table.name} is not in RAW_TABLES of contracts/__init__.py"
        if table.provider != key:
            yield f"{table.name} belongs to the provider {table.provider!r}, not to {key!r}"
    for dataset, table in provider.tables.items() if provider else ():
        if table.dataset != dataset or table.shape is not None:
            yield f"tables[{dataset!r}] must be that dataset's table without a shape"


def _package(key: str, provider: Provider | None, project: Project) -> Iterator[str]:
    for name in PACKAGE_FILES:
        is_there = project.has(f"astraeus_pipeline/providers/{key}/{name}")
        if is_there and (key, name) in EXCUSED:
            yield f"providers/{key}/{name} exists: take it out of EXCUSED"
        if not is_there and (key, name) not in EXCUSED:
            yield f"providers/{key}/{name} is missing (or a reason in EXCUSED of the checklist)"


def _config(key: str, provider: Provider | None, project: Project) -> Iterator[str]:
    if provider is None:
        return
    model: type[BaseModel] = provider.config_model
    if model.model_config.get("extra") != "forbid":
        yield f"{model.__name__} lets unknown settings through: extra='forbid'"
    for name, info in model.model_fields.items():
        if not info.description:
            yield f"{model.__name__}.{name} has no description"
        if _SECRET_NAME.search(name) or SecretStr in (info.annotation, *get_args(info.annotation)):
            yield f"{model.__name__}.{name} looks like a secret: make it a CredentialField"


def _credentials(key: str, provider: Provider | None, project: Project) -> Iterator[str]:
    fields = provider.credential_fields if provider else ()
    if len({each.name for each in fields}) < len(fields):
        yield "two credential fields have one name"
    for each in fields:
        if len(each.label.split()) < 2:
            yield f"the label of the credential {each.name} describes nothing: {each.label!r}"


def _errors(key: str, provider: Provider | None, project: Project) -> Iterator[str]:
    if provider is None:
        return
    account = Account("acme-x", key, "Acme", {"no_such_setting": "?"}, dict)
    try:
        provider.check(account)
    except ConfigError as error:
        settings = ("no_such_setting", *provider.config_model.model_fields)
        if "acme-x" not in str(error) or not any(name in str(error) for name in settings):
            yield f"a wrong setting is told without the account or the setting: {error}"
    except AstraeusError as error:
        yield f"a wrong setting is a {type(error).__name__}, not a ConfigError: {error}"
    except Exception as error:  # noqa: BLE001 - whatever comes through is what is reported
        yield f"a wrong setting comes out as {type(error).__name__}, untranslated"
    else:
        yield "check() accepts a setting that nobody knows"


def _staging(key: str, provider: Provider | None, project: Project) -> Iterator[str]:
    names = [f"stg_{key}__costs"]
    if provider is not None:
        names = [_staging_name(each) for each in _tables(provider) if each.dataset in UNIONS]
    for name in names:
        for suffix in ("sql", "yml"):
            if not project.has(f"dbt_project/models/staging/{name}.{suffix}"):
                yield f"dbt_project/models/staging/{name}.{suffix} is missing"
        union = UNIONS["resources" if "__resources" in name else "costs"]
        if f"'{name}'" not in project.text(f"dbt_project/{union}"):
            yield f"{union} has no arm for {name}"


def _sources(key: str, provider: Provider | None, project: Project) -> Iterator[str]:
    content = yaml.safe_load(project.text("dbt_project/models/staging/sources.yml")) or {}
    raw = next((each for each in content.get("sources", ()) if each["name"] == "raw"), {})
    described = {table["name"] for table in raw.get("tables", ())}
    wanted = {table.name for table in _tables(provider)} or {f"{key}_costs"}
    for name in sorted(wanted - described):
        yield f"sources.yml does not describe raw.{name}"


def _tie_out(key: str, provider: Provider | None, project: Project) -> Iterator[str]:
    known = project.text("dbt_project/macros/raw_costs.sql")
    for table in RAW_TABLES:
        if (table.provider, table.dataset) == (key, "costs") and f"'{table.name}':" not in known:
            yield f"macros/raw_costs.sql does not say how raw.{table.name} becomes FOCUS's costs"
    rules = project.text("dbt_project/seeds/provider_rules.csv").splitlines()
    if not any(line.startswith(f"{key},") for line in rules):
        yield f"seeds/provider_rules.csv does not say when days of {key} are settled and final"


def _sandbox(key: str, provider: Provider | None, project: Project) -> Iterator[str]:
    if not project.has(f"astraeus_pipeline/sandbox/{FAMILIES.get(key, key)}*"):
        yield f"astraeus_pipeline/sandbox/{key}.py, the emulator of demo and tests, is missing"


def _tests(key: str, provider: Provider | None, project: Project) -> Iterator[str]:
    if not project.has(f"tests/*/test_{FAMILIES.get(key, key)}*.py"):
        yield f"there is no tests/*/test_{key}*.py"


def _faults(key: str, provider: Provider | None, project: Project) -> Iterator[str]:
    tables = {
        client: table
        for client, table in project.fault_tables.items()
        if client.partition("/")[0] == key
    }
    tables.setdefault(key, FaultTable(key, frozenset(), {}))
    for client, table in sorted(tables.items()):
        for fault in table.missing:
            yield (
                f"no test covers({client!r}, Fault.{fault.name}) ({fault.value}), "
                "and no not_applicable(...) gives a reason"
            )
        for fault, reason in table.excused.items():
            if fault in table.proven or len(reason.split()) < 4:
                yield f"{client}: Fault.{fault.name} is excused without need or reason"


def _imports(key: str, provider: Provider | None, project: Project) -> Iterator[str]:
    tool = tomllib.loads(project.text("pyproject.toml"))["tool"]["importlinter"]
    module = f"astraeus_pipeline.providers.{key}"
    contracts: list[dict[str, Any]] = tool["contracts"]
    independent = [each["modules"] for each in contracts if each["type"] == "independence"]
    if not any(module in modules for modules in independent):
        yield f"{module} is not in the import contract 'Providers ignore one another'"
    for sdk in sorted(_sdks(key, project)):
        guards = [
            each
            for each in contracts
            if each["type"] == "forbidden"
            and any(sdk == name or sdk.startswith(f"{name}.") for name in each["forbidden_modules"])
            and module not in each["source_modules"]
        ]
        if not guards:
            yield f"no import contract keeps {sdk} where {key} is"


def _readme(key: str, provider: Provider | None, project: Project) -> Iterator[str]:
    if not re.search(rf"^\| `{key}` \|(.+\|){{3}}$", project.text("README.md"), re.MULTILINE):
        yield f"the table of providers in README.md has no row `{key}`"


def _policy(key: str, provider: Provider | None, project: Project) -> Iterator[str]:
    folder = project.root / "astraeus_pipeline/conformance/policy"
    if not (folder / f"{key}.toml").is_file():
        yield f"conformance/policy/{key}.toml, what FOCUS may ask of it, is missing"
    else:
        Policies.read(folder).of(key)


STEPS: Final[Mapping[str, Check]] = {
    "Registry": _registry,
    "Contract": _contract,
    "Package": _package,
    "Configuration": _config,
    "Credentials": _credentials,
    "Errors": _errors,
    "Sources": _sources,
    "Staging": _staging,
    "Tie-out and history": _tie_out,
    "Sandbox": _sandbox,
    "Tests": _tests,
    "Fault table": _faults,
    "Import contracts": _imports,
    "README": _readme,
    "FOCUS policy": _policy,
}


def _tables(provider: Provider | None) -> Iterator[RawTable]:
    for dataset in provider.tables if provider else ():
        yield from provider.shapes(dataset) if provider else ()


def _staging_name(table: RawTable) -> str:
    tail = table.name.removeprefix(f"{table.provider}_")
    return f"stg_{table.provider}__{tail}"


def _sdks(key: str, project: Project) -> Iterator[str]:
    """Yield the third-party modules that a provider's package imports, by their dotted names."""
    found: set[str] = set()
    for path in (project.root / "astraeus_pipeline/providers" / key).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {each.name for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    ours = {"astraeus_pipeline", "tests", *sys.stdlib_module_names, *SHARED_LIBRARIES}
    yield from {name for name in found if name.partition(".")[0] not in ours}
