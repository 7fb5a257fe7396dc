//! Two hundred payments over an unreliable connection: responses that are late, lost or invalid, messages that are
//! delivered twice and in any order. When the faults end, every payment has the state that the gateway has, and nothing
//! was collected twice.

mod proxy;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use chrono::{TimeDelta, Utc};
use futures::StreamExt;
use http::HeaderMap;
use quittance_domain::command::PaymentCommand;
use quittance_domain::id::{ClientId, InvoiceId};
use quittance_gateway::call::Gateways;
use quittance_gateway::handler::Gateway;
use quittance_idempotency::IdempotencyTable;
use quittance_processor::decide::{StaffCommand, StaffCommandResult, decide};
use quittance_processor::settle::{EvidenceInstruction, settle};
use quittance_providers::{ProviderModule, WebhookNotice, by_name};
use quittance_relay::inquire::{InquirableGateways, ask};
use quittance_store::Database;
use serde_json::{Value, json};
use xtask::aws::local_agent;
use xtask::paths::workspace_root;
use xtask::process::Group;
use xtask::python::Venv;
use xtask::{ports, servers, wait};

use self::proxy::{Fault, Message, Proxy};
use super::calls::hand_over;
use super::delivery::{root, table};
use super::gateways::{DECLINED_CARD, GOOD_CARD, card};
use super::{LIMIT, scene};
use crate::database::TestDatabase;
use crate::database::scene::at;
use crate::database::staff::charge_with;
use crate::loopback::Loopback;
use crate::processor::ROLE;

const PAYMENTS: usize = 200;

/// Every fifth card is declined.
const DECLINED_EVERY: usize = 5;

const SECRET: &str = "whsec_chaos";

/// The number of concurrent calls.
const AT_ONCE: usize = 8;

/// A process that ends with the test.
struct Server(Group);

impl Drop for Server {
    fn drop(&mut self) {
        // The test has ended either way.
        let _ = self.0.end();
    }
}

/// A fake Stripe of this test alone, and an unreliable connection to it.
struct Chaos {
    stripe: String,
    _server: Server,
    proxy: Proxy,
    services: Loopback,
    gateway: Gateway,
    test: TestDatabase,
    processor: Database,
    relay: Database,
}

impl Chaos {
    async fn begin() -> Self {
        let stack = &scene().stack;
        let port = ports::any_free().unwrap();
        let venv = Venv::ensure(&workspace_root()).unwrap();
        let server = Server(Group::spawn(&mut servers::localstripe(&venv, port)).unwrap());
        let stripe = format!("http://127.0.0.1:{port}");
        let ready = format!("{stripe}/js.stripe.com/v3/");
        wait::until("the fake Stripe", LIMIT, &[], || Ok(local_agent(LIMIT).get(&ready).call().ok())).unwrap();
        let proxy = Proxy::serve(&stripe);
        let hook = json!({"url": format!("{}/webhooks", proxy.url), "secret": SECRET});
        local_agent(LIMIT).post(format!("{stripe}/_config/webhooks/chaos")).send_json(hook).unwrap();
        let (aws, services) = (root(stack), Loopback::serve());
        let secret = stack.output("StripeApiSecretArn").unwrap().to_owned();
        let urls = HashMap::from([("stripe", proxy.url.clone())]);
        let gateway = Gateway {
            gateways: Gateways::new(&aws, HashMap::from([("stripe", secret)]), urls).unwrap(),
            idempotency: IdempotencyTable::new(&aws, table(stack, "Gateway"), TimeDelta::days(1)),
            payments_queue: services.payments_queue(),
            queues: services.gateways(),
            dead_letters: HashMap::from([("stripe", services.dead_letters())]),
        };
        let test = TestDatabase::migrated().await;
        let (processor, relay) = (test.as_role(ROLE, 4).await, test.as_role("quittance_relay", 1).await);
        Self { stripe, _server: server, proxy, services, gateway, test, processor, relay }
    }

