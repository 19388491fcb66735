"""The emulated Azure's answers against published shapes, by tools that are not ours.

The shapes are written from Microsoft's reference pages (Query - Usage 2025-03-01, Resource Graph -
Resources, Subscriptions - List, Management Groups - Descendants, the OAuth 2.0 endpoints, export
manifests) and checked by jsonschema; the SDK's own models read the same answers. This holds the
emulator to what is documented, not Azure to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.mgmt.costmanagement.models import QueryDefinition
from jsonschema import Draft202012Validator

from astraeus_pipeline.providers.azure.client import AzureClients
from astraeus_pipeline.providers.azure.config import AzureConfig
from astraeus_pipeline.providers.azure.costs import API_VERSION, Question
from astraeus_pipeline.sandbox import azure_fleet
from astraeus_pipeline.sandbox.azure import CLIENT, SECRET, TENANT, AzureServer, Subscription
from astraeus_pipeline.sandbox.azure_exports import write_run
from astraeus_pipeline.sandbox.estate import FABRIKAM_SHOP
from tests.fixtures import azure
from tests.fixtures.azure import DAYS, SUBSCRIPTION, account, serving

TEXT, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
MAYBE: dict[str, Any] = {"type": ["string", "null"]}
GUID = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}


def shape(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """Return the schema of an object with nothing but these fields."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional},
        "additionalProperties": False,
    }


def many(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


QUERY = shape(
    {
        "id": TEXT,
        "name": TEXT,
        "type": {"const": "Microsoft.CostManagement/query"},
        "properties": shape(
            {
                "columns": many(shape({"name": TEXT, "type": {"enum": ["Number", "String"]}})),
                "rows": many(many({"type": ["number", "string", "null"]})),
            },
            nextLink={"type": ["string", "null"], "pattern": "^https://"},
        ),
    },
    location=MAYBE,
    sku=MAYBE,
    eTag=MAYBE,
    tags={"type": ["object", "null"]},
)
GRAPH = shape(
    {
        "totalRecords": WHOLE,
        "count": WHOLE,
        "data": many({"type": "object", "required": ["id", "name", "type", "location"]}),
        "facets": {"type": "array"},
        "resultTruncated": {"enum": ["true", "false"]},
    },
    **{"$skipToken": TEXT},
)
SUBSCRIPTIONS = shape(
    {
        "value": many(
            shape(
                {
                    "id": {"type": "string", "pattern": "^/subscriptions/"},
                    "subscriptionId": GUID,
                    "displayName": TEXT,
                    "state": {"enum": ["Enabled", "Warned", "PastDue", "Disabled", "Deleted"]},
                },
                tenantId=GUID,
                authorizationSource=TEXT,
            )
        )
    },
    count=shape({"type": TEXT, "value": WHOLE}),
    nextLink=TEXT,
)
DESCENDANTS = shape(
    {
        "value": many(
            shape(
                {
                    "id": TEXT,
                    "name": TEXT,
                    "type": {"enum": ["/subscriptions", "Microsoft.Management/managementGroups"]},
                    "properties": shape({"displayName": TEXT, "parent": shape({"id": TEXT})}),
                }
            )
        )
    },
    nextLink=TEXT,
)
ERROR = shape({"error": shape({"code": TEXT, "message": TEXT})})
TOKEN = shape(
    {"token_type": {"const": "Bearer"}, "expires_in": WHOLE, "access_token": TEXT},
    ext_expires_in=WHOLE,
    id_token=TEXT,
)
REFUSED = shape({"error": TEXT, "error_description": TEXT}, error_codes={"type": "array"})
DEVICE = shape(
    {
        "user_code": TEXT,
        "device_code": TEXT,
        "verification_uri": TEXT,
        "expires_in": WHOLE,
        "interval": WHOLE,
        "message": TEXT,
    }
)
MANIFEST = shape(
    {
        "manifestVersion": TEXT,
        "byteCount": WHOLE,
        "blobCount": WHOLE,
        "dataRowCount": WHOLE,
        "exportConfig": {
            "type": "object",
            "required": ["exportName", "dataVersion", "type", "timeFrame", "granularity"],
        },
        "deliveryConfig": {
            "type": "object",
            "required": ["partitionData", "dataOverwriteBehavior", "fileFormat"],
        },
        "runInfo": shape(
            {
                "executionType": TEXT,
                "submittedTime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT.*Z$"},
                "runId": TEXT,
                "startDate": TEXT,
                "endDate": TEXT,
            }
        ),
        "blobs": many(shape({"blobName": TEXT, "byteCount": WHOLE, "dataRowCount": WHOLE})),
    }
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AzureServer]:
    subscriptions = [
        Subscription(SUBSCRIPTION, "One", azure_fleet.items(FABRIKAM_SHOP), management_group="corp")
    ]
    with serving(tmp_path / "azure", azure.bill(), subscriptions=subscriptions) as served:
        yield served


