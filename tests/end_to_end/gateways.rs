//! Gateways end to end: their messages bring money in, our commands send it back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use xtask::aws::local_agent;
use xtask::deploy::ADYEN_HMAC_KEY;
use xtask::sandbox::CannedAnswer;

use super::{Answer, LIMIT, Scene, euros, fresh, issue, scene, send, until};

pub(super) const GOOD_CARD: &str = "4242424242424242";
pub(super) const DECLINED_CARD: &str = "4000000000000341";

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec()
}

/// The form fields of a card for Stripe.
pub(super) const fn card(number: &str) -> [(&str, &str); 5] {
    [
        ("type", "card"),
        ("card[number]", number),
        ("card[exp_month]", "12"),
        ("card[exp_year]", "2030"),
        ("card[cvc]", "123"),
    ]
}

impl Scene {
    pub(super) fn new_invoice(&self) -> String {
        issue(&self.stack, &self.finance, &self.own.id)["id"].as_str().unwrap().to_owned()
    }

    pub(super) fn invoice_status(&self, id: &str) -> Value {
        self.get(&self.finance, &format!("/v1/invoices/{id}")).json()["status"].clone()
    }

    /// A call to the local Stripe, which responds like Stripe.
    fn stripe(&self, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}{path}", self.stack.localstripe_url().unwrap());
        let request = local_agent(LIMIT).post(&url).header("authorization", "Bearer sk_test_local");
        let mut answer = request.send_form(fields.iter().copied()).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap())
    }

    /// Stores a card at Stripe. Returns its id.
    pub(super) fn payment_method(&self, number: &str) -> String {
        let (_, method) = self.stripe("/v1/payment_methods", &card(number));
        method["id"].as_str().unwrap().to_owned()
    }

    /// Pays an invoice with a card at Stripe. Returns our transaction id of the payment.
    fn pay_by_card(&self, invoice: &str, number: &str) -> String {
        let method = self.payment_method(number);
        let (_, intent) = self.stripe(
            "/v1/payment_intents",
            &[("amount", "10000"), ("currency", "eur"), ("payment_method", &method), ("metadata[invoice_id]", invoice)],
        );
        let id = intent["id"].as_str().unwrap();
        self.stripe(&format!("/v1/payment_intents/{id}/confirm"), &[]);
        format!("stripe:{id}")
    }

    fn deliver_signed(&self, provider: &str, header: (&str, &str), body: &str) -> Answer {
        send(&self.stack, "POST", &format!("/webhooks/{provider}"), &[header], body)
    }

    /// The first of GoCardless's signing secrets: another test adds one.
    fn gocardless_secret(&self) -> String {
        let id = self.stack.output("GoCardlessWebhookSecretArn").unwrap();
        let secrets = self.stack.aws().unwrap().secret_get(id).unwrap();
        secrets.split_whitespace().next().unwrap().to_owned()
    }

    fn ask_refund(&self, payment: &str, value: &str) -> String {
        let ask = json!({"amount": euros(value), "reason": "sent back", "reopen": true});
        let answer = self.post(&self.finance, &format!("/v1/payments/{payment}/refunds"), &ask);
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.json()["refund_id"].as_str().unwrap().to_owned()
    }

    fn wait_for_refund(&self, payment: &str, refund: &str, status: &str) {
        until(&format!("refund {refund} to be {status}"), || {
            let payment = self.get(&self.finance, &format!("/v1/payments/{payment}")).json();
            let refunds = payment["refunds"].as_array()?;
            refunds.iter().any(|known| known["id"] == refund && known["status"] == status).then_some(())
        });
    }
}

