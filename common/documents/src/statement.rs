//! What a client owed, what moved, and what it owes.

use chrono::{DateTime, NaiveDate, Utc};
use quittance_domain::money::Money;
use quittance_domain::party::ClientDetails;
use quittance_wording::{long_date, number, retold, words};
use serde_json::{Value, json};

use crate::press::{Imprint, Template};
use crate::{Press, PressError, Seller};

const TEMPLATE: Template =
    Template { path: "/statement.typ", text: include_str!("../templates/statement.typ"), section: "statement" };

/// A statement of some days.
#[derive(Debug, Clone)]
pub struct StatementSheet<'a> {
    /// Whose it is.
    pub client: &'a ClientDetails,
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// One for each currency in which something is owed or moved.
    pub parts: Vec<StatementPart<'a>>,
}

/// One currency of a statement.
#[derive(Debug, Clone)]
pub struct StatementPart<'a> {
    /// What was owed before the first day.
    pub opening: Money,
    /// What moved, in its order.
    pub lines: Vec<PrintedStatementLine<'a>>,
    /// What is owed at the end of the last day.
    pub closing: Money,
}

/// One movement of a statement.
#[derive(Debug, Clone)]
pub struct PrintedStatementLine<'a> {
    /// When.
    pub on: NaiveDate,
    /// What happened, as the books say it.
    pub description: &'a str,
    /// How much more is owed; below zero, how much less.
    pub amount: Money,
    /// What is owed then.
    pub balance: Money,
}

impl Press {
    /// Sets a statement in the client's language.
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
        let told = retold(language, "entry", line.description);
        [long_date(language, line.on), told, shown(line.amount), shown(line.balance)]
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
