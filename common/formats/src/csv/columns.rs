//! The meaning of a CSV file's columns, by their names.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The meaning of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// The amount; signed, unless a column has the direction.
    Amount,
    /// The amount of a credit.
    Credit,
    /// The amount of a debit.
    Debit,
    /// The credit/debit indicator.
    Direction,
    BookingStatus,
    /// The currency, three letters.
    Currency,
    /// The booking date.
    BookedOn,
    /// The value date.
    ValueOn,
    /// The bank's reference of the entry.
    BankReference,
    /// A reference that may also be the payer's own text.
    Reference,
    /// The payer's reference.
    EndToEndId,
    /// The remittance information.
    Remittance,
    CounterpartyName,
    CounterpartyAccount,
    /// The account that the file belongs to.
    Account,
    /// The payment's id.
    TransactionId,
    /// The provider that moved the money.
    Provider,
    /// The invoice that it pays.
    InvoiceNumber,
    /// The balance after the entry.
    Balance,
    /// The day of a confirmed payment.
    PaidOn,
}

/// The text is not the name of a column's meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no column has this meaning")]
pub struct UnknownColumn;

impl FromStr for Column {
    type Err = UnknownColumn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
        Self::deserialize(name).map_err(|_| UnknownColumn)
    }
}

/// Known names, reduced to lower-case letters and digits; English, German, French, Dutch, Spanish, Italian, and our
/// own.
const NAMES: [(Column, &str); 19] = [
    (
        Column::Amount,
        "amount transactionamount paymentamount betrag umsatz montant bedrag transactiebedrag importe \
         monto importo",
    ),
    (
        Column::Credit,
        "credit creditamount paidin moneyin deposit deposits haben gutschrift eingang avoir montantcredit \
         recettes bij bijgeschreven abono abonos haber ingreso ingresos avere accrediti entrate accredito",
    ),
    (
        Column::Debit,
        "debit debitamount paidout moneyout withdrawal withdrawals soll belastung lastschrift ausgang \
         montantdebit depenses af afgeschreven cargo cargos debe gasto gastos dare addebiti uscite \
         addebito",
    ),
    (
        Column::Direction,
        "direction creditdebit debitcredit creditdebitindicator debitcreditindicator creditdebitcode \
         debitcreditcode creditordebit debitorcredit crdr drcr dbcr cdtdbtind dc cd dcindicator cdindicator \
         sollhaben habensoll sh sollhabenkennzeichen sollhabenkz vorzeichen sens sensoperation afbij bijaf \
         debetcredit signo debehaber segno dareavere debitocredito",
    ),
    (Column::Currency, "currency currencycode ccy waehrung devise monnaie munt muntsoort valuta moneda divisa"),
    (
        Column::BookedOn,
        "bookedon bookingdate posted postingdate transactiondate dateposted entrydate date completeddate datecompleted buchungstag \
         buchungsdatum buchung datum boekdatum boekingsdatum transactiedatum datecomptable dateoperation \
         datedoperation datedecomptabilisation fecha fechaoperacion fechacontable fechadeoperacion data \
         datacontabile dataoperazione datadiregistrazione",
    ),
    (
        Column::ValueOn,
        "valueon valuedate wertstellung valutadatum wertstellungstag wertstellungsdatum wert \
         valutadatumvalutadate datevaleur datedevaleur rentedatum fechavalor fechadevalor datavaluta \
         rentedatumvaluta",
    ),
    (
        Column::BankReference,
        "bankreference banktransactionid accountservicerreference bankreferenz buchungsreferenz referencebancaire \
         numerooperation volgnr volgnummer numerodeoperacion numerooperazione",
    ),
    (
        Column::Reference,
        "reference referencenumber referenz transaktionsreferenz referentie transactiereferentie referencia riferimento",
    ),
    (
        Column::EndToEndId,
        "endtoendid endtoendreference e2eid customerreference kundenreferenz kundenreferenzendtoend \
         endtoendreferenz referencedeboutenbout referenceclient kenmerk betalingskenmerk \
         referenciadelcliente referenciacliente riferimentocliente",
    ),
    (
        Column::Remittance,
        "remittance remittanceinformation description details narrative memo purpose paymentdetails \
         verwendungszweck buchungstext libelle motif communication communications omschrijving \
         omschrijving1 omschrijving2 omschrijving3 mededeling mededelingen concepto descripcion \
         observaciones causale descrizione descrizioneoperazione",
    ),
    (
        Column::CounterpartyName,
        "counterparty counterpartyname name payer payername payee payeename \
         beguenstigterzahlungspflichtiger auftraggeberempfaenger namezahlungsbeteiligter \
         zahlungsbeteiligter empfaenger zahlungspflichtiger zahlungspflichtige auftraggeber \
         nomcontrepartie contrepartie tiers nom naam naamtegenpartij naamtegenrekening tegenpartij \
         contraparte nombre beneficiario ordenante controparte ordinante",
    ),
    (
        Column::CounterpartyAccount,
        "counterpartyaccount counterpartyiban payeriban payeraccount kontonummeriban \
         ibanzahlungsbeteiligter gegenkonto ibandestinataire comptecontrepartie tegenrekening \
         tegenrekeningibanbban tegenrekeningiban cuentacontraparte ibancontraparte contocontroparte \
         ibancontroparte",
    ),
    (
        Column::Account,
        "account accountnumber accountiban iban auftragskonto konto ibanauftragskonto compte \
         numerodecompte rekening rekeningnummer ibanbban cuenta conto",
    ),
    (
        Column::TransactionId,
        "transactionid paymentid transaktionsid idtransaction transactieid idtransaccion idtransazione",
    ),
    (Column::Provider, "provider gateway"),
    (
        Column::InvoiceNumber,
        "invoicenumber invoice invoiceno rechnungsnummer rechnungsnr rechnung numerofacture facture \
         numerodefacture factuurnummer factuur numerofactura factura numerodefactura numerofattura \
         fattura",
    ),
    (
        Column::Balance,
        "balance runningbalance saldo saldonachbuchung kontostand solde saldonatrn saldonamutatie \
         saldocontabile",
    ),
    (
        Column::PaidOn,
        "paidon paymentdate datepaid zahlungsdatum bezahltam datedepaiement betaaldatum fechadepago \
         datapagamento",
    ),
];

