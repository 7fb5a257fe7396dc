//! `/v1/clients`: found, edited and deleted without losing anything.

use quittance_domain::id::ClientId;
use quittance_lambda::caller::CLIENT_ID_CLAIM;
use serde_json::{Value, json};

use super::gateway::Gateway;
use super::world::{Role, clients_only, world};
use crate::database::TestDatabase;

async fn create(gateway: &Gateway, name: &str, email: &str, tax_id: Value) -> Value {
    let body = json!({"name": name, "email": email, "address": ["Weg 1"], "tax_id": tax_id});
    let (status, _, client) = gateway.call(Role::Finance, "POST /v1/clients", &[], &body).await;
    assert_eq!(status, 201, "{client}");
    client
}

async fn names(gateway: &Gateway, query: &str) -> Vec<String> {
    let (status, _, page) = gateway.call(Role::Oncall, &format!("GET /v1/clients?{query}"), &[], &Value::Null).await;
    assert_eq!(status, 200, "{query}: {page}");
    let clients = page["clients"].as_array().unwrap();
    clients.iter().map(|client| client["name"].as_str().unwrap().to_owned()).collect()
}

fn path(client: &Value) -> String {
    format!("/v1/clients/{}", client["id"].as_str().unwrap())
}

#[tokio::test]
async fn clients_are_found_by_the_beginnings_of_words_and_by_filters() {
    let test = TestDatabase::migrated().await;
    let gateway = Gateway::before(&test).await;
    create(&gateway, "Nordlicht Handels-GmbH", "accounts@nordlicht.example", json!("DE123456789")).await;
    create(&gateway, "O'Brien & Sons", "office@obrien.example", Value::Null).await;
    create(&gateway, "Müller Norden", "Post@Mueller.example", json!("ATU12345678")).await;
    for (query, expected) in [
        ("q=nord", &["Nordlicht Handels-GmbH", "Müller Norden"] as &[&str]),
        ("q=nord%20han", &["Nordlicht Handels-GmbH"]),
        ("q=NORDLICHT", &["Nordlicht Handels-GmbH"]),
        ("q=accounts%40nordl", &["Nordlicht Handels-GmbH"]),
        ("q=m%C3%BCl", &["Müller Norden"]),
        ("q=brien", &["O'Brien & Sons"]),
        ("q=o%27b%26", &["O'Brien & Sons"]),
        ("q=de123", &["Nordlicht Handels-GmbH"]),
        ("q=icht", &[]),
        ("email=post%40mueller.example", &["Müller Norden"]),
        ("sort=name", &["Müller Norden", "Nordlicht Handels-GmbH", "O'Brien & Sons"]),
        ("sort=-created_at", &["Müller Norden", "O'Brien & Sons", "Nordlicht Handels-GmbH"]),
        ("status=deleted", &[]),
        ("status=all&q=nord&email=office%40obrien.example", &[]),
    ] {
        assert_eq!(names(&gateway, query).await, expected, "{query}");
    }
    let wrong = "GET /v1/clients?sort=age&status=gone&colour=red&q=%27%3A%2A%20%7C%20%28";
    let (status, _, refused) = gateway.call(Role::Finance, wrong, &[], &Value::Null).await;
    assert_eq!((status, refused["errors"].as_array().map(Vec::len)), (400, Some(4)), "{refused}");
}

#[tokio::test]
async fn a_clients_user_lists_and_reads_that_client_only() {
    let test = clients_only().await;
    let gateway = Gateway::before(&test).await;
    for query in ["", "?q=n", "?email=a%40b.example", "?sort=name", "?status=all&sort=-created_at"] {
        for role in [Role::Own, Role::Other] {
            let (status, _, page) = gateway.call(role, &format!("GET /v1/clients{query}"), &[], &Value::Null).await;
            let own = role.claims()[CLIENT_ID_CLAIM].clone();
            let ids: Vec<&Value> = page["clients"].as_array().unwrap().iter().map(|client| &client["id"]).collect();
            assert_eq!((status, ids), (200, vec![&own]), "{query} as {role:?}");
        }
    }
    let foreign = format!("GET /v1/clients?sort=name&cursor={}", ClientId::EXAMPLE);
    let (_, _, page) = gateway.call(Role::Other, &foreign, &[], &Value::Null).await;
    assert_eq!(page["clients"], json!([]), "another client's id as a cursor says nothing");
}

