//! Parses Stripe's events.

use chrono::{DateTime, Utc};
use quittance_domain::command::QueryResource;
use quittance_domain::fact::FactKind;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::api::is_name;
use super::objects::{CashBalance, Charge, DisputeObject, PaymentIntent, Reference, RefundObject};
use super::{NAME, decimals, unreadable};
use crate::reported_payment::{Metadata, ReportedPayment, minor_units, parse, refund_movement};
use crate::{Unreadable, WebhookNotice};

const NOT_DECIDED: &str = "nothing is decided";
const REPORTED_BY_ANOTHER_EVENT: &str = "another event reports the money";
const OTHER_CONCERN: &str = "it concerns no payment of an invoice";
const OTHER_ACCOUNT: &str = "it is of a connected account that is not configured as ours";
const PAYOUT: &str = "a payout moves our own money";

/// Event families that concern no payment of our invoices; types that Stripe adds to them are ignored too.
const OTHER_FAMILIES: [&str; 44] = [
    "account.",
    "application_fee.",
    "balance.",
    "balance_settings.",
    "billing.",
    "billing_portal.",
    "capability.",
    "checkout.",
    "climate.",
    "coupon.",
    "credit_note.",
    "customer.",
    "customer_cash_balance_transaction.",
    "entitlements.",
    "file.",
    "financial_connections.",
    "identity.",
    "invoice.",
    "invoice_payment.",
    "invoiceitem.",
    "issuing_authorization.",
    "issuing_card.",
    "issuing_cardholder.",
    "issuing_dispute.",
    "issuing_personalization_design.",
    "issuing_token.",
    "issuing_transaction.",
    "mandate.",
    "payment_link.",
    "payment_method.",
    "person.",
    "plan.",
    "price.",
    "product.",
    "promotion_code.",
    "quote.",
    "radar.",
    "reporting.",
    "review.",
    "setup_intent.",
    "source.",
    "subscription_schedule.",
    "tax.",
    "terminal.",
];

#[derive(Deserialize)]
struct Event {
    id: String,
    r#type: String,
    created: i64,
    data: EventData,
    /// The connected account that it belongs to, at a platform's endpoint.
    account: Option<String>,
}

#[derive(Deserialize)]
struct EventData {
    object: Value,
}

/// Parses one event. Events of connected accounts are other companies' money, except those of `account`.
///
/// # Errors
/// [`Unreadable`] if it is not an event, or lacks required members.
pub(super) fn read(body: &[u8], account: Option<&str>) -> Result<Vec<WebhookNotice>, Unreadable> {
    parse::<Event>(NAME, body)?.notices(account)
}

/// Parses listed events; an unreadable one is returned among the others.
pub(super) fn read_all(events: &[Value], account: Option<&str>) -> Vec<WebhookNotice> {
    let read = |event: &Value| {
        let event = Event::deserialize(event).map_err(|_| unreadable("a listed event lacks a member"))?;
        event.notices(account)
    };
    events.iter().flat_map(|event| read(event).unwrap_or_else(|error| vec![WebhookNotice::Unreadable(error)])).collect()
}

impl Event {
    fn notices(&self, account: Option<&str>) -> Result<Vec<WebhookNotice>, Unreadable> {
        use FactKind::{Authorisation, Capture, Dispute, Failure};
        let one = |notice: WebhookNotice| Ok(vec![notice]);
        if self.account.is_some() && self.account.as_deref() != account {
            return one(WebhookNotice::ignored(&self.r#type, OTHER_ACCOUNT));
        }
        match self.r#type.as_str() {
            "payment_intent.succeeded" => self.intent(|_| Capture).and_then(one),
            "payment_intent.amount_capturable_updated" => self.intent(PaymentIntent::capturable).and_then(one),
            "payment_intent.partially_funded" => self.intent(|_| Authorisation).and_then(one),
            "payment_intent.payment_failed" => self.intent(|_| Failure).and_then(one),
            "payment_intent.canceled" => self.intent(PaymentIntent::end).and_then(one),
            "charge.succeeded" | "charge.captured" => self.charge(Capture).and_then(one),
            "charge.failed" => self.charge(Failure).and_then(one),
            "charge.refunded" => self.refunds_of_charge(),
            "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
                let refund: RefundObject = self.object()?;
                self.refund(&refund, None, self.id.clone()).and_then(one)
            }
            "charge.dispute.created" | "charge.dispute.funds_withdrawn" => self.dispute(Dispute).and_then(one),
            "charge.dispute.closed" => self.closed_dispute().and_then(one),
            "charge.dispute.funds_reinstated" => self.reinstated_dispute().and_then(one),
            "cash_balance.funds_available" => self.cash_balance(),
            other => one(self.other(other)),
        }
    }

