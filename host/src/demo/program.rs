//! This program, called as a user calls it: arguments in, the documented JSON out.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::tether::{self, Tethered};
use crate::errors::{Failure, Kind, plain};

/// Variables that begin so would change what the peers of the demo do.
const OWN_VARIABLES: &str = "POAI_";
/// Bytes that a command may answer.
const MAX_ANSWER_BYTES: u64 = 16 << 20;

/// This program's own file.
#[derive(Clone, Debug)]
pub(super) struct Program {
    executable: PathBuf,
}

impl Program {
    pub(super) fn this() -> Result<Self, Failure> {
        let executable = std::env::current_exe().map_err(|error| {
            Failure::new(Kind::HostFault, format!("this program's own file is not known: {}", plain(&error)))
        })?;
        Ok(Self { executable })
    }

    /// How a user of this folder calls it.
    pub(super) fn shown(&self) -> String {
        let folder = std::env::current_dir().unwrap_or_default();
        self.executable.strip_prefix(folder).unwrap_or(&self.executable).display().to_string()
    }

    /// A command of a home, to be tethered, without what the environment says about homes and configuration.
    pub(super) fn command(&self, home: &Path) -> Command {
        let mut command = Command::new(&self.executable);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(OWN_VARIABLES) {
                command.env_remove(name);
            }
        }
        command.arg("--home").arg(home).args([tether::FLAG, "--json", "--quiet"]).stdout(Stdio::piped());
        command
    }

    /// What a command answers, within a time.
    pub(super) async fn ask<T, A>(&self, home: &Path, arguments: &[A], patience: Duration) -> Result<T, Failure>
    where
        T: DeserializeOwned,
        A: AsRef<OsStr>,
    {
        let name = arguments.first().map(|name| name.as_ref().to_string_lossy().into_owned()).unwrap_or_default();
        let mut command = self.command(home);
        command.args(arguments).stderr(Stdio::inherit());
        let answer = tokio::time::timeout(patience, answer(&mut command)).await;
        let text = answer
            .map_err(|_| {
                Failure::new(Kind::TimedOut, format!("`poai {name}` took longer than {} s", patience.as_secs()))
            })?
            .map_err(|error| {
                Failure::new(Kind::HostFault, format!("`poai {name}` cannot be run: {}", plain(&error)))
            })?;
        read(&text).map_err(|failure| Failure { message: format!("`poai {name}`: {}", failure.message), ..failure })
    }
}

async fn answer(command: &mut Command) -> std::io::Result<String> {
    let mut process = Tethered::spawn(command)?;
    let mut text = String::new();
    let stdout = process.child.stdout.take().expect("stdout is piped");
    stdout.take(MAX_ANSWER_BYTES).read_to_string(&mut text).await?;
    // The exit code says again what the answer says.
    process.wait().await?;
    Ok(text)
}

/// A command's answer, or its failure: the last line that it wrote.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    let last = text.lines().last().unwrap_or_default();
    let not_json = || Failure::new(Kind::Bug, "it ended without a word that this program understands");
    let value: Value = serde_json::from_str(last).map_err(|_| not_json())?;
    if let Some(error) = value.get("error") {
        return Err(serde_json::from_value(error.clone()).map_err(|_| not_json())?);
    }
    serde_json::from_value(value).map_err(|_| not_json())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::PublishAnswer;

    #[test]
    fn the_last_line_is_the_answer_or_the_failure() {
        let published = r#"{"package":"p","program":"q","name":"n","version":"v"}"#;
        assert_eq!(read::<PublishAnswer>(&format!("words\n{published}\n")).unwrap().program, "q");
        let failed = r#"{"error":{"kind":"no-peer","message":"nobody","hint":"ask"},"exit":1}"#;
        assert_eq!(read::<PublishAnswer>(failed).unwrap_err(), Failure::new(Kind::NoPeer, "nobody").hint("ask"));
        assert_eq!(read::<PublishAnswer>("killed").unwrap_err().kind, Kind::Bug);
        assert_eq!(read::<PublishAnswer>("").unwrap_err().kind, Kind::Bug);
    }
}
