//! A client's preferences, set through the API and applied by the stack's own functions.

use serde_json::{Value, json};

use crate::end_to_end::{Client, euros, fresh, issue, made, post_as, scene, send, until};

fn path(client: &str) -> String {
    format!("/v1/clients/{client}/notification-preferences")
}

fn put(token: &str, client: &str, body: &Value) -> crate::end_to_end::Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("idempotency-key", &fresh("key"))];
    send(&scene().stack, "PUT", &path(client), &headers, &body.to_string())
}

#[test]
fn a_client_that_chose_german_and_text_messages_gets_both_and_nothing_else() {
    let scene = scene();
    let address = format!("{}@test.example", fresh("accounts"));
    let details = json!({"name": "Prüf GmbH", "email": address, "address": ["Weg 1"]});
    let client = made(&post_as(&scene.stack, &scene.finance, "/v1/clients", &details), 201);
    let id = client["id"].as_str().unwrap();
    let token = scene.stack.token(&xtask::users::Role::Client(id.to_owned())).unwrap();
    let before = scene.get(&token, &path(id)).json();
    let email = json!({"is_enabled": true, "notices": [], "address": address, "suppressed": null});
    let sms = json!({"is_enabled": false, "notices": [], "number": null});
    assert_eq!(before, json!({"client_id": id, "language": "en", "email": email, "sms": sms}));

    let number = format!("+49151{:08}", uuid::Uuid::new_v4().as_u128() % 100_000_000);
    let wanted = json!({
        "language": "de",
        "email": {"is_enabled": true, "notices": ["invoice.issued"]},
        "sms": {"is_enabled": true, "number": number, "notices": ["credit_note.issued"]},
    });
    let set = put(&token, id, &wanted);
    assert_eq!((set.status, &set.json()["sms"]["number"]), (200, &json!(number)), "{}", set.body);
    assert_eq!(scene.get(&scene.finance, &path(id)).json(), set.json());
    let without = json!({"email": wanted["email"], "sms": wanted["sms"]});
    assert_eq!(put(&token, id, &without).json(), set.json(), "a language that is not named stays");

    let invoice = issue(&scene.stack, &scene.finance, id);
    let (invoice_id, invoice_number) = (invoice["id"].as_str().unwrap(), invoice["number"].as_str().unwrap());
    let aws = scene.stack.aws().unwrap();
    let mut emails = until("the e-mail", || {
        let all = aws.ses_messages().unwrap().into_iter().filter(|email| email.to == [address.clone()]);
        Some(all.collect::<Vec<_>>()).filter(|emails| !emails.is_empty())
    });
    let email = emails.pop().unwrap();
    assert_eq!(email.subject, format!("Rechnung {invoice_number} von Example Services Ltd"));
    assert!(email.body_html.unwrap().contains("<html lang=\"de\">"));
    assert!(email.body_text.unwrap().contains("Guten Tag Prüf GmbH,\n\n"));
    let line = json!({"description": "Rebate", "quantity": 1, "unit_amount": euros("30.00")});
    let note = json!({"reason": "Rebate", "lines": [line]});
    let noted = scene.post(&scene.finance, &format!("/v1/invoices/{invoice_id}/credit-notes"), &note);
    assert_eq!(noted.status, 201, "{}", noted.body);
    let text = until("the text message", || aws.sms_messages(&number).unwrap().pop());
    assert!(
        text.contains(&format!("30,00\u{a0}EUR zur Rechnung {invoice_number} gut. Offen: 70,00\u{a0}EUR.")),
        "{text}"
    );
    let all = aws.ses_messages().unwrap();
    assert_eq!(
        all.iter().filter(|email| email.to == [address.clone()]).count(),
        1,
        "of the credit note it wanted no e-mail"
    );
}

#[test]
fn preferences_that_cannot_be_are_refused_and_another_clients_are_not_found() {
    let scene = scene();
    let Client { id, token, .. } = &scene.own;
    let before = scene.get(token, &path(id)).json();
    for (body, pointers) in [
        (json!({}), vec!["/email", "/sms"]),
        (
            json!({"email": {"is_enabled": "yes"}, "sms": {"is_enabled": true}, "fax": {}}),
            vec!["/email/is_enabled", "/fax", "/sms/number"],
        ),
        (
            json!({
                "language": "xx", "email": {"is_enabled": true, "notices": ["invoice.lost"]},
                "sms": {"is_enabled": true, "number": "0151 12345678"},
            }),
            vec!["/email/notices/0", "/language", "/sms/number"],
        ),
    ] {
        let answer = put(token, id, &body);
        answer.assert_problem(400, "invalid-request");
        assert_eq!(answer.pointers(), pointers, "{}", answer.body);
    }
    assert_eq!(scene.get(token, &path(id)).json(), before);
    let sound = json!({"email": {"is_enabled": false}, "sms": {"is_enabled": false}});
    put(token, &scene.other.id, &sound).assert_problem(404, "not-found");
    scene.get(token, &path(&scene.other.id)).assert_problem(404, "not-found");
}
