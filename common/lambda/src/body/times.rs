//! Days and times of bodies, with their bounds in their types.

use chrono::{DateTime, NaiveDate, Utc};
use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use quittance_domain::calendar::{plausible_day, plausible_time, recent_day, recent_time};
use serde::Serialize;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::faults::{Faults, text};

macro_rules! moment {
    ($(#[$doc:meta])* $name:ident($kind:ty), $format:ident, $read:expr, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub struct $name($kind);

        impl $name {
            /// The value.
            #[must_use]
            pub const fn get(self) -> $kind {
                self.0
            }
        }

        impl Deserr<Faults> for $name {
            fn deserialize_from_value<V: IntoValue>(
                value: Value<V>,
                location: ValuePointerRef<'_>,
            ) -> Result<Self, Faults> {
                let read = $read(&text(value, location)?).map_err(|detail| Faults::at(location, detail))?;
                $check(read).map(Self).map_err(|error| Faults::at(location, error))
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String);
                text.format(Some(SchemaFormat::KnownFormat(KnownFormat::$format))).into()
            }
        }

        impl ToSchema for $name {}
    };
}

moment!(
    /// A day in the years that the API accepts, RFC 3339 `full-date`.
    Day(NaiveDate), Date, day, plausible_day
);
moment!(
    /// A day from ten years ago until tomorrow, RFC 3339 `full-date`.
    RecentDay(NaiveDate), Date, day, |day| recent_day(day, Utc::now())
);
moment!(
    /// A point in time in the years that the API accepts, RFC 3339.
    Time(DateTime<Utc>), DateTime, time, plausible_time
);
moment!(
    /// A point in time from ten years ago until tomorrow, RFC 3339.
    RecentTime(DateTime<Utc>), DateTime, time, |time| recent_time(time, Utc::now())
);

fn day(text: &str) -> Result<NaiveDate, &'static str> {
    // The parser is more lenient: it accepts `2026-1-5`.
    let day = text.parse::<NaiveDate>().ok().filter(|day| day.to_string() == text);
    day.ok_or("must be a day, as in 2026-12-31")
}

fn time(text: &str) -> Result<DateTime<Utc>, &'static str> {
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    time.map_err(|_| "must be a point in time, as in 2026-11-02T12:00:00Z")
}
