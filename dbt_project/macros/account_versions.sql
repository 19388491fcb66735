{#
    Pre-hook of dim_accounts: end the versions whose name or state has changed, and make room for
    the current row of the others.
#}
{% macro keep_account_versions() %}
    {%- if execute and flags.WHICH in ('run', 'build') and is_incremental() -%}
    update {{ this }} as version
    set valid_to = account.updated_at, is_current = false
    from {{ source('app', 'accounts') }} as account
    where
        version.is_current and version.account_id = account.slug
        and (version.account_name, version.state) is distinct from (account.name, account.state);
    delete from {{ this }} where is_current;
    {%- endif -%}
{% endmacro %}
