//! Authorisation: every operation of the description, called by every role, on a client's own data and on another's.

use std::collections::BTreeMap;

use axum::body::Body;
use http::{Request, StatusCode};
use quittance_lambda::caller::Permission;
use quittance_lambda::openapi::operation::MACHINES;
use serde_json::Value;
use uuid::Uuid;

use super::gateway::Gateway;
use super::world::{Role, clients_only, state, world};
use super::{Operation, committed, operations, resolved};
use crate::database::TestDatabase;

/// The rules: one line for each operation, one column for each role. `yes` is carried out (or was carried out for an
/// earlier column, and is a conflict for this one), `none` is an empty list; a number is the refusal, which changes
/// nothing. The data belongs to the client `own`.
const RULES: &str = "
    operation             own  other unbound finance oncall admin bff  gateway scopeless nobody
    createClient          403  403   403     yes     403    yes   yes  403     403       401
    listClients           yes  yes   403     yes     yes    yes   yes  403     403       401
    readClient            yes  404   403     yes     yes    yes   yes  403     403       401
    changeClient          403  403   403     yes     403    yes   yes  403     403       401
    deleteClient          403  403   403     yes     403    yes   yes  403     403       401
    createInvoice         403  403   403     yes     403    yes   yes  403     403       401
    readInvoice           yes  404   403     yes     yes    yes   yes  403     403       401
    printInvoice          yes  404   403     yes     yes    yes   yes  403     403       401
    sendInvoice           403  403   403     yes     403    yes   yes  403     403       401
    voidInvoice           403  403   403     yes     403    yes   yes  403     403       401
    createCreditNote      403  403   403     yes     403    yes   yes  403     403       401
    listCreditNotes       yes  404   403     yes     yes    yes   yes  403     403       401
    printCreditNote       yes  404   403     yes     yes    yes   yes  403     403       401
    readTimeline          yes  404   403     yes     yes    yes   yes  403     403       401
    listCases             403  403   403     yes     yes    yes   403  403     403       401
    readCase              403  403   403     yes     yes    yes   403  403     403       401
    applyCase             403  403   403     yes     403    yes   403  403     403       401
    refundCase            403  403   403     yes     403    yes   403  403     403       401
    approveCase           403  403   403     yes     403    yes   403  403     403       401
    classifyCase          403  403   403     yes     403    yes   403  403     403       401
    dismissCase           403  403   403     yes     403    yes   403  403     403       401
    listPayments          yes  none  403     yes     yes    yes   yes  403     403       401
    readPayment           yes  404   403     yes     yes    yes   yes  403     403       401
    readReceipt           yes  404   403     yes     yes    yes   yes  403     403       401
    claimPayment          yes  404   403     yes     403    yes   yes  403     403       401
    confirmPayment        403  403   403     403     403    403   403  yes     403       401
    enterEvidence         403  403   403     yes     403    yes   403  403     403       401
    requestRefund         403  403   403     yes     403    yes   403  403     403       401
    mergePayments         403  403   403     yes     403    yes   403  403     403       401
    unmatchPayment        403  403   403     yes     403    yes   403  403     403       401
    startUpload           yes  404   403     yes     403    yes   403  403     403       401
    readUpload            yes  404   403     yes     yes    yes   yes  403     403       401
    readStatement         yes  404   403     yes     yes    yes   yes  403     403       401
    readNotificationPreferences yes 404 403  yes     yes    yes   yes  403     403       401
    setNotificationPreferences yes 404 403   yes     403    yes   yes  403     403       401
    liftEmailSuppression  yes  404   403     yes     403    yes   yes  403     403       401
    readTrialBalance      403  403   403     yes     yes    yes   403  403     403       401
    listLedgerTransactions 403 403   403     yes     yes    yes   403  403     403       401
    reverseLedgerTransaction 403 403 403     yes     403    yes   403  403     403       401
    listCorrections       403  403   403     yes     yes    yes   403  403     403       401
    approveCorrection     403  403   403     yes     403    yes   403  403     403       401
    dismissCorrection     403  403   403     yes     403    yes   403  403     403       401
    recordAdjustment      403  403   403     yes     403    yes   403  403     403       401
    readAgeing            403  403   403     yes     yes    yes   403  403     403       401
    reconcileLedger       403  403   403     yes     yes    yes   403  403     403       401
    exportJournal         403  403   403     yes     yes    yes   403  403     403       401
    createWebhookEndpoint 403  403   403     403     403    yes   yes  403     403       401
    listWebhookEndpoints  403  403   403     403     yes    yes   yes  403     403       401
    deleteWebhookEndpoint 403  403   403     403     403    yes   yes  403     403       401
    enableWebhookEndpoint 403  403   403     403     yes    yes   yes  403     403       401
    rotateWebhookSecret   403  403   403     403     403    yes   yes  403     403       401
    listWebhookDeliveries 403  403   403     403     yes    yes   yes  403     403       401
    replayWebhooks        403  403   403     403     yes    yes   yes  403     403       401
    receiveWebhook        401  401   401     401     401    401   401  401     401       401
    describe              yes  yes   yes     yes     yes    yes   yes  yes     yes       yes
    showDescription       yes  yes   yes     yes     yes    yes   yes  yes     yes       yes
    showFileOfDescription yes  yes   yes     yes     yes    yes   yes  yes     yes       yes
