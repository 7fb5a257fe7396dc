//! Pays through each of the three channels.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::play::api::{Answer, Api, text};
use crate::play::scene::{EntryPoint, Invoice, Scene};
use crate::stack::Stack;
use crate::users::Role;

/// The day of all payments, shown on the receipts.
const PAID_ON: &str = "2026-11-02";

/// The data needed for paying.
pub(crate) struct EntryPoints<'a> {
    pub(crate) api: &'a Api,
    pub(crate) stack: &'a Stack,
    pub(crate) scene: &'a Scene,
}

impl EntryPoints<'_> {
    /// A client claims a payment; the trusted gateway client confirms it.
    pub(crate) fn pay_through_api(&self) -> Result<()> {
        for invoice in self.scene.paid_through(EntryPoint::Api) {
            self.claim(invoice)?.expect(202, "claiming a payment")?;
            self.confirm(invoice, None)?.expect(202, "confirming a payment")?;
        }
        Ok(())
    }

    /// A client claims that it has paid an invoice; each time under the same key.
    pub(crate) fn claim(&self, invoice: &Invoice) -> Result<Answer> {
        let claim = json!({
            "transaction_id": invoice.transaction_id, "provider": "manual", "invoice_id": invoice.id, "amount": amount(invoice),
        });
        let token = self.client_token(invoice.client)?;
        self.api.post_once(&token, &format!("claim-{}", invoice.transaction_id), "/v1/payments", &claim)
    }

    /// The trusted gateway client confirms a payment; if it names no invoice, the claim does.
    pub(crate) fn confirm(&self, invoice: &Invoice, invoice_id: Option<&str>) -> Result<Answer> {
        let path = format!("/v1/payments/{}/confirmation", invoice.transaction_id);
        let key = format!("confirm-{}", invoice.transaction_id);
        let body = json!({"amount": amount(invoice), "invoice_id": invoice_id});
        self.api.post_once(&self.api.gateway, &key, &path, &body)
    }

    /// Stripe reports each payment intent that succeeded.
    pub(crate) fn pay_through_webhooks(&self) -> Result<()> {
        for invoice in self.scene.paid_through(EntryPoint::Webhook) {
            self.send_webhook(invoice)?.expect(200, "a Stripe webhook")?;
        }
        Ok(())
    }

    /// Each client uploads its confirmations, finance uploads the bank statement that proves them.
    pub(crate) fn pay_through_files(&self) -> Result<()> {
        for (index, client) in self.scene.clients.iter().enumerate() {
            let mut file = "transaction_id,invoice_number,amount,currency,paid_on\n".to_owned();
            for invoice in self.scene.paid_through(EntryPoint::Files).filter(|invoice| invoice.client == index) {
                file += &format!("{},{}\n", invoice.transaction_id, facts(invoice));
            }
            let request = json!({"kind": "payment_confirmation", "client_id": client.id, "size_bytes": file.len()});
            self.upload(&self.client_token(index)?, &request, &file)?;
        }
        let mut statement = "bank_reference,transaction_id,invoice_number,amount,currency,booked_on\n".to_owned();
        for (index, invoice) in self.scene.paid_through(EntryPoint::Files).enumerate() {
            let bank_reference = format!("{}-{index}", self.scene.run);
            statement += &format!("{bank_reference},{},{}\n", invoice.transaction_id, facts(invoice));
        }
        let request = json!({"kind": "bank_statement", "size_bytes": statement.len()});
        self.upload(&self.api.finance, &request, &statement)
    }

    /// Sends the webhook of a payment with a current signature; the event id is the same each time.
    pub(crate) fn send_webhook(&self, invoice: &Invoice) -> Result<Answer> {
        let body = stripe_event(invoice)?;
        let secret = self.stack.aws()?.secret_get(self.stack.output("StripeWebhookSecretArn")?)?;
        let header = stripe_signature(&secret, &body)?;
        self.api.post("/webhooks/stripe", &[("stripe-signature", &header)], &body)
    }

    fn client_token(&self, client: usize) -> Result<String> {
        let client = self.scene.clients.get(client).context("no such client")?;
        self.stack.token(&Role::Client(client.id.clone()))
    }

    fn upload(&self, token: &str, request: &Value, file: &str) -> Result<()> {
        let started = self.api.post_as(token, "/v1/uploads", request)?.expect(201, "starting an upload")?;
        self.api.put_file(&text(&started, "/put/url")?, file)
    }
}

fn amount(invoice: &Invoice) -> Value {
    json!({"value": invoice.amount, "currency": invoice.currency})
}

/// The columns that both kinds of file share.
fn facts(invoice: &Invoice) -> String {
    format!("{},{},{},{PAID_ON}", invoice.number, invoice.amount, invoice.currency)
}

/// `payment_intent.succeeded`, with the members of Stripe's API that matter here.
pub(crate) fn stripe_event(invoice: &Invoice) -> Result<String> {
    let intent = invoice.transaction_id.trim_start_matches("stripe:");
    let units = invoice.amount.replace('.', "").parse::<u64>().context("the amount has no minor units")?;
    let event = json!({
        "id": intent.replacen("pi_", "evt_", 1), "object": "event", "type": "payment_intent.succeeded",
        "created": 1_793_700_000, "livemode": false,
        "data": {"object": {
            "id": intent, "object": "payment_intent", "status": "succeeded",
            "amount": units, "amount_received": units, "currency": invoice.currency.to_lowercase(),
            "metadata": {"invoice_id": invoice.id},
        }},
    });
    Ok(event.to_string())
}

/// `t=…,v1=…`, with a signature of an older secret first, as during a rotation.
pub(crate) fn stripe_signature(secret: &str, body: &str) -> Result<String> {
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let sign = |secret: &str| -> Result<String> {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).context("the secret is not a valid key")?;
        Ok(hex::encode(mac.chain_update(format!("{timestamp}.{body}")).finalize().into_bytes()))
    };
    Ok(format!("t={timestamp},v1={},v1={}", sign("retired")?, sign(secret)?))
}
