{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_charges'}}}) }}
-- A provider's own lapse from FOCUS 1.2 is shown; it does not hold back the bill.
{{ focus_faults('provider') }}