";

/// Operations that must have been carried out before another one is possible.
const BEFORE: [(&str, &str); 7] = [
    ("voidInvoice", "sendInvoice"),
    ("createCreditNote", "sendInvoice"),
    ("printInvoice", "sendInvoice"),
    ("readInvoice", "sendInvoice"),
    ("listCreditNotes", "sendInvoice"),
    ("readTimeline", "sendInvoice"),
    ("claimPayment", "sendInvoice"),
];

/// The operation that is a conflict for everybody while a client owes something or has credit.
const NEEDS_NOTHING_OWED: &str = "deleteClient";

/// Operations that nobody here can carry out: a gateway signs its requests.
const SIGNED: [&str; 1] = ["receiveWebhook"];

fn rules() -> BTreeMap<&'static str, Vec<(Role, &'static str)>> {
    let mut lines = RULES.lines().map(str::split_whitespace).filter(|line| line.clone().next().is_some());
    let head: Vec<&str> = lines.next().expect("a head").collect();
    let roles: Vec<String> = Role::ALL.iter().map(|role| role.token().to_lowercase()).collect();
    assert_eq!(head.get(1..).unwrap_or_default(), roles, "the columns are the roles");
    let rule = |mut line: std::str::SplitWhitespace<'static>| {
        let operation = line.next().expect("an operation");
        let cells: Vec<&str> = line.collect();
        assert_eq!(cells.len(), roles.len(), "the cells of {operation}");
        (operation, Role::ALL.into_iter().zip(cells).collect())
    };
    lines.map(rule).collect()
}

/// The request from the description's own examples.
pub(super) fn request(document: &Value, operation: &Operation, role: Role) -> Request<Body> {
    let example = |shape: &Value| {
        let shape = resolved(document, shape);
        let first = shape["examples"].get(0).or_else(|| shape["enum"].get(0)).cloned();
        first.unwrap_or_else(|| panic!("{} has a parameter or body without an example", operation.id()))
    };
    let mut path = operation.path.clone();
    let mut request = Request::builder().method(operation.method.as_str()).header("content-type", "application/json");
    for parameter in operation.body["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().expect("a parameter has a name");
        match parameter["in"].as_str() {
            Some("path") => {
                let value = example(&parameter["schema"]);
                path = path.replace(&format!("{{{name}}}"), value.as_str().expect("a text"));
            }
            // Each call has a key of its own.
            Some("header") if parameter["required"] == true => {
                request = request.header(name, Uuid::now_v7().to_string())
            }
            _ => {}
        }
    }
    if role != Role::Nobody {
        request = request.header("authorization", format!("Bearer {}", role.token()));
    }
    let body = &operation.body["requestBody"]["content"]["application/json"]["schema"];
    // A gateway's message has no example: here it is forged in any case.
    let is_forged = SIGNED.contains(&operation.id());
    let body = match body {
        Value::Null => Body::empty(),
        _ if is_forged => Body::from("{}"),
        shape => Body::from(example(shape).to_string()),
    };
    request.uri(path).body(body).expect("a request")
}

async fn ask(gateway: &Gateway, request: Request<Body>) -> (StatusCode, String) {
    let (parts, body) = gateway.answer(request).await.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, String::from_utf8_lossy(&body).into_owned())
}

/// What may have changed: the database and the sent messages.
async fn effects(test: &TestDatabase, gateway: &Gateway) -> (String, usize) {
    (state(test).await, gateway.aws.sent().len())
}

