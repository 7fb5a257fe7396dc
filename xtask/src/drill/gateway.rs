//! A gateway dies while it is to collect a payment. Other gateways and other payments continue; when it is back, a
//! status inquiry determines the payment's outcome, and nothing is collected twice.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::aws::local_agent;
use crate::drill::{Drill, now_ms};
use crate::play::api::text;
use crate::sandbox::CannedAnswer;
use crate::servers;
use crate::users::Role;

const TIMEOUT: Duration = Duration::from_secs(30);
/// A key that the local Stripe accepts.
const STRIPE_KEY: &str = "Bearer sk_test_local";
/// A card that can be charged.
const CARD: [(&str, &str); 5] = [
    ("type", "card"),
    ("card[number]", "4242424242424242"),
    ("card[exp_month]", "12"),
    ("card[exp_year]", "2030"),
    ("card[cvc]", "123"),
];

impl Drill {
    pub(super) fn end_a_gateway(&mut self) -> Result<()> {
        self.transcript.part("A gateway dies")?;
        let name = format!("drill-{}", self.scene.run);
        let charged = self.scene.bill(&self.api, "Retainer, by card at Stripe", 100)?;
        let card = self.card()?;
        let began_ms = now_ms();
        servers::stop(&self.stack, "localstripe")?;
        self.narrate("Stripe is stopped")?;
        self.order("stripe", &name, &charged.0, &card)?;
        let payment = format!("stripe:{name}");
        self.wait_for_payment(&payment, &["unknown"])?;
        self.narrate(&format!(
            "the charge of {payment} has no answer: the payment is `unknown`, and the next status inquiry is due in a minute"
        ))?;
        self.go_on_elsewhere()?;
        self.sound("gateway", began_ms, &["StripeFailingAlarm"])?;
        self.start_again()?;
        self.narrate("Stripe runs again; it has lost its stored cards")?;
        let status = self.wait_for_payment(&payment, &["confirmed", "failed"])?;
        self.narrate(&format!("the charge was repeated under the same key: the payment is `{status}`"))?;
        self.quittance(&["payment", "show", &payment])?;
        if status == "failed" {
            let card = self.card()?;
            self.order("stripe", &name, &charged.0, &card)?;
            self.narrate("the client stored its card again, and the charge is requested a second time")?;
            self.wait_for_payment(&payment, &["confirmed"])?;
        }
        let paid = self.invoice_status(&charged.0)?;
        self.check("gateway: the invoice is paid once the gateway is back", paid == "paid", paid)?;
        let collected = self.collected(&payment)?;
        self.check("gateway: the card was charged once", collected == 1, format!("{collected} charges"))
    }

    /// A bank transfer is confirmed and Adyen collects a payment, while Stripe is unavailable.
    fn go_on_elsewhere(&mut self) -> Result<()> {
        let (transferred, _) = self.scene.bill(&self.api, "Retainer, by bank transfer", 100)?;
        let payment = format!("manual:drill-transfer-{}", self.scene.run);
        let amount = json!({"value": "100.00", "currency": "EUR"});
        let reported = json!({"amount": amount, "invoice_id": transferred});
        let path = format!("/v1/payments/{payment}/confirmation");
        self.api.post_as(&self.api.gateway, &path, &reported)?.expect(202, "confirming a payment")?;
        let (charged, _) = self.scene.bill(&self.api, "Retainer, by card at Adyen", 100)?;
        let reference: String = self.scene.run.to_uppercase().chars().rev().take(12).collect();
        let answer = json!({"pspReference": format!("{reference:D<16}"), "resultCode": "Authorised"});
        self.stack.sandbox_answer("adyen", "/v71/payments", &CannedAnswer { status: 200, body: answer })?;
        let name = format!("drill-{}", self.scene.run);
        self.order("adyen", &name, &charged, "shopper/card")?;
        self.wait_for_payment(&payment, &["confirmed"])?;
        self.wait_for_payment(&format!("adyen:{name}"), &["confirmed"])?;
        let paid = [self.invoice_status(&transferred)?, self.invoice_status(&charged)?];
        let rule = "gateway: a bank transfer and a charge at Adyen are processed meanwhile";
        self.check(rule, paid.iter().all(|status| status == "paid"), paid.join(", "))
    }

    /// Orders a charge of 100.00 EUR.
    fn order(&self, provider: &str, name: &str, invoice: &str, method: &str) -> Result<()> {
        let order = json!({
            "transaction_id": name, "provider": provider, "invoice_id": invoice, "payment_method": method,
            "amount": {"value": "100.00", "currency": "EUR"},
        });
        let bff = self.stack.token(&Role::Bff)?;
        self.api.post_as(&bff, "/v1/payments", &order)?.expect(202, "ordering a charge").map(drop)
    }

    /// Waits until a payment has one of these statuses; returns which.
    fn wait_for_payment(&self, payment: &str, statuses: &[&str]) -> Result<String> {
        let what = format!("the payment {payment} to be {}", statuses.join(" or "));
        self.wait(&what, || {
            let answer = self.api.get_as(&self.api.finance, &format!("/v1/payments/{payment}"))?;
            let shown: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let status = shown.get("status").and_then(Value::as_str).filter(|status| statuses.contains(status));
            Ok(status.map(ToOwned::to_owned))
        })
    }

    pub(super) fn invoice_status(&self, id: &str) -> Result<String> {
        let answer = self.api.get_as(&self.api.finance, &format!("/v1/invoices/{id}"))?;
        text(&answer.expect(200, "reading an invoice")?, "/status")
    }

    /// Stores a card at Stripe; returns its id.
    fn card(&self) -> Result<String> {
        let url = format!("{}/v1/payment_methods", self.stack.localstripe_url()?);
        let request = local_agent(TIMEOUT).post(&url).header("authorization", STRIPE_KEY);
        let mut kept = request.send_form(CARD).context("Stripe stored no card")?;
        text(&kept.body_mut().read_json::<Value>()?, "/id")
    }

    /// The number of times that Stripe has collected a payment.
    fn collected(&self, payment: &str) -> Result<usize> {
        let shown = self.api.get_as(&self.api.finance, &format!("/v1/payments/{payment}"))?;
        let id = text(&shown.expect(200, "reading a payment")?, "/id")?;
        let url = format!("{}/v1/payment_intents?limit=1000", self.stack.localstripe_url()?);
        let request = local_agent(TIMEOUT).get(&url).header("authorization", STRIPE_KEY);
        let listed: Value = request.call().context("Stripe lists no payments")?.body_mut().read_json()?;
        let intents = listed.get("data").and_then(Value::as_array).context("Stripe's response is not a list")?;
        let is_collected = |intent: &&Value| {
            intent.pointer("/metadata/payment_id").and_then(Value::as_str) == Some(&id)
                && intent.get("status").and_then(Value::as_str) == Some("succeeded")
        };
        Ok(intents.iter().filter(is_collected).count())
    }
}
