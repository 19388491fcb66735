# Each target does its own set-up, from a bare Python 3.11, 3.12 or 3.13.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FAKESNOW := $(VENV)/.fakesnow
MANIFEST := dbt_project/target/manifest.json
export DO_NOT_TRACK := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DAGSTER_DISABLE_TELEMETRY := yes
# Our own modules would be compiled again by every process that is started.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-e2e check check-types check-sql check-python check-imports check-definitions mcp-suite focus eval audit fuzz bench bench-anomalies bench-forecasts chaos spark-marts dev manifest lock focus-lock setup clean

setup: $(STAMP) $(FAKESNOW) $(MANIFEST)

# Byte code is written on all cores, where pip would use one, but for what is hardly imported. Some
# packages bring files that no Python of today compiles: these are never imported.
$(STAMP): requirements.lock pyproject.toml deploy/find-python
	@python="$$(deploy/find-python)" && echo "Setting up $(VENV) with $$python" && \
	{ [ -x $(BIN)/python ] || "$$python" -m venv $(VENV); } && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes -r requirements.lock && \
	{ $(BIN)/python -m compileall -qq -j 0 -x '/(tests|sympy|moto|pip|setuptools|pygments/lexers)/' $(VENV)/lib || true; } && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . && \
	$(BIN)/python deploy/fonts.py && \
	touch $@

# The emulated Snowflake wants an older connector than the product: an environment of its own, in
# the user's cache. What was made is noted here; who needs it asks the script, which makes it again.
$(FAKESNOW): deploy/fakesnow.lock deploy/fakesnow-venv deploy/locked-venv | $(STAMP)
	@deploy/fakesnow-venv > $@.new && mv $@.new $@

manifest: $(MANIFEST)

$(MANIFEST): $(STAMP) $(shell find dbt_project -path dbt_project/target -prune -o -type f -print)
	@$(BIN)/dbt parse --quiet --project-dir dbt_project --profiles-dir dbt_project
	@touch $@

# The first thing to run: emulated clouds, real ingestion, marts, Dagster and the app. It parses
# dbt's project itself, for its own database.
demo: $(STAMP) $(FAKESNOW)
	$(BIN)/astraeus demo

