-- Which version of an invoice an allocation made: its receipt bears it.
alter table payments.allocations add column invoice_version bigint;
