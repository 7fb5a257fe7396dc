//! Settings from the environment: read once, in `main`, with all problems reported at once.

use std::collections::HashMap;

use chrono_tz::Tz;

/// The missing and invalid settings, one sentence each.
#[derive(Debug, thiserror::Error)]
#[error("cannot start with these settings: {}", .0.join("; "))]
pub struct SettingsError(Vec<String>);

/// Reads settings and collects their problems.
#[derive(Debug)]
pub struct Settings {
    values: HashMap<String, String>,
    problems: Vec<String>,
}

impl Settings {
    /// The process's environment.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from_values(std::env::vars())
    }

    /// Settings from another source, for tests.
    pub fn from_values(values: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { values: values.into_iter().collect(), problems: Vec::new() }
    }

    /// A required setting; an empty text stands in for a missing one until [`Self::finish`] fails.
    pub fn required(&mut self, name: &'static str) -> String {
        match self.values.get(name) {
            Some(value) if !value.is_empty() => value.clone(),
            _ => {
                self.problems.push(format!("{name} is not set"));
                String::new()
            }
        }
    }

    /// A setting that may be missing or empty.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        self.values.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// A required whole number; 0 stands in for a missing one until [`Self::finish`] fails.
    pub fn number(&mut self, name: &'static str) -> u32 {
        let text = self.required(name);
        text.parse().unwrap_or_else(|_| {
            if !text.is_empty() {
                self.problems.push(format!("{name} is {text:?}, which is not a whole number"));
            }
            0
        })
    }

    /// The seller's time zone from `SELLER_TIME_ZONE`, a name of the IANA database such as `Europe/Berlin`: it
    /// determines accounting dates.
    pub fn seller_time_zone(&mut self) -> Option<Tz> {
        let name = "SELLER_TIME_ZONE";
        self.group(|settings| {
            let text = settings.required(name);
            text.parse().map_err(|_| format!("{name} is {text:?}, which is not a time zone of the IANA database"))
        })
    }

    /// A setting of each payment provider in use, `<PROVIDER>_<NAME>`.
    #[must_use]
    pub fn of_providers(
        &self,
        providers: impl IntoIterator<Item = &'static str>,
        name: &str,
    ) -> HashMap<&'static str, String> {
        let value = |provider: &str| self.values.get(&format!("{}_{name}", provider.to_uppercase()));
        let is_set = |value: &&String| !value.is_empty();
        providers.into_iter().filter_map(|provider| Some((provider, value(provider).filter(is_set)?.clone()))).collect()
    }

    /// A group of settings with a reader of its own.
    pub fn group<T, E: std::fmt::Display>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, E>) -> Option<T> {
        let missing_before = self.problems.len();
        match read(self) {
            Ok(value) => Some(value),
            Err(problem) => {
                // A missing value has already been reported.
                if self.problems.len() == missing_before {
                    self.problems.push(problem.to_string());
                }
                None
            }
        }
    }

    /// Ends reading, with the value of a [`group`](Self::group).
    ///
    /// # Errors
    /// [`SettingsError`] naming every setting that is missing or wrong.
    pub fn finish_with<T>(self, value: Option<T>) -> Result<T, SettingsError> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(SettingsError(self.problems)),
        }
    }

    /// Ends reading.
    ///
    /// # Errors
    /// [`SettingsError`] naming every setting that is missing or wrong.
    pub fn finish(self) -> Result<(), SettingsError> {
        if self.problems.is_empty() { Ok(()) } else { Err(SettingsError(self.problems)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_time_zone_is_refused() {
        let read = |name: &str| {
            let mut settings = Settings::from_values([("SELLER_TIME_ZONE".to_owned(), name.to_owned())]);
            let zone = settings.seller_time_zone();
            settings.finish_with(zone).map_err(|error| error.to_string())
        };
        assert_eq!(read("Europe/Berlin"), Ok(Tz::Europe__Berlin));
        assert!(read("Europe/Atlantis").unwrap_err().contains("Europe/Atlantis"));
        assert!(read("").unwrap_err().contains("SELLER_TIME_ZONE is not set"));
    }

    #[test]
    fn all_that_is_missing_or_wrong_is_named_at_once() {
        let mut settings = Settings::from_values([("PORT".to_owned(), "many".to_owned())]);
        settings.required("QUEUE_URL");
        let port = settings
            .group(|settings| settings.required("PORT").parse::<u16>().map_err(|error| format!("PORT: {error}")));
        assert_eq!(port, None);
        settings.required("TOPIC_ARN");
        let message = settings.finish().unwrap_err().to_string();
        for name in ["QUEUE_URL", "PORT", "TOPIC_ARN"] {
            assert!(message.contains(name), "{message}");
        }
    }
}
