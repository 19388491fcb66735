"""Cost Explorer's calls: counted, since each is paid for, and read to the last page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from botocore.exceptions import ClientError

from astraeus_pipeline.errors import PayloadError, TransientError
from astraeus_pipeline.providers.aws.client import AwsClients, translated

REQUEST_PRICE_USD: Final = Decimal("0.01")
_NOTHING_THERE: Final = "DataUnavailableException"
_MAX_PAGES: Final = 10_000

Answer = dict[str, Any]


class Explorer:
    """Asks Cost Explorer for one account; `requests` counts what AWS will charge for."""

    def __init__(self, clients: AwsClients) -> None:
        self.account = clients.account
        self._client = clients.client("ce")
        self.requests = 0

    @property
    def price(self) -> Decimal:
        """What the requests so far cost, in USD."""
        return REQUEST_PRICE_USD * self.requests

    def pages(
        self,
        operation: str,
        parameters: Mapping[str, Any],
        *,
        about: str,
        expects: str,
        token: str = "NextPageToken",  # noqa: S107 - a field's name
        may_be_unavailable: bool = False,
    ) -> Iterator[Answer]:
        """Yield every page of an operation.

        `about` is said in errors, `expects` is the field that every answer has, `token` the field
        that leads to the next page. With `may_be_unavailable`, AWS's "no such data" is no page:
        it says so of accounts without savings plans, or too young for a forecast.
        Raises: PayloadError if a page token comes twice; what `translated` raises.
        """
        attempt = f"Cost Explorer {about}"
        asked = dict(parameters)
        seen: set[str] = set()
        for _ in range(_MAX_PAGES):
            answer = self._ask(operation, asked, attempt, may_be_unavailable)
            if answer is None:
                return
            if expects not in answer:
                # botocore takes a body that is cut off, or no JSON, for an answer without fields.
                raise TransientError(
                    f"AWS account {self.account.slug}: {attempt}: the answer was cut off or no"
                    " JSON.",
                    hint="It is tried again by itself.",
                )
            yield answer
            following = answer.get(token)
            if not following:
                return
            if following in seen:
                raise PayloadError(
                    f"AWS account {self.account.slug}: {attempt} gave the same page token twice.",
                    hint="Nothing was loaded; try again later.",
                )
            seen.add(following)
            asked[token] = following

    def _ask(
        self, operation: str, parameters: Answer, attempt: str, may_be_unavailable: bool
    ) -> Answer | None:
        self.requests += 1
        with translated(self.account, attempt):
            try:
                answer: Answer = getattr(self._client, operation)(**parameters)
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code")
                if may_be_unavailable and code == _NOTHING_THERE:
                    return None
                raise
        return answer
