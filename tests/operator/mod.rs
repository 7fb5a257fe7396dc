//! The on-call tool, on a real PostgreSQL and queues on loopback.

mod choices;
mod deployment;
mod edits;
mod kills;
mod rehearsals;
mod sqs;

use chrono::Utc;
use clap::Parser;
use quittance_domain::command::PaymentCommand;
use quittance_domain::id::InvoiceId;
use quittance_lambda::envelope::CloudEvent;
use quittance_operator::cli::Cli;
use quittance_operator::commands;
use quittance_operator::deployment::{Deployment, DeploymentTables};
use quittance_operator::queues::Queues;
use quittance_operator::report::Report;
use quittance_processor::settle::{EvidenceInstruction, settle};
use uuid::Uuid;

use self::sqs::{STACK, Sqs};
use crate::database::TestDatabase;
use crate::database::scene::{TestEvidence, at, money};

const ROLE: &str = "quittance_operator";
const PAYMENTS: &str = "payments.fifo";
const PARKED: &str = "payments-dead-letter.fifo";

/// A deployment with an engineer who uses the tool.
struct Scene {
    test: TestDatabase,
    sqs: Sqs,
    deployment: Deployment,
}

impl Scene {
    async fn begin() -> Self {
        Self::with(TestDatabase::migrated().await).await
    }

    /// Empty queues and a database.
    async fn with(test: TestDatabase) -> Self {
        let sqs = Sqs::serve();
        let deployment = deployment(&sqs, &test).await;
        Self { test, sqs, deployment }
    }

    /// The engineer starts again, after the previous process was killed.
    async fn restarted(self) -> Self {
        let deployment = deployment(&self.sqs, &self.test).await;
        Self { deployment, ..self }
    }

    /// Runs a command line.
    async fn run(&self, line: &[&str]) -> anyhow::Result<Report> {
        let arguments = ["quittance"].iter().chain(line);
        let cli = Cli::try_parse_from(arguments)?;
        commands::run(&self.deployment, cli.command).await
    }

    /// Parks a capture that failed. Returns the message's id and its body.
    fn park_capture(&self, name: &str, invoice: Option<InvoiceId>, value: &str) -> (String, String) {
        let body = capture(name, invoice, value);
        let group = format!("stripe:{}", name.split('#').next().unwrap());
        (self.sqs.park(PARKED, &group, &body, "retries_exhausted", "the handler panicked"), body)
    }

    /// The processor handles the messages of its queue, in order and one by one.
    async fn process(&self) {
        let processor = self.test.as_role(crate::processor::ROLE, 1).await;
        for (_, body) in self.sqs.lying_in(PAYMENTS) {
            let event = CloudEvent::<PaymentCommand>::parse(&body).unwrap();
            let (PaymentCommand::ConfirmPayment(evidence) | PaymentCommand::ClaimPayment(evidence)) = event.payload
            else {
                panic!("evidence")
            };
            settle(
                &processor,
                &[EvidenceInstruction { evidence, correlation_id: event.correlationid }],
                at(Utc::now()),
            )
            .await
            .unwrap();
        }
    }
}

async fn deployment(sqs: &Sqs, test: &TestDatabase) -> Deployment {
    let aws = sqs.aws();
    Deployment {
        queues: Queues::find(&aws, STACK).await.unwrap(),
        database: test.as_role(ROLE, 2).await,
        tables: DeploymentTables::find(&aws, STACK).await.unwrap(),
        operator: Some("ada".to_owned()),
        identity: "arn:aws:iam::000000000000:user/ada".to_owned(),
    }
}

/// The message of a capture; a suffix after `#` distinguishes several of one payment.
fn capture(name: &str, invoice: Option<InvoiceId>, value: &str) -> String {
    let payment = name.split('#').next().unwrap();
    let mut evidence = TestEvidence::capture(payment, invoice, money(value, "EUR")).evidence;
    evidence.event_id = format!("stripe:evt_{name}");
    evidence.movement = format!("stripe:ch_{name}");
    let group = evidence.transaction_id.to_string();
    let command = PaymentCommand::ConfirmPayment(evidence);
    CloudEvent::new(Uuid::now_v7(), "validator", group, Utc::now(), "c".to_owned(), command).to_json().unwrap()
}
