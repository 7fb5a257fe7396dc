-- no-transaction
-- A client's credit, which its deletion must see. Payments are settled while the index is built.
create index concurrently if not exists credits_client_id_idx on payments.credits (client_id) where client_id is not null;
