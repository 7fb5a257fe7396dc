//! Statements of account, as PDF: what a client owed, what moved, and what it owes.

use chrono::{DateTime, NaiveDate, Utc};
use quittance_domain::money::Money;
use quittance_domain::party::ClientDetails;
use quittance_wording::{long_date, number, translated, words};
use serde_json::{Value, json};

use crate::press::{Imprint, Template};
use crate::{Press, PressError, Seller};

const TEMPLATE: Template =
    Template { path: "/statement.typ", text: include_str!("../templates/statement.typ"), section: "statement" };

/// The statement of a period.
#[derive(Debug, Clone)]
pub struct StatementSheet<'a> {
    pub client: &'a ClientDetails,
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// When it was created.
    pub at: DateTime<Utc>,
    /// One part for each currency with a balance or movements.
    pub parts: Vec<StatementPart<'a>>,
}

/// The part of a statement in one currency.
#[derive(Debug, Clone)]
pub struct StatementPart<'a> {
    /// The balance before the first day.
    pub opening: Money,
    /// The movements, in order.
    pub lines: Vec<PrintedStatementLine<'a>>,
    /// The balance at the end of the last day.
    pub closing: Money,
}

/// One movement of a statement.
#[derive(Debug, Clone)]
pub struct PrintedStatementLine<'a> {
    /// The accounting date.
    pub on: NaiveDate,
    /// The description in the ledger.
    pub description: &'a str,
    /// The increase of what is owed; negative for a decrease.
    pub amount: Money,
    /// The balance after the movement.
    pub balance: Money,
}

impl Press {
    /// Renders a statement in the client's language.
    ///
    /// # Errors
    /// [`PressError`].
    pub fn statement(&self, seller: &Seller, statement: &StatementSheet<'_>) -> Result<Vec<u8>, PressError> {
        let StatementSheet { client, from, to, at, .. } = statement;
        let name = format!("{}-{from}-{to}", client.id);
        let imprint = Imprint { seller, language: client.language, number: &name, at: *at };
        self.set(TEMPLATE, &imprint, data(statement))
    }
}

fn data(statement: &StatementSheet<'_>) -> Value {
    let StatementSheet { client, from, to, parts, .. } = statement;
    let (language, spoken) = (client.language, words(client.language));
    let period = [("from", long_date(language, *from)), ("to", long_date(language, *to))];
    let period = spoken.fill("statement.headline", &period.each_ref().map(|(name, day)| (*name, day.as_str())));
    let shown = |money: Money| number(language, money.amount());
    let line = |line: &PrintedStatementLine<'_>| {
        let description = translated(language, "entry", line.description);
        [long_date(language, line.on), description, shown(line.amount), shown(line.balance)]
    };
    let part = |part: &StatementPart<'_>| {
        let currency = part.closing.currency().code();
        json!({
            "currency": spoken.fill("statement.currency", &[("currency", currency)]),
            "opening": [long_date(language, *from), shown(part.opening)],
            "lines": part.lines.iter().map(line).collect::<Vec<_>>(),
            "closing": [long_date(language, *to), shown(part.closing)],
        })
    };
    json!({
        "title": format!("{} {period}", spoken.text("statement.title")),
        "client": client,
        "period": period,
        "parts": parts.iter().map(part).collect::<Vec<_>>(),
    })
}