@pytest.fixture
def http(server: AzureServer) -> Iterator[httpx.Client]:
    import ssl

    trust = ssl.create_default_context(cafile=str(server.ca_path))
    with httpx.Client(base_url=server.url, verify=trust) as client:
        form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET}
        answer = client.post(f"/{TENANT}/oauth2/v2.0/token", data=form)
        check(answer.json(), TOKEN)
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


def check(answer: Any, schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    faults = [each.message for each in Draft202012Validator(schema).iter_errors(answer)]
    assert faults == []


QUESTIONS = [
    Question("total", "ActualCost"),
    Question("kinds", "AmortizedCost", {}, ("ChargeType", "PricingModel"), False),
    Question("details", "ActualCost", {"ChargeType": "Usage"}, ("ResourceId", "ResourceGuid")),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each.purpose)
def test_answers_to_cost_queries(
    server: AzureServer, http: httpx.Client, question: Question
) -> None:
    path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.CostManagement/query"
    definition = question.definition(DAYS)
    link: str | None = f"{path}?api-version={API_VERSION}"
    pages = 0
    while link:
        answer = http.post(link, json=definition).json()
        check(answer, QUERY)
        width = len(answer["properties"]["columns"])
        assert all(len(row) == width for row in answer["properties"]["rows"])
        link, pages = answer["properties"]["nextLink"], pages + 1
    assert pages >= (1 if question.purpose != "details" else 5)
    check(http.post(f"{path}?api-version={API_VERSION}", json={}).json(), ERROR)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each.purpose)
def test_the_sdks_own_models_read_question_and_answer(
    server: AzureServer, question: Question
) -> None:
    source = account(server)
    clients = AzureClients(source, AzureConfig.model_validate(dict(source.config)))
    definition = QueryDefinition(question.definition(DAYS))
    result = clients.costs.query.usage(f"/subscriptions/{SUBSCRIPTION}", definition)
    assert result is not None and result.columns and result.rows
    assert {column.type for column in result.columns} <= {"Number", "String"}
    assert (result.next_link is None) == (question.purpose != "details")


def test_answers_of_resource_graph_and_listings(http: httpx.Client) -> None:
    body = {
        "query": "Resources | project id, name | order by id asc",
        "subscriptions": [SUBSCRIPTION],
        "options": {"$top": 5, "resultFormat": "objectArray"},
    }
    version = "?api-version=2024-04-01"
    graph = http.post(f"/providers/Microsoft.ResourceGraph/resources{version}", json=body).json()
    check(graph, GRAPH)
    assert "$skipToken" in graph
    check(http.get(f"/subscriptions{version}").json(), SUBSCRIPTIONS)
    group = "/providers/Microsoft.Management/managementGroups/corp/descendants"
    check(http.get(f"{group}{version}").json(), DESCENDANTS)


def test_answers_of_the_sign_in(server: AzureServer, http: httpx.Client) -> None:
    base = f"/{TENANT}/oauth2/v2.0"
    check(http.post(f"{base}/devicecode", data={"client_id": CLIENT}).json(), DEVICE)
    wrong = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": "no"}
    answer = http.post(f"{base}/token", data=wrong)
    assert answer.status_code == 401
    check(answer.json(), REFUSED)
    assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize("kind", ["actual", "amortized", "focus"])
def test_manifests_of_exports(tmp_path: Path, kind: Any) -> None:
    month = DAYS.first.replace(day=1)
    written = datetime(2026, 11, 3, tzinfo=UTC)
    run = write_run(tmp_path, kind, kind, month, written, azure.bill(), rows_per_blob=10)
    manifest = json.loads((run / "manifest.json").read_text())
    check(manifest, MANIFEST)
    assert manifest["blobCount"] == len(manifest["blobs"]) > 1
    for blob in manifest["blobs"]:
        assert (tmp_path / blob["blobName"]).stat().st_size == blob["byteCount"]
