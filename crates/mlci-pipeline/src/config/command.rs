//! The team's own commands: `[setup]`, `[check]`, `[train] command`, `[test]`.

use std::collections::BTreeMap;

use super::{Config, error::Fault, values::find};

/// The keys of `[train]` that say something to a command. The others are for mlci's own algorithms.
const FOR_COMMANDS: [&str; 6] = ["command", "env", "inputs", "seed", "test_fraction", "timeout_seconds"];
/// Those that say something to nothing else.
const FOR_COMMANDS_ALONE: [&str; 3] = ["env", "inputs", "timeout_seconds"];
const WEEK: u64 = 7 * 24 * 3600;

/// Finds keys that cannot be, or that nothing would heed. `origins` has the keys that the file sets.
pub(super) fn check(config: &Config, text: &str, origins: &BTreeMap<String, String>) -> Result<(), Fault> {
    let at = |table: &str, key: &str, message: String, help: &str| {
        Err(Fault { span: find(text, table, key), message, help: Some(help.to_owned()), secret: false })
    };
    let train = &config.train;
    let commands = [
        ("setup", &config.setup.command, config.setup.timeout_seconds),
        ("check", &config.check.command, config.check.timeout_seconds),
        ("train", &train.command, train.timeout_seconds),
        ("test", &config.test.command, config.test.timeout_seconds),
    ];
    for (table, command, timeout) in commands {
        if command.first().is_some_and(|program| program.trim().is_empty()) {
            let help = "write the program first, then its arguments: command = [\"python3\", \"train.py\"]";
            return at(table, "command", format!("`{table}.command` begins with an empty text"), help);
        }
        if let Some(seconds) = timeout.filter(|seconds| !(1..=WEEK).contains(seconds)) {
            let message = format!("`{table}.timeout_seconds` is {seconds}");
            return at(table, "timeout_seconds", message, "write a number of seconds from 1 to 604800, a week");
        }
    }
    let of_train = origins.keys().filter_map(|key| key.strip_prefix("train.")?.split('.').next());
    for key in of_train {
        if train.is_command() && !FOR_COMMANDS.contains(&key) {
            let message = format!("`train.{key}` and `train.command` exclude each other");
            let help = "what a command fits is its own affair: leave one of the two out";
            return at("train", key, message, help);
        }
        if !train.is_command() && FOR_COMMANDS_ALONE.contains(&key) {
            let message = format!("`train.{key}` is for a training command, and there is none");
            return at("train", key, message, "add one: command = [\"python3\", \"train.py\"], or leave the key out");
        }
    }
    for name in &train.env {
        let (wrong, help) = if name.is_empty() || name.contains(['=', '\0']) {
            ("which no variable is called", "write names of variables, such as env = [\"EPOCHS\"]")
        } else if name.starts_with("MLCI_") {
            ("and variables that begin so are mlci's own", "give yours another name")
        } else {
            continue;
        };
        return at("train", "env", format!("`train.env` names `{name}`, {wrong}"), help);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::config::{Loaded, load};

    fn read(tables: &str) -> Result<Loaded, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mlci.toml");
        let text = format!("[project]\nname = \"m\"\n[data]\npath = \"d.csv\"\ntarget = \"y\"\n{tables}");
        fs::write(&path, text).unwrap();
        load(&path, None, |_| None).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refused(tables: &str, line: u32, why: &str) {
        let error = read(tables).err().expect("it is refused");
        assert!(error.contains(&format!("mlci.toml:{line}:")) && error.contains(why), "{error}");
    }

    #[test]
    fn a_command_takes_the_place_of_an_algorithm() {
        let loaded = read("[train]\ncommand = [\"sh\", \"train.sh\"]\nseed = 7\nenv = [\"EPOCHS\"]\n").unwrap();
        assert_eq!(loaded.config.train.command, ["sh", "train.sh"]);
        refused(
            "[train]\ncommand = [\"a\"]\nalgorithm = \"ols\"\n",
            8,
            "`train.algorithm` and `train.command` exclude",
        );
        refused("[train]\nfolds = 3\ncommand = [\"a\"]\n", 7, "`train.folds` and `train.command` exclude");
        refused("[train]\nenv = [\"A\"]\n", 7, "`train.env` is for a training command");
        refused("[train]\ntimeout_seconds = 5\n", 7, "`train.timeout_seconds` is for a training command");
    }

    #[test]
    fn commands_that_cannot_be() {
        refused("[check]\ncommand = [\"\"]\n", 7, "`check.command` begins with an empty text");
        refused("[setup]\ncommand = [\"a\"]\ntimeout_seconds = 0\n", 8, "`setup.timeout_seconds` is 0");
        refused("[train]\ncommand = [\"a\"]\ntimeout_seconds = 604801\n", 8, "`train.timeout_seconds` is 604801");
        refused("[train]\ncommand = [\"a\"]\nenv = [\"A=1\"]\n", 8, "names `A=1`");
        refused("[train]\ncommand = [\"a\"]\nenv = [\"MLCI_DATA\"]\n", 8, "mlci's own");
    }

    /// More time for the same program is no other model.
    #[test]
    fn what_decides_nothing_is_not_in_the_digest() {
        let digest = |keys: &str| read(&format!("[train]\ncommand = [\"a\"]\n{keys}")).unwrap().config.model_digest();
        assert_eq!(digest(""), digest("timeout_seconds = 9\ninputs = [\"a\"]\n"));
        assert_ne!(digest(""), digest("env = [\"A\"]\n"));
        assert_ne!(digest(""), digest("seed = 1\n"));
    }

    /// What is trained by an algorithm has the digest that it had before there were commands.
    #[test]
    fn keys_that_are_not_set_are_not_in_the_digest() {
        let train = read("").unwrap().config.train;
        let text = serde_json::to_string(&train).unwrap();
        assert!(!["command", "env", "inputs", "timeout"].iter().any(|key| text.contains(key)), "{text}");
    }
}
