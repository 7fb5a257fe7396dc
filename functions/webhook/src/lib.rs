//! Records what the platform's own servers are to be told.
//!
//! In: events from `WebhookQueue`, in groups of one invoice. Out: for each webhook endpoint that is told such events, one
//! record in the deliveries' table with the body as it will be sent, and a message in `DeliveryQueue`; for a disabled
//! endpoint the record alone, to be sent when somebody asks for it. No endpoint is called here, so none holds up the queue.
//! May fail: the database or the table (the message comes back), a message that cannot be read (parked at once). Who
//! retries: the queue.

pub mod compose;
pub mod config;
pub mod handler;
