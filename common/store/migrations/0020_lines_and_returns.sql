-- What upload lines say stays true once their payments are settled, and returned debits with their reason and the bank's fee.
alter table billing.upload_lines
    -- What its money did, where that is other than was decided when the file was read: `matched` if it pays an invoice,
    -- `unmatched` if all of it is surplus.
    add column settled_as text,
    -- The text that names the invoice.
    add column matched_text text,
    -- Why the money went back, in the bank's code or words.
    add column return_reason text,
    -- What the bank took for a return, within the line's amount.
    add column bank_fee numeric(20, 4),
    add constraint upload_lines_settled_as_known check (settled_as in ('matched', 'unmatched')),
    add constraint upload_lines_fee_within_amount check (bank_fee > 0 and bank_fee < amount),
    -- A return that is rejected has a name too, if it is handed on for a case.
    drop constraint upload_lines_handed_on_has_name,
    add constraint upload_lines_handed_on_has_name check (
        case outcome when 'rejected' then true
            else (outcome in ('claimed', 'matched', 'unmatched', 'returned')) = (transaction_id is not null) end
    );
create index upload_lines_payers_idx on billing.upload_lines (payer_account) where outcome in ('matched', 'unmatched');
grant select (outcome, settled_as), update (settled_as) on billing.upload_lines to quittance_processor;

-- A bank's fee for a return is booked with the return.
grant insert, select (provider, kind, reference) on billing.adjustments to quittance_processor;

create constraint trigger rehearsals_are_rolled_back after insert or update on billing.upload_lines
    deferrable initially deferred for each row when (session_user = 'quittance_operator')
    execute function audit.refuse_rehearsal();
create constraint trigger rehearsals_are_rolled_back after insert on billing.adjustments
    deferrable initially deferred for each row when (session_user = 'quittance_operator')
    execute function audit.refuse_rehearsal();
