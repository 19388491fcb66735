-- Schema raw: a dataset may stand in several tables, one for each format that a provider delivers.

alter table raw.deliveries add column raw_table text;
alter table raw.partitions add column raw_table text;

update raw.deliveries set raw_table = provider || '_' || dataset where state <> 'failed';
update raw.partitions set raw_table = provider || '_' || dataset where delivery_id is not null;
