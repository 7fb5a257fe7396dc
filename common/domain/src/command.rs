//! What functions ask of the processor, through `PaymentsQueue`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{ClientId, InvoiceId, Provider, TransactionId};
use crate::money::Money;
use crate::payment::{Door, Fact, FactKind};

/// The version of the commands' shape, as it stands in `dataschema`.
pub const COMMAND_VERSION: u32 = 1;

/// How a source names the invoice it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceHint {
    /// By our id.
    Id(InvoiceId),
    /// By the number printed on it.
    Number(String),
}

/// One thing that a source said about a payment, on its way to becoming a [`Fact`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The payment, in its provider's namespace; also the queue's group.
    pub transaction_id: TransactionId,
    /// Who moved the money.
    pub provider: Provider,
    /// What is told.
    pub kind: FactKind,
    /// Of how much money.
    pub amount: Money,
    /// Which way it came.
    pub door: Door,
    /// The source's own name of the message.
    pub event_id: String,
    /// The movement of money it speaks of.
    pub movement: String,
    /// The invoice it names, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoice: Option<InvoiceHint>,
    /// The client on whose behalf it was said, where the caller is bound to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// Who said it, for the audit record: `client:cli_…`, `gateway:stripe`, `upload:upl_…#3`.
    pub actor: String,
    /// When the source says that it happened.
    pub occurred_at: DateTime<Utc>,
}

impl Evidence {
    /// The fact, once the invoice it names has been looked up.
    #[must_use]
    pub fn fact(&self, invoice_id: Option<InvoiceId>) -> Fact {
        Fact {
            kind: self.kind,
            amount: self.amount,
            door: self.door,
            event_id: self.event_id.clone(),
            movement: self.movement.clone(),
            invoice_id,
            occurred_at: self.occurred_at,
        }
    }
}

/// A command to the processor. The variant names travel as the envelope's `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum PaymentCommand {
    /// Note that somebody says that a payment was made.
    ClaimPayment(Evidence),
    /// Note what a trusted source knows of a payment, and settle what follows.
    ConfirmPayment(Evidence),
}

impl PaymentCommand {
    /// The command that fits the evidence's kind.
    #[must_use]
    pub fn of(evidence: Evidence) -> Self {
        if evidence.kind == FactKind::Claim { Self::ClaimPayment(evidence) } else { Self::ConfirmPayment(evidence) }
    }

    /// The envelope's `type`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::ClaimPayment(_) => "ClaimPayment",
            Self::ConfirmPayment(_) => "ConfirmPayment",
        }
    }

    /// The evidence inside.
    #[must_use]
    pub const fn evidence(&self) -> &Evidence {
        match self {
            Self::ClaimPayment(evidence) | Self::ConfirmPayment(evidence) => evidence,
        }
    }
}
