//! Repeats everything, and sends bad input.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::play::check::Check;
use crate::play::entry_points::{EntryPoints, stripe_event, stripe_signature};
use crate::play::scene::{EntryPoint, Scene};
use crate::stack::Stack;

/// How often each message is sent again.
const ROUNDS: usize = 5;

/// The processor's commands, rebuilt from their facts.
const COMMANDS: &str = "
    select json_build_object(
        'transaction_id', transaction_id, 'provider', provider, 'kind', kind, 'door', door, 'event_id', event_id,
        'amount', json_build_object('value', trim_scale(facts.amount)::text, 'currency', facts.currency),
        'movement', movement, 'actor', actor, 'occurred_at', to_char(occurred_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
        'invoice', case when facts.invoice_id is null then null
                        else json_build_object('id', 'inv_' || replace(facts.invoice_id::text, '-', '')) end
    )::text
    from payments.facts join payments.payments on payments.id = payment_id
    where transaction_id like '%' || $1 || '%'
    order by facts.id";

/// Sends every message of this run again, [`ROUNDS`] times, each round in another order and with new message ids; and
/// every webhook once more. Returns the number of messages sent.
pub(super) fn repeat(stack: &Stack, entry_points: &EntryPoints<'_>, scene: &Scene) -> Result<usize> {
    let commands = commands(stack, scene)?;
    let aws = stack.aws()?;
    let queue = stack.output("PaymentsQueueUrl")?;
    let mut sent = 0;
    for round in 0..ROUNDS {
        let mut shuffled: Vec<&Value> = commands.iter().collect();
        shuffled.sort_by_key(|command| Sha256::digest(format!("{round} {command}")));
        for command in shuffled {
            let group =
                command.pointer("/data/transaction_id").and_then(Value::as_str).context("a command without id")?;
            let name = hex::encode(Sha256::digest(format!("{round} {command}")));
            aws.sqs_send(queue, &command.to_string(), Some((group, &name)))?;
            sent += 1;
        }
    }
    for invoice in scene.paid_through(EntryPoint::Webhook) {
        entry_points.send_webhook(invoice)?.expect(200, "a repeated webhook")?;
        sent += 1;
    }
    Ok(sent)
}

fn commands(stack: &Stack, scene: &Scene) -> Result<Vec<Value>> {
    let database = stack.database.as_ref().context("the stack has no database")?;
    let rows = database.access.connect(&database.name)?.query(COMMANDS, &[&scene.run])?;
    rows.iter()
        .enumerate()
        .map(|(index, row)| {
            let data: Value = serde_json::from_str(row.try_get(0)?)?;
            let kind = data.pointer("/kind").and_then(Value::as_str);
            let name = if kind == Some("claim") { "ClaimPayment" } else { "ConfirmPayment" };
            Ok(json!({
                "specversion": "1.0", "id": format!("00000000-0000-4000-8000-{index:012}"), "source": "/quittance/demo",
                "subject": data.pointer("/transaction_id"), "time": data.pointer("/occurred_at"),
                "datacontenttype": "application/json", "dataschema": format!("urn:quittance:{name}:1"),
                "correlationid": format!("demo-{}", scene.run), "type": name, "data": data,
            }))
        })
        .collect()
}

/// Sends requests that the API must refuse, and puts a message that cannot be parsed into the queue behind it.
pub(super) fn bad_input(entry_points: &EntryPoints<'_>) -> Result<Vec<Check>> {
    let invoice = entry_points.scene.invoices.first().context("no invoice")?;
    let event = stripe_event(invoice)?;
    let signature = stripe_signature("not the secret", &event)?;
    let forged = entry_points.api.post("/webhooks/stripe", &[("stripe-signature", &signature)], &event)?;
    let authorization = format!("Bearer {}", entry_points.api.finance);
    let headers = [("authorization", authorization.as_str()), ("idempotency-key", "malformed")];
    let malformed = entry_points.api.post("/v1/payments", &headers, r#"{"transaction_id": "#)?;
    let poison = format!("no JSON at all, run {}", entry_points.scene.run);
    let queue = entry_points.stack.output("PaymentsQueueUrl")?;
    entry_points.stack.aws()?.sqs_send(queue, &poison, Some(("poison", &entry_points.scene.run)))?;
    Ok(vec![
        Check::new("a forged webhook is answered 401", forged.status == 401, forged.body),
        Check::new("a malformed body is answered 400", malformed.status == 400, malformed.body),
    ])
}
