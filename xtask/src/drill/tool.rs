//! The on-call tool, as it is run in a drill.

use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::{Context, Result};

use crate::ops;
use crate::stack::Stack;

/// `quittance`, built.
pub(super) struct Tool {
    binary: PathBuf,
}

/// The result of a run.
pub(super) struct Ran {
    /// The exit code; none if it was killed.
    pub(super) code: Option<i32>,
    /// Its output.
    pub(super) said: String,
}

impl Ran {
    /// How it ended, as text.
    pub(super) fn end(&self) -> String {
        self.code.map_or_else(|| "killed".to_owned(), |code| format!("exit code {code}"))
    }
}

impl Tool {
    pub(super) fn build() -> Result<Self> {
        Ok(Self { binary: ops::build()? })
    }

    /// Runs it to its end.
    pub(super) fn run(&self, stack: &Stack, arguments: &[&str]) -> Result<Ran> {
        self.begin(stack, arguments)?.end()
    }

    pub(super) fn begin(&self, stack: &Stack, arguments: &[&str]) -> Result<Running> {
        let mut command = ops::command(stack, &self.binary)?;
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Running { child: command.spawn().context("could not run quittance")? })
    }
}

/// A run that has not ended.
pub(super) struct Running {
    child: Child,
}

impl Running {
    /// Whether it has ended by itself.
    pub(super) fn is_over(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    pub(super) fn kill(mut self) -> Result<Ran> {
        self.child.kill().context("could not kill quittance")?;
        self.end()
    }

    /// Waits for its end.
    pub(super) fn end(self) -> Result<Ran> {
        let output = self.child.wait_with_output().context("quittance was lost")?;
        let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stdout));
        Ok(Ran { code: output.status.code(), said })
    }
}
