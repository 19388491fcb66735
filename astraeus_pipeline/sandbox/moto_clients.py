"""Clients of a moto server, in the role of each invented account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import boto3
from botocore.config import Config

from astraeus_pipeline.sandbox.estate import Owner

ROLE_NAME: Final = "astraeus-reader"


def role_arn(owner: Owner) -> str:
    """Return the role to assume in the owner's account."""
    return f"arn:aws:iam::{owner.number}:role/{ROLE_NAME}"


def assumed(endpoint: str, owner: Owner) -> dict[str, str]:
    """Return session credentials: moto keeps a state of its own per assumed account."""
    sts = client("sts", endpoint, "us-east-1", {"access": "demo", "secret": "demo", "token": ""})
    answer = sts.assume_role(RoleArn=role_arn(owner), RoleSessionName="seed")["Credentials"]
    return {
        "access": answer["AccessKeyId"],
        "secret": answer["SecretAccessKey"],
        "token": answer["SessionToken"],
    }


def client(service: str, endpoint: str, region: str, keys: Mapping[str, str]) -> Any:
    """Return a boto3 client of the server."""
    return boto3.client(  # type: ignore[call-overload] # by name, several services
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=keys["access"],
        aws_secret_access_key=keys["secret"],
        aws_session_token=keys["token"] or None,
        config=Config(retries={"max_attempts": 2}),
    )
