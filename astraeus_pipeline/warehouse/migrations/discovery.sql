-- Schema app: accounts found below other accounts.

alter table app.accounts add column parent text references app.accounts (slug);
alter table app.accounts add column external_id text;
alter table app.accounts add column state_reason text;
create unique index accounts_by_external_id on app.accounts (provider, parent, external_id);
