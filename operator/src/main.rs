//! `quittance <command>`: reads the command line and the settings; the work is done in the library.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use quittance_lambda::aws::{Retries, config};
use quittance_lambda::settings::Settings;
use quittance_operator::cli::Cli;
use quittance_operator::commands::run;
use quittance_operator::deployment::{Deployment, DeploymentTables, identity};
use quittance_operator::queues::Queues;
use quittance_operator::report::Report;
use quittance_store::{Database, DatabaseSettings};

/// The tool's database role.
const ROLE: &str = "quittance_operator";

/// The command failed, or lacked something.
const FAILED: u8 = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let as_json = cli.json;
    match answer(cli).await {
        Ok(report) => {
            match (as_json, report.json.is_null(), report.text.is_empty()) {
                (true, false, _) => println!("{}", report.json),
                (_, _, false) => println!("{}", report.print()),
                _ => {}
            }
            if report.is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("quittance: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

async fn answer(cli: Cli) -> Result<Report> {
    let mut settings = Settings::from_environment();
    let database = settings.group(|settings| {
        DatabaseSettings::read(|name| if name == "DATABASE_ROLE" { ROLE.to_owned() } else { settings.required(name) })
    });
    let database = settings.finish_with(database).context("`quittance --help` lists the settings that it needs")?;
    let aws = config(Retries::Sdk).await;
    let (queues, tables, identity) =
        tokio::try_join!(Queues::find(&aws, &cli.stack), DeploymentTables::find(&aws, &cli.stack), identity(&aws))?;
    let deployment =
        Deployment { queues, tables, database: Database::new(database, &aws), operator: cli.operator, identity };
    run(&deployment, cli.command).await
}
