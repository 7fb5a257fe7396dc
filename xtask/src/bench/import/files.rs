//! Generates statements: most lines name an invoice, some of them two, some lines are equal, some name nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Clients, each with an account of its own.
pub(super) const CLIENTS: u64 = 300;
/// The clients' open invoices.
pub(super) const INVOICES: u64 = 2_000;
/// Lines of earlier files that paid something.
pub(super) const PAST_LINES: u64 = 30_000;

/// The outcomes of lines that become commands.
pub(super) const HANDED_ON: [&str; 2] = ["matched", "unmatched"];

/// The account's opening balance, in cents.
const OPENING_CENTS: u64 = 100_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Camt053,
    Csv,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Camt053, Self::Csv];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Camt053 => "camt.053",
            Self::Csv => "csv",
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Camt053 => "application/xml",
            Self::Csv => "text/csv",
        }
    }
}

/// A file and its lines' expected outcomes.
#[derive(Debug, Clone, Default)]
pub(super) struct Statement {
    /// The expected number of lines by outcome, in an empty database.
    pub(super) outcomes: BTreeMap<&'static str, u64>,
}

pub(super) fn client(number: u64) -> String {
    format!("Nordlicht Maschinenbau {number:03} GmbH")
}

/// The account that a client pays from.
fn account(client: u64) -> String {
    format!("DE{:020}", client.saturating_add(51_210_800_000_000))
}

struct Entry {
    number: u64,
    cents: u64,
    is_credit: bool,
    payer: String,
    account: String,
    text: String,
    outcome: &'static str,
}

impl Entry {
    /// The entry with that number: the same in every file.
    fn of(number: u64) -> Self {
        let place = number % 100;
        // An entry that equals the one before it: two real payments.
        let source = if place == 97 { number.saturating_sub(1) } else { number };
        let invoice = source.wrapping_mul(7_919) % INVOICES;
        let payer = invoice % CLIENTS;
        let paying = |cents: u64, text: String| Self {
            number: source,
            cents,
            is_credit: true,
            payer: client(payer),
            account: account(payer),
            text,
            outcome: "matched",
        };
        match place {
            99 => Self {
                payer: format!("Fremde Firma {source}"),
                account: account(source),
                text: "Erstattung".to_owned(),
                outcome: "unmatched",
                ..paying(1_234, String::new())
            },
            98 => Self { is_credit: false, outcome: "ignored", ..paying(5_000, "Miete".to_owned()) },
            95 => {
                // The next invoice of the same client.
                let next = if invoice.saturating_add(CLIENTS) < INVOICES { invoice + CLIENTS } else { payer };
                paying(cents(invoice) + cents(next), format!("{}, {}", number_of(invoice), number_of(next)))
            }
            _ => paying(cents(invoice), format!("Rechnung {} vom 01.11.2026", number_of(invoice))),
        }
    }

    fn amount(&self) -> String {
        money(self.cents)
    }
}

/// An invoice's number, as the seed writes it.
fn number_of(invoice: u64) -> String {
    format!("INV-2026-{invoice:09}")
}

/// An invoice's total, as the seed writes it.
const fn cents(invoice: u64) -> u64 {
    10_019 + 100 * invoice
}

fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Writes a file of so many lines.
pub(super) fn write(kind: Kind, lines: u64, path: &Path) -> io::Result<Statement> {
    let mut output = BufWriter::new(File::create(path)?);
    let mut statement = Statement::default();
    match kind {
        Kind::Camt053 => write_camt_head(&mut output, lines)?,
        Kind::Csv => writeln!(output, "Booking date,Bank reference,Payer name,Payer IBAN,Description,Amount,Currency")?,
    }
    for number in 0..lines {
        let entry = Entry::of(number);
        match kind {
            Kind::Camt053 => write_camt_entry(&mut output, &entry)?,
            Kind::Csv => write_csv_entry(&mut output, &entry)?,
        }
        let count = statement.outcomes.entry(entry.outcome).or_default();
        *count = count.saturating_add(1);
    }
    if kind == Kind::Camt053 {
        output.write_all(b"</Stmt></BkToCstmrStmt></Document>\n")?;
    }
    output.flush()?;
    Ok(statement)
}

fn write_csv_entry(output: &mut impl Write, entry: &Entry) -> io::Result<()> {
    let sign = if entry.is_credit { "" } else { "-" };
    let (number, amount) = (entry.number, entry.amount());
    writeln!(output, "2026-11-03,B{number:09},{},{},\"{}\",{sign}{amount},EUR", entry.payer, entry.account, entry.text)
}

fn write_camt_head(output: &mut impl Write, lines: u64) -> io::Result<()> {
    let (mut credits, mut debits) = (OPENING_CENTS, 0_u64);
    for entry in (0..lines).map(Entry::of) {
        let sum = if entry.is_credit { &mut credits } else { &mut debits };
        *sum = sum.saturating_add(entry.cents);
    }
    let is_credit = credits >= debits;
    let balance = |code: &str, cents: u64, is_credit: bool| {
        let indicator = if is_credit { "CRDT" } else { "DBIT" };
        format!(
            r#"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{}</Amt><CdtDbtInd>{indicator}</CdtDbtInd><Dt><Dt>2026-11-03</Dt></Dt></Bal>"#,
            money(cents)
        )
    };
    write!(
        output,
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-11-03T18:00:00+01:00</CreDtTm></GrpHdr><Stmt><Id>S1</Id><CreDtTm>2026-11-03T18:00:00+01:00</CreDtTm><Acct><Id><IBAN>DE75512108001245126199</IBAN></Id><Ccy>EUR</Ccy></Acct>{}{}
"#,
        balance("OPBD", OPENING_CENTS, true),
        balance("CLBD", credits.abs_diff(debits), is_credit),
    )
}

fn write_camt_entry(output: &mut impl Write, entry: &Entry) -> io::Result<()> {
    let (number, amount, payer, account, text) =
        (entry.number, entry.amount(), &entry.payer, &entry.account, &entry.text);
    let (indicator, party) = if entry.is_credit { ("CRDT", "Dbtr") } else { ("DBIT", "Cdtr") };
    writeln!(
        output,
        r#"<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{indicator}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-03</Dt></BookgDt><ValDt><Dt>2026-11-03</Dt></ValDt><AcctSvcrRef>B{number:09}</AcctSvcrRef><BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd><NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{indicator}</CdtDbtInd><RltdPties><{party}><Pty><Nm>{payer}</Nm></Pty></{party}><{party}Acct><Id><IBAN>{account}</IBAN></Id></{party}Acct></RltdPties><RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_have_the_same_lines() {
        let folder = std::env::temp_dir();
        let [camt, csv] = Kind::ALL.map(|kind| {
            let path = folder.join(format!("quittance-bench-{}-{}", kind.name(), std::process::id()));
            let statement = write(kind, 200, &path).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::remove_file(path).unwrap();
            (statement.outcomes, text)
        });
        assert_eq!(camt.0, BTreeMap::from([("ignored", 2), ("matched", 196), ("unmatched", 2)]));
        assert_eq!(camt.0, csv.0);
        assert!(roxmltree::Document::parse(&camt.1).is_ok());
        assert_eq!((camt.1.matches("<Ntry>").count(), csv.1.lines().count()), (200, 201));
    }

    #[test]
    fn a_line_is_the_same_in_every_file_and_some_come_twice() {
        assert_eq!((Entry::of(97).number, Entry::of(97).text), (96, Entry::of(96).text));
        assert_eq!(Entry::of(4_000).text, Entry::of(4_000).text);
    }
}
