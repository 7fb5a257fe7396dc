//! Edits a parked message by hand: evidence that names a wrong invoice, or an invalid time. Its other content, above
//! all the money that moved, cannot be changed; requests and decisions are made again instead.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::dead_letters::DeadLetter;

/// Messages that may be edited: evidence about a payment.
const EVIDENCE: [&str; 2] = ["ClaimPayment", "ConfirmPayment"];

/// Their editable members.
const EDITABLE: [&str; 4] = ["/data/invoice", "/data/further_invoices", "/data/occurred_at", "/data/reason"];

/// A manual edit as audit records have it: without content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// JSON Pointers (RFC 6901) to the members that were changed, added or removed.
    pub changed: Vec<String>,
    /// An id derived from the new body.
    pub body: Uuid,
}

impl DeadLetter {
    /// The same message with another body.
    ///
    /// # Errors
    /// When it is not evidence, nothing is changed, or a member is changed that may not be.
    pub fn edited(&self, body: &str) -> Result<Self> {
        let content: Value = serde_json::from_str(body).context("the edited body is not JSON")?;
        if self.queue.reader() != "payments" || !EVIDENCE.contains(&self.text_at("/type").unwrap_or_default()) {
            bail!("{} cannot be edited; only {} in the queue payments can", self.message_id, EVIDENCE.join(" and "));
        }
        let changed = changed(&self.content, &content);
        if changed.is_empty() {
            bail!("{}: the edited body does not differ from the parked one", self.message_id);
        }
        if let Some(kept) = changed.iter().find(|pointer| !is_edited_body(pointer)) {
            bail!("{}: {kept} cannot be edited; only {} can", self.message_id, EDITABLE.join(", "));
        }
        let edit = Edit { changed, body: Uuid::new_v5(&Uuid::NAMESPACE_OID, body.as_bytes()) };
        let mut edited = self.clone();
        (edited.body, edited.content, edited.edit) = (body.to_owned(), content, Some(edit));
        Ok(edited)
    }
}

fn is_edited_body(pointer: &str) -> bool {
    EDITABLE
        .iter()
        .any(|mended| pointer.strip_prefix(mended).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// The pointers of all members that differ.
fn changed(before: &Value, after: &Value) -> Vec<String> {
    let (before, after) = (leaves(before), leaves(after));
    let pointers = before.keys().chain(after.keys().filter(|pointer| !before.contains_key(*pointer)));
    let mut changed: Vec<String> =
        pointers.filter(|pointer| before.get(*pointer) != after.get(*pointer)).cloned().collect();
    changed.sort();
    changed
}

/// All scalar values, by their pointers.
fn leaves(value: &Value) -> BTreeMap<String, &Value> {
    let mut leaves = BTreeMap::new();
    collect("", value, &mut leaves);
    leaves
}

fn collect<'a>(pointer: &str, value: &'a Value, leaves: &mut BTreeMap<String, &'a Value>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                collect(&format!("{pointer}/{name}"), value, leaves);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (place, value) in items.iter().enumerate() {
                collect(&format!("{pointer}/{place}"), value, leaves);
            }
        }
        leaf => drop(leaves.insert(pointer.to_owned(), leaf)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_edit_changes_is_named_by_pointer_and_money_is_not_changed() {
        let before = json!({"id": "1", "data": {"a/b": [1, 2], "amount": {"value": "1.00"}, "invoice": {"id": "x"}}});
        let with = |pointer: &str, value: Value| {
            let mut after = before.clone();
            *after.pointer_mut(pointer).unwrap() = value;
            changed(&before, &after)
        };
        assert_eq!(with("/data/a~1b/1", json!(3)), ["/data/a~1b/1"]);
        assert_eq!(with("/data/invoice", json!({"number": "y"})), ["/data/invoice/id", "/data/invoice/number"]);
        assert_eq!(with("/data/amount", json!({})), ["/data/amount", "/data/amount/value"]);
        for kept in ["/id", "/time", "/data/amount/value", "/data/payment_id", "/data/references/0", "/data/invoices"] {
            assert!(!is_edited_body(kept), "{kept}");
        }
        for mended in ["/data/invoice", "/data/invoice/id", "/data/further_invoices/1/number", "/data/occurred_at"] {
            assert!(is_edited_body(mended), "{mended}");
        }
    }
}