# Everything at once on your own accounts; Ctrl-C stops it.
dev: setup
	$(BIN)/astraeus up

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Those of them that start the whole product, and the pages in a real browser (Debian's Chromium).
# Bad input for longer: FUZZ is the number of examples of each test. The first failure ends it, so
# that it is told even where somebody has no time for all of them.
fuzz: setup
	ASTRAEUS_FUZZ_EXAMPLES=$(or $(FUZZ),500) $(BIN)/python -m pytest -n 0 -x tests/unit/test_fuzzed_parsers.py tests/unit/test_fuzzed_providers.py tests/unit/test_fuzzed_exports.py tests/app/test_bad_input.py tests/app/test_bad_requests.py tests/app/test_mcp_arguments.py

test-e2e: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/e2e

# Two at a time, each one's words together; all of them run, whichever fails.
check: setup
	@$(MAKE) --no-print-directory --jobs 2 --keep-going $(TOGETHER) \
	  check-types check-sql check-python check-imports check-definitions

TOGETHER := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

check-types: | setup
	$(BIN)/mypy $(MYPY_FLAGS)

check-sql: | setup
	$(BIN)/sqlfluff lint --config dbt_project/.sqlfluff --processes 2 --disable-progress-bar dbt_project/models dbt_project/tests

check-python: | setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

check-imports: | setup
	$(BIN)/lint-imports

# Not beside sqlfluff: both read dbt's project.
check-definitions: check-sql | setup
	DAGSTER_HOME="$$(mktemp -d)" $(BIN)/dagster definitions validate -w workspace.yaml

# MCP's official inspector and conformance suite on our servers, over stdio and HTTP. Fetched with the
# node that they want where they are missing (npm), then kept in the user's cache.
mcp-suite: setup
	deploy/mcp-suite
	$(BIN)/python -m pytest -n 0 -rs tests/app/test_mcp_suite.py

# Each provider's charges through the official FOCUS validator; on the demo where there is nothing
# else. Needs a Python 3.12 beside ours. FOCUS="--allow-missing" lets pass what cannot be run.
focus: setup
	@[ "$$($(BIN)/astraeus status --json)" != "[]" ] || $(BIN)/astraeus demo --no-serve
	$(BIN)/astraeus focus $(FOCUS)

# The assistant on the golden set, over a copy of the demo's database: MODEL=openai/gpt-5-mini (with
# its key; any provider of models.yaml), and EVAL="--repeat 5 --tag why" say. Without a model the
# set itself is checked against the tools, and its grader by mutants.
eval: setup
	@[ "$$($(BIN)/astraeus status --json)" != "[]" ] || $(BIN)/astraeus demo --no-serve
	$(BIN)/python -m evals $(MODEL) $(EVAL)

# Licences (docs/licences.md), bill of materials (dist/astraeus.cdx.json), secrets in the tree, known
# vulnerabilities: ends with 1 for something wrong, 3 where no service could be asked. AUDIT=
# "--advisories all.zip" (OSV's export for PyPI) needs no network, "--service URL" asks another one.
audit: setup
	$(BIN)/python -m audit $(AUDIT)

bench: setup
	$(BIN)/python -m benchmarks

# The detector on labelled data, through loader, dbt and marts. DATA="<folders of costbench.py>" for
# other data than the public seeds; where a folder has no labels only its predictions are written.
bench-anomalies: setup
	$(BIN)/python -m benchmarks.anomalies $(DATA)

# Forecasts of months on the same data, by months ahead, beside run rate and last week.
bench-forecasts: setup
	$(BIN)/python -m benchmarks.forecasts $(DATA)

# Every fault of a table on a running installation, 500 kills among them, and what must hold after
# each: some half an hour on two quiet cores. CHAOS="--quick" tries a few minutes of it, "--only NAME"
# some faults. Small disks, other hosts and clocks want root, iproute2, redis-server and faketime.
chaos: setup
	$(BIN)/python -m benchmarks.chaos $(CHAOS)

# What a server wants: no emulators, no tests.
SERVED := --extra build --extra celery --extra kubernetes --extra otel

# What changed of the line items, summed by dbt on Spark (an environment of its own, Java 17) and taken
# back into PostgreSQL. SPARK="--all" for all of them.
spark-marts: setup
	deploy/spark-marts $(SPARK)

# Needs uv, for the universal resolution; installing does not.
lock:
	uv pip compile --all-extras --generate-hashes --universal --no-emit-index-url --no-annotate --no-header \
	  --python-version 3.11 pyproject.toml -o requirements.lock
	uv pip compile $(SERVED) --generate-hashes --universal --no-emit-index-url --no-annotate --no-header \
	  --python-version 3.11 -c requirements.lock pyproject.toml -o deploy/container/requirements.lock
	uv pip compile --generate-hashes --universal --no-emit-index-url --no-annotate --no-header \
	  --python-version 3.11 deploy/fakesnow.in -o deploy/fakesnow.lock
	uv pip compile --generate-hashes --universal --no-emit-index-url --no-annotate --no-header \
	  --python-version 3.11 deploy/spark.in -o deploy/spark.lock
	uv pip compile --generate-hashes --universal --no-emit-index-url --no-annotate --no-header \
	  --python-version 3.11 deploy/pip-audit.in -o deploy/pip-audit.lock

# The validator's own lock, for Python 3.12 and numpy 1.
focus-lock:
	cd deploy && uv pip compile --generate-hashes --universal --no-emit-index-url --no-annotate --no-header \
	  --python-version 3.12 focus-validator.in -o focus-validator.lock

clean:
	rm -rf $(VENV) .venv-focus dbt_project/target dbt_project/logs
