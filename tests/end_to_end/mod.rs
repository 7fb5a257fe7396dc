//! The whole flow on the local stack, with the functions' IAM policies enforced: driven over HTTP, and inspected from
//! outside.

mod bad_input;
mod books;
mod calls;
mod chaos;
mod charges;
mod credit_notes;
mod decisions;
mod delivery;
mod demonstration;
mod endpoints;
mod files;
mod gateways;
mod idempotency;
mod ledger;
mod notifications;
mod once;
mod operator;
mod pictures;
mod poison;
mod prefix;
mod readme;
mod receipts;
mod request_guard;
mod statements;
mod trace;
mod walls;
mod webhooks;

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::{HeaderMap, Request};
use uuid::Uuid;
use xtask::aws::local_agent;
use xtask::stack::Stack;
use xtask::users::Role;
use xtask::wait;

/// The time limit of everything here: far less than the 180 s after which a queue redelivers a message, so that an
/// effect within the limit does not come from a second delivery.
const LIMIT: Duration = Duration::from_secs(90);

/// A stack, its callers, and two clients with an invoice each.
struct Scene {
    stack: Stack,
    finance: String,
    bff: String,
    gateway: String,
    own: Client,
    other: Client,
}

/// A client, its user's token and an open invoice over 100.00 EUR.
struct Client {
    id: String,
    token: String,
    invoice: String,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.body))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that it is the problem with that status and code.
    #[track_caller]
    fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json()["type"], format!("urn:quittance:problem:{code}"), "{}", self.body);
    }

    /// The pointers of all problems with the request, sorted.
    fn pointers(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        let mut pointers: Vec<String> =
            errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect();
        pointers.sort();
        pointers
    }
}

/// The scene that all tests of this process share.
fn scene() -> &'static Scene {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    SCENE.get_or_init(|| {
        let stack = Stack::from_environment().unwrap_or_else(|error| {
            panic!("this test needs a local stack: run `cargo xtask test`, which brings one up ({error:#})")
        });
        let token = |role: &Role| stack.token(role).unwrap();
        let (finance, bff, gateway) = (token(&Role::Finance), token(&Role::Bff), token(&Role::Gateway));
        let (own, other) = (Client::make(&stack, &finance), Client::make(&stack, &finance));
        Scene { finance, bff, gateway, own, other, stack }
    })
}

/// A name that was not used in any other run.
fn fresh(prefix: &str) -> String {
    format!("{prefix}-{}", Uuid::now_v7().simple())
}

fn send(stack: &Stack, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(format!("{}{path}", stack.api_url().unwrap()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answered = local_agent(LIMIT).run(request.body(body.as_bytes().to_vec()).unwrap());
    let (parts, mut body) = answered.unwrap_or_else(|error| panic!("{method} {path}: {error}")).into_parts();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.read_to_string().unwrap() }
}

fn post_as(stack: &Stack, token: &str, path: &str, body: &Value) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("idempotency-key", &fresh("key"))];
    send(stack, "POST", path, &headers, &body.to_string())
}

fn made(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.body);
    answer.json()
}

impl Client {
    fn make(stack: &Stack, finance: &str) -> Self {
        let email = format!("{}@test.example", fresh("accounts"));
        let details = json!({"name": "Test GmbH", "email": email, "address": ["Weg 1"]});
        let client = made(&post_as(stack, finance, "/v1/clients", &details), 201);
        let id = client["id"].as_str().unwrap().to_owned();
        let token = stack.token(&Role::Client(id.clone())).unwrap();
        let invoice = issue(stack, finance, &id);
        Self { invoice: invoice["id"].as_str().unwrap().to_owned(), id, token }
    }
}

/// Issues an invoice over 100.00 EUR.
fn issue(stack: &Stack, finance: &str, client: &str) -> Value {
    let line = json!({"description": "Work", "quantity": 2, "unit_amount": euros("50.00")});
    let draft = json!({"client_id": client, "currency": "EUR", "due_on": "2099-12-31", "lines": [line]});
    let draft = made(&post_as(stack, finance, "/v1/invoices", &draft), 201);
    let path = format!("/v1/invoices/{}/send", draft["id"].as_str().unwrap());
    made(&post_as(stack, finance, &path, &json!({})), 200)
}

fn euros(value: &str) -> Value {
    json!({"value": value, "currency": "EUR"})
}

impl Scene {
    fn get(&self, token: &str, path: &str) -> Answer {
        send(&self.stack, "GET", path, &[("authorization", &format!("Bearer {token}"))], "")
    }

    /// Posts a raw body, with a key of its own.
    fn post_text(&self, token: &str, path: &str, body: &str) -> Answer {
        self.post_keyed(token, path, &fresh("key"), body)
    }

    fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.post_text(token, path, &body.to_string())
    }

    fn post_keyed(&self, token: &str, path: &str, key: &str, body: &str) -> Answer {
        let authorization = format!("Bearer {token}");
        send(&self.stack, "POST", path, &[("authorization", &authorization), ("idempotency-key", key)], body)
    }

    /// A claim about an invoice of the client, which tests then modify.
    fn claim(&self, reference: &str) -> Value {
        json!({"transaction_id": reference, "provider": "manual", "invoice_id": self.own.invoice, "amount": euros("100.00")})
    }

    /// The number that a query with one text parameter returns.
    fn count(&self, query: &str, parameter: &str) -> i64 {
        let database = self.stack.database.as_ref().unwrap();
        let mut client = database.access.connect(&database.name).unwrap();
        client.query_one(query, &[&parameter]).unwrap().get(0)
    }

    /// The number of facts of payments whose name contains this text.
    fn facts_of(&self, part: &str) -> i64 {
        const FACTS: &str = "select count(*) from payments.facts join payments.payments on payments.id = payment_id
            where position($1 in transaction_id) > 0";
        self.count(FACTS, part)
    }

    /// Waits until finance sees a payment with that status, and returns it.
    fn wait_for_payment(&self, transaction_id: &str, status: &str) -> Value {
        until(&format!("payment {transaction_id} to be {status}"), || {
            let answer = self.get(&self.finance, &format!("/v1/payments/{transaction_id}"));
            (answer.status == 200 && answer.json()["status"] == status).then(|| answer.json())
        })
    }
}

/// Waits until `probe` returns something.
fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    wait::until(what, LIMIT, &[], || Ok(probe())).unwrap()
}
