//! What is rendered, read back by another YAML parser and run by a shell, is what was described.

use std::process::Command;

use mlci_workflows::{Pipeline, System, Variable, VariableValue};
use proptest::prelude::*;
use serde_norway::Value;

use crate::sample;

/// The scripts of a file, in the order of its jobs.
fn scripts(pipeline: &Pipeline, system: System) -> Vec<String> {
    let text = sample::text(pipeline, system);
    if system == System::Jenkins {
        return jenkins_scripts(&text);
    }
    let document: Value = serde_norway::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let script = |job: &str| match system {
        System::GitHub => {
            let steps = document["jobs"][job]["steps"].as_sequence().unwrap();
            steps.iter().find(|step| step["name"] == job).unwrap()["run"].clone()
        }
        System::GitLab => document[job]["script"][0].clone(),
        _ => {
            let steps = document["jobs"][job]["steps"].as_sequence().unwrap();
            steps.iter().find_map(|step| step.get("run")).unwrap()["command"].clone()
        }
    };
    pipeline.jobs.iter().map(|job| script(job.name.as_str()).as_str().unwrap().to_owned()).collect()
}

/// The texts between triple quotes, by Groovy's rules for `\\`, `\'` and `\r`. (Groovy itself reads them in `real`.)
fn jenkins_scripts(text: &str) -> Vec<String> {
    let mut scripts = Vec::new();
    let mut rest = text;
    while let Some((_, tail)) = rest.split_once("sh '''") {
        let (mut script, mut characters) = (String::new(), tail.char_indices());
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next().unwrap().1 {
                    'r' => script.push('\r'),
                    other => script.push(other),
                },
                '\'' => {
                    assert!(tail[at..].starts_with("'''"), "{text}");
                    rest = &tail[at + 3..];
                    break;
                }
                other => script.push(other),
            }
        }
        scripts.push(script);
    }
    scripts
}

/// Runs a script in which `mlci` prints its arguments and one variable, each with a zero byte.
fn run(script: &str) -> Vec<Vec<u8>> {
    let program = "mlci() { printf '%s\\0' \"$@\" \"$VALUE\"; }\n";
    let output = Command::new("sh").args(["-c", &format!("{program}{script}")]).output().unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.split_inclusive(|&byte| byte == 0).map(|word| word[..word.len() - 1].to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_word_arrives_on_every_system(
        words in proptest::collection::vec("[^\0]{0,10}|[$<>{}\\[\\]'\"\\\\\n\r\t `!#:&*|un0]{0,12}", 1..5),
        value in "[^\0]{0,12}|[ -~\n]{0,12}",
    ) {
        let mut pipeline = Pipeline::new("p".parse().unwrap(), ["mlci"]);
        pipeline.variables.push(Variable { name: "VALUE".to_owned(), value: VariableValue::Text(value.clone()) });
        pipeline.jobs.push(mlci_workflows::Job::new("go".parse().unwrap(), words.clone()));
        let expected: Vec<_> = words.iter().chain([&value]).map(|word| word.as_bytes().to_vec()).collect();
        for system in System::ALL {
            let scripts = scripts(&pipeline, system);
            prop_assert_eq!(scripts.len(), 1);
            for expanded in ["${{", "$[[", "<<"] {
                prop_assert!(!scripts[0].contains(expanded), "{} would expand: {}", system, scripts[0]);
            }
            prop_assert_eq!(run(&scripts[0]), expected.clone(), "{}", system);
        }
    }
}

#[test]
fn all_systems_run_the_same_commands() {
    for pipeline in [sample::full(), sample::least()] {
        let commands = |system| -> Vec<Vec<String>> {
            let lines = |script: &String| script.lines().map(|line| line.trim_start().to_owned()).collect::<Vec<_>>();
            // What only Jenkins needs: an older report in the workspace.
            let own = |line: &String| !line.is_empty() && !line.starts_with("rm -f ");
            scripts(&pipeline, system).iter().map(|script| lines(script).into_iter().filter(own).collect()).collect()
        };
        let expected = commands(System::GitHub);
        assert_eq!(expected.len(), pipeline.jobs.len());
        for system in System::ALL {
            assert_eq!(commands(system), expected, "{system}");
        }
    }
}

#[test]
fn rendering_is_deterministic() {
    for system in System::ALL {
        assert_eq!(sample::text(&sample::full(), system), sample::text(&sample::full(), system));
    }
}
