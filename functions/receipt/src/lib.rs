//! Issues receipts.
//!
//! In: `invoice.paid`, `invoice.partially_paid` and `payment.refunded` from `ReceiptQueue`, in groups of one invoice.
//! Out: a PDF in the documents bucket, then `receipt.issued` or `refund_receipt.issued` on `InvoiceEventsTopic`. The
//! same event gives the same bytes under the same key and an event with the same id, so that repeating all of it is
//! harmless. A refund to an unknown payer has no receipt, because nobody could be given it. May fail: S3, SNS, DynamoDB
//! (the message is redelivered), a message that cannot be parsed (parked immediately). Retries: the queue.

pub mod config;
pub mod handler;
pub mod issue;