#[tokio::test]
async fn the_pages_of_every_order_have_each_client_once_and_in_its_place() {
    let test = TestDatabase::migrated().await;
    let gateway = Gateway::before(&test).await;
    for number in 0..7 {
        // Two of each name.
        create(&gateway, &format!("Client {}", number / 2), &format!("{number}@client.example"), Value::Null).await;
    }
    let email = |number: usize| format!("{number}@client.example");
    let (first_to_last, last_to_first) = ((0..7).map(email).collect::<Vec<_>>(), (0..7).rev().map(email).collect());
    // Of two with one name, the older comes first.
    for (sort, expected) in [("created_at", &first_to_last), ("-created_at", &last_to_first), ("name", &first_to_last)]
    {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let request = format!("GET /v1/clients?sort={sort}&limit=2{cursor}");
            let (_, _, page) = gateway.call(Role::Finance, &request, &[], &Value::Null).await;
            let clients = page["clients"].as_array().unwrap().iter();
            seen.extend(clients.map(|client| client["email"].as_str().unwrap().to_owned()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(&seen, expected, "{sort}");
    }
}

#[tokio::test]
async fn an_edit_keeps_what_it_leaves_out_and_a_stale_one_is_refused() {
    let test = TestDatabase::migrated().await;
    let gateway = Gateway::before(&test).await;
    let client = create(&gateway, "Nordlicht", "a@nordlicht.example", json!("DE1")).await;
    let change = format!("PATCH {}", path(&client));
    let tag = |headers: &http::HeaderMap| headers["etag"].to_str().unwrap().to_owned();

    let (_, headers, read) = gateway.call(Role::Oncall, &format!("GET {}", path(&client)), &[], &Value::Null).await;
    assert_eq!((tag(&headers).as_str(), &read), ("\"1\"", &client));
    let headers = [("if-match", "\"1\""), ("idempotency-key", "one")];
    let body = json!({"name": "Nordlicht AG", "tax_id": null});
    let (status, answered, changed) = gateway.call(Role::Finance, &change, &headers, &body).await;
    assert_eq!((status, tag(&answered).as_str()), (200, "\"2\""), "{changed}");
    assert_eq!((&changed["name"], &changed["tax_id"]), (&json!("Nordlicht AG"), &Value::Null));
    assert_eq!((&changed["email"], &changed["address"]), (&client["email"], &client["address"]));
    let again = gateway.call(Role::Finance, &change, &headers, &body).await;
    assert_eq!((again.0, tag(&again.1).as_str(), &again.2), (200, "\"2\"", &changed), "the first response again");

    for stale in ["\"1\"", "W/\"2\""] {
        let (status, _, refused) = gateway.call(Role::Finance, &change, &[("if-match", stale)], &body).await;
        assert_eq!((status, refused["title"].as_str()), (412, Some("The resource has changed")), "{stale}");
    }
    for (body, pointers) in
        [(json!({"name": null, "email": "x", "colour": 1}), vec!["/colour", "/email", "/name"]), (json!([]), vec![""])]
    {
        let (status, _, refused) = gateway.call(Role::Finance, &change, &[], &body).await;
        let errors = refused["errors"].as_array().unwrap();
        let mut found: Vec<&str> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
        found.sort_unstable();
        assert_eq!((status, found), (400, pointers), "{refused}");
    }
    let (status, headers, unchanged) =
        gateway.call(Role::Finance, &change, &[], &json!({"name": "Nordlicht AG"})).await;
    assert_eq!((status, tag(&headers).as_str(), &unchanged), (200, "\"2\"", &changed), "nothing has changed");

    let audited =
        "select string_agg(before::text || after::text, ' ') from audit.records where action = 'client.changed'";
    let audited: String = sqlx::query_scalar(audited).fetch_one(&test.admin).await.unwrap();
    assert!(audited.contains("tax_id") && !audited.contains("Nordlicht"), "{audited}");
}

#[tokio::test]
async fn no_two_active_clients_have_one_email_address() {
    let test = TestDatabase::migrated().await;
    let gateway = Gateway::before(&test).await;
    let first = create(&gateway, "First", "Office@Client.example", Value::Null).await;
    let second = create(&gateway, "Second", "other@client.example", Value::Null).await;
    let taken = json!({"name": "Third", "email": "office@client.example", "address": ["Weg 1"]});
    let (status, _, refused) = gateway.call(Role::Finance, "POST /v1/clients", &[], &taken).await;
    assert_eq!(status, 409, "{refused}");
    let body = json!({"email": "OFFICE@client.example"});
    let (status, _, refused) = gateway.call(Role::Finance, &format!("PATCH {}", path(&second)), &[], &body).await;
    assert_eq!(status, 409, "{refused}");
    let (status, _, kept) = gateway.call(Role::Finance, &format!("PATCH {}", path(&first)), &[], &body).await;
    assert_eq!((status, &kept["email"]), (200, &json!("OFFICE@client.example")), "its own, spelt otherwise");
    let (status, _, gone) = gateway.call(Role::Finance, &format!("DELETE {}", path(&first)), &[], &Value::Null).await;
    assert!(status == 200 && gone["deleted_at"].is_string(), "{gone}");
    create(&gateway, "Third", "office@client.example", Value::Null).await;
}

#[tokio::test]
async fn of_two_edits_at_once_to_one_email_address_the_second_is_a_conflict() {
    let test = TestDatabase::migrated().await;
    let gateway = Gateway::before(&test).await;
    let first = create(&gateway, "First", "1@client.example", Value::Null).await;
    let second = create(&gateway, "Second", "2@client.example", Value::Null).await;
    let mut other = test.admin.begin().await.unwrap();
    let change =
        "update billing.clients set email = 'one@client.example', email_key = 'one@client.example' where name = $1";
    sqlx::query(change).bind(first["name"].as_str()).execute(&mut *other).await.unwrap();
    let request = format!("PATCH {}", path(&second));
    let editing = tokio::spawn(async move {
        gateway.call(Role::Finance, &request, &[], &json!({"email": "one@client.example"})).await.0
    });
    test.until_waiting(1).await;
    other.commit().await.unwrap();
    assert_eq!(editing.await.unwrap(), 409);
}

#[tokio::test]
async fn a_client_that_owes_something_or_has_credit_stays() {
    let test = world().await;
    let gateway = Gateway::before(&test).await;
    let delete = format!("DELETE /v1/clients/{}", ClientId::EXAMPLE);
    let (status, _, refused) = gateway.call(Role::Admin, &delete, &[], &Value::Null).await;
    assert_eq!(status, 409);
    assert!(refused["detail"].as_str().unwrap().contains("has credit"), "{refused}");
    let open = test.open_invoice(ClientId::EXAMPLE.parse().unwrap(), "10.00", "EUR").await;
    let (status, _, refused) = gateway.call(Role::Admin, &delete, &[], &Value::Null).await;
    let number: String = sqlx::query_scalar("select number from billing.invoices where id = $1")
        .bind(open.as_uuid())
        .fetch_one(&test.admin)
        .await
        .unwrap();
    assert!(status == 409 && refused["detail"].as_str().unwrap().contains(&number), "{refused}");
}

#[tokio::test]
async fn a_deleted_client_stays_readable_and_gets_no_new_invoices() {
    let test = clients_only().await;
    let gateway = Gateway::before(&test).await;
    let invoice = json!({
        "client_id": ClientId::EXAMPLE, "currency": "EUR", "due_on": "2026-12-31",
        "lines": [{"description": "a", "quantity": 1, "unit_amount": {"value": "1.00", "currency": "EUR"}}],
    });
    let (_, _, draft) = gateway.call(Role::Finance, "POST /v1/invoices", &[], &invoice).await;
    let this = format!("/v1/clients/{}", ClientId::EXAMPLE);
    let (status, _, deleted) = gateway.call(Role::Finance, &format!("DELETE {this}"), &[], &Value::Null).await;
    assert_eq!(status, 200, "{deleted}");
    let (status, _, read) = gateway.call(Role::Own, &format!("GET {this}"), &[], &Value::Null).await;
    assert_eq!((status, &read), (200, &deleted));
    assert!(names(&gateway, "status=active").await.len() == 1 && names(&gateway, "status=all").await.len() == 2);
    let (status, _, refused) = gateway.call(Role::Finance, "POST /v1/invoices", &[], &invoice).await;
    assert_eq!(status, 404, "{refused}");
    let send = format!("POST /v1/invoices/{}/send", draft["id"].as_str().unwrap());
    let (status, _, refused) = gateway.call(Role::Finance, &send, &[], &Value::Null).await;
    assert_eq!(status, 409, "{refused}");
    for request in [format!("PATCH {this}"), format!("DELETE {this}")] {
        let (status, _, refused) = gateway.call(Role::Finance, &request, &[], &json!({})).await;
        assert!(status == 409 && refused["detail"].as_str().unwrap().contains("is deleted"), "{request}: {refused}");
    }
}

#[tokio::test]
async fn a_retry_of_an_operation_that_takes_no_body_is_the_same_request_whatever_it_sends() {
    let test = clients_only().await;
    let gateway = Gateway::before(&test).await;
    let delete = format!("DELETE /v1/clients/{}", ClientId::EXAMPLE);
    let key = [("idempotency-key", "one")];
    let first = gateway.call(Role::Finance, &delete, &key, &Value::Null).await;
    let again = gateway.call(Role::Finance, &delete, &key, &json!({"reason": "gone"})).await;
    assert_eq!((200, &first.2), (again.0, &again.2));
}
