"""Chat models of the providers that have a key. Their SDKs take seconds to import: at first use.

Only the router retries, so every SDK is told not to. No figure goes anywhere but to the provider.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from app.assistant.policy import Policy, Provider
from app.assistant.settings import AssistantSettings
from astraeus_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@dataclass(frozen=True)
class Candidate:
    """A model that may answer."""

    provider: Provider
    model: str
    tier: str


class Models:
    """The models of a policy for which there are keys; each is made once."""

    def __init__(self, settings: AssistantSettings, policy: Policy) -> None:
        self._settings = settings
        self._policy = policy
        self._made: dict[tuple[Provider, str], BaseChatModel] = {}

    @property
    def providers(self) -> tuple[Provider, ...]:
        """Those that can be called, in the order in which they are."""
        return tuple(each for each in self._policy.chain if self._settings.is_usable(each))

    def candidates(self, tier: str) -> list[Candidate]:
        """Return one model of each provider, those of this tier first.

        Who has none in it takes part with that of the nearest tier below, else above.

        Raises: ConfigError where no provider has a key.
        """
        if not self.providers:
            raise ConfigError(
                "No model provider has a key, so the assistant cannot answer in words.",
                hint="Set OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_API_KEY or"
                " ASTRAEUS_LLM_COMPATIBLE_URL, and start the app anew.",
            )
        names = list(self._policy.tiers)
        at = names.index(tier)
        nearest = [*reversed(names[: at + 1]), *names[at + 1 :]]
        found = []
        for provider in self.providers:
            for name in nearest:
                if provider in self._policy.tiers[name]:
                    found.append(Candidate(provider, self._policy.tiers[name][provider], name))
                    break
        return sorted(found, key=lambda each: each.tier != tier)

    def seeing(self) -> list[Candidate]:
        """Return the models that see, in the order of the chain.

        Raises: ConfigError where there is none.
        """
        found = [
            Candidate(each, self._policy.vision[each], "vision")
            for each in self.providers
            if each in self._policy.vision
        ]
        if not found:
            raise ConfigError(
                "No model that can see is set up, so PDFs and images cannot be read.",
                hint="Attach the same as CSV or XLSX, which are read without a model.",
            )
        return found

    def get(self, candidate: Candidate) -> BaseChatModel:
        """Return the model. Raises: ConfigError for settings that its SDK refuses."""
        key = (candidate.provider, candidate.model)
        if key not in self._made:
            forbid_tracing()
            try:
                self._made[key] = _FACTORIES[candidate.provider](
                    candidate.model, self._settings, self._policy.caps.output_tokens
                )
            except (ValueError, ImportError):
                # Its own words may hold the key.
                raise ConfigError(
                    f"{candidate.provider} cannot be set up for {candidate.model}.",
                    hint=f"Look at its key, and at ASTRAEUS_LLM_{candidate.provider.upper()}_URL.",
                ) from None
        return self._made[key]


def forbid_tracing() -> None:
    """Keep questions and figures from LangSmith, whatever the environment says of tracing."""
    import langsmith

    langsmith.configure(enabled=False)


def _openai(model: str, settings: AssistantSettings, output_tokens: int) -> BaseChatModel:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model=model,
        api_key=settings.openai_api_key,
        base_url=settings.openai_url,
        timeout=settings.silence_seconds,
        max_retries=0,
        max_completion_tokens=output_tokens,
        stream_usage=True,  # else only at OpenAI's own address
    )


def _anthropic(model: str, settings: AssistantSettings, output_tokens: int) -> BaseChatModel:
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(
        model=model,
        api_key=settings.anthropic_api_key or SecretStr(""),
        base_url=settings.anthropic_url,
        timeout=settings.silence_seconds,
        stop=None,
        max_retries=0,
        max_tokens_to_sample=output_tokens,
    )


def _google(model: str, settings: AssistantSettings, output_tokens: int) -> BaseChatModel:
    from langchain_google_genai import ChatGoogleGenerativeAI

    return ChatGoogleGenerativeAI(
        model=model,
        api_key=settings.google_api_key,
        base_url=settings.google_url,
        timeout=settings.silence_seconds,
        max_retries=1,  # tries, not further ones
        max_tokens=output_tokens,
    )


def _compatible(model: str, settings: AssistantSettings, output_tokens: int) -> BaseChatModel:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model=model,
        api_key=settings.compatible_api_key or SecretStr("none"),  # the SDK wants one
        base_url=settings.compatible_url,
        timeout=settings.silence_seconds,
        max_retries=0,
        max_completion_tokens=output_tokens,
        stream_usage=True,
        use_responses_api=False,
    )


_FACTORIES: Final[dict[Provider, Callable[[str, AssistantSettings, int], BaseChatModel]]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
    "compatible": _compatible,
}
