{{ config(meta={'dagster': {'ref': {'name': 'fct_charges'}}}) }}
-- What we derive or map ourselves follows FOCUS 1.2 without exception.
{{ focus_faults('ours') }}
