"""Reading bills that providers write as files: find, choose, land and type them.

A provider that takes files (focus, aws, azure) brings a `Dialect` (how one file format becomes rows
of one raw table, see dialect.py) and a store (`store.open_store(Place(...), secrets)`, or its own
with the face of `store.Store`), and uses, in this order:

1. `selection.select(store, store.list(), days, Inspector(store, order, dialect))`: the current
   files of each billing month, manifests and versions considered (or a choice of its own);
2. `reading.land(store, file, landing)`: one file into the landing store;
3. `reading.rows(fetched, landing, choose)`: the typed batches, `choose(part)` gives the dialect.

Nothing in here knows a provider: what two formats do differently is a field of `Dialect`.
"""
