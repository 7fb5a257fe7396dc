//! Looks up the candidates for the lines of a chunk, with few queries for all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use quittance_domain::creditor_reference::number_keys;
use quittance_domain::id::{ClientId, InvoiceId};
use quittance_domain::matching::{BankLine, LookupKeys, OpenClaim, OpenItem, name_key};
use quittance_domain::money::Money;
use quittance_store::{Database, StoreError, open_items};

/// A line of the chunk to match, with the payer's account.
#[derive(Debug)]
pub(crate) struct WantedLine {
    pub(crate) line: BankLine,
    pub(crate) keys: LookupKeys,
    pub(crate) account: Option<String>,
}

/// The number of accounts that are cached.
const ACCOUNTS_MAX: usize = 50_000;

/// The clients behind payers' accounts, cached from chunk to chunk: an account may have paid thousands of lines, and
/// the query reads all of them.
#[derive(Debug, Default)]
pub(crate) struct PayerAccounts {
    known: HashMap<String, BTreeSet<ClientId>>,
}

impl PayerAccounts {
    /// Looks up the accounts that are not cached.
    async fn learn(&mut self, database: &Database, accounts: BTreeSet<String>) -> Result<(), StoreError> {
        if self.known.len() > ACCOUNTS_MAX {
            self.known.clear();
        }
        let new: Vec<String> = accounts.into_iter().filter(|account| !self.known.contains_key(account)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let found = open_items::clients_by_account(database, &new).await?;
        self.known.extend(new.into_iter().map(|account| (account, BTreeSet::new())));
        for (account, client) in found {
            self.known.entry(account).or_default().insert(client);
        }
        Ok(())
    }

    fn clients(&self, account: &str) -> BTreeSet<ClientId> {
        self.known.get(account).cloned().unwrap_or_default()
    }
}

/// The results, by lookup key.
#[derive(Debug, Default)]
pub(crate) struct LookupResults {
    open_items: BTreeMap<InvoiceId, OpenItem>,
    by_number: HashMap<String, Vec<InvoiceId>>,
    by_payer: HashMap<String, Vec<InvoiceId>>,
    claims: HashMap<String, Vec<OpenClaim>>,
    names: HashMap<String, BTreeSet<ClientId>>,
}

impl LookupResults {
    /// Looks up the lines' candidates and the clients behind the payers' accounts.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub(crate) async fn load(
        database: &Database,
        wanted: &[WantedLine],
        accounts: &mut PayerAccounts,
    ) -> Result<Self, StoreError> {
        if wanted.is_empty() {
            return Ok(Self::default());
        }
        let keys = || wanted.iter().map(|wanted| &wanted.keys);
        let numbers: BTreeSet<String> = keys().flat_map(|keys| &keys.numbers).cloned().collect();
        let payments: BTreeSet<String> = keys().flat_map(|keys| &keys.payments).cloned().collect();
        let payers: BTreeSet<String> = keys().filter_map(|keys| keys.payer.clone()).collect();
        let paid = |wanted: &WantedLine| Some((wanted.keys.payer.clone()?, Money::from(wanted.line.amount)));
        let paid: Vec<(String, Money)> = wanted.iter().filter_map(paid).collect();
        let list = |texts: BTreeSet<String>| texts.into_iter().collect::<Vec<_>>();
        let claims = open_items::claims(database, &list(payments)).await?;
        let claimed: Vec<InvoiceId> = claims.iter().map(|claim| claim.invoice_id).collect();
        let mut lookup = Self::default();
        for open_item in open_items::named(database, &list(numbers), &claimed).await? {
            for key in number_keys(&open_item.number) {
                lookup.by_number.entry(key).or_default().push(open_item.invoice_id);
            }
            lookup.open_items.insert(open_item.invoice_id, open_item);
        }
        for open_item in open_items::of_payers(database, &paid).await? {
            lookup.by_payer.entry(name_key(&open_item.client)).or_default().push(open_item.invoice_id);
            lookup.open_items.insert(open_item.invoice_id, open_item);
        }
        for claim in claims {
            lookup.claims.entry(claim.name.clone()).or_default().push(claim);
        }
        for (name, client) in open_items::clients_by_name(database, &list(payers)).await? {
            lookup.names.entry(name).or_default().insert(client);
        }
        accounts.learn(database, wanted.iter().filter_map(|wanted| wanted.account.clone()).collect()).await?;
        Ok(lookup)
    }

    /// The line with its likely clients.
    pub(crate) fn with_payers(
        &self,
        mut line: BankLine,
        keys: &LookupKeys,
        account: Option<&str>,
        accounts: &PayerAccounts,
    ) -> BankLine {
        let payer = keys.payer.as_ref();
        line.clients_by_name = payer.and_then(|payer| self.names.get(payer)).cloned().unwrap_or_default();
        line.clients_by_account = account.map(|account| accounts.clients(account)).unwrap_or_default();
        line
    }

    /// The candidates of a line.
    pub(crate) fn candidates(&self, wanted: &WantedLine) -> (Vec<OpenItem>, Vec<OpenClaim>) {
        let claims = wanted.keys.payments.iter().filter_map(|name| self.claims.get(name)).flatten();
        let claims: Vec<OpenClaim> = claims.cloned().collect();
        let numbered = wanted.keys.numbers.iter().filter_map(|number| self.by_number.get(number)).flatten();
        let amount = Money::from(wanted.line.amount);
        let of_payer = wanted.keys.payer.as_ref().and_then(|payer| self.by_payer.get(payer)).into_iter().flatten();
        let of_payer =
            of_payer.filter(|id| self.open_items.get(id).is_some_and(|open_item| open_item.outstanding == amount));
        let ids: BTreeSet<InvoiceId> =
            numbered.chain(of_payer).copied().chain(claims.iter().map(|claim| claim.invoice_id)).collect();
        (ids.iter().filter_map(|id| self.open_items.get(id)).cloned().collect(), claims)
    }
}