    fn payment_method(&self, number: &str) -> String {
        let request = local_agent(LIMIT).post(format!("{}/v1/payment_methods", self.stripe));
        let mut made = request.header("authorization", "Bearer sk_test_local").send_form(card(number)).unwrap();
        made.body_mut().read_json::<Value>().unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Carries out the commands to the gateway from decisions or the relay, each twice, and passes the results to the
    /// processor.
    async fn call(&self, commands: Vec<String>) {
        let source = "arn:aws:sqs:eu-central-1:000000000000:quittance-stripe-gateway.fifo";
        let calls = futures::stream::iter(commands);
        calls
            .for_each_concurrent(AT_ONCE, async |body| {
                for _ in 0..2 {
                    assert!(!hand_over(&self.gateway, source, "group", &body).await.unwrap(), "{body}");
                }
            })
            .await;
        for (kind, data) in self.services.take_sent() {
            let command: PaymentCommand = serde_json::from_value(json!({"type": kind, "data": data})).unwrap();
            self.receive(vec![command]).await;
        }
    }

    async fn receive(&self, commands: Vec<PaymentCommand>) {
        let correlation_id = "chaos".to_owned();
        let instruction = |command: PaymentCommand| match command {
            PaymentCommand::ClaimPayment(evidence) | PaymentCommand::ConfirmPayment(evidence) => {
                EvidenceInstruction { evidence, correlation_id: correlation_id.clone() }
            }
            other => panic!("the gateway never gives up here: {}", other.type_name()),
        };
        let instructions: Vec<EvidenceInstruction> = commands.into_iter().map(instruction).collect();
        settle(&self.processor, &instructions, at(Utc::now())).await.unwrap();
    }

    /// Processes Stripe's messages like the validator: each three times, the last one first.
    async fn deliver(&self, messages: &[Message]) {
        let stripe = by_name("stripe").and_then(ProviderModule::webhooks).unwrap();
        for batch in [messages; 3].concat().rchunks(10) {
            let mut reported = Vec::new();
            for (signature, body) in batch {
                let headers: HeaderMap =
                    [("stripe-signature".parse().unwrap(), signature.parse().unwrap())].into_iter().collect();
                stripe.verify(&headers, body, &[SECRET.to_owned()], Utc::now()).unwrap();
                for notice in stripe.read(body, None).unwrap() {
                    let WebhookNotice::Evidence(evidence) = notice else { panic!("{notice:?}") };
                    reported.push(PaymentCommand::from_evidence(*evidence));
                }
            }
            self.receive(reported).await;
        }
    }

    /// The inquiries that are due after this much time.
    async fn due(&self, minutes: i64) -> Vec<String> {
        let askable = InquirableGateways { about_payments: vec!["stripe"], for_events: vec![] };
        let deadline = SystemTime::now() + Duration::from_secs(60);
        let later = Utc::now() + TimeDelta::minutes(minutes);
        ask(&self.relay, &askable, &self.services.gateways(), later, deadline).await.unwrap();
        self.services.take_sent();
        sqlx::query_scalar(
            "with asked as (delete from payments.outbox where type = 'QueryPayment' returning body) select body from asked",
        )
        .fetch_all(&self.test.admin)
        .await
        .unwrap()
    }

    /// The number of payment intents of each of our payments, by status.
    fn intents(&self) -> BTreeMap<(String, String), usize> {
        let mut counted = BTreeMap::new();
        let url = format!("{}/v1/payment_intents?limit=1000", self.stripe);
        let mut listed = local_agent(LIMIT).get(url).header("authorization", "Bearer sk_test_local").call().unwrap();
        let listed: Value = listed.body_mut().read_json().unwrap();
        for intent in listed["data"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let key = (text(&intent["metadata"]["payment_id"]), text(&intent["status"]));
            *counted.entry(key).or_default() += 1;
        }
        counted
    }
}

impl Chaos {
    /// Orders a charge of a payment with a card. Returns the command to the gateway.
    async fn command(&self, number: usize, whose: (ClientId, InvoiceId), attempt: usize, method: &str) -> Vec<String> {
        let (name, request) = (format!("stripe:order-{number}"), format!("{number}-{attempt}"));
        let mut decision = charge_with(&name, whose.0, whose.1, "100.00", &request, method);
        if let StaffCommand::Charge(command) = &mut decision.command {
            command.ordered_at = Utc::now();
        }
        let StaffCommandResult::Committed(reported) = decide(&self.processor, &decision, at(Utc::now())).await.unwrap()
        else {
            panic!("it is new")
        };
        reported.commands.into_iter().map(|command| command.body).collect()
    }