/// Calls the operation with every role, and compares the responses with its rule.
async fn hold(document: &Value, all: &[Operation], operation: &Operation, rule: &[(Role, &str)]) {
    let test = if operation.id() == NEEDS_NOTHING_OWED { clients_only().await } else { world().await };
    let gateway = Gateway::before(&test).await;
    if let Some((_, before)) = BEFORE.iter().find(|(later, _)| *later == operation.id()) {
        let before = all.iter().find(|operation| operation.id() == *before).expect("it is an operation");
        assert!(ask(&gateway, request(document, before, Role::Admin)).await.0.is_success());
    }
    let (mut done, mut before) = (0, effects(&test, &gateway).await);
    for (role, expected) in rule {
        let (status, body) = ask(&gateway, request(document, operation, *role)).await;
        let what = format!("{} as {role:?}: {status} {body}", operation.id());
        match *expected {
            "yes" => {
                assert!(status.is_success() || status == StatusCode::CONFLICT, "{what}");
                done += usize::from(status.is_success());
                before = effects(&test, &gateway).await;
            }
            "none" => {
                assert_eq!((status, body.contains(r#"[]"#)), (StatusCode::OK, true), "{what}");
            }
            refusal => {
                assert_eq!(status.as_str(), refusal, "{what}");
                assert_eq!(effects(&test, &gateway).await, before, "{what}, and it changed something");
            }
        }
    }
    let is_signed = SIGNED.contains(&operation.id());
    assert_eq!(done == 0, is_signed, "{}: somebody must be able to do it", operation.id());
}

#[tokio::test]
async fn everybody_gets_from_every_operation_what_the_rules_say() {
    let (document, rules) = (committed(), rules());
    let all = operations(&document);
    for id in rules.keys() {
        assert!(all.iter().any(|operation| operation.id() == *id), "a rule speaks of {id}, which is no operation");
    }
    for operation in &all {
        let Some(rule) = rules.get(operation.id()) else {
            panic!("{} ({}) has no rule: say in RULES who may", operation.id(), operation.key())
        };
        hold(&document, &all, operation, rule).await;
    }
}

#[tokio::test]
async fn the_description_names_the_very_scopes_that_open_an_operation() {
    let document = committed();
    let (test, mut checked) = (world().await, 0);
    let gateway = Gateway::before(&test).await;
    for operation in operations(&document).iter().filter(|operation| !operation.is_open()) {
        let requirements = operation.body["security"].as_array().into_iter().flatten();
        let named: Vec<&str> = requirements.filter_map(|requirement| requirement[MACHINES][0].as_str()).collect();
        for permission in Permission::ALL {
            let (status, body) = ask(&gateway, request(&document, operation, Role::Single(permission))).await;
            let is_open = status != StatusCode::FORBIDDEN;
            // An upload's kind determines the required scope; the example is a client's upload.
            let is_named = named.contains(&permission.scope().as_str())
                && !(operation.id() == "startUpload" && permission == Permission::UploadStatements);
            assert_eq!(is_open, is_named, "{} with {}: {status} {body}", operation.id(), permission.scope());
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} were tried");
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_answered_405_with_those_it_has() {
    let test = world().await;
    let gateway = Gateway::before(&test).await;
    for (path, allowed) in [("/v1/invoices", "POST"), ("/v1/payments", "GET, POST"), ("/v1/clients", "GET, POST")] {
        let request = Request::builder().method("PATCH").uri(path).body(Body::empty()).expect("a request");
        let response = gateway.answer(request).await;
        let allow = response.headers().get("allow").and_then(|allow| allow.to_str().ok()).map(ToOwned::to_owned);
        assert_eq!((response.status(), allow.as_deref()), (StatusCode::METHOD_NOT_ALLOWED, Some(allowed)), "{path}");
    }
}

#[tokio::test]
async fn a_clients_user_sees_an_invoice_when_it_was_sent_and_not_before() {
    let (document, test) = (committed(), world().await);
    let gateway = Gateway::before(&test).await;
    let all = operations(&document);
    let find = |id: &str| all.iter().find(|operation| operation.id() == id).expect("it is an operation");
    let views = ["readInvoice", "listCreditNotes", "readTimeline", "printInvoice"].map(find);
    for operation in views.into_iter().chain([find("claimPayment")]) {
        let (status, body) = ask(&gateway, request(&document, operation, Role::Own)).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{} of a draft: {body}", operation.id());
    }
    assert!(ask(&gateway, request(&document, find("sendInvoice"), Role::Admin)).await.0.is_success());
    for view in views {
        let (status, body) = ask(&gateway, request(&document, view, Role::Own)).await;
        assert_eq!(status, StatusCode::OK, "{}: {body}", view.id());
    }
}
