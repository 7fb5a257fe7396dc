//! Paths: the workspace, a stack's directory, shared locks.

use std::{
    env,
    fs::{self, File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::wait;

/// The root of the checkout that this program works on.
///
/// Cargo tells a running program its package's folder; a test crate's folder and xtask's have the same root above them.
/// Without cargo, the folder that this crate was compiled in counts.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let compiled_in = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .as_deref()
        .and_then(|package| package.ancestors().find(|folder| folder.join("xtask/requirements.txt").is_file()))
        .or_else(|| compiled_in.parent())
        .unwrap_or(compiled_in)
        .to_path_buf();
    // A stack's processes are identified by its directory's path, so it must always be spelled the same way.
    root.canonicalize().unwrap_or(root)
}

/// The directory with everything of the stack `name`.
///
/// # Errors
/// When the name is not valid as part of a path, a database name and an AWS stack name.
pub fn stack_dir(root: &Path, name: &str) -> Result<PathBuf> {
    let fits = (1..=20).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !fits {
        bail!("a stack name is 1 to 20 of a-z, 0-9 and '-', beginning with a letter; {name:?} is not");
    }
    Ok(root.join("target/local").join(name))
}

/// Locks `path` until the result is dropped; waits for another holder, at most `limit`.
///
/// # Errors
/// When the file can't be created or another process holds it longer than `limit`.
pub fn lock(path: &Path, what: &str, limit: Duration) -> Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("could not create {}", parent.display()))?;
    }
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("could not open the lock {}", path.display()))?;
    wait::until(&format!("another process to finish {what}"), limit, &[], || match file.try_lock() {
        Ok(()) => Ok(Some(())),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("could not lock {}", path.display())),
    })?;
    Ok(file)
}

/// A lock that is shared by every checkout of this user on this machine: held between choosing a port and listening on
/// it.
///
/// # Errors
/// See [`lock`].
pub fn lock_ports() -> Result<File> {
    let user = rustix::process::getuid().as_raw();
    let path = env::temp_dir().join(format!("quittance-ports-{user}.lock"));
    lock(&path, "starting its servers", Duration::from_secs(180))
}

/// Writes a file so that a reader (or a crash) sees either the old or the new content; accessible to the owner only.
///
/// # Errors
/// When the file can't be written.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    use std::io::Write;
    let staging = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&staging)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&staging, path)
    };
    write().with_context(|| format!("could not write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_folder_above_xtask() {
        assert!(workspace_root().join("xtask/requirements.txt").is_file());
    }

    #[test]
    fn a_stack_name_that_would_leave_its_folder_is_refused() {
        for name in ["", "..", "a/b", "Default", "1st", "a b", "abcdefghijklmnopqrstu"] {
            assert!(stack_dir(Path::new("/r"), name).is_err(), "{name:?}");
        }
        assert_eq!(stack_dir(Path::new("/r"), "default").unwrap(), Path::new("/r/target/local/default"));
    }

    #[test]
    fn a_lock_held_elsewhere_is_waited_for_and_then_given_up() {
        let path = env::temp_dir().join(format!("quittance-lock-test-{}", std::process::id()));
        let held = lock(&path, "the test", Duration::from_secs(1)).unwrap();
        let refused = lock(&path, "the test", Duration::from_millis(200)).unwrap_err();
        assert!(refused.to_string().contains("the test"), "{refused}");
        drop(held);
        lock(&path, "the test", Duration::from_secs(1)).unwrap();
        fs::remove_file(&path).unwrap();
    }
}
