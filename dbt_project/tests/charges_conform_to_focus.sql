{{ config(severity='warn') }}
-- A provider's own lapse from FOCUS 1.2 is shown; it does not hold back the bill.
{{ focus_faults('provider') }}
