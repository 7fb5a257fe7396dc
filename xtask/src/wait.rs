//! Waits for conditions: with a time limit, a name, and without outlasting what is waited for.

use std::{
    fs,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};

use crate::{process::Daemon, say};

const POLL: Duration = Duration::from_millis(50);
/// A message is printed at this interval during a wait.
const SPEAK_EVERY: Duration = Duration::from_secs(10);
const LOG_TAIL_LINES: usize = 25;

/// Calls `probe` until it returns `Some`, at most for `limit`. A watched daemon that has ended ends the wait
/// immediately, with the end of its log; so does an `Err` of the probe (`Ok(None)` means "not yet").
///
/// # Errors
/// When the limit passes, a watched daemon ends, or the probe fails.
pub fn until<T>(
    what: &str,
    limit: Duration,
    watched: &[&Daemon],
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begin = Instant::now();
    let mut speak_at = SPEAK_EVERY;
    loop {
        if let Some(answer) = probe()? {
            return Ok(answer);
        }
        if let Some(ended) = watched.iter().find(|daemon| !daemon.is_alive()) {
            bail!("{} (pid {}) ended while waiting for {what}{}", ended.name, ended.identity.pid, log_tail(&ended.log));
        }
        let waited = begin.elapsed();
        if waited >= limit {
            let logs: String = watched.iter().map(|daemon| log_tail(&daemon.log)).collect();
            bail!("timed out after {} waiting for {what}{logs}", say::seconds(limit));
        }
        if waited >= speak_at {
            say::note(&format!(
                "still waiting for {what}: {} of at most {}",
                say::seconds(waited),
                say::seconds(limit)
            ));
            speak_at += SPEAK_EVERY;
        }
        sleep(POLL);
    }
}

/// Runs a command to its end with its output in `log`, at most for `limit`; an unsuccessful end is an error with the
/// end of the log. `watched` daemons are used by the command: when one ends, so does the command.
///
/// # Errors
/// When the command can't start, fails, takes too long or loses a watched daemon.
pub fn run_logged(what: &str, command: &mut Command, log: &Path, limit: Duration, watched: &[&Daemon]) -> Result<()> {
    let file = fs::File::create(log).with_context(|| format!("could not write {}", log.display()))?;
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| format!("could not start {program} for {what}"))?;
    let ended: Result<ExitStatus> = until(what, limit, watched, || Ok(child.try_wait()?));
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(anyhow!("{what} failed ({status}){}", log_tail(log))),
        Err(error) => {
            // Both may only fail because the child has already ended.
            let _ = child.kill();
            let _ = child.wait();
            Err(anyhow!("{what} was stopped: {error:#}{}", log_tail(log)))
        }
    }
}

/// The last lines of a log file as an appendix to an error message; empty if there are none.
#[must_use]
pub fn log_tail(log: &Path) -> String {
    let content = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&content);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines.len().saturating_sub(LOG_TAIL_LINES);
    match lines.get(tail..) {
        None | Some([]) => format!("\n  (nothing in {})", log.display()),
        Some(end) => {
            let end: String = end.iter().map(|line| format!("\n    {line}")).collect();
            format!("\n  the end of {}:{end}", log.display())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;

    #[test]
    fn a_wait_in_vain_says_for_what_and_how_long() {
        let error = until::<()>("the moon", Duration::from_millis(120), &[], || Ok(None)).unwrap_err();
        assert_eq!(error.to_string(), "timed out after 0.1 s waiting for the moon");
    }

    #[test]
    fn a_failed_command_shows_the_end_of_its_log() {
        let log = env::temp_dir().join(format!("quittance-wait-test-{}", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "seq 1 40; exit 3"]);
        let error = run_logged("counting", &mut command, &log, Duration::from_secs(5), &[]).unwrap_err().to_string();
        fs::remove_file(&log).unwrap();
        assert!(error.contains("counting failed (exit status: 3)"), "{error}");
        assert!(error.ends_with("    39\n    40"), "{error}");
        assert!(!error.contains("    15\n"), "only the end: {error}");
    }

    #[test]
    fn a_command_beyond_its_limit_is_ended() {
        let log = env::temp_dir().join(format!("quittance-limit-test-{}", std::process::id()));
        let mut command = Command::new("sleep");
        command.arg("30");
        let begin = Instant::now();
        let error = run_logged("sleeping", &mut command, &log, Duration::from_millis(100), &[]);
        fs::remove_file(&log).unwrap();
        assert!(error.is_err());
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}
