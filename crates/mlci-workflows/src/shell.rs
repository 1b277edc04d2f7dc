use crate::pipeline::{Job, Pipeline, VariableValue};

/// A word that the POSIX shell reads as exactly this text (POSIX.1-2024, Shell Command Language, 2.2.2).
///
/// What some system would expand before a shell sees it is broken up by an empty pair of quotes, which the shell
/// drops: `${{` is GitHub's, `$[[` GitLab's, `<<` CircleCI's.
pub(crate) fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    quoted(text)
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    let mut before = None;
    for character in text.chars() {
        if matches!((before, character), (Some('$'), '{' | '[') | (Some('<'), '<')) {
            quoted.push_str("''");
        }
        match character {
            '\'' => quoted.push_str("'\\''"),
            other => quoted.push(other),
        }
        before = Some(character);
    }
    quoted.push('\'');
    quoted
}

/// The words as one command.
pub(crate) fn command<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    let mut words = words.into_iter();
    // Unquoted, a first word with `=` would be an assignment.
    let first = words.next().map(|text| match text.as_ref() {
        text if text.contains('=') => quoted(text),
        text => word(text),
    });
    first.into_iter().chain(words.map(|text| word(text.as_ref()))).collect::<Vec<_>>().join(" ")
}

/// What a job runs, one command an item; an item may hold line ends inside quotes.
pub(crate) fn script(pipeline: &Pipeline, job: &Job) -> Vec<String> {
    // Every system stops at the first failure by itself, but not all at an unset variable.
    let mut lines = vec!["set -eu".to_owned()];
    for variable in &pipeline.variables {
        let value = match &variable.value {
            VariableValue::Text(text) => word(text),
            VariableValue::InCheckout(path) => format!("\"$PWD\"/{}", word(path)),
        };
        lines.push(format!("export {}={value}", variable.name));
    }
    lines.extend(pipeline.setup.iter().map(command));
    lines.extend(job.calls.iter().map(|call| command(pipeline.program.iter().chain(call))));
    lines
}

/// The script as one text.
pub(crate) fn script_text(pipeline: &Pipeline, job: &Job) -> String {
    let mut text = script(pipeline, job).join("\n");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_words_stay_readable() {
        assert_eq!(command(["cargo", "xtask", "ci", "--stage", "..gate"]), "cargo xtask ci --stage ..gate");
        assert_eq!(word(""), "''");
        assert_eq!(command(["a=b", "c=d"]), "'a=b' c=d");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_back_every_word(words in proptest::collection::vec("[^\0]{0,12}|[$<{\\['\"\\\\\n `!]{0,8}", 1..6)) {
            let script = format!("printf '%s\\0' {}", command(&words));
            for broken_up in ["${{", "$[[", "<<"] {
                prop_assert!(!script.contains(broken_up), "{script}");
            }
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            let read: Vec<_> = output.stdout.split_inclusive(|&byte| byte == 0).map(|word| &word[..word.len() - 1]).collect();
            prop_assert_eq!(read, words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
        }
    }
}
