"""PostgreSQL killed, restarted, full, slow, cut off, and out of connections."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, ExitStack
from typing import Final

from astraeus_pipeline.errors import DatabaseError
from astraeus_pipeline.warehouse import embedded
from astraeus_pipeline.warehouse.engine import Database
from benchmarks.chaos import work
from benchmarks.chaos.fault import Fault, Struck
from benchmarks.chaos.installation import Site
from benchmarks.chaos.pages import PAGES, look_at
from benchmarks.chaos.proxy import Proxy, proxy
from benchmarks.served import served
from benchmarks.warehouses import ADMIN_TOKEN

_LEFT: Final = (4 << 20, 1 << 20, 0)  # bytes that a full disk still has
_DELAY: Final = 0.01
_CUTS: Final = 4


def kill_backends(site: Site, kills: int) -> Struck:
    """Kill a session's process in a load: PostgreSQL ends all others with it, and recovers."""
    struck = Struck()
    while struck.kills < kills:
        site.change_bills()
        struck.kills += site.killer.kill(
            site.deliver(), "backend", 1.0, site.database, in_a_load=True
        )
        struck.wrong += site.halves()
    struck.looks.append(site.look())
    return struck


def kill_postmaster(site: Site, kills: int) -> Struck:
    """Kill the server in the middle of a load; look at the app before somebody starts it again."""
    struck = Struck()
    while struck.kills < kills:
        site.change_bills()
        load = site.deliver()
        if site.killer.await_load(site.database, load):
            site.killer.kill_postmaster(site.database)
            struck.kills += 1
            if struck.kills == 1:
                struck.looks.append(site.look())
        site.end(load)
        struck.wrong += site.halves()
    return struck


def restart(site: Site, _: int) -> Struck:
    """Stop the server as an operator does, in a load, then start it."""
    struck = Struck()
    load = site.ingest()
    is_loading = site.killer.await_load(site.database, load)
    embedded.stop(site.home)
    struck.hit(is_loading, "no load was under way when the server was stopped")
    struck.looks.append(site.look())
    site.end(load)
    struck.wrong += site.halves()
    return struck


def fill(site: Site, _: int) -> Struck:
    """Fill the disk of database, landing store and logs while bills are loaded and alerts sent."""
    struck, failed = Struck(), 0
    assert site.disk is not None
    for left in _LEFT:
        site.change_bills()
        site.bench.cross()
        site.disk.fill(left)
        load, tick = site.ingest(), site.tick()
        struck.senders += 2  # what was sent can be noted neither in the journal nor in the database
        site.end(load)
        site.end(tick)
        struck.looks.append(site.look())
        site.disk.clear()
        struck.notes.append(f"{left} bytes left: {site.last_words(load)}")
        failed += site.last_words(load) != work.WELL
        struck.wrong += site.halves()
        struck.unsaid += site.words()
    struck.hit(failed, "no load failed on a full disk")
    return struck


def slow(site: Site, _: int) -> Struck:
    """Let every piece between product and database take its time; pages and loads still work."""
    struck = Struck()
    with ExitStack() as stack:
        between = stack.enter_context(_between(site))
        between.delay = _DELAY
        load = site.ingest(**_by(site, between))
        app = stack.enter_context(served(site.place, _by(site, between)))
        look = look_at(app.address, ADMIN_TOKEN, PAGES)
        struck.looks.append(look)
        if look.drawn != ():
            struck.unsaid.append(f"a slow database, and pages show {look.drawn}")
        site.finish(load, "a load over a slow database")
        struck.hit(between.delayed, "nothing came by the slow way")
    return struck


def cut(site: Site, _: int) -> Struck:
    """Cut all connections to the database in a load, again and again, as a network does."""
    struck = Struck()
    with ExitStack() as stack:
        between = stack.enter_context(_between(site))
        app = stack.enter_context(served(site.place, _by(site, between)))
        for _ in range(_CUTS):
            site.change_bills()
            load = site.ingest(**_by(site, between))
            is_loading = site.killer.await_load(site.database, load)
            ended = between.cut()
            struck.hit(ended if is_loading else 0, "no load was under way when it was cut off")
            struck.looks.append(look_at(app.address, ADMIN_TOKEN, PAGES))
            site.end(load)
            struck.wrong += site.halves()
            struck.unsaid += site.words()
    return struck


def exhaust(site: Site, _: int) -> Struck:
    """Take every connection that there is, in a load and in front of the app."""
    struck = Struck()
    database = site.database
    with ExitStack() as stack:
        admin = stack.enter_context(database.connect("admin", autocommit=True))
        load = site.ingest()
        is_loading = site.killer.await_load(database, load)
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name like 'astraeus app%' or application_name like '%reader%'"
        )
        taken = _take_all(stack, database)
        struck.hit(taken if is_loading else 0, "no load was under way when connections ran out")
        tick = site.tick()
        site.end(tick)
        site.end(load)
        taken += _take_all(stack, database)  # those that load and tick have left, too
        struck.looks.append(site.look())
        struck.notes.append(f"{taken} connections held, and no other to be had")
    struck.wrong += site.halves()
    struck.unsaid += site.words()
    return struck


def _take_all(stack: ExitStack, database: Database) -> int:
    """Hold every connection that there is, until the stack ends; return how many."""
    taken = 0
    while True:
        try:
            stack.enter_context(database.connect("operator", autocommit=True))
        except DatabaseError:
            return taken
        taken += 1


def _between(site: Site) -> AbstractContextManager[Proxy]:
    url = site.database.admin_url
    return proxy(str(url.host), int(url.port or 0))


def _by(site: Site, between: Proxy) -> dict[str, str]:
    """Return what leads to the database by way of the proxy."""
    url = site.database.admin_url.set(port=between.port)
    return {"ASTRAEUS_DATABASE_URL": url.render_as_string(hide_password=False)}


def _no_disk() -> str | None:
    return None if os.geteuid() == 0 else "only root mounts a small disk"


FAULTS: Final = (
    Fault("session's process killed", kill_backends, kills=16, at_once=8),
    Fault("database killed", kill_postmaster, kills=12, at_once=6, hides_database=True),
    Fault("database stopped and started", restart, hides_database=True),
    Fault("database and disk full", fill, lacks=_no_disk),
    Fault("database slow", slow),
    Fault("network to the database cut", cut),
    Fault("connections exhausted", exhaust, hides_database=True),
)
