//! Tables, buckets, logs, and the database's connections.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;
use xtask::paths::workspace_root;

use super::document::{Resource, Template, target};

/// For the migrator, the relay, the HTTP functions' few instances, and people: everything that no event source limits.
const CONNECTIONS_RESERVED: u64 = 70;

#[test]
fn each_table_forgets_by_itself_can_be_restored_and_is_encrypted() {
    for (name, table) in Template::read().all("AWS::DynamoDB::Table") {
        assert_eq!(table.property("/TimeToLiveSpecification/Enabled"), &json!(true), "{name}");
        assert_eq!(table.property("/TimeToLiveSpecification/AttributeName"), "expires_at", "{name}");
        let can_be_restored = table.property("/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled");
        assert_eq!(can_be_restored, &json!(true), "{name}");
        assert_eq!(table.property("/SSESpecification"), &json!({"SSEEnabled": true, "SSEType": "KMS"}), "{name}");
    }
}

#[test]
fn no_two_functions_share_an_idempotency_table() {
    let template = Template::read();
    let mut users = BTreeSet::new();
    for (name, function) in template.all("AWS::Serverless::Function") {
        if let Some(table) = target(function.property("/Environment/Variables/IDEMPOTENCY_TABLE")) {
            assert_eq!(table, format!("{}IdempotencyTable", name.trim_end_matches("Function")));
            users.insert(table);
        }
    }
    let tables = template.all("AWS::DynamoDB::Table").into_iter().map(|(name, _)| name.to_owned());
    let tables: BTreeSet<String> = tables.filter(|name| name.ends_with("IdempotencyTable")).collect();
    assert_eq!(users, tables, "each idempotency table has its one function");
    assert!(users.len() >= 4, "only {users:?}");
}

#[test]
fn buckets_are_private_versioned_and_take_no_plain_http() {
    let template = Template::read();
    for (name, bucket) in template.all("AWS::S3::Bucket") {
        for block in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"] {
            let pointer = format!("/PublicAccessBlockConfiguration/{block}");
            assert_eq!(bucket.property(&pointer), &json!(true), "{name}: {block}");
        }
        assert_eq!(bucket.property("/VersioningConfiguration/Status"), "Enabled", "{name}");
        assert!(bucket.property("/BucketEncryption").is_object(), "{name}");
        assert!(refuses_plain_http(template, name), "{name} has no policy that refuses plain HTTP");
    }
}

fn refuses_plain_http(template: &Template, bucket: &str) -> bool {
    template
        .all("AWS::S3::BucketPolicy")
        .into_iter()
        .filter(|(_, policy)| target(policy.property("/Bucket")).as_deref() == Some(bucket))
        .flat_map(|(_, policy)| policy.property("/PolicyDocument/Statement").as_array().cloned().unwrap_or_default())
        .any(|statement| {
            statement["Effect"] == "Deny"
                && statement["Principal"] == "*"
                && statement["Action"] == "s3:*"
                && statement["Resource"].as_array().is_some_and(|resources| resources.len() == 2)
                && statement["Condition"] == json!({"Bool": {"aws:SecureTransport": "false"}})
        })
}

#[test]
fn each_function_logs_into_a_group_that_forgets() {
    let template = Template::read();
    for (name, function) in template.all("AWS::Serverless::Function") {
        let group = target(function.property("/LoggingConfig/LogGroup"));
        let group = group.unwrap_or_else(|| panic!("{name} names no log group"));
        assert!(!template.resource(&group).property("/RetentionInDays").is_null(), "{group} keeps logs for ever");
    }
}

#[test]
fn all_readers_of_queues_together_leave_connections_of_the_database_free() {
    let template = Template::read();
    let connections_max = template.at("/Parameters/DatabaseConnectionsMax/Default").as_u64().expect("a default");
    let logs_in = |function: &Resource| function.property("/Environment/Variables/DATABASE_ROLE").is_string();
    let instances: u64 = template
        .queue_sources()
        .into_iter()
        .filter(|(_, function, ..)| logs_in(function))
        .map(|(name, _, _, source)| {
            source["ScalingConfig"]["MaximumConcurrency"].as_u64().unwrap_or_else(|| panic!("{name} is not bounded"))
        })
        .sum();
    let needed = instances * connections_of_one_instance();
    assert!(
        needed + CONNECTIONS_RESERVED <= connections_max,
        "{instances} instances take {needed} connections; {connections_max} less {CONNECTIONS_RESERVED} in reserve are there"
    );
}

/// The size of a function's connection pool, as set in `common/store`.
fn connections_of_one_instance() -> u64 {
    let file = workspace_root().join("common/store/src/database.rs");
    let text = fs::read_to_string(file).expect("the source is there");
    let number = text.lines().find_map(|line| line.strip_prefix("const CONNECTIONS_MAX: u32 = ")?.strip_suffix(';'));
    number.expect("database.rs has the constant CONNECTIONS_MAX").parse().expect("it is a number")
}
