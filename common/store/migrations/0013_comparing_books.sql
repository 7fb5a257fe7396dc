-- When an invoice was voided: the books are compared with invoices as they stood at a time.
alter table billing.invoices add column voided_at timestamptz;
grant update (voided_at) on billing.invoices to quittance_billing;

-- Checked once more for each of a million lines, whose own foreign key says the same.
alter table billing.bank_movements drop constraint bank_movements_upload_id_fkey;
