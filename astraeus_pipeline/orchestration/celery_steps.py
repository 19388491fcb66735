"""Steps on Celery's workers, on as many machines as there are, handed out by Redis.

What happens to a step whose worker is gone (docs/decisions/0069):

- Killed child, living worker: the step has failed, its run fails, and Dagster starts it once more.
- Worker or machine gone, or cut off: after `worker_lost_after` seconds of silence another worker
  gets the step, in the same run. Celery's own answer on Redis is one fixed time after which every
  unanswered step is handed out again, dead or just slow; so here a worker says again and again
  that it still holds its steps (`HoldsSteps`), and the time may be short.
- A worker that was cut off ends its own steps before that: whoever comes back late writes nothing.
- Redis itself gone and back without its memory: the run, which waits, hands the step out again.
- A step that takes worker after worker with it is given up after `MAX_TAKEOVERS`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

from astraeus_pipeline.errors import AstraeusError, ConfigError
from astraeus_pipeline.settings import Settings

try:
    import celery
    from celery import bootsteps
    from celery.result import AsyncResult
    from dagster._core.execution.retries import RetryMode
    from dagster_celery import tasks
    from dagster_celery.config import DEFAULT_CONFIG, dict_wrapper
    from dagster_celery.core_execution_loop import core_celery_execution_loop
    from dagster_celery.executor import CeleryExecutor, _submit_task
    from dagster_celery.make_app import make_app
    from redis.exceptions import RedisError
except ModuleNotFoundError as missing:
    raise ConfigError(
        f"ASTRAEUS_EXECUTOR is celery, but the package {missing.name} is not installed.",
        hint="Install the extra: pip install 'astraeus[celery]'.",
    ) from None

QUEUE: Final = "dagster"
MAX_TAKEOVERS: Final = 3
# As long as Dagster lets a run live (dagster.yaml).
_LONGEST_STEP_SECONDS: Final = 43_200
_RESULTS_KEPT_SECONDS: Final = 86_400


class WatchingExecutor(CeleryExecutor):
    """Dagster's executor that sends steps to workers and waits; it sends lost ones again."""

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[Any]:
        """Run the plan to its end and yield its events."""

        def submit(app: celery.Celery, *of_step: Any) -> SentStep:
            return SentStep(lambda: _submit_task(app, *of_step), app)

        events: Iterator[Any] = core_celery_execution_loop(
            plan_context, execution_plan, step_execution_fn=submit
        )
        return events


class SentStep:
    """A step on its way: Celery's result of it, as far as Dagster's loop asks.

    A mark in the same Redis tells whether that still knows of it. Without Redis's memory (a restart
    without persistence, a switch to an empty replica) nobody would ever answer.
    """

    def __init__(self, send: Callable[[], AsyncResult], app: celery.Celery) -> None:
        self._send, self._redis = send, app.backend.client
        self._look = app.conf.broker_transport_options["visibility_timeout"] / 4
        self._next_look = 0.0
        self._result = self._sent()

    def ready(self) -> bool:
        """Whether the step has ended; one that Redis has forgotten is sent again."""
        if self._result.ready():
            return True
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + self._look
            with suppress(RedisError):  # while it is away, nothing can be known
                if not self._redis.exists(_mark(self._result)):
                    self._result = self._sent()
        return False

    def get(self) -> Any:
        """Return the events of the step. Raises: what ended its worker."""
        return self._result.get()

    def revoke(self) -> None:
        """Tell workers not to begin it, or to end it: a load is all or nothing."""
        self._result.revoke(terminate=True)

    def _sent(self) -> AsyncResult:
        self._next_look = time.monotonic() + self._look
        result = self._send()
        self._redis.set(_mark(result), 1, ex=_LONGEST_STEP_SECONDS * 2)
        return result


def _mark(result: AsyncResult) -> str:
    return f"astraeus-sent-{result.id}"


def executor(settings: Settings) -> CeleryExecutor:
    """Return the executor that sends the steps of a run to the workers."""
    url = broker_url(settings)
    return WatchingExecutor(  # type: ignore[no-untyped-call] # Dagster gives it no types
        retries=RetryMode.ENABLED,
        broker=url,
        backend=url,
        config_source=configuration(settings),
    )


def broker_url(settings: Settings) -> str:
    """Return the URL of Redis, with its password: handle it as a secret.

    Raises: ConfigError if none is set, or it is not Redis.
    """
    url = settings.celery_broker.get_secret_value() if settings.celery_broker else ""
    if not url.startswith(("redis://", "rediss://")):
        raise ConfigError(
            "ASTRAEUS_CELERY_BROKER must name a Redis for the workers.",
            hint="Write it as redis://:password@host:6379/0, or rediss:// with TLS.",
        )
    return url


