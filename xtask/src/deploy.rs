//! Deploys the template to the emulator with the real SAM CLI, if something changed.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    aws::{ROOT_KEY, local_agent},
    functions::Bootstraps,
    process::{Daemon, MARK, clean_command},
    python::Venv,
    say,
    stack::{Database, REGION, Stack},
    template, wait,
};

/// The sender of receipts; its address is reserved for examples.
pub const EMAIL_SENDER: &str = "receipts@quittance.example";
/// The key that Adyen's webhooks are signed with in local stacks.
pub const ADYEN_HMAC_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const ARTIFACT_BUCKET: &str = "quittance-artifacts";
const CALL_LIMIT: Duration = Duration::from_secs(30);
const DEPLOY_LIMIT: Duration = Duration::from_secs(600);

/// The result of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployed {
    /// Nothing has changed since the last deployment.
    Already,
    /// It was deployed.
    Now,
}

/// Deploys if the template, a function or a parameter has changed since the last deployment, and reads the outputs.
///
/// # Errors
/// When SAM or CloudFormation fails; the message has the end of SAM's output.
pub fn deploy(stack: &mut Stack, venv: &Venv, root: &Path, bootstraps: &Bootstraps) -> Result<Deployed> {
    let source = root.join("template.yaml");
    let text = fs::read_to_string(&source).with_context(|| format!("could not read {}", source.display()))?;
    let template = template::localized(&text, &bootstraps.folders)?;
    let parameters = parameters(stack)?;
    let config = root.join("samconfig.toml");
    let fingerprint = fingerprint(&[
        &template,
        &fs::read_to_string(&config).unwrap_or_default(),
        &bootstraps.fingerprint,
        &parameters.join("\n"),
    ]);
    if stack.deployed.as_deref() == Some(&fingerprint) {
        return Ok(Deployed::Already);
    }
    let log = stack.log("sam-deploy");
    say::step(&format!("deploying the template with sam (its output goes to {})", log.display()));
    let local = stack.dir.join("template.yaml");
    fs::write(&local, template).with_context(|| format!("could not write {}", local.display()))?;
    let aws = stack.aws()?;
    aws.s3_create_bucket(ARTIFACT_BUCKET)?;
    // Until this deployment is complete, the stack does not count as deployed.
    stack.deployed = None;
    stack.save()?;
    let mut sam = sam_deploy(stack, venv, &local, &config)?;
    sam.arg("--parameter-overrides").args(parameters);
    let watched: Vec<&Daemon> = ["emulator", "postgres"].iter().filter_map(|name| stack.daemons.get(*name)).collect();
    wait::run_logged("sam deploy", &mut sam, &log, DEPLOY_LIMIT, &watched)?;
    stack.outputs = aws.stack_outputs(&stack.cloudformation_name())?;
    for topic in stack.outputs.values().filter(|output| output.starts_with("arn:aws:sns:") && output.ends_with(".fifo"))
    {
        // The emulator's CloudFormation omits a topic's FifoTopic: messages would lose their groups.
        let attribute = [("TopicArn", topic.as_str()), ("AttributeName", "FifoTopic"), ("AttributeValue", "true")];
        aws.query_call("sns", "SetTopicAttributes", &attribute)?;
    }
    aws.ses_verify(EMAIL_SENDER)?;
    connect_gateways(stack)?;
    stack.deployed = Some(fingerprint);
    stack.save()?;
    Ok(Deployed::Now)
}

/// What an operator does after deploying: stores the gateways' credentials and Adyen's key in its own format, and
/// registers the webhook URL at Stripe.
fn connect_gateways(stack: &Stack) -> Result<()> {
    let aws = stack.aws()?;
    let access = json!({"key": "sk_test_local", "account": "LocalMerchant"}).to_string();
    for provider in ["Stripe", "Adyen", "GoCardless"] {
        aws.secret_change(stack.output(&format!("{provider}ApiSecretArn"))?, &access)?;
    }
    aws.secret_change(stack.output("AdyenWebhookSecretArn")?, ADYEN_HMAC_KEY)?;
    register_webhook_at_stripe(stack)
}

