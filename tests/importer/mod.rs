//! Files through the importer's step to the processor's transactions, on a real PostgreSQL.

mod by_hand;
mod confirmations;
mod overlaps;
mod returns;
mod rows;
pub(crate) mod statement;
mod statements;

use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, SystemTime};

use chrono::Utc;
use quittance_domain::command::PaymentCommand;
use quittance_domain::id::{ClientId, InvoiceId, UploadId};
use quittance_domain::matching::name_key;
use quittance_domain::upload::{UploadKind, UploadStatus};
use quittance_importer::file::DownloadedFile;
use quittance_importer::import::{ImportEnd, ImportError, import};
use quittance_processor::decide::{StaffInstruction, decide};
use quittance_processor::settle::{EvidenceInstruction, settle};
use quittance_store::Database;
use quittance_store::upload_lines::{self, LineFilter, LineView};
use quittance_store::uploads::{self, Upload};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::database::TestDatabase;
use crate::database::scene::{at, money, noon};
use crate::loopback::Loopback;

/// Finance with a client, an importer and a processor.
struct ImportScene {
    test: TestDatabase,
    services: Loopback,
    importer: Database,
    billing: Database,
    processor: Database,
}

impl ImportScene {
    async fn begin() -> Self {
        let test = TestDatabase::migrated().await;
        let importer = test.as_role("quittance_importer", 2).await;
        let billing = test.as_role("quittance_billing", 2).await;
        let processor = test.as_role("quittance_processor", 2).await;
        Self { test, services: Loopback::serve(), importer, billing, processor }
    }

    async fn client(&self, name: &str) -> ClientId {
        let id = Uuid::now_v7();
        let insert =
            "insert into billing.clients (id, name, name_key, email, address) values ($1, $2, $3, 'a@b.example', '{}')";
        sqlx::query(insert).bind(id).bind(name).bind(name_key(name)).execute(&self.test.admin).await.unwrap();
        ClientId::from_uuid(id)
    }

    /// An open invoice with that number.
    async fn invoice(&self, client: ClientId, number: &str, value: &str) -> InvoiceId {
        let id = Uuid::now_v7();
        let insert =
            "insert into billing.invoices (id, client_id, number, currency, total, status, issued_on, due_on, version)
            values ($1, $2, $3, 'EUR', $4, 'open', '2026-11-01', '2026-12-01', 2)";
        let insert = sqlx::query(insert).bind(id).bind(client.as_uuid()).bind(number).bind(euros(value).amount());
        insert.execute(&self.test.admin).await.unwrap();
        InvoiceId::from_uuid(id)
    }

    /// Announces a file, as billing does.
    async fn announce(&self, kind: UploadKind, client_id: Option<ClientId>, typed: Option<Value>) -> Upload {
        let id = UploadId::from_uuid(Uuid::now_v7());
        let upload = Upload {
            id,
            kind,
            uploaded_by: "user:finance".to_owned(),
            client_id,
            object_key: format!("uploads/{id}"),
            content_type: if typed.is_some() { "image/png" } else { "text/csv" }.to_owned(),
            options: json!({}),
            typed,
            status: UploadStatus::AwaitingFile,
            refusal: None,
            created_at: Utc::now(),
            progress: None,
        };
        let mut transaction = self.billing.begin().await.unwrap();
        uploads::insert(&mut transaction, &upload).await.unwrap();
        transaction.commit().await.unwrap();
        upload
    }

    /// One invocation of the importer's step, with this much time.
    async fn step(&self, upload: &Upload, file: &[u8], time: Duration) -> Result<ImportEnd, ImportError> {
        let known = uploads::find(&self.importer, upload.id, None).await.unwrap().unwrap();
        let mut copied = tempfile::tempfile().unwrap();
        copied.write_all(file).unwrap();
        copied.seek(SeekFrom::Start(0)).unwrap();
        let copied =
            DownloadedFile { file: copied, etag: "etag".to_owned(), digest: hex::encode(Sha256::digest(file)) };
        let deadline = SystemTime::now() + time;
        import(&self.importer, &self.services.payments_queue(), &known, copied, deadline).await
    }

    /// Finance uploads a statement, and its queued lines are settled.
    async fn statement(&self, file: &str) -> Upload {
        let upload = self.announce(UploadKind::BankStatement, None, None).await;
        assert_eq!(self.step(&upload, file.as_bytes(), MINUTES).await.unwrap(), ImportEnd::Finished);
        self.settle().await;
        self.outcome(&upload).await
    }

    /// The processor handles what was queued since the last call.
    async fn settle(&self) -> usize {
        let sent = self.services.take_sent();
        let instructions: Vec<EvidenceInstruction> = sent.iter().map(instruction).collect();
        for batch in instructions.chunks(10) {
            let settled = settle(&self.processor, batch, at(noon())).await.unwrap();
            assert!(settled.conflicting.is_empty(), "one name stands for two contents");
        }
        sent.len()
    }

    async fn decide(&self, decision: &StaffInstruction) {
        decide(&self.processor, decision, at(noon())).await.unwrap();
    }

    async fn outcome(&self, upload: &Upload) -> Upload {
        uploads::find(&self.billing, upload.id, None).await.unwrap().unwrap()
    }

    async fn lines(&self, upload: &Upload) -> Vec<LineView> {
        upload_lines::list(&self.billing, upload.id, LineFilter::default(), 5_000).await.unwrap()
    }

    /// The outcome of each line, in the file's order.
    async fn outcomes(&self, upload: &Upload) -> Vec<String> {
        self.lines(upload).await.iter().map(|view| view.line.decision.outcome.to_string()).collect()
    }

    /// Status and paid amount of an invoice.
    async fn paid(&self, invoice: InvoiceId) -> (String, String) {
        let (status, paid, _) = self.test.invoice(invoice).await;
        (status, paid)
    }
}

/// More time than any test takes.
const MINUTES: Duration = Duration::from_secs(600);

fn instruction((kind, data): &(String, Value)) -> EvidenceInstruction {
    let command: PaymentCommand = serde_json::from_value(json!({"type": kind, "data": data})).unwrap();
    match command {
        PaymentCommand::ClaimPayment(evidence) | PaymentCommand::ConfirmPayment(evidence) => {
            EvidenceInstruction { evidence, correlation_id: "test".to_owned() }
        }
        other => panic!("the importer hands on evidence, not {other:?}"),
    }
}

fn pair(status: &str, paid: &str) -> (String, String) {
    (status.to_owned(), paid.to_owned())
}

fn euros(value: &str) -> quittance_domain::money::Money {
    money(value, "EUR")
}
