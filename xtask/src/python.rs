//! The private Python environment with the stack's tools, created from pinned, hash-checked requirements.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::{paths, say, wait};

/// Installing downloads some 300 MB on a fresh machine.
const INSTALL_LIMIT: Duration = Duration::from_secs(900);
const CREATE_LIMIT: Duration = Duration::from_secs(120);
const OLDEST_PYTHON: (u32, u32) = (3, 11);
const STAMP: &str = "installed.sha256";

/// The environment, complete and up to date.
#[derive(Debug, Clone)]
pub struct Venv {
    dir: PathBuf,
}

impl Venv {
    /// The environment of the checkout; created if it is missing or was created from other requirements. Safe for
    /// concurrent processes.
    ///
    /// # Errors
    /// When there is no suitable Python, or the installation fails.
    pub fn ensure(root: &Path) -> Result<Self> {
        let venv = Self { dir: root.join(".venv") };
        let requirements = root.join("xtask/requirements.txt");
        let wanted =
            stamp_of(&fs::read(&requirements).with_context(|| format!("could not read {}", requirements.display()))?);
        if venv.is_made_from(&wanted) {
            return Ok(venv);
        }
        let lock = root.join("target/local/venv.lock");
        let _held = paths::lock(&lock, "creating the Python environment", INSTALL_LIMIT)?;
        if !venv.is_made_from(&wanted) {
            venv.make(root, &requirements, &wanted)?;
        }
        Ok(venv)
    }

    /// The environment's interpreter.
    #[must_use]
    pub fn python(&self) -> PathBuf {
        self.dir.join("bin/python")
    }

    /// The environment's programs.
    #[must_use]
    pub fn bin(&self) -> PathBuf {
        self.dir.join("bin")
    }

    /// The folder that holds the installed packages.
    ///
    /// # Errors
    /// When the environment has none.
    pub fn packages(&self) -> Result<PathBuf> {
        let lib = self.dir.join("lib");
        fs::read_dir(&lib)
            .with_context(|| format!("could not read {}", lib.display()))?
            .filter_map(|entry| Some(entry.ok()?.path().join("site-packages")))
            .find(|packages| packages.is_dir())
            .with_context(|| format!("no site-packages in {}", lib.display()))
    }

    /// Differs between environments made from different requirements.
    ///
    /// # Errors
    /// When the environment is not complete.
    pub fn fingerprint(&self) -> Result<String> {
        let stamp = self.dir.join(STAMP);
        let digest = fs::read_to_string(&stamp).with_context(|| format!("could not read {}", stamp.display()))?;
        Ok(digest.chars().take(12).collect())
    }

    fn is_made_from(&self, wanted: &str) -> bool {
        fs::read_to_string(self.dir.join(STAMP)).is_ok_and(|stamp| stamp == wanted)
            // The interpreter is a link; the Python that it points to may have been removed.
            && self.python().exists()
    }

    fn make(&self, root: &Path, requirements: &Path, wanted: &str) -> Result<()> {
        let python = find_python()?;
        say::step("creating the Python environment in .venv (once; a few minutes on a slow line)");
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir).with_context(|| format!("could not remove {}", self.dir.display()))?;
        }
        let log = root.join("target/local/venv.log");
        let mut create = Command::new(&python);
        create.args(["-m", "venv"]).arg(&self.dir);
        wait::run_logged("python3 -m venv", &mut create, &log, CREATE_LIMIT, &[]).context(
            "the Python environment could not be created; on Debian and Ubuntu: apt-get install python3-venv",
        )?;
        // The file lists every dependency, so pip need not resolve more (and would fail on their extras).
        let mut install = Command::new(self.python());
        install
            .args(["-m", "pip", "install", "--require-hashes", "--no-deps", "--no-input", "--progress-bar=off"])
            .args(["--disable-pip-version-check", "--requirement"])
            .arg(requirements);
        wait::run_logged("pip install", &mut install, &log, INSTALL_LIMIT, &[])?;
        let stamp = self.dir.join(STAMP);
        fs::write(&stamp, wanted).with_context(|| format!("could not write {}", stamp.display()))
    }
}

/// The stamp of an environment that was created from exactly these requirements.
fn stamp_of(requirements: &[u8]) -> String {
    hex::encode(Sha256::digest(requirements))
}

/// A Python that is recent enough and can create environments.
fn find_python() -> Result<PathBuf> {
    let mut problems = Vec::new();
    for candidate in ["python3", "python3.14", "python3.13", "python3.12", "python3.11"] {
        match examine(candidate) {
            Ok(()) => return Ok(PathBuf::from(candidate)),
            Err(problem) => problems.push(format!("{candidate}: {problem:#}")),
        }
    }
    let (major, minor) = OLDEST_PYTHON;
    bail!(
        "Python {major}.{minor} or later with its venv module is needed (on Debian and Ubuntu: apt-get install python3 \
         python3-venv); found:\n    {}",
        problems.join("\n    ")
    )
}

fn examine(candidate: &str) -> Result<()> {
    const PROBE: &str = "import sys; print(*sys.version_info[:2]); import venv, ensurepip";
    let output = Command::new(candidate).args(["-c", PROBE]).output().context("not installed")?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let version = parse_version(&stdout)
        .with_context(|| format!("does not run: {}", stderr.lines().last().unwrap_or_default()))?;
    if version < OLDEST_PYTHON {
        bail!("is {}.{}, too old", version.0, version.1);
    }
    if !output.status.success() {
        bail!("has no venv module: {}", stderr.lines().last().unwrap_or_default());
    }
    Ok(())
}

fn parse_version(output: &str) -> Option<(u32, u32)> {
    let (major, minor) = output.lines().next()?.split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_made_from_other_requirements_does_not_count() {
        let dir = std::env::temp_dir().join(format!("quittance-venv-test-{}", std::process::id()));
        fs::create_dir_all(dir.join("bin")).unwrap();
        fs::write(dir.join("bin/python"), "").unwrap();
        let venv = Venv { dir: dir.clone() };
        let (old, new) = (stamp_of(b"a==1"), stamp_of(b"a==2"));
        assert!(!venv.is_made_from(&old), "no stamp yet: installation never finished");
        fs::write(dir.join(STAMP), &old).unwrap();
        assert!(venv.is_made_from(&old));
        assert!(!venv.is_made_from(&new));
        fs::remove_file(dir.join("bin/python")).unwrap();
        assert!(!venv.is_made_from(&old), "its Python is gone");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(parse_version("3 9\n").unwrap() < OLDEST_PYTHON);
        assert!(parse_version("3 14\n").unwrap() > OLDEST_PYTHON);
        assert_eq!(parse_version(""), None);
    }

    #[test]
    fn every_requirement_is_pinned_and_hashed() {
        let text = fs::read_to_string(paths::workspace_root().join("xtask/requirements.txt")).unwrap();
        let packages: Vec<&str> =
            text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_alphanumeric())).collect();
        assert!(packages.len() > 50);
        for package in packages {
            assert!(package.contains("=="), "not pinned: {package}");
            assert!(package.ends_with('\\'), "no hash follows: {package}");
        }
    }
}