def configuration(settings: Settings) -> dict[str, Any]:
    """Return what runs and workers must agree on, in Celery's words."""
    lost = settings.worker_lost_after
    return {
        **DEFAULT_CONFIG,
        "broker_transport_options": {
            "visibility_timeout": lost,
            # Look for steps of lost workers often, and at each look.
            "unacked_restore_interval": max(1, lost // 10),
            "unacked_restore_throttle": 1,
            # A cut-off worker must know that it is before others take its steps over.
            "health_check_interval": max(1, lost // 9),
            "socket_timeout": max(2, lost // 6),
            "socket_connect_timeout": max(2, lost // 6),
            "socket_keepalive": True,
        },
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # Acknowledged once done: what was under way on a lost worker is still known to Redis.
        "task_acks_late": True,
        "task_reject_on_worker_lost": False,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        # Done, but lost before it was acknowledged: not done again.
        "worker_deduplicate_successful_tasks": True,
        "worker_prefetch_multiplier": 1,
        # Every event that a step writes is on its run's page; a worker's log is about steps.
        "worker_redirect_stdouts_level": "DEBUG",
        # What a step leaves behind in memory goes with its process now and then.
        "worker_max_tasks_per_child": 100,
        "task_time_limit": _LONGEST_STEP_SECONDS,
        "result_expires": _RESULTS_KEPT_SECONDS,
        # A Redis that restarts is waited for: some minutes, by runs and by workers.
        "result_backend_always_retry": True,
        "result_backend_max_retries": 60,
        "redis_socket_timeout": max(5, lost // 3),
        "redis_socket_connect_timeout": max(2, lost // 6),
        "redis_socket_keepalive": True,
        "redis_retry_on_timeout": True,
        "task_publish_retry_policy": {
            "max_retries": 30,
            "interval_start": 0,
            "interval_step": 1,
            "interval_max": 10,
        },
    }


def worker_app(settings: Settings) -> celery.Celery:
    """Return the app of a worker: Dagster's task for steps, held and counted as said above."""
    url = broker_url(settings)
    app = make_app(
        {"broker": url, "backend": url, "config_source": dict_wrapper(configuration(settings))}
    )
    tasks.create_task(app, base=StepTask, acks_late=True)
    app.steps["consumer"].add(HoldsSteps)
    return app


def check_broker(app: celery.Celery) -> None:
    """Ask Redis once, so that a worker that can never start says so.

    Raises: ConfigError.
    """
    connection = app.connection()
    try:
        connection.ensure_connection(max_retries=1, timeout=10)
    except connection.recoverable_connection_errors as error:
        raise ConfigError(
            f"Redis at {connection.as_uri()} does not answer: {error}.",  # without its password
            hint="Check ASTRAEUS_CELERY_BROKER, and that this machine may reach it.",
        ) from None
    finally:
        connection.release()


class StepTask(celery.Task):  # type: ignore[misc] # Celery has no types
    """A step; refused once it has been taken over too often, as it seems to kill its workers."""

    abstract = True

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Count the takeovers of this step. Raises: AstraeusError beyond the limit."""
        if not (self.request.delivery_info or {}).get("redelivered"):
            return
        redis, key = self.app.backend.client, f"astraeus-takeovers-{task_id}"
        count = redis.incr(key)
        redis.expire(key, _RESULTS_KEPT_SECONDS)
        if count > MAX_TAKEOVERS:
            raise AstraeusError(  # in one sentence: results keep no hint
                f"{MAX_TAKEOVERS + 1} workers were lost over this step, so it is given up: look at"
                " the memory of the workers, then start its run again."
            )


class HoldsSteps(bootsteps.StartStopStep):  # type: ignore[misc] # Celery has no types
    """Says to Redis, four times within the silence that counts as loss, which steps are held."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Begin; a lost connection begins anew."""
        lost = consumer.app.conf.broker_transport_options["visibility_timeout"]
        self._timer = consumer.timer.call_repeatedly(lost / 4, self._renew, (consumer,))

    def stop(self, consumer: Any) -> None:
        """End: who holds steps no more must not seem to."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _renew(self, consumer: Any) -> None:
        channel = consumer.task_consumer.channel
        held = list(channel.qos._delivered)  # kombu has no other word for it
        if held:
            now = time.time()
            with channel.conn_or_acquire() as redis:
                # Only those that are still noted there: what another took over is not ours again.
                redis.zadd(channel.unacked_index_key, dict.fromkeys(held, now), xx=True)