/// A column's name in the form used for comparison: `Währung` and `waehrung` are equal; blanks, punctuation and text in
/// brackets are ignored.
pub(super) fn plain(name: &str) -> String {
    let name = name.split(['(', '[']).next().unwrap_or(name);
    let mut plain = String::with_capacity(name.len());
    for letter in name.chars().flat_map(char::to_lowercase) {
        match letter {
            'ä' => plain.push_str("ae"),
            'ö' => plain.push_str("oe"),
            'ü' => plain.push_str("ue"),
            'ß' => plain.push_str("ss"),
            'à' | 'á' | 'â' => plain.push('a'),
            'è' | 'é' | 'ê' | 'ë' => plain.push('e'),
            'ì' | 'í' | 'î' | 'ï' => plain.push('i'),
            'ò' | 'ó' | 'ô' => plain.push('o'),
            'ù' | 'ú' | 'û' => plain.push('u'),
            'ç' => plain.push('c'),
            'ñ' => plain.push('n'),
            letter if letter.is_ascii_alphanumeric() => plain.push(letter),
            _ => {}
        }
    }
    plain
}

/// Columns that people edit at their bank: their content does not distinguish entries.
const EDITED: &str = "category subcategory spendingcategory kategorie unterkategorie categorie souscategorie categoria \
    subcategoria sottocategoria tag tags label labels etiquettes note notes notesandtags notiz notizen comment comments \
    kommentar commentaire commentaires opmerkingen emoji";

/// Whether people edit the content of a column with this name.
pub(super) fn is_edited(name: &str) -> bool {
    let plain = plain(name);
    EDITED.split_ascii_whitespace().any(|known| known == plain)
}

/// The meaning of a column with this name.
pub(super) fn known(name: &str) -> Option<Column> {
    let plain = plain(name);
    // `Amount EUR`, `Betrag in EUR`.
    let without =
        currency_in(name).map(|code| plain.trim_end_matches(&code.to_lowercase()).trim_end_matches("in").to_owned());
    let names = [Some(plain), without];
    let is_known = |known: &str| names.iter().flatten().any(|name| name == known);
    NAMES.iter().find(|(_, names)| names.split(' ').any(is_known)).map(|(column, _)| *column)
}

/// The currency at the end of a column's name: `Amount (EUR)`, `Betrag in EUR`.
pub(super) fn currency_in(name: &str) -> Option<&str> {
    let (_, last) = name.trim_end_matches([')', ']', ' ']).rsplit_once([' ', '(', '['])?;
    (last.len() == 3 && last.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(last)
}

/// The columns of the file by meaning: their indexes, from 0.
pub(super) type Mapping = BTreeMap<Column, Vec<usize>>;