    fn other(&self, event_type: &str) -> WebhookNotice {
        match event_type {
            "payment_intent.created"
            | "payment_intent.processing"
            | "payment_intent.requires_action"
            | "charge.pending" => WebhookNotice::ignored(event_type, NOT_DECIDED),
            "charge.updated" | "charge.expired" | "charge.dispute.updated" => {
                WebhookNotice::ignored(event_type, REPORTED_BY_ANOTHER_EVENT)
            }
            _ if ["payout.", "transfer.", "topup."].iter().any(|family| event_type.starts_with(family)) => {
                WebhookNotice::ignored(event_type, PAYOUT)
            }
            _ if OTHER_FAMILIES.iter().any(|family| event_type.starts_with(family)) => {
                WebhookNotice::ignored(event_type, OTHER_CONCERN)
            }
            _ => WebhookNotice::unknown(event_type),
        }
    }

    fn object<T: DeserializeOwned>(&self) -> Result<T, Unreadable> {
        T::deserialize(&self.data.object)
            .map_err(|_| unreadable(format!("the object of {} lacks a member", self.short_type())))
    }

    fn short_type(&self) -> &str {
        self.r#type.get(..60).unwrap_or(&self.r#type)
    }

    fn intent(&self, kind: impl Fn(&PaymentIntent) -> FactKind) -> Result<WebhookNotice, Unreadable> {
        let intent: PaymentIntent = self.object()?;
        let reported = intent.reported_payment(kind(&intent), self.id.clone(), self.occurred_at()?)?;
        reported.evidence(NAME).map(|evidence| WebhookNotice::Evidence(Box::new(evidence)))
    }

    fn occurred_at(&self) -> Result<DateTime<Utc>, Unreadable> {
        DateTime::from_timestamp(self.created, 0).ok_or_else(|| unreadable("created is not a time"))
    }

