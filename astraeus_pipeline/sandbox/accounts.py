"""The demo's accounts as a person would add them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from astraeus_pipeline.sandbox import (
    azure,
    azure_blobs,
    azure_exports,
    exported_bill,
    snowflake_demo,
)
from astraeus_pipeline.sandbox import state as states
from astraeus_pipeline.sandbox.estate import AWS_OWNERS, AZURE_OWNERS, FOCUS_OWNERS, GROUP
from astraeus_pipeline.sandbox.llm_estate import ORGANIZATIONS
from astraeus_pipeline.sandbox.moto_clients import ROLE_NAME, role_arn
from astraeus_pipeline.sandbox.organization import PAYER
from astraeus_pipeline.sandbox.resources import PAYER_REGIONS, used_regions
from astraeus_pipeline.sandbox.state import SandboxState


@dataclass(frozen=True)
class DemoAccount:
    """An account to add; the credentials open nothing but the emulators."""

    slug: str
    provider: str
    name: str
    config: dict[str, Any]
    credentials: dict[str, SecretStr] = field(default_factory=dict)


def demo_accounts(home: Path, state: SandboxState) -> Iterator[DemoAccount]:
    """Yield the demo's accounts, pointing at the running emulators and written files."""
    keys = {"access_key_id": SecretStr("demo"), "secret_access_key": SecretStr("demo")}
    endpoints = {
        "endpoint_url": f"http://127.0.0.1:{state.moto_port}",
        "cost_explorer_endpoint_url": f"http://127.0.0.1:{state.cost_explorer_port}",
    }
    for owner in AWS_OWNERS:
        config: dict[str, Any] = {
            "linked_account_id": owner.number,
            "datasets": ["costs", "resources", "utilisation"],
            "role_arn": role_arn(owner),
            "regions": used_regions(owner),
            **endpoints,
        }
        yield DemoAccount(owner.slug, "aws", owner.name, config, keys)
    payer: dict[str, Any] = {
        # The bills of its members are ingested one by one, so the payer's would count twice.
        "datasets": ["resources", "commitments", "forecasts", "anomalies"],
        "role_arn": role_arn(PAYER),
        "regions": PAYER_REGIONS,
        "discover": True,
        "member_role_name": ROLE_NAME,
        **endpoints,
    }
    yield DemoAccount(PAYER.slug, "aws", PAYER.name, payer, keys)
    address = f"https://127.0.0.1:{state.azure_port}"
    for owner in AZURE_OWNERS:
        config = {
            "tenant_id": azure.TENANT,
            "client_id": azure.CLIENT,
            "subscription_id": owner.number,
            "authority": address,
            "endpoint_url": address,
            "ca_bundle": str(states.azure(home) / azure.CA_FILE),
            "units_per_minute": 60_000,  # the emulator has no quota
        }
        if owner is azure_exports.EXPORTED:
            storage = f"{address}/{azure_blobs.STORAGE_ACCOUNT}"
            config |= {
                "cost_source": "export_focus",
                "export_url": f"{storage}/{azure_exports.CONTAINER}/{azure_exports.EXPORT}",
                "control_scope": f"/subscriptions/{owner.number}",
            }
        secret = {"client_secret": SecretStr(azure.SECRET)}
        yield DemoAccount(owner.slug, "azure", owner.name, config, secret)
    moto = f"http://127.0.0.1:{state.moto_port}"
    exported = {
        "datasets": ["costs", "resources"],
        "cost_source": "export",
        "export_url": exported_bill.URL,
        "tie_to_cost_explorer": True,
        "role_arn": exported_bill.ROLE_ARN,
        "regions": ["us-east-1"],
        "endpoint_url": moto,
        "cost_explorer_endpoint_url": f"http://127.0.0.1:{state.payer_explorer_port}",
    }
    yield DemoAccount(GROUP.slug, "aws", GROUP.name, exported, keys)
    for owner in FOCUS_OWNERS:
        folder = states.bills(home) / owner.slug
        yield DemoAccount(owner.slug, "focus", owner.name, {"url": str(folder)})
    for each in ORGANIZATIONS:
        base = {"base_url": f"http://127.0.0.1:{state.llm_costs_port}"}
        key = {"admin_key": SecretStr(each.admin_key)}
        yield DemoAccount(each.slug, each.vendor, each.name, base, key)
    pem = snowflake_demo.credentials(home)
    for demo in snowflake_demo.ACCOUNTS:
        reach = demo.config(state.snowflake_port)
        yield DemoAccount(demo.slug, "snowflake", demo.name, reach, pem)
