//! A drill for on-call staff, on a local stack: the database is taken away, a bad release turns messages into poison, a
//! gateway dies, an endpoint of the BFF hangs. Each part explains what is broken, which alarms that raises and what is
//! done about it; at the end everything must be as if nothing had happened.

mod alarms;
mod calm;
mod endpoint;
mod gateway;
mod measure;
mod outage;
mod release;
mod tool;
mod transcript;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::Utc;
use clap::Args;
use serde_json::{Value, json};

use crate::drill::alarms::{Alarm, Condition};
use crate::drill::measure::Sample;
use crate::drill::tool::{Ran, Tool};
use crate::drill::transcript::Transcript;
use crate::play::api::Api;
use crate::play::check::{self, Check};
use crate::play::entry_points::EntryPoints;
use crate::play::scene::Scene;
use crate::python::Venv;
use crate::servers::{self, ForcedPorts};
use crate::stack::Stack;
use crate::{deploy, paths, say, wait};

/// The visibility timeout of the payments queue during the drill: as long as the processor's timeout. In AWS it is 180
/// s, so three receives take nine minutes.
const BACK_AFTER_SECONDS: &str = "30";

/// The time limit of each wait.
const LIMIT: Duration = Duration::from_secs(300);

/// The options of a drill.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The stack's name.
    #[arg(long, default_value = "drill")]
    pub name: String,
    /// For how many seconds the database is unavailable.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(10..=600))]
    pub seconds: u64,
    /// Print a summary as JSON, and the transcript to standard error.
    #[arg(long)]
    pub json: bool,
}

/// The result of a drill.
#[derive(Debug)]
pub struct Outcome {
    /// The conditions that had to hold.
    pub checks: Vec<Check>,
    /// The alarms of each part.
    parts: Vec<Value>,
    /// The path of the transcript.
    pub transcript: PathBuf,
    took: Duration,
}

impl Outcome {
    /// Whether all conditions hold.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.holds)
    }

    /// The summary, for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let checks =
            self.checks.iter().map(|check| json!({"rule": check.rule, "holds": check.holds, "seen": check.seen}));
        json!({
            "holds": self.holds(), "seconds": self.took.as_secs(), "parts": self.parts,
            "checks": checks.collect::<Vec<_>>(), "transcript": self.transcript,
        })
    }
}

struct Drill {
    stack: Stack,
    venv: Venv,
    api: Api,
    scene: Scene,
    tool: Tool,
    alarms: Vec<Alarm>,
    transcript: Transcript,
    checks: Vec<Check>,
    parts: Vec<Value>,
    /// The metrics that AWS would have recorded for the drill's requests.
    answers: Vec<Sample>,
}

/// Runs the drill on a running stack that has its own PostgreSQL. The transcript is in `target/drill/transcript.md`.
///
/// # Errors
/// When the stack does not respond, or something does not finish in time; the transcript shows how far the drill got. A
/// condition that does not hold is not an error but a failed [`Check`] in the outcome.
pub fn run(stack: Stack, options: &Options) -> Result<Outcome> {
    let begin = Instant::now();
    stack.data_dir().context("the drill stops PostgreSQL, but this stack uses an external server")?;
    let path = paths::workspace_root().join("target/drill/transcript.md");
    let transcript = Transcript::begin(&path, options.json)?;
    let mut drill = Drill::begin(stack, transcript)?;
    let before = drill.visibility()?;
    drill.set_visibility(BACK_AFTER_SECONDS)?;
    if let Err(error) = drill.play(options.seconds) {
        drill.narrate(&format!("**the drill was aborted**: {error:#}"))?;
        drill.start_again()?;
        drill.mend_the_release()?;
        drill.set_visibility(&before)?;
        return Err(error);
    }
    drill.set_visibility(&before)?;
    let outcome = Outcome { checks: drill.checks, parts: drill.parts, transcript: path, took: begin.elapsed() };
    let broken = outcome.checks.iter().filter(|check| !check.holds).count();
    drill.transcript.part(&if broken == 0 {
        format!("All conditions hold, after {}", say::seconds(outcome.took))
    } else {
        format!("{broken} of {} conditions do not hold", outcome.checks.len())
    })?;
    Ok(outcome)
}

impl Drill {
    fn begin(stack: Stack, mut transcript: Transcript) -> Result<Self> {
        transcript.part("Traffic")?;
        let venv = Venv::ensure(&paths::workspace_root())?;
        let tool = Tool::build()?;
        let alarms = alarms::deployed(&stack)?;
        let api = Api::new(&stack)?;
        stack.register_bff()?;
        let scene = Scene::make(&api)?;
        EntryPoints { api: &api, stack: &stack, scene: &scene }.pay_through_files()?;
        transcript.narrate(&format!(
            "3 clients, 12 invoices; 4 of them are paid through files; {} alarms are deployed; messages of the payments' queue come back \
             after {BACK_AFTER_SECONDS} s here, after 180 s in AWS",
            alarms.len()
        ))?;
        Ok(Self {
            stack,
            venv,
            api,
            scene,
            tool,
            alarms,
            transcript,
            checks: Vec::new(),
            parts: Vec::new(),
            answers: Vec::new(),
        })
    }

