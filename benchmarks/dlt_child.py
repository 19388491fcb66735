"""Runs inside dlt's own virtual environment: Parquet files into PostgreSQL through ADBC.

Called by dlt_side.py with a URL and the files; prints one JSON object with wall and CPU seconds
of `pipeline.run`. Python's start and the import of dlt are not counted.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator

import dlt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def charges(paths: list[str]) -> Iterator[pa.Table]:
    """Yield the files' rows; jsonb travels in binary COPY as a version byte and the text."""
    for path in paths:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=100_000):
            table = pa.Table.from_batches([batch])
            tags = pc.binary_join_element_wise(chr(1), table.column("Tags"), "")
            yield table.set_column(table.schema.get_field_index("Tags"), "Tags", tags)


def cpu() -> float:
    """CPU seconds of this process and its ended children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main(url: str, paths: list[str]) -> None:
    """Append all files to dlt_bench.focus_costs, which stands already."""
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench",
            destination=dlt.destinations.postgres(url),
            dataset_name="dlt_bench",
            pipelines_dir=folder,
        )
        source = dlt.resource(
            charges(paths), name="focus_costs", write_disposition="append", file_format="parquet"
        )
        wall, spent = time.perf_counter(), cpu()
        pipeline.run(source, loader_file_format="parquet").raise_on_failed_jobs()
        answer = {"wall": time.perf_counter() - wall, "cpu": cpu() - spent}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
