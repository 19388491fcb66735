{% macro focus_service_categories() -%}
    'AI and Machine Learning', 'Analytics', 'Business Applications', 'Compute', 'Databases',
    'Developer Tools', 'Identity', 'Integration', 'Internet of Things', 'Management and Governance',
    'Media', 'Migration', 'Mobile', 'Multicloud', 'Networking', 'Other', 'Security', 'Storage', 'Web'
{%- endmacro %}

{# Currencies of ISO 4217 that money is billed in. #}
{% macro iso_currencies() -%}
    {%- set codes = 'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD'
        ~ ' CAD CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF'
        ~ ' GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR'
        ~ ' LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK'
        ~ ' PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT'
        ~ ' TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG' -%}
    '{{ codes.split(' ') | join("', '") }}'
{%- endmacro %}

{#
    Whether a charge comes from a FOCUS file, whose issuer did the mapping. Of AWS and Azure, which
    have other formats too, only there the contracted cost is given.
#}
{% macro is_passed_on() -%}
    provider = 'focus'
    or (provider in ('aws', 'azure') and x_contracted_cost_source = 'provider')
    -- Azure's own files lack prices where a commitment pays: the effective cost is theirs all the same
    or (provider = 'azure' and x_effective_cost_source = 'provider')
{%- endmacro %}

{#
    The faults of the charges just built that we answer for (`ours`), or that the provider does: the
    one are errors, the other are shown and do not hold back the bill.

    What FOCUS 1.2 asks of a charge, one rule a line: name, who answers for it, and the condition of a
    fault. `ours`: we, whatever the source, since the value is always derived here. `mapping`: we
    where we map a provider's own format, its issuer where a FOCUS file is passed on. `given`: the
    provider, whose figure or silence it is in any format.
#}
{% macro focus_faults(answerable) %}
{%- set rules = [
        ('usage_date', 'ours', "usage_date <> (charge_period_start at time zone 'UTC')::date"),
        ('service_category', 'ours', "service_category is null"),
        ('service_subcategory', 'ours', "service_subcategory is null"),
        ('service_name', 'ours', "service_name is null"),
        ('charge_category_missing', 'ours', "charge_category is null"),
        ('list_cost_modelled', 'ours', "x_list_cost_source = 'modelled: billed_cost' and list_cost <> billed_cost"),
        (
            'contracted_cost_modelled',
            'ours',
            "x_contracted_cost_source = 'modelled: billed_cost' and contracted_cost <> billed_cost",
        ),
        (
            'list_cost_modelled_from_effective',
            'ours',
            "x_list_cost_source = 'modelled: effective_cost' and list_cost <> effective_cost",
        ),
        (
            'contracted_cost_modelled_from_effective',
            'ours',
            "x_contracted_cost_source = 'modelled: effective_cost' and contracted_cost <> effective_cost",
        ),
        (
            'effective_cost_modelled',
            'ours',
            "x_effective_cost_source = 'modelled: billed_cost' and effective_cost <> billed_cost",
        ),
        (
            'day_of_cost_explorer',
            'ours',
            "x_list_cost_source = 'modelled: unblended_cost'"
            ~ " and charge_period_end <> charge_period_start + interval '24 hours'",
        ),
        (
            'charge_category',
            'mapping',
            "charge_category not in ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment')",
        ),
        ('charge_class', 'mapping', "charge_class <> 'Correction'"),
        (
            'charge_frequency',
            'mapping',
            "charge_frequency not in ('One-Time', 'Recurring', 'Usage-Based')"
            ~ " or (charge_category = 'Purchase' and charge_frequency = 'Usage-Based')",
        ),
        ('service_category_unknown', 'mapping', "service_category not in (" ~ focus_service_categories() ~ ")"),
        (
            'pricing_category',
            'mapping',
            "pricing_category not in ('Standard', 'Dynamic', 'Committed', 'Other')",
        ),
        (
            'commitment_discount_status',
            'mapping',
            "commitment_discount_status not in ('Used', 'Unused')"
            ~ " or (commitment_discount_id is null and commitment_discount_status is not null)",
        ),
        ('charge_period', 'mapping', "charge_period_start is null or charge_period_end is null"
            ~ " or charge_period_end <= charge_period_start"),
        ('billing_period', 'mapping', "billing_period_start is null or billing_period_end is null"
            ~ " or billing_period_end <= billing_period_start"
            ~ " or billing_period <> (billing_period_start at time zone 'UTC')::date"),
        ('provider_name', 'mapping', "provider_name is null"),
        ('publisher_name', 'mapping', "publisher_name is null"),
        ('invoice_issuer_name', 'mapping', "invoice_issuer_name is null"),
        ('pricing_unit', 'mapping', "(pricing_quantity is null) <> (pricing_unit is null)"),
        ('consumed_unit', 'mapping', "(consumed_quantity is null) <> (consumed_unit is null)"),
        (
            'consumed_quantity',
            'mapping',
            "consumed_quantity is not null"
            ~ " and (charge_category <> 'Usage' or commitment_discount_status = 'Unused')",
        ),
        (
            'nothing_priced_on_tax',
            'mapping',
            "charge_category = 'Tax'"
            ~ " and coalesce(pricing_quantity, list_unit_price, contracted_unit_price) is not null",
        ),
        ('unit_price', 'mapping', "list_unit_price < 0 or contracted_unit_price < 0"),
        (
            'list_cost',
            'given',
            "charge_class is null and abs(list_cost - list_unit_price * pricing_quantity)"
            ~ " > greatest(0.000001, abs(list_cost) * 0.000001)",
        ),
        (
            'contracted_cost',
            'given',
            "charge_class is null and abs(contracted_cost - contracted_unit_price * pricing_quantity)"
            ~ " > greatest(0.000001, abs(contracted_cost) * 0.000001)",
        ),
        ('billing_account_id', 'given', "billing_account_id is null"),
        ('billing_currency', 'given', "billing_currency not in (" ~ iso_currencies() ~ ")"),
        (
            'pricing_quantity',
            'given',
            "charge_category in ('Usage', 'Purchase') and charge_class is null and pricing_quantity is null",
        ),
        (
            'prepaid_purchase',
            'given',
            "charge_category = 'Purchase' and commitment_discount_id is not null"
            ~ " and charge_frequency = 'One-Time' and effective_cost <> 0",
        ),
        (
            'unrelated_credit',
            'given',
            "charge_category = 'Credit' and commitment_discount_id is null and resource_id is null"
            ~ " and (list_cost <> billed_cost or contracted_cost <> billed_cost or effective_cost <> billed_cost)",
        ),
    ] -%}
{%- set owners = ['ours', 'mapping'] if answerable == 'ours' else ['mapping', 'given'] -%}
with

charges as (
    {{ just_built('fct_charges') }}
),

faults as (
    select
        charge_key,
        account_id,
        usage_date,
        unnest(array_remove(array[
            {%- for name, owner, condition in rules if owner in owners %}
            case
                when ({{ condition }})
                {%- if owner == 'mapping' %}
                    and {{ 'not ' if answerable == 'ours' }}({{ is_passed_on() }})
                {%- endif %}
                    then '{{ name }}'
            end{{ ',' if not loop.last }}
            {%- endfor %}
        ], null)) as fault
    from charges
)

select * from faults
{% endmacro %}