    fn play(&mut self, seconds: u64) -> Result<()> {
        self.take_the_database_away(Duration::from_secs(seconds))?;
        self.release_badly()?;
        self.end_a_gateway()?;
        self.hang_an_endpoint()?;
        self.see_that_all_is_calm()
    }

    fn entry_points(&self) -> EntryPoints<'_> {
        EntryPoints { api: &self.api, stack: &self.stack, scene: &self.scene }
    }

    fn narrate(&mut self, what: &str) -> Result<()> {
        self.transcript.narrate(what)
    }

    /// Records whether a required condition holds.
    fn check(&mut self, rule: &str, holds: bool, seen: impl ToString) -> Result<()> {
        let check = Check::new(rule, holds, seen);
        self.transcript.check(&check)?;
        self.checks.push(check);
        Ok(())
    }

    /// Runs the on-call tool to its end.
    fn quittance(&mut self, arguments: &[&str]) -> Result<Ran> {
        let ran = self.tool.run(&self.stack, arguments)?;
        self.shown(arguments, &ran)?;
        Ok(ran)
    }

    fn shown(&mut self, arguments: &[&str], ran: &Ran) -> Result<()> {
        let quoted = |word: &&str| if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() };
        let words: Vec<String> = arguments.iter().map(quoted).collect();
        self.transcript.command(&format!("quittance {}", words.join(" ")), &ran.said, &ran.end())
    }

    /// Reports the alarms whose conditions were met since a part began, and checks that the expected ones are among
    /// them.
    fn sound(&mut self, part: &str, from_ms: i64, expected: &[&str]) -> Result<()> {
        let met = self.met_since(from_ms)?;
        for condition in &met {
            self.narrate(&condition.text())?;
        }
        if met.is_empty() {
            self.narrate("no alarm's condition was met")?;
        }
        for alarm in expected {
            let is_met = met.iter().any(|condition| condition.alarm == *alarm);
            self.check(
                &format!("{part}: the condition of {alarm} was met"),
                is_met,
                format!("{} conditions", met.len()),
            )?;
        }
        self.parts.push(json!({"part": part, "alarms": met.iter().map(Condition::json).collect::<Vec<_>>()}));
        Ok(())
    }

    fn met_since(&self, from_ms: i64) -> Result<Vec<Condition>> {
        let now = now_ms();
        let mut samples = measure::since(&self.stack, from_ms, now)?;
        samples.extend(self.answers.iter().cloned());
        Ok(alarms::met(&self.alarms, &samples, from_ms, now))
    }

    /// Waits for something that the stack does by itself.
    fn wait<T>(&self, what: &str, probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let watched: Vec<_> = ["emulator", "postgres"].iter().filter_map(|server| self.stack.living(server)).collect();
        wait::until(what, LIMIT, &watched, probe).context("`cargo xtask logs <function>` shows what each function did")
    }

    /// Whether nothing is in progress; work that is due later, as for an unavailable endpoint, does not count.
    fn is_at_rest(&self) -> Result<bool> {
        Ok(check::in_hand(&self.stack)? == 0)
    }

    /// Restarts servers on the ports that the functions are configured with.
    fn start_again(&mut self) -> Result<()> {
        let port = |server: &str| self.stack.ports.get(server).copied();
        let forced = ForcedPorts {
            emulator: port("emulator"),
            postgres: port("postgres"),
            localstripe: port("localstripe"),
            bff: port("bff"),
        };
        servers::start(&mut self.stack, &self.venv, forced)?;
        deploy::register_webhook_at_stripe(&self.stack)
    }

    /// Executes a statement in the database, as its owner.
    fn execute(&self, statement: &str) -> Result<()> {
        let database = self.stack.database.as_ref().context("the stack has no database")?;
        Ok(database.access.connect(&database.name)?.batch_execute(statement)?)
    }

    /// The number that a query with a text parameter returns.
    fn count(&self, query: &str, parameter: &str) -> Result<i64> {
        let database = self.stack.database.as_ref().context("the stack has no database")?;
        Ok(database.access.connect(&database.name)?.query_one(query, &[&parameter])?.try_get(0)?)
    }

    fn visibility(&self) -> Result<String> {
        let request =
            json!({"QueueUrl": self.stack.output("PaymentsQueueUrl")?, "AttributeNames": ["VisibilityTimeout"]});
        let answer = self.stack.aws()?.json_call("sqs", "GetQueueAttributes", &request)?;
        let seconds = answer.pointer("/Attributes/VisibilityTimeout").and_then(Value::as_str);
        seconds.map(ToOwned::to_owned).context("the payments queue has no visibility timeout")
    }

    fn set_visibility(&self, seconds: &str) -> Result<()> {
        let url = self.stack.output("PaymentsQueueUrl")?;
        let request = json!({"QueueUrl": url, "Attributes": {"VisibilityTimeout": seconds}});
        self.stack.aws()?.json_call("sqs", "SetQueueAttributes", &request).map(drop)
    }
}

fn now_ms() -> i64 {
    Utc::now().timestamp_millis()
}