    /// A charge is a payment of its own only without a payment intent; otherwise the intent reports it.
    fn charge(&self, kind: FactKind) -> Result<WebhookNotice, Unreadable> {
        let charge: Charge = self.object()?;
        if charge.payment_intent.is_some() {
            return Ok(WebhookNotice::ignored(&self.r#type, REPORTED_BY_ANOTHER_EVENT));
        }
        let (kind, units) = match kind {
            FactKind::Capture if charge.captured => {
                (FactKind::Capture, charge.amount_captured.unwrap_or(charge.amount))
            }
            FactKind::Capture => (FactKind::Authorisation, charge.amount),
            other => (other, charge.amount),
        };
        let payment = Payment { id: &charge.id, also: Vec::new(), metadata: Some(&charge.metadata) };
        self.reported_payment(kind, &payment, units, &charge.currency, charge.id.clone(), self.id.clone())
    }

    /// Older API versions list the refunds within the charge. Newer ones do not, and whether the endpoint receives the
    /// events of each refund depends on its configuration; so the refunds are fetched from Stripe.
    fn refunds_of_charge(&self) -> Result<Vec<WebhookNotice>, Unreadable> {
        let charge: Charge = self.object()?;
        let listed = charge.refunds.as_ref().filter(|refunds| !refunds.has_more);
        let refunds = listed.map(|refunds| refunds.data.as_slice()).unwrap_or_default();
        if refunds.is_empty() {
            if !is_name(&charge.id) {
                return Err(unreadable("a refunded charge has no id"));
            }
            return Ok(vec![WebhookNotice::Inquire(QueryResource {
                provider: NAME.parse().map_err(unreadable)?,
                resource: format!("charges/{}", charge.id),
                event_id: self.id.clone(),
                kinds: vec![FactKind::Refund, FactKind::RefundFailure],
                occurred_at: self.occurred_at()?,
            })]);
        }
        // One event reports several refunds: each has an event id of its own.
        refunds.iter().map(|refund| self.refund(refund, Some(&charge), format!("{}:{}", self.id, refund.id))).collect()
    }

    fn refund(&self, refund: &RefundObject, of: Option<&Charge>, event: String) -> Result<WebhookNotice, Unreadable> {
        let Some(kind) = refund.kind() else { return Ok(WebhookNotice::ignored(&self.r#type, NOT_DECIDED)) };
        let intent = refund.payment_intent.as_ref().or(of.and_then(|charge| charge.payment_intent.as_ref()));
        let charge = refund.charge.as_ref().map(Reference::id).or(of.map(|charge| charge.id.as_str()));
        let payment = Payment::from_ids(intent.map(Reference::id), charge)?;
        let movement = refund_movement(refund.metadata.refund_id.as_deref(), &refund.id);
        self.reported_payment(kind, &payment, refund.amount, &refund.currency, movement, event)
    }

    /// An inquiry (its status begins with `warning`) takes no money until it becomes a dispute.
    fn dispute(&self, kind: FactKind) -> Result<WebhookNotice, Unreadable> {
        let dispute: DisputeObject = self.object()?;
        if dispute.status.starts_with("warning") {
            return Ok(WebhookNotice::ignored(&self.r#type, "an inquiry moves no money"));
        }
        let (intent, charge) = (dispute.payment_intent.as_ref(), dispute.charge.as_ref());
        let payment = Payment::from_ids(intent.map(Reference::id), charge.map(Reference::id))?;
        self.reported_payment(kind, &payment, dispute.amount, &dispute.currency, dispute.id.clone(), self.id.clone())
    }

    /// Money that is returned although the dispute is lost: it is lost in part. For a dispute that is won, its closing
    /// event reports it.
    fn reinstated_dispute(&self) -> Result<WebhookNotice, Unreadable> {
        let dispute: DisputeObject = self.object()?;
        if dispute.status != "lost" {
            return Ok(WebhookNotice::ignored(&self.r#type, REPORTED_BY_ANOTHER_EVENT));
        }
        let (intent, charge) = (dispute.payment_intent.as_ref(), dispute.charge.as_ref());
        let payment = Payment::from_ids(intent.map(Reference::id), charge.map(Reference::id))?;
        let (kind, units) = (FactKind::DisputeReinstatement, dispute.reinstated()?);
        self.reported_payment(kind, &payment, units, &dispute.currency, dispute.id.clone(), self.id.clone())
    }

    /// A customer's money at Stripe that no payment intent has used: a payment of its own that staff see, until it is
    /// applied or returned at Stripe.
    fn cash_balance(&self) -> Result<Vec<WebhookNotice>, Unreadable> {
        let balance: CashBalance = self.object()?;
        let available = balance.available.unwrap_or_default();
        let held = available.iter().filter(|(_, units)| **units > 0);
        held.map(|(currency, units)| {
            let name = format!("cash_balance:{}:{currency}", balance.customer);
            let payment = Payment { id: &name, also: Vec::new(), metadata: None };
            let event = format!("{}:{currency}", self.id);
            self.reported_payment(FactKind::Authorisation, &payment, *units, currency, name.clone(), event)
        })
        .collect()
    }

    fn closed_dispute(&self) -> Result<WebhookNotice, Unreadable> {
        let dispute: DisputeObject = self.object()?;
        match dispute.status.as_str() {
            // What was refunded in the meantime is reported separately.
            "won" | "charge_refunded" => self.dispute(FactKind::DisputeWon),
            "lost" => self.dispute(FactKind::DisputeLost),
            "warning_closed" | "prevented" => Ok(WebhookNotice::ignored(&self.r#type, "an inquiry moves no money")),
            _ => Err(unreadable("a closed dispute is neither won nor lost")),
        }
    }

    fn reported_payment(
        &self,
        kind: FactKind,
        payment: &Payment<'_>,
        units: i64,
        currency: &str,
        movement: String,
        event: String,
    ) -> Result<WebhookNotice, Unreadable> {
        let reported = ReportedPayment {
            kind,
            payment: payment.id,
            also: payment.also.clone(),
            amount: Some(minor_units(NAME, units, currency, decimals)?),
            event,
            movement,
            invoice: payment.metadata.and_then(Metadata::invoice),
            payment_id: payment.metadata.and_then(Metadata::payment),
            occurred_at: self.occurred_at()?,
            reason: None,
        };
        reported.evidence(NAME).map(|evidence| WebhookNotice::Evidence(Box::new(evidence)))
    }
}

/// The payment that an object belongs to.
pub(super) struct Payment<'a> {
    pub(super) id: &'a str,
    pub(super) also: Vec<&'a str>,
    metadata: Option<&'a Metadata>,
}

impl<'a> Payment<'a> {
    pub(super) fn from_ids(intent: Option<&'a str>, charge: Option<&'a str>) -> Result<Self, Unreadable> {
        let id = intent.or(charge).ok_or_else(|| unreadable("it names neither payment intent nor charge"))?;
        Ok(Self { id, also: charge.filter(|charge| *charge != id).into_iter().collect(), metadata: None })
    }
}
