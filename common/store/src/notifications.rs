//! `billing.notification_preferences` and `billing.suppressed_addresses`: the clients' preferences, and the addresses
//! that must not be written to.

use chrono::{DateTime, Utc};
use quittance_domain::id::ClientId;
use quittance_domain::notification::{Channel, ChannelPreference, NotificationKind, PhoneNumber, Preferences};

use crate::database::{Database, Transaction};
use crate::error::StoreError;

/// Why an address is suppressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// `bounce` or `complaint`.
    pub reason: String,
    /// When it was suppressed.
    pub since: DateTime<Utc>,
}

/// A client's notification preferences; the default if it has none, or is unknown.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn preferences(database: &Database, client_id: ClientId) -> Result<Preferences, StoreError> {
    let rows = sqlx::query!(
        "select channel, is_enabled, notices, phone_number from billing.notification_preferences where client_id = $1",
        client_id.as_uuid()
    )
    .fetch_all(database.pool().await?)
    .await?;
    let mut preferences = Preferences::default();
    for row in rows {
        let notices = row.notices.iter().map(|name| name.parse::<NotificationKind>()).collect::<Result<_, _>>();
        let notices = notices.map_err(corrupt)?;
        let preference = ChannelPreference { is_enabled: row.is_enabled, notices };
        match row.channel.parse::<Channel>().map_err(corrupt)? {
            Channel::Email => preferences.email = preference,
            Channel::Sms => {
                preferences.sms = preference;
                let number = row.phone_number.map(|number| number.parse::<PhoneNumber>()).transpose();
                preferences.sms_number = number.map_err(corrupt)?;
            }
        }
    }
    Ok(preferences)
}

/// Stores a client's notification preferences.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn set_preferences(
    transaction: &mut Transaction,
    client_id: ClientId,
    preferences: &Preferences,
) -> Result<(), StoreError> {
    let channels = [
        (Channel::Email, &preferences.email, None),
        (Channel::Sms, &preferences.sms, preferences.sms_number.as_ref().map(ToString::to_string)),
    ];
    for (channel, preference, phone_number) in channels {
        let notices: Vec<String> = preference.notices.iter().map(ToString::to_string).collect();
        sqlx::query!(
            "insert into billing.notification_preferences (client_id, channel, is_enabled, notices, phone_number)
             values ($1, $2, $3, $4, $5)
             on conflict (client_id, channel) do update
             set is_enabled = excluded.is_enabled, notices = excluded.notices, phone_number = excluded.phone_number",
            client_id.as_uuid(),
            channel.as_str(),
            preference.is_enabled,
            &notices,
            phone_number,
        )
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// Why an address is suppressed; none if it is not.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn suppression(database: &Database, address: &str) -> Result<Option<Suppression>, StoreError> {
    let found = sqlx::query_as!(
        Suppression,
        "select reason, since from billing.suppressed_addresses where address = lower($1)",
        address
    );
    Ok(found.fetch_optional(database.pool().await?).await?)
}

/// Suppresses an address. Returns false if it is suppressed already.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn suppress(
    transaction: &mut Transaction,
    address: &str,
    reason: &str,
    since: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "insert into billing.suppressed_addresses (address, reason, since) values (lower($1), $2, $3)
         on conflict (address) do nothing",
        address,
        reason,
        since,
    );
    Ok(done.execute(&mut **transaction).await?.rows_affected() > 0)
}

/// Lifts the suppression of an address. Returns false if it was not suppressed.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn lift_suppression(transaction: &mut Transaction, address: &str) -> Result<bool, StoreError> {
    let done = sqlx::query!("delete from billing.suppressed_addresses where address = lower($1)", address);
    Ok(done.execute(&mut **transaction).await?.rows_affected() > 0)
}

fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::corrupt("billing.notification_preferences", error)
}
