"""Settings: read once, frozen, and shown without secrets."""

from __future__ import annotations

import base64
import hmac
from pathlib import Path

import pydantic
import pytest

from app.assistant.settings import AssistantSettings
from app.auth.settings import AuthSettings
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.settings import Settings, secret
from astraeus_pipeline.warehouse.engine import ROLES, open_database, role_name

URL = "postgresql://boss:canary@db.example.com:6432/bills?sslmode=require"


@pytest.fixture
def external(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, database_url=pydantic.SecretStr(URL))


def test_they_come_from_the_environment_and_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAEUS_HOME", "~/bills")
    monkeypatch.delenv("ASTRAEUS_DATABASE_URL", raising=False)
    settings = Settings.from_env()
    assert settings.home == Path.home() / "bills"
    assert settings.is_embedded
    assert settings.landing_root == str(settings.home / "landing")
    with pytest.raises(pydantic.ValidationError):
        settings.home = Path("/")  # type: ignore[misc] # that it cannot is what is tested


def test_they_show_no_secret(external: Settings) -> None:
    assert "canary" not in repr(external) and "canary" not in repr(open_database(external))


def test_every_role_has_a_password_of_its_own_derived_from_the_admins(external: Settings) -> None:
    database = open_database(external)
    passwords = {role: database.password(role) for role in ROLES}
    assert len(set(passwords.values())) == len(ROLES)
    mac = hmac.digest(b"canary", b"astraeus_reader", "sha256")
    assert passwords["reader"] == base64.urlsafe_b64encode(mac).decode().rstrip("=")


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_url_keeps_server_and_options(external: Settings, role: str) -> None:
    url = open_database(external).url(role, "psycopg2")  # type: ignore[arg-type] # parametrized
    assert (url.drivername, url.host, url.port) == ("postgresql+psycopg2", "db.example.com", 6432)
    assert (url.username, url.database) == (role_name(role), "bills")
    assert url.query == {"sslmode": "require"}


def test_without_a_password_in_the_url_a_private_key_stands_in(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=pydantic.SecretStr("postgresql://h/bills"))
    first, second = open_database(settings), open_database(settings)
    assert first.password("app") == second.password("app")
    assert (tmp_path / "keys" / "role.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("url", ["canary", "mysql://u:canary@h/d", "postgresql://u:canary@h"])
def test_a_url_that_is_not_ours_is_refused_without_being_shown(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        open_database(Settings(home=tmp_path, database_url=pydantic.SecretStr(url)))
    assert "canary" not in str(caught.value)


def test_a_file_stands_for_a_variable_which_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ASTRAEUS_DATABASE_URL").write_text(f"{URL}\n")  # as Kubernetes names a key
    (tmp_path / "astraeus_metrics_token").write_text("token-canary\n")  # as a container engine does
    (tmp_path / "astraeus_llm_openai_api_key").write_text("model-canary")
    (tmp_path / "astraeus_oidc_client_secret").write_text("issuer-canary")
    (tmp_path / "astraeus_log_format").write_text("json")
    for name in ("ASTRAEUS_DATABASE_URL", "ASTRAEUS_METRICS_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ASTRAEUS_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("ASTRAEUS_LOG_FORMAT", "console")
    settings = Settings.from_env()
    assert settings.database_url == pydantic.SecretStr(URL)
    assert settings.metrics_token == pydantic.SecretStr("token-canary")
    assert settings.log_format == "console"
    assert AssistantSettings.from_env().key("openai") == pydantic.SecretStr("model-canary")
    assert AuthSettings().client_secret == pydantic.SecretStr("issuer-canary")
    assert "canary" not in repr(settings)


def test_a_named_secret_is_a_variable_or_a_file_and_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "acme_key").write_text("file-canary\n")
    (tmp_path / "outside").write_text("outside-canary")
    monkeypatch.setenv("ASTRAEUS_SECRETS_DIR", str(tmp_path / "secrets"))
    assert secret("ACME_KEY") == "file-canary"
    assert secret("../outside") is None and secret("ACME_OTHER") is None
    monkeypatch.setenv("ACME_KEY", "variable-canary")
    assert secret("ACME_KEY") == "variable-canary"


def test_nothing_starts_without_the_folder_of_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAEUS_SECRETS_DIR", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="no folder that this process can see"):
        Settings.from_env()
