//! The trigger's event, with the claim added. Handled as JSON, so that members which Cognito adds later are passed
//! through.

use quittance_lambda::caller::CLIENT_ID_CLAIM;
use serde_json::{Value, json};

/// Adds the claim if the user has the attribute. In Cognito only finance's own tools can write it.
#[must_use]
pub fn add_claims(mut event: Value) -> Value {
    let client_id = event.pointer("/request/userAttributes").and_then(|user| user.get(CLIENT_ID_CLAIM)).cloned();
    let groups = event.pointer("/request/groupConfiguration").cloned().unwrap_or_else(|| json!({}));
    if let (Some(client_id), Some(event)) = (client_id, event.as_object_mut()) {
        let details = json!({
            "accessTokenGeneration": {"claimsToAddOrOverride": {CLIENT_ID_CLAIM: client_id}},
            // Without this the token would lose its groups.
            "groupOverrideDetails": groups,
        });
        event.insert("response".to_owned(), json!({"claimsAndScopeOverrideDetails": details}));
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_client_becomes_a_claim_of_the_access_token_and_groups_stay() {
        let event = add_claims(json!({
            "request": {"userAttributes": {CLIENT_ID_CLAIM: "cli_1"}, "groupConfiguration": {"groupsToOverride": ["client"]}},
            "response": {},
        }));
        let details = &event["response"]["claimsAndScopeOverrideDetails"];
        assert_eq!(details["accessTokenGeneration"]["claimsToAddOrOverride"][CLIENT_ID_CLAIM], "cli_1");
        assert_eq!(details["groupOverrideDetails"]["groupsToOverride"], json!(["client"]));
    }

    #[test]
    fn a_user_without_a_client_passes_unchanged() {
        let event = json!({"request": {"userAttributes": {"sub": "1"}}, "response": {}});
        assert_eq!(add_claims(event.clone()), event);
    }
}