#[test]
fn a_card_pays_through_stripe_and_a_refund_in_part_goes_back_through_stripe() {
    let scene = scene();
    let invoice = scene.new_invoice();
    let payment = scene.pay_by_card(&invoice, GOOD_CARD);
    scene.wait_for_payment(&payment, "confirmed");
    assert_eq!(scene.invoice_status(&invoice), "paid");
    let refund = scene.ask_refund(&payment, "30.00");
    scene.wait_for_refund(&payment, &refund, "succeeded");
    scene.wait_for_payment(&payment, "partially_refunded");
    assert_eq!(scene.invoice_status(&invoice), "partially_paid");
    let intent = payment.trim_start_matches("stripe:");
    let url = format!("{}/v1/refunds?payment_intent={intent}", scene.stack.localstripe_url().unwrap());
    let request = local_agent(LIMIT).get(&url).header("authorization", "Bearer sk_test_local");
    let made: Value = request.call().unwrap().body_mut().read_json().unwrap();
    let made = made["data"].as_array().unwrap();
    assert_eq!((made.len(), &made[0]["amount"], &made[0]["metadata"]["refund_id"]), (1, &json!(3000), &json!(refund)));
}

#[test]
fn a_declined_card_is_a_failed_payment_and_leaves_the_invoice_open() {
    let scene = scene();
    let invoice = scene.new_invoice();
    scene.wait_for_payment(&scene.pay_by_card(&invoice, DECLINED_CARD), "failed");
    assert_eq!(scene.invoice_status(&invoice), "open");
}

