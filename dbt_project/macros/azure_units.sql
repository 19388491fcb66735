{#
    Azure's units name the block that is priced: "100 Hours", "10K", "1/Month", "1 GB/Month". Its
    quantities and prices count blocks; what is consumed is counted in the unit itself.
#}
{% macro azure_unit_match(unit_of_measure) -%}
    {{ return(adapter.dispatch('azure_unit_match')(unit_of_measure)) }}
{%- endmacro %}

{% macro default__azure_unit_match(unit_of_measure) -%}
    regexp_match(trim({{ unit_of_measure }}), '^([0-9]+(?:\.[0-9]+)?)([KMB]?)(?:\s+(.+)|(/.+))?$')
{%- endmacro %}

{% macro spark__azure_unit_match(unit_of_measure) -%}
    {%- set pattern -%}
    '^([0-9]+(?:\\.[0-9]+)?)([KMB]?)(?:\\s+(.+)|(/.+))?$'
    {%- endset -%}
    case
        when trim({{ unit_of_measure }}) rlike {{ pattern }}
            then
                array(
                    {%- for part in range(1, 5) %}
                    nullif(regexp_extract(trim({{ unit_of_measure }}), {{ pattern }}, {{ part }}), '')
                    {{- ',' if not loop.last }}
                    {%- endfor %}
                )
    end
{%- endmacro %}

{# How many units a block holds; 1 where the text names no number. #}
{% macro azure_unit_block(match) %}{{ return(adapter.dispatch('azure_unit_block')(match)) }}{% endmacro %}

{% macro default__azure_unit_block(match) -%}
    coalesce(
        ({{ match }})[1]::numeric
        * case ({{ match }})[2] when 'K' then 1000 when 'M' then 1000000 when 'B' then 1000000000 else 1 end,
        1
    )
{%- endmacro %}

{% macro spark__azure_unit_block(match) -%}
    coalesce(
        cast({{ match }}[0] as decimal(16, 6))
        * case {{ match }}[1] when 'K' then 1000 when 'M' then 1000000 when 'B' then 1000000000 else 1 end,
        1
    )
{%- endmacro %}

{# The unit itself, in the plural that FOCUS uses; a bare number counts units. #}
{% macro azure_unit_name(match, unit_of_measure) -%}
    {{ return(adapter.dispatch('azure_unit_name')(match, unit_of_measure)) }}
{%- endmacro %}

{% macro default__azure_unit_name(match, unit_of_measure) -%}
    case
        when {{ match }} is null then {{ unit_of_measure }}
        when ({{ match }})[4] is not null then 'Units' || ({{ match }})[4]
        when ({{ match }})[3] is null then 'Units'
        when ({{ match }})[3] like '/%' then 'Units' || ({{ match }})[3]
        else regexp_replace(({{ match }})[3], '^([^/]*)\m(Hour|Minute|Second|Day|Month|Year)$', '\1\2s')
    end
{%- endmacro %}

{% macro spark__azure_unit_name(match, unit_of_measure) -%}
    case
        when {{ match }} is null then {{ unit_of_measure }}
        when {{ match }}[3] is not null then 'Units' || {{ match }}[3]
        when {{ match }}[2] is null then 'Units'
        when {{ match }}[2] like '/%' then 'Units' || {{ match }}[2]
        else regexp_replace({{ match }}[2], '^([^/]*)\\b(Hour|Minute|Second|Day|Month|Year)$', '$1$2s')
    end
{%- endmacro %}

{# The priced block in the spelling of FOCUS: Hours, 100 Hours, 10000 Units, GB/Month. #}
{% macro azure_pricing_unit(block, unit_name) -%}
    case when {{ block }} = 1 then {{ unit_name }} else {{ plain_number(block) }} || ' ' || {{ unit_name }} end
{%- endmacro %}

{#
    The type that an id in lower case tells:
    .../providers/microsoft.sql/servers/a/databases/b is a microsoft.sql/servers/databases.
#}
{% macro azure_type_of(resource_id) %}{{ return(adapter.dispatch('azure_type_of')(resource_id)) }}{% endmacro %}

{% macro default__azure_type_of(resource_id) -%}
    case
        when {{ resource_id }} ~ '/providers/[^/]+/[^/]+/[^/]+'
            then
                (regexp_match({{ resource_id }}, '.*/providers/([^/]+)/'))[1]
                || '/'
                || regexp_replace(
                    (regexp_match({{ resource_id }}, '.*/providers/[^/]+/(.+)$'))[1], '([^/]+)/[^/]*(/|$)', '\1\2', 'g'
                )
    end
{%- endmacro %}

{% macro spark__azure_type_of(resource_id) -%}
    case
        when {{ resource_id }} rlike '/providers/[^/]+/[^/]+/[^/]+'
            then
                regexp_extract({{ resource_id }}, '.*/providers/([^/]+)/', 1)
                || '/'
                || regexp_replace(
                    regexp_extract({{ resource_id }}, '.*/providers/[^/]+/(.+)$', 1), '([^/]+)/[^/]*(/|$)', '$1$2'
                )
    end
{%- endmacro %}

{# The last part of an id; null where a charge has no resource. #}
{% macro azure_name_of(resource_id) -%}
    nullif(regexp_replace({{ resource_id }}, '^.*/', ''), '')
{%- endmacro %}

{# Regions that Cost Management spells in an order of its own: geography first. #}
{% macro azure_spelt_regions() %}
    {%- do return({
        'us east': 'eastus', 'us east 2': 'eastus2', 'us west': 'westus', 'us west 2': 'westus2',
        'us west 3': 'westus3', 'us central': 'centralus', 'us north central': 'northcentralus',
        'us south central': 'southcentralus', 'us west central': 'westcentralus',
        'eu west': 'westeurope', 'eu north': 'northeurope', 'ap east': 'eastasia',
        'ap southeast': 'southeastasia', 'ja east': 'japaneast', 'ja west': 'japanwest',
        'au east': 'australiaeast', 'au southeast': 'australiasoutheast',
        'au central': 'australiacentral', 'in central': 'centralindia', 'in south': 'southindia',
        'in west': 'westindia', 'br south': 'brazilsouth', 'ca central': 'canadacentral',
        'ca east': 'canadaeast', 'kr central': 'koreacentral', 'kr south': 'koreasouth',
        'fr central': 'francecentral', 'fr south': 'francesouth', 'de north': 'germanynorth',
        'de west central': 'germanywestcentral', 'ch north': 'switzerlandnorth',
        'ch west': 'switzerlandwest', 'no east': 'norwayeast', 'no west': 'norwaywest',
        'se central': 'swedencentral', 'ae north': 'uaenorth', 'ae central': 'uaecentral',
        'za north': 'southafricanorth', 'za west': 'southafricawest', 'it north': 'italynorth',
        'pl central': 'polandcentral', 'es central': 'spaincentral', 'il central': 'israelcentral',
        'qa central': 'qatarcentral', 'mx central': 'mexicocentral'
    }) -%}
{% endmacro %}

{# A location as an id: EU West and West Europe are westeurope; what names no place is null. #}
{% macro azure_region(location) -%}
    case lower({{ location }})
        {%- for spelt, region in azure_spelt_regions().items() %}
        when '{{ spelt }}' then '{{ region }}'
        {%- endfor %}
        when '' then null
        when 'global' then null
        when 'unassigned' then null
        when 'unknown' then null
        when 'intercontinental' then null
        when 'all regions' then null
        else lower(replace({{ location }}, ' ', ''))
    end
{%- endmacro %}
