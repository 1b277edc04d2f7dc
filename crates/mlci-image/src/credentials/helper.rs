//! The protocol of credential helpers: `docker-credential-NAME get`, the address on standard input, JSON on standard
//! output (docker/docker-credential-helpers, README).

use std::{ffi::OsStr, io, path::Path, process::Stdio, time::Duration};

use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use crate::credentials::{Credential, CredentialsError};

/// A helper may ask the user to unlock a key ring; on CI nobody answers.
const LIMIT: Duration = Duration::from_secs(60);
/// What a helper prints and exits with 1 when it has nothing, which is no failure.
const NOT_FOUND: &str = "credentials not found in native keychain";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

pub(super) async fn get(config: &Path, helper: &str, address: &str) -> Result<Option<Credential>, CredentialsError> {
    // A path would be run from wherever the configuration points.
    if helper.contains(['/', '\\', '\0']) {
        return Err(CredentialsError::HelperName { path: config.to_owned(), helper: helper.to_owned() });
    }
    run(format!("docker-credential-{helper}").as_ref(), config, helper, address).await
}

pub(super) async fn run(
    program: &OsStr,
    config: &Path,
    helper: &str,
    address: &str,
) -> Result<Option<Credential>, CredentialsError> {
    let failed = |problem: String| CredentialsError::HelperFailed {
        helper: helper.to_owned(),
        address: address.to_owned(),
        problem,
    };
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| CredentialsError::HelperMissing {
            path: config.to_owned(),
            helper: helper.to_owned(),
            source,
        })?;
    if let Some(mut input) = child.stdin.take() {
        match input.write_all(address.as_bytes()).await {
            // Then it ended early, and its exit code tells more.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(failed(format!("writing to it failed ({error})")));
            }
            _ => {}
        }
    }
    let output = timeout(LIMIT, child.wait_with_output())
        .await
        .map_err(|_| failed(format!("it was still running after {} s: does it wait for someone?", LIMIT.as_secs())))?
        .map_err(|error| failed(format!("reading from it failed ({error})")))?;
    let stdout = Zeroizing::new(output.stdout);
    if output.status.success() {
        return match serde_json::from_slice::<Answer>(&stdout) {
            Ok(answer) if answer.secret.is_empty() => Ok(None),
            Ok(answer) => Ok(Some(Credential::new(answer.username, answer.secret))),
            // The JSON error may quote what was printed.
            Err(_) => Err(failed(
                "it did not print JSON with `Username` and `Secret`: try it with `docker-credential-NAME get`"
                    .to_owned(),
            )),
        };
    }
    if String::from_utf8_lossy(&stdout).contains(NOT_FOUND) {
        return Ok(None);
    }
    // Only standard error: helpers print the secret to standard output, and a broken one may do so before it fails.
    let stderr = String::from_utf8_lossy(&output.stderr);
    let line: String = stderr.lines().next().unwrap_or_default().chars().take(200).collect();
    let said = if line.trim().is_empty() { String::new() } else { format!(" and said `{}`", line.trim()) };
    Err(failed(format!("it ended with {}{said}: run it by hand, or run `docker login` again", output.status)))
}
