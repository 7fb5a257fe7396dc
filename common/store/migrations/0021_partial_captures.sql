-- Captures in parts, cancelled authorisations and disputes that are lost in part.

alter table payments.facts drop constraint facts_kind_known;
alter table payments.facts add constraint facts_kind_known check (kind in (
    'claim', 'initiation', 'authorisation', 'capture', 'implied_capture', 'partial_capture', 'settlement', 'failure',
    'cancellation', 'expiry', 'unknown', 'refund', 'refund_failure', 'reversal', 'dispute', 'dispute_won', 'dispute_lost',
    'dispute_reinstatement'
));

-- A gateway may cancel an authorisation without naming its amount again.
alter table payments.facts alter column amount drop not null;
alter table payments.facts alter column currency drop not null;
alter table payments.facts add constraint facts_amount_unless_cancelled
    check (kind = 'cancellation' or amount is not null);
alter table payments.facts add constraint facts_amount_with_currency
    check ((amount is null) = (currency is null));

-- Which kinds of facts prove that money came in.
create function payments.proves_money(kind text) returns boolean language sql immutable parallel safe
    return kind in ('capture', 'implied_capture', 'partial_capture', 'settlement');

-- What Adyen reported before, as it is recorded now: the same message must be the same fact when it is delivered again.
alter table payments.facts disable trigger facts_append_only;
update payments.facts set kind = 'implied_capture'
where door = 'gateway' and kind = 'capture' and event_id like 'adyen:%:AUTHORISATION:true';
update payments.facts set kind = 'cancellation'
where door = 'gateway' and kind = 'reversal'
    and event_id similar to 'adyen:%:(CANCELLATION|TECHNICAL_CANCEL|EXPIRE):true';
update payments.facts set kind = 'failure'
where door = 'gateway' and kind = 'reversal' and event_id like 'adyen:%:CAPTURE:false';
alter table payments.facts enable trigger facts_append_only;