/// Registers the webhook URL at the fake Stripe, which forgets it when it ends.
///
/// # Errors
/// When it does not respond.
pub fn register_webhook_at_stripe(stack: &Stack) -> Result<()> {
    let aws = stack.aws()?;
    let secret = aws.secret_get(stack.output("StripeWebhookSecretArn")?)?;
    let url = format!("{}/_config/webhooks/quittance", stack.localstripe_url()?);
    let webhook = json!({"url": format!("{}/webhooks/stripe", stack.api_url()?), "secret": secret});
    local_agent(CALL_LIMIT).post(&url).send_json(webhook).with_context(|| format!("could not reach {url}"))?;
    Ok(())
}

/// The template's parameters as `Key=Value`. The database's superuser is passed as a secret, as in AWS.
fn parameters(stack: &Stack) -> Result<Vec<String>> {
    let Database { access, name, .. } = stack.database.as_ref().context("there is no database")?;
    let secret = json!({ "username": access.user, "password": access.password }).to_string();
    let secret_name = format!("{}/database-admin", stack.cloudformation_name());
    let secret_arn = stack.aws()?.secret_put(&secret_name, &secret)?;
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    Ok([
        ("Stage", "local"),
        ("Architecture", architecture),
        ("DatabaseHost", &access.host),
        ("DatabasePort", &access.port.to_string()),
        ("DatabaseName", name),
        ("DatabaseTls", "disable"),
        ("DatabaseAdminSecretArn", &secret_arn),
        ("StripeApiUrl", &stack.localstripe_url()?),
        ("AdyenApiUrl", &stack.sandbox_url("adyen")?),
        ("GoCardlessApiUrl", &stack.sandbox_url("gocardless")?),
        ("EmailSender", EMAIL_SENDER),
    ]
    .iter()
    .map(|(key, value)| format!("{key}={value}"))
    .collect())
}

fn sam_deploy(stack: &Stack, venv: &Venv, template: &Path, config: &Path) -> Result<Command> {
    let mut command = clean_command(&venv.python());
    command
        .args(["-m", "samcli", "deploy", "--template-file"])
        .arg(template)
        .args(["--stack-name", &stack.cloudformation_name(), "--region", REGION])
        .args(["--no-resolve-s3", "--s3-bucket", ARTIFACT_BUCKET, "--s3-prefix", &stack.name])
        .args(["--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-fail-on-empty-changeset"])
        .arg("--no-progressbar")
        .current_dir(&stack.dir)
        // So that `down` also ends it, if this program is killed in the meantime.
        .env(MARK, &stack.dir)
        .env("AWS_ENDPOINT_URL", stack.emulator_url()?)
        .env("AWS_ACCESS_KEY_ID", ROOT_KEY)
        .env("AWS_SECRET_ACCESS_KEY", ROOT_KEY)
        .env("AWS_DEFAULT_REGION", REGION)
        // The user's own AWS configuration is neither used nor changed.
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("__SAM_CLI_APP_DIR", stack.dir.join("tmp/sam"))
        .env("SAM_CLI_TELEMETRY", "0")
        .env("SAM_CLI_POLL_DELAY", "0.5");
    if config.is_file() {
        command.arg("--config-file").arg(config).args(["--config-env", "local"]);
    }
    Ok(command)
}

fn fingerprint(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        // The length prevents two parts from being read as one.
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_any_part_is_a_change() {
        let known = fingerprint(&["template", "config", "functions", "parameters"]);
        assert_eq!(known, fingerprint(&["template", "config", "functions", "parameters"]));
        assert_ne!(known, fingerprint(&["template", "config", "functions", "parameter2"]));
        assert_ne!(known, fingerprint(&["templatec", "onfig", "functions", "parameters"]));
    }
}