    /// Makes inquiries until the faults end, processes all of Stripe's messages, and asserts the number of payments in
    /// each status.
    async fn settle(&self, expected: &[(&str, usize)]) {
        for minutes in [2, 7, 36, 140] {
            self.call(self.due(minutes).await).await;
        }
        let made = || self.intents().into_values().sum::<usize>();
        let all_told = || Ok((self.proxy.messages().len() >= made()).then_some(()));
        wait::until("Stripe's messages", LIMIT, &[], all_told).unwrap();
        self.deliver(&self.proxy.messages()).await;
        let statuses: Vec<(String, i64)> =
            sqlx::query_as("select status, count(*) from payments.payments group by status order by status")
                .fetch_all(&self.test.admin)
                .await
                .unwrap();
        let expected = expected.iter().map(|(status, count)| ((*status).to_owned(), i64::try_from(*count).unwrap()));
        assert_eq!(statuses, expected.collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn two_hundred_payments_over_a_bad_line_are_each_collected_once_those_that_were_declined_at_a_second_attempt() {
    let chaos = Chaos::begin().await;
    let client = chaos.test.client().await;
    let [good, declined] = [GOOD_CARD, DECLINED_CARD].map(|card| chaos.payment_method(card));
    let (mut invoices, mut commands) = (Vec::new(), Vec::new());
    for number in 0..PAYMENTS {
        let invoice = chaos.test.open_invoice(client, "100.00", "EUR").await;
        let method = if number % DECLINED_EVERY == 0 { &declined } else { &good };
        commands.extend(chaos.command(number, (client, invoice), 1, method).await);
        invoices.push(invoice);
    }
    chaos.call(commands.clone()).await;
    let unknown = "select count(*) from payments.payments where status = 'unknown'";
    assert!(chaos.test.count(unknown).await > 0, "the line is bad");
    let messages = chaos.proxy.messages();
    chaos.deliver(&messages[..messages.len() / 2]).await;
    let failed = PAYMENTS / DECLINED_EVERY;
    chaos.settle(&[("confirmed", PAYMENTS - failed), ("failed", failed)]).await;
    let mut again = Vec::new();
    for (number, invoice) in invoices.iter().enumerate().step_by(DECLINED_EVERY) {
        again.extend(chaos.command(number, (client, *invoice), 2, &good).await);
    }
    assert_eq!(again.len(), failed);
    chaos.call(again).await;
    // Everything is replayed.
    chaos.call(commands).await;
    chaos.settle(&[("confirmed", PAYMENTS)]).await;
    assert_outcome(&chaos).await;
}

async fn assert_outcome(chaos: &Chaos) {
    let faults = chaos.proxy.faults();
    for fault in [Fault::FailsBefore, Fault::FailsAfter, Fault::LosesAnswer, Fault::Delays] {
        assert!(faults.get(&fault).is_some_and(|times| *times > 10), "{faults:?}");
    }
    let intents = chaos.intents();
    assert!(intents.values().all(|count| *count == 1), "nothing is collected twice: {intents:?}");
    let succeeded = intents.keys().filter(|(_, status)| status == "succeeded").count();
    assert_eq!((succeeded, intents.len()), (PAYMENTS, PAYMENTS + PAYMENTS / DECLINED_EVERY));
    let paid = "select count(*) from billing.invoices where status = 'paid' and paid_amount = total";
    assert_eq!(chaos.test.count(paid).await, i64::try_from(PAYMENTS).unwrap());
    assert_eq!(chaos.test.open_cases().await, []);
    assert_eq!(chaos.services.take_parked(), []);
    chaos.test.assert_books_hold().await;
}
