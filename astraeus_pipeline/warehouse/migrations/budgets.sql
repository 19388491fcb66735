-- Schema app: budgets. What a budget covers stays as it was entered: another scope is another
-- budget. Amounts are kept by the first day of the first period that they count for.

create table app.budgets (
    id bigint generated always as identity primary key,
    name text not null check (name <> ''),
    period text not null check (period in ('month', 'quarter', 'year')),
    billing_currency text not null check (billing_currency ~ '^[A-Z]{3}$'),
    cost_type text not null check (cost_type in ('effective', 'billed')),
    filters jsonb not null default '{}' check (jsonb_typeof(filters) = 'object'),
    fiscal_start_month integer not null default 1 check (fiscal_start_month between 1 and 12),
    starts_on date not null check (extract(day from starts_on) = 1),
    ends_on date check (ends_on > starts_on),
    owner text,
    is_active boolean not null default true,
    created_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    check (
        period = 'month'
        or (extract(month from starts_on)::integer - fiscal_start_month)
        % case period when 'quarter' then 3 else 12 end = 0
    )
);
create unique index budgets_by_name on app.budgets (lower(name)) where is_active;

-- Every amount is kept; of those for the same first day the latest counts.
create table app.budget_amounts (
    id bigint generated always as identity primary key,
    budget_id bigint not null references app.budgets (id),
    valid_from date not null,
    amount numeric not null check (amount > 0 and amount < 'infinity'),
    set_by text not null,
    set_at timestamptz not null default clock_timestamp()
);
create index budget_amounts_by_budget on app.budget_amounts (budget_id, valid_from, id);

create table app.budget_thresholds (
    budget_id bigint not null references app.budgets (id),
    basis text not null check (basis in ('actual', 'forecast')),
    share numeric not null check (share > 0 and share <= 10),
    primary key (budget_id, basis, share)
);