/// An item of Adyen's standard webhook.
fn adyen(psp: &str, reference: &str) -> String {
    let signed = format!("{psp}::LocalMerchant:{reference}:10000:EUR:AUTHORISATION:true");
    let signature = STANDARD.encode(mac(&hex::decode(ADYEN_HMAC_KEY).unwrap(), &signed));
    let item = json!({
        "additionalData": {"hmacSignature": signature}, "amount": {"currency": "EUR", "value": 10_000},
        "eventCode": "AUTHORISATION", "eventDate": "2026-11-02T13:00:00+01:00", "merchantAccountCode": "LocalMerchant",
        "merchantReference": reference, "pspReference": psp, "success": "true",
    });
    json!({"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}).to_string()
}

#[test]
fn adyens_signed_items_pay_and_changed_ones_do_not() {
    let scene = scene();
    let issued = issue(&scene.stack, &scene.finance, &scene.own.id);
    let number = issued["number"].as_str().unwrap();
    let psp = fresh("PSP").replace('-', "");
    let body = adyen(&psp, number);
    let json_type = ("content-type", "application/json");
    let forged = scene.deliver_signed("adyen", json_type, &body.replace("10000", "10001"));
    forged.assert_problem(401, "unauthentic-webhook");
    for _ in 0..2 {
        assert_eq!(scene.deliver_signed("adyen", json_type, &body).status, 200);
    }
    let payment = scene.wait_for_payment(&format!("adyen:{psp}"), "confirmed");
    assert_eq!(payment["allocated"]["value"], "100.00");
}

#[test]
fn a_refund_that_the_gateway_refuses_has_failed_and_its_amount_may_be_refunded_again() {
    let scene = scene();
    let issued = issue(&scene.stack, &scene.finance, &scene.own.id);
    let psp = fresh("PSP").replace('-', "");
    let body = adyen(&psp, issued["number"].as_str().unwrap());
    assert_eq!(scene.deliver_signed("adyen", ("content-type", "application/json"), &body).status, 200);
    let name = format!("adyen:{psp}");
    scene.wait_for_payment(&name, "confirmed");
    let path = format!("/v71/payments/{psp}/refunds");
    let refusal = CannedAnswer { status: 422, body: json!({"status": 422, "errorCode": "167"}) };
    scene.stack.sandbox_answer("adyen", &path, &refusal).unwrap();
    let refused = scene.ask_refund(&name, "100.00");
    scene.wait_for_refund(&name, &refused, "failed");
    let accepted = CannedAnswer { status: 201, body: json!({"status": "received"}) };
    scene.stack.sandbox_answer("adyen", &path, &accepted).unwrap();
    let again = scene.ask_refund(&name, "100.00");
    until("Adyen to be asked again", || {
        let asked = scene.stack.sandbox_asked().unwrap();
        asked.iter().any(|asked| asked.idempotency_key == again).then_some(())
    });
    scene.wait_for_refund(&name, &again, "requested");
    assert_eq!(scene.invoice_status(issued["id"].as_str().unwrap()), "paid");
}

#[test]
fn amounts_missing_in_gocardless_messages_are_inquired_and_refunds_are_made_once() {
    let scene = scene();
    let issued = issue(&scene.stack, &scene.finance, &scene.own.id);
    let id = fresh("PM").replace('-', "");
    let payment = json!({"payments": {
        "id": id, "amount": 10_000, "amount_refunded": 500, "currency": "EUR", "status": "confirmed",
        "metadata": {"invoice_number": issued["number"]},
    }});
    let stack = &scene.stack;
    stack
        .sandbox_answer("gocardless", &format!("/payments/{id}"), &CannedAnswer { status: 200, body: payment })
        .unwrap();
    let made = json!({"refunds": {"id": "RF1"}});
    stack.sandbox_answer("gocardless", "/refunds", &CannedAnswer { status: 201, body: made }).unwrap();
    let none_yet = CannedAnswer { status: 200, body: json!({"refunds": []}) };
    stack.sandbox_answer("gocardless", &format!("/refunds?payment={id}&limit=500"), &none_yet).unwrap();
    let event = json!({
        "id": fresh("EV"), "created_at": "2026-11-02T12:00:00Z", "resource_type": "payments", "action": "confirmed",
        "links": {"payment": id},
    });
    let body = json!({"events": [event]}).to_string();
    let signature = hex::encode(mac(scene.gocardless_secret().as_bytes(), &body));
    assert_eq!(scene.deliver_signed("gocardless", ("webhook-signature", &signature), &body).status, 200);
    let name = format!("gocardless:{id}");
    let payment = scene.wait_for_payment(&name, "confirmed");
    assert_eq!(payment["allocated"]["value"], "100.00");
    let refund = scene.ask_refund(&name, "30.00");
    let asked = until("GoCardless to be asked for the refund", || {
        let asked = stack.sandbox_asked().unwrap();
        asked.into_iter().find(|asked| asked.method == "POST" && asked.idempotency_key == refund)
    });
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(
        (&body["refunds"]["amount"], &body["refunds"]["total_amount_confirmation"]),
        (&json!(3000), &json!(3500))
    );
    scene.wait_for_refund(&name, &refund, "requested");
    let times = stack.sandbox_asked().unwrap().iter().filter(|asked| asked.idempotency_key == refund).count();
    assert_eq!(times, 1);
}

#[test]
fn an_event_of_an_unknown_type_is_kept_with_its_body() {
    let scene = scene();
    let body = json!({"id": fresh("evt"), "type": "payment_intent.teleported", "created": 1, "data": {"object": {}}})
        .to_string();
    let secret = scene.stack.aws().unwrap().secret_get(scene.stack.output("StripeWebhookSecretArn").unwrap()).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let signature = format!("t={now},v1={}", hex::encode(mac(secret.as_bytes(), &format!("{now}.{body}"))));
    assert_eq!(scene.deliver_signed("stripe", ("stripe-signature", &signature), &body).status, 200);
    let queue = scene.stack.output("ValidatorDeadLetterQueueUrl").unwrap();
    until("the event to be kept", || {
        let kept = scene.stack.aws().unwrap().sqs_peek(queue).unwrap();
        kept.iter().any(|message| message["Body"] == body.as_str()).then_some(())
    });
}

#[test]
fn a_new_signing_secret_is_believed_without_a_new_start() {
    let scene = scene();
    let aws = scene.stack.aws().unwrap();
    let id = scene.stack.output("GoCardlessWebhookSecretArn").unwrap();
    let (old, new) = (scene.gocardless_secret(), fresh("secret"));
    let body = json!({"events": []}).to_string();
    let deliver = |secret: &str| {
        let signature = hex::encode(mac(secret.as_bytes(), &body));
        scene.deliver_signed("gocardless", ("webhook-signature", &signature), &body).status
    };
    assert_eq!(deliver(&old), 200);
    assert_eq!(deliver(&new), 401);
    aws.secret_change(id, &format!("{old} {new}")).unwrap();
    // The secret is read again after a signature that does not match, at most once a minute.
    until("the new secret to be believed", || (deliver(&new) == 200).then_some(()));
    assert_eq!(deliver(&old), 200, "the old one is in use too");
}
