"""A provider that hangs, and one whose answers end half way: its own account waits, no other."""

from __future__ import annotations

from typing import Final

from pyarrow import fs

from astraeus_pipeline.accounts import store
from benchmarks.chaos import reading
from benchmarks.chaos.fault import Fault, Struck
from benchmarks.chaos.installation import Site
from tests.fixtures.faulty_proxy import Bend, FaultyProxy, faulty
from tests.fixtures.object_stores import S3, s3

_HANG: Final = 30.0  # seconds, far beyond the patience of the child below


def hang(site: Site, _: int) -> Struck:
    """Let one account's bucket take a request and never answer."""
    return _bent(site, Bend(_is_bill, hang=_HANG))


def half_answer(site: Site, _: int) -> Struck:
    """Let one account's bucket end its answers half way."""
    return _bent(site, Bend(_is_bill, cut=True))


def _bent(site: Site, bend: Bend) -> Struck:
    """Move one account's bill to a bucket that fails, then to one that is well."""
    struck, slug = Struck(), site.accounts[0]
    before = reading.slices(site.database)
    with s3() as bucket, faulty(f"http://127.0.0.1:{bucket.port}") as proxy:
        _upload(site, bucket, slug)
        _point(site, proxy, slug)
        proxy.server.handle_error = _silently  # type: ignore[method-assign,assignment] # says nothing
        proxy.bend = bend
        site.end(site.ingest_impatiently())
        found, said = reading.slices(site.database), site.said.read_text()
        struck.wrong += site.halves()
        struck.unsaid += site.words()
        if len(said.splitlines()) != 1 or slug not in said:
            struck.unsaid.append(f"one provider is away, and the runs say: {said!r}")
        wanted = site.calm.slices[site.version]
        for each in before:
            right = before[each] if each[0] == slug else wanted[each]
            if found.get(each) != right:
                struck.wrong.append(f"{each[0]} {each[1]} is not as it must be meanwhile")
        struck.hit(proxy.bent, "nobody asked the provider that was to fail")
        proxy.bend = None
        site.finish(site.ingest_impatiently(), "a load once the provider answers")
        if said := site.said.read_text():
            struck.unsaid.append(f"the provider answers, and {said}")
    return struck


def _silently(*_: object) -> None:
    """Say nothing of clients that have given up."""


def _is_bill(method: str, path: str) -> bool:
    return method == "GET" and ".parquet" in path


def _upload(site: Site, bucket: S3, slug: str) -> None:
    there = fs.S3FileSystem(**bucket.options)
    for path in site.versions[site.version].files[slug]:
        with there.open_output_stream(f"landing/bills/{slug}/{path.name}") as sink:
            sink.write(path.read_bytes())


def _point(site: Site, proxy: FaultyProxy, slug: str) -> None:
    place = {"url": f"s3://landing/bills/{slug}", "endpoint_url": proxy.url, "anonymous": True}
    with site.database.connect("app", autocommit=True) as conn:
        store.update_config(conn, slug, place, store.Actor("chaos"))


FAULTS: Final = (
    Fault("provider hangs", hang),
    Fault("provider's answer cut", half_answer),
)
