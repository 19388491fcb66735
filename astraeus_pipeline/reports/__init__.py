"""What providers share that answer in paged JSON and have no SDK: OpenAI and Anthropic.

* `api.py`            GET with a key: tries, waits, errors in our words; the only user of httpx
* `daily.py`          reports in daily buckets: pages, control totals, what is complete
* `listing.py`        names of projects and workspaces
* `values.py`         figures and texts of results, read exactly
* `configuration.py`  an account's row into a provider's configuration
"""
