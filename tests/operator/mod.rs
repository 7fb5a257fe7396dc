//! The tool of whoever is on call, on a real PostgreSQL and queues on loopback.

mod choices;
mod desk;
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
use crate::database::scene::{Said, at, money};

const ROLE: &str = "quittance_operator";
const PAYMENTS: &str = "payments.fifo";
const PARKED: &str = "payments-dead-letter.fifo";

/// A deployment with an engineer at the desk.
struct Scene {
    test: TestDatabase,
    sqs: Sqs,
    desk: Deployment,
}

impl Scene {
    async fn begin() -> Self {
        Self::with(TestDatabase::migrated().await).await
    }

    /// Empty queues beside a database.
    async fn with(test: TestDatabase) -> Self {
        let sqs = Sqs::serve();
        let desk = desk(&sqs, &test).await;
        Self { test, sqs, desk }
    }

    /// The engineer begins anew, after the process before was killed.
    async fn restarted(self) -> Self {
        let desk = desk(&self.sqs, &self.test).await;
        Self { desk, ..self }
    }

    /// Does what the command line says.
    async fn run(&self, line: &[&str]) -> Result<Report, String> {
        let arguments = ["quittance"].iter().chain(line);
        let cli = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?;
        commands::run(&self.desk, cli.command).await.map_err(|error| format!("{error:#}"))
    }

    /// Parks a capture that failed. Answers the message's id and its body.
    fn park_capture(&self, name: &str, invoice: Option<InvoiceId>, value: &str) -> (String, String) {
        let body = capture(name, invoice, value);
        let group = format!("stripe:{}", name.split('#').next().unwrap());
        (self.sqs.park(PARKED, &group, &body, ("retries_exhausted", "the handler panicked")), body)
    }

    /// The processor handles what lies in its queue, in its order and one by one.
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

async fn desk(sqs: &Sqs, test: &TestDatabase) -> Deployment {
    let aws = sqs.aws();
    Deployment {
        queues: Queues::find(&aws, STACK).await.unwrap(),
        database: test.as_role(ROLE, 2).await,
        tables: DeploymentTables::find(&aws, STACK).await.unwrap(),
        operator: Some("ada".to_owned()),
        identity: "arn:aws:iam::000000000000:user/ada".to_owned(),
    }
}

/// The message of a capture; what stands behind `#` tells several of one payment apart.
fn capture(name: &str, invoice: Option<InvoiceId>, value: &str) -> String {
    let payment = name.split('#').next().unwrap();
    let mut evidence = Said::capture(payment, invoice, money(value, "EUR")).evidence;
    evidence.event_id = format!("stripe:evt_{name}");
    evidence.movement = format!("stripe:ch_{name}");
    let group = evidence.transaction_id.to_string();
    let command = PaymentCommand::ConfirmPayment(evidence);
    CloudEvent::new(Uuid::now_v7(), "validator", group, Utc::now(), "c".to_owned(), command).to_json().unwrap()
}
