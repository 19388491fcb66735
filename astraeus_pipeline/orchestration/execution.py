"""Where steps of runs execute: in the run itself, or on Celery's workers; assets do not know."""

# No postponed annotations: Dagster reads them from the functions that it decorates.

import dagster as dg

from astraeus_pipeline.settings import Settings


@dg.executor(name="astraeus")
def chosen_executor(context: dg.InitExecutorContext) -> dg.Executor:
    """Return the executor that ASTRAEUS_EXECUTOR names.

    Asked when a run starts and not before: definitions load without an environment.
    Raises: ConfigError if it is Celery, and its packages or its broker are missing.
    """
    settings = Settings.from_env()
    if settings.executor == "celery":
        from astraeus_pipeline.orchestration import celery_steps  # an extra of ours

        return celery_steps.executor(settings)
    # One step a run: a process for it would double what a run costs.
    plain = context._replace(executor_config={"retries": {"enabled": {}}})
    create = dg.in_process_executor.executor_creation_fn
    assert create is not None  # noqa: S101 - Dagster's own has one
    return create(plain)
