//! The variables of a training command: few, and known.

use std::{
    env,
    ffi::{OsStr, OsString},
    process::Command,
};

use crate::error::{Error, Result};

/// What is handed on where it is set: what programs need to be found and to run, to speak the person's language, to reach
/// the network where there is a proxy, and to find accelerators. No credentials, nothing of a CI system.
const PASSED: [&str; 37] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "TZ",
    "LANG",
    "LANGUAGE",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
];
/// What is handed on by the beginning of its name.
const PASSED_BY_PREFIX: [&str; 2] = ["LC_", "CUDA_"];

/// Leaves a command only the variables above and those named.
///
/// # Errors
/// When a named one is not set.
pub(crate) fn clean(command: &mut Command, named: &[String]) -> Result<()> {
    command.env_clear();
    let own = env::vars_os().filter(|(name, _)| is_passed(name));
    command.envs(own);
    // Its lines come when they are printed, not when a buffer is full or the program over; and sets of texts have the
    // same order every time.
    command.env("PYTHONUNBUFFERED", "1").env("PYTHONHASHSEED", "0").envs(values(named)?);
    Ok(())
}

/// The values of the variables that `[train] env` names.
///
/// # Errors
/// When one is not set.
pub(crate) fn values(named: &[String]) -> Result<Vec<(&str, OsString)>> {
    let value = |name: &String| {
        env::var_os(name).ok_or_else(|| {
            Error::invalid(format!("[train] env names `{name}`, which is not set"))
                .help(format!("set it: export {name}=…; or take it off the list"))
        })
    };
    named.iter().map(|name| Ok((name.as_str(), value(name)?))).collect()
}

fn is_passed(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    PASSED.contains(&&*name) || PASSED_BY_PREFIX.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_on() {
        for passed in ["PATH", "HOME", "LC_ALL", "CUDA_VISIBLE_DEVICES", "https_proxy"] {
            assert!(is_passed(OsStr::new(passed)), "{passed}");
        }
        for kept in ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "CI", "PYTHONPATH", "MLFLOW_TRACKING_PASSWORD", "path"] {
            assert!(!is_passed(OsStr::new(kept)), "{kept}");
        }
    }
}
