use std::{fs, net::TcpListener, process::Output};

use mlci_core::Digest;

use crate::support::{command, model_bytes, write_model};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command().args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn check_prints_what_the_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_model(folder.path());
    let digest = Digest::of(&model_bytes());
    let (code, out, _) = run(&["--check", "--model", path.to_str().unwrap()]);
    assert_eq!((code, out), (Some(0), format!("demo {} {digest} golden=1\n", digest.short())));
}

#[test]
fn a_model_that_cannot_be_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_model(folder.path());
    let mut bytes = model_bytes();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    for (model, says) in [(path.to_str().unwrap(), "is damaged"), ("no/such.mlci", "No such file")] {
        let (code, _, error) = run(&["--model", model]);
        assert_eq!(code, Some(1), "{error}");
        assert!(error.starts_with(&format!("error: cannot load the model `{model}`: ")), "{error}");
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn wrong_usage() {
    let (code, _, error) = run(&["--modell", "x"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("did you mean --model?"), "{error}");
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_model(folder.path());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, error) = run(&["--model", path.to_str().unwrap(), "--listen", &address]);
    assert_eq!(code, Some(1));
    assert!(error.contains(&format!("cannot listen on {address}: stop what uses it")), "{error}");
    assert!(error.contains("in use"), "{error}");
}
