-- The scheme of a request's digest: 1 is of the parts that the operation chose, with the body as it was sent; 2 is of
-- method, path and canonical body. Requests of scheme 1 are compared by it until they expire.
alter table billing.requests add column scheme smallint not null default 1;
alter table billing.requests add constraint requests_scheme_known check (scheme in (1, 2));
grant update (scheme) on billing.requests to quittance_billing;
