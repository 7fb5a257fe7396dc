//! Words that banks use for the booking status and the direction of an entry.

use crate::csv::columns::plain;
use crate::error::quote;
use crate::movement::{BookingStatus, Direction};

/// Words for a booked entry, in the form of [`plain`]: English, German, French, Dutch, Spanish, Italian, Portuguese.
const BOOKED: &str = "book booked posted complete completed settled cleared executed processed success successful \
    succeeded paid done final gebucht umsatzgebucht verbucht abgeschlossen ausgefuehrt durchgefuehrt erledigt \
    comptabilise comptabilisee execute executee effectue effectuee termine terminee traite traitee geboekt verwerkt \
    uitgevoerd voltooid afgerond contabilizado contabilizada completado completada ejecutado ejecutada realizado \
    realizada liquidado liquidada contabilizzato contabilizzata eseguito eseguita completato completata regolato \
    concluido concluida";

/// Words for an entry that may yet be booked, or not.
const PENDING: &str = "pdng futr pending announced scheduled upcoming authorised authorized authorisation \
    authorization processing inprogress inprocess reserved hold held onhold uncleared notbooked unbooked notposted \
    unposted open expected future offen vorgemerkt vorgemerkterumsatz umsatzvorgemerkt vormerkung angekuendigt \
    ausstehend schwebend inbearbeitung inausfuehrung reserviert terminiert nichtgebucht ungebucht nochnichtgebucht \
    enattente encours avenir aveniretencours annonce annoncee prevu prevue noncomptabilise gereserveerd inbehandeling \
    aangekondigd verwacht openstaand gepland nietgeboekt pendiente pendientes retenido retenida encurso previsto \
    prevista programado programada nocontabilizado insospeso inattesa inlavorazione noncontabilizzato \
    dacontabilizzare autorizzato autorizzata prenotato prenotata pendente emprocessamento";

/// Words for an entry that will not be booked, or whose booking was reversed in the same row.
const CANCELLED: &str = "reverted reversed failed failure declined denied rejected refused cancelled canceled voided \
    void expired aborted error storniert abgelehnt fehlgeschlagen abgebrochen widerrufen zurueckgewiesen \
    nichtausgefuehrt verfallen abgelaufen annule annulee refuse refusee rejete rejetee echoue echouee echec expire \
    expiree geannuleerd geweigerd mislukt afgewezen verlopen teruggedraaid cancelado cancelada rechazado rechazada \
    fallido fallida denegado denegada anulado anulada revertido revertida caducado caducada annullato annullata \
    rifiutato rifiutata fallito fallita respinto respinta stornato stornata scaduto scaduta recusado recusada falhou";

/// The booking status that a word means; none for any other word.
pub(super) fn booking_status(text: &str) -> Option<BookingStatus> {
    let word = plain(text);
    let is_of = |words: &str| words.split_ascii_whitespace().any(|known| known == word);
    if is_of(BOOKED) {
        Some(BookingStatus::Booked)
    } else if is_of(PENDING) {
        Some(BookingStatus::Pending)
    } else if is_of(CANCELLED) {
        Some(BookingStatus::Other(quote(text)))
    } else {
        None
    }
}

/// A word for a status other than booked, in any column.
pub(super) fn unbooked(text: &str) -> Option<BookingStatus> {
    booking_status(text).filter(|status| *status != BookingStatus::Booked)
}

const CREDIT: &str = "c cr crdt credit in incoming inbound received moneyin paidin deposit plus h haben gutschrift \
    eingang zahlungseingang zugang einnahme encaissement recette entree bij bijschrijving kredit haber abono ingreso \
    credito avere accredito entrata entrada uznanie";

const DEBIT: &str = "d dr db dbit debit out outgoing outbound sent moneyout paidout withdrawal minus s soll lastschrift \
    belastung ausgang zahlungsausgang abgang ausgabe decaissement depense sortie af afschrijving debet debe cargo adeudo \
    gasto debito dare addebito uscita saida obciazenie";

/// The direction that a word means; none for any other word.
pub(super) fn direction(text: &str) -> Option<Direction> {
    match text.trim() {
        "+" => return Some(Direction::Credit),
        "-" | "\u{2212}" => return Some(Direction::Debit),
        _ => {}
    }
    let word = plain(text);
    let is_of = |words: &str| words.split_ascii_whitespace().any(|known| known == word);
    if is_of(CREDIT) {
        Some(Direction::Credit)
    } else if is_of(DEBIT) {
        Some(Direction::Debit)
    } else {
        None
    }
}
