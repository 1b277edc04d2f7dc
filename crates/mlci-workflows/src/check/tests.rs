use super::*;
use crate::{Cache, Report, Settings, System, Variable};

/// The standard pipeline with all that it can have.
fn full() -> Pipeline {
    let mut settings = Settings::new("wine".parse().unwrap(), ["mlci"]);
    settings.build_secrets = vec!["TOKEN".to_owned()];
    settings.setup = vec![vec!["pip".to_owned(), "install".to_owned()]];
    settings.variables = vec![Variable { name: "A".to_owned(), value: VariableValue::InCheckout("a/b".to_owned()) }];
    settings.caches = vec![Cache {
        name: "cargo".parse().unwrap(),
        key_files: vec!["Cargo.lock".to_owned()],
        folders: vec!["target".to_owned()],
    }];
    settings.environment("staging".parse().unwrap()).url = Some("https://staging.example".to_owned());
    settings.environment("production".parse().unwrap()).approval = true;
    Pipeline::standard(&settings)
}

/// Changes the pipeline, and finds the words in the error; without words, it stays legal.
#[track_caller]
fn check(change: impl FnOnce(&mut Pipeline), words: &[&str]) {
    let mut pipeline = full();
    change(&mut pipeline);
    let message = pipeline.check().map_or_else(|error| error.to_string(), |()| String::new());
    assert_eq!(message.is_empty(), words.is_empty(), "{message}");
    for word in words {
        assert!(message.contains(word), "{message}");
    }
    for system in System::ALL {
        let refused = pipeline.render(system).is_err();
        assert_eq!(refused, !words.is_empty(), "{system}");
    }
}

const VERIFY: usize = 0;
const BUILD: usize = 1;
const PRODUCTION: usize = 3;

#[test]
fn the_standard_pipeline_is_legal() {
    check(|_| {}, &[]);
}

#[test]
fn strangers_code_gets_nothing_and_deploys_nowhere() {
    let secret = |pipeline: &mut Pipeline| pipeline.jobs[VERIFY].secrets.push("TOKEN".to_owned());
    check(secret, &["`verify`", "`TOKEN`", "default branch only"]);
    check(|pipeline| pipeline.jobs[PRODUCTION].trigger = Trigger::EveryChange, &["`production`", "needs `staging`"]);
    let all = |pipeline: &mut Pipeline| pipeline.jobs.iter_mut().for_each(|job| job.trigger = Trigger::EveryChange);
    check(all, &["`build`", "`TOKEN`"]);
    let all = |pipeline: &mut Pipeline| {
        pipeline.jobs[BUILD].secrets.clear();
        pipeline.jobs.iter_mut().for_each(|job| job.trigger = Trigger::EveryChange);
    };
    check(all, &["`staging`", "deploys to `staging`"]);
}

#[test]
fn what_is_handed_over_is_never_cached() {
    for folder in [".mlci", ".mlci/journal", ".mlci/journal/train"] {
        let cached = |pipeline: &mut Pipeline| pipeline.caches[0].folders.push(folder.to_owned());
        check(cached, &["`cargo`", "`.mlci/journal`", "keep the two apart"]);
    }
    check(|pipeline| pipeline.caches[0].folders.push(".mlci/journal-of-mine".to_owned()), &[]);
}

#[test]
fn needs_are_known_and_approvals_approve_something() {
    let unknown = |pipeline: &mut Pipeline| pipeline.jobs[BUILD].needs.push("lint".parse().unwrap());
    check(unknown, &["`build` needs `lint`"]);
    // A circle needs a job that stands before the one it needs.
    let circle = |pipeline: &mut Pipeline| pipeline.jobs[VERIFY].needs.push("build".parse().unwrap());
    check(circle, &["`verify` needs `build`", "before"]);
    check(|pipeline| pipeline.jobs[VERIFY].needs.push("verify".parse().unwrap()), &["`verify` needs `verify`"]);
    check(|pipeline| pipeline.jobs[PRODUCTION].needs.clear(), &["`production` waits for an approval"]);
}

#[test]
fn job_names() {
    for (name, word) in [
        ("7up", "begins with a letter"),
        ("cache", "GitLab keeps"),
        ("verify", "another job"),
        ("approve-production", "waits for the approval"),
    ] {
        check(|pipeline| pipeline.jobs[BUILD].name = name.parse().unwrap(), &[name, word]);
    }
}

#[test]
fn texts_that_some_system_would_not_take_literally() {
    let long = "a\u{2028}b".to_owned();
    type Change = fn(&mut Pipeline, String);
    let bad: [(Change, &[&str]); 9] = [
        (|p, text| p.default_branch = text, &["", "-x", "ma*n", "a b", "a\"b", "a${{b", "ä"]),
        (
            |p, text| p.caches[0].folders.push(text),
            &["", "/x", "a/../b", "./a", "a//b", "a*", "a,b", "a b", "$A", "~/a"],
        ),
        (|p, text| p.caches[0].key_files[0] = text, &["it's", "{{x}}"]),
        (|p, text| p.jobs[BUILD].hands_over.push(text), &["a\nb", "a/"]),
        (|p, text| p.report = Some(Report { page: text, summary: "b".to_owned() }), &["a<<b", "-a"]),
        (|p, text| p.jobs[BUILD].secrets.push(text), &["", "a", "1A", "A B", "A}}", "GITHUB_TOKEN"]),
        (|p, text| p.variables[0].name = text, &["a", "A=B", "A;B"]),
        (|p, text| p.machine.image = text, &["", "a b", "a\"b", "$A"]),
        (
            |p, text| p.jobs[2].environment.as_mut().unwrap().url = Some(text),
            &["staging", "https://a b", "https://$A", "ftp://a"],
        ),
    ];
    for (change, texts) in bad {
        for &text in texts {
            let shown = format!("`{}`", text.escape_debug());
            check(|pipeline| change(pipeline, text.to_owned()), &[&shown, "cannot be used"]);
        }
    }
    for word in ["", "a\nb", "\\u000a", "\u{85}", &long] {
        check(|pipeline| pipeline.program.push(word.to_owned()), &["comment"]);
    }
    check(|pipeline| pipeline.jobs[BUILD].calls[0].push("a\0b".to_owned()), &["zero byte", "`build`"]);
    // Words of commands, values and programs' own names may be anything else.
    check(|pipeline| pipeline.jobs[BUILD].calls[0].push("\n'${{ \"$[[ <<".to_owned()), &[]);
    check(|pipeline| pipeline.program.push("Größe 'a' ${{ b }}".to_owned()), &[]);
}

#[test]
fn empty_or_too_many() {
    check(|pipeline| pipeline.jobs.clear(), &["no job"]);
    check(|pipeline| pipeline.program.clear(), &["no program"]);
    check(|pipeline| pipeline.jobs[BUILD].calls.clear(), &["no call"]);
    check(|pipeline| pipeline.setup.push(vec![]), &["no word"]);
    check(|pipeline| pipeline.jobs[BUILD].timeout_minutes = 0, &["`build`", "1 to 1440"]);
    check(|pipeline| pipeline.caches[0].key_files.clear(), &["key files of cache `cargo`", "1 to 2"]);
    check(|pipeline| pipeline.caches = vec![pipeline.caches[0].clone(); 5], &["number of caches", "0 to 4"]);
    check(|pipeline| pipeline.caches.push(pipeline.caches[0].clone()), &["another cache"]);
}
