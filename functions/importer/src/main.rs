//! Wires the importer to its settings and clients.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use quittance_importer::config::Config;
use quittance_importer::handler::Importer;
use quittance_lambda::aws::{self, Retries};
use quittance_lambda::command_queue::CommandQueue;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::settings::Settings;
use quittance_lambda::telemetry;
use quittance_store::Database;

/// A million lines are made of small texts: the C library's allocator took a third of the importer's own work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let config = Config::read(Settings::from_environment())?;
    let aws = aws::config(Retries::Queue).await;
    let importer = Importer {
        database: Database::new(config.database, &aws),
        s3: aws::s3(&aws),
        payments_queue: CommandQueue::new(&aws, config.payments_queue_url),
        uploads_queue: CommandQueue::new(&aws, config.uploads_queue_url),
        dead_letters: DeadLetterQueue::new(&aws, config.dead_letter_queue_url),
    };
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(importer.handle(event).await?))).await
}
