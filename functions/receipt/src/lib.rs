//! Makes receipts.
//!
//! In: `invoice.paid`, `invoice.partially_paid` and `payment.refunded` from `ReceiptQueue`, in groups of one invoice. Out:
//! a PDF in the documents bucket, then `receipt.issued` or `refund_receipt.issued` on `InvoiceEventsTopic`. The same event
//! gives the same bytes under the same key and an event with the same id, so that repeating all of it is harmless. A refund
//! to somebody unknown has no receipt: there is nobody to give it to. May fail: S3, SNS, DynamoDB (the
//! message comes back), a message that cannot be read (parked at once). Who retries: the queue.

pub mod config;
pub mod handler;
pub mod issue;
