//! Files as they were looked at and approved. After a change that is meant: `MLCI_WRITE_GOLDEN=1 cargo test -p
//! mlci-workflows --test it golden`, and read the difference in git.

use std::{env, fs, path::Path};

use mlci_workflows::{Pipeline, RenderedFile, System};

use crate::sample;

#[track_caller]
fn check(name: &str, pipeline: &Pipeline) {
    for system in System::ALL {
        for file in pipeline.render(system).unwrap() {
            let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name).join(&file.path);
            if env::var_os("MLCI_WRITE_GOLDEN").is_some() {
                fs::create_dir_all(golden.parent().unwrap()).unwrap();
                fs::write(&golden, &file.text).unwrap();
            }
            let present = fs::read_to_string(&golden).ok();
            let difference = file.compare(present.as_deref());
            assert!(difference.is_none(), "{}", difference.unwrap());
            assert!(RenderedFile::is_ours(&file.text));
        }
    }
}

#[test]
fn everything_that_a_pipeline_can_hold() {
    check("full", &sample::full());
}

#[test]
fn the_least_with_words_that_need_care() {
    check("least", &sample::least());
}

#[test]
fn what_people_wrote_is_not_ours() {
    for text in ["", "name: CI\n", "# Made by hand\n", "pipeline {}\n", "x # Made by mlci\n"] {
        assert!(!RenderedFile::is_ours(text), "{text}");
    }
}

#[test]
fn a_changed_file_is_shown_line_by_line() {
    let file = sample::full().render(System::GitLab).unwrap().remove(0);
    let changed = file.text.replace("when: manual", "when: on_success");
    let shown = file.compare(Some(&changed)).unwrap().to_string();
    assert!(shown.starts_with("--- .gitlab-ci.yml\n+++ .gitlab-ci.yml\n@@ "), "{shown}");
    assert!(shown.contains("\n-      when: on_success\n+      when: manual\n"), "{shown}");
    assert!(file.compare(Some(&file.text.replace('\n', "\r\n"))).is_none());
    let missing = file.compare(None).unwrap();
    assert!(missing.is_missing() && missing.to_string().starts_with("--- /dev/null\n"), "{missing}");
}
