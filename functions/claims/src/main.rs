//! Wires the trigger to the runtime.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use quittance_claims::handler::add_claims;
use quittance_lambda::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(add_claims(event.payload)))).await
}
