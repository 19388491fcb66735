"""The invented company's AWS organization: a payer, its members, one that nobody has added yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from astraeus_pipeline.sandbox.estate import AWS_OWNERS, Owner
from astraeus_pipeline.sandbox.moto_clients import assumed, client

PAYER: Final = Owner("acme-payer", "444444444444", "Acme payer", "USD", ())
SANDBOX: Final = Owner("acme-sandbox", "555555555555", "Acme sandbox", "USD", ())
MEMBERS: Final = (*AWS_OWNERS, SANDBOX)


def seed(endpoint: str, members: Sequence[Owner] = MEMBERS) -> None:
    """Make the organization in the moto server of this process at `endpoint`."""
    from moto.organizations.models import organizations_backends  # heavy

    organizations = client("organizations", endpoint, "us-east-1", assumed(endpoint, PAYER))
    organizations.create_organization(FeatureSet="ALL")
    backend = organizations_backends[PAYER.number]["aws"]
    for member in members:
        made = organizations.create_account(
            AccountName=member.name, Email=f"{member.slug}@acme.example"
        )["CreateAccountStatus"]
        # moto draws the numbers of accounts by lot.
        account = backend.get_account_by_id(made["AccountId"])
        account.id = member.number
        organizations_backends.master_accounts[member.number] = (PAYER.number, "aws")
