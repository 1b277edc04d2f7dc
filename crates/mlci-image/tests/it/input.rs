use std::fs;

use mlci_image::{Architecture, Error, ServerCheck, ServerProblem};

use crate::fixture::{AMD64, ARM64, EXEC, Fixture, chain, elf, elf_with};

const REL: u16 = 1;
const DYN: u16 = 3;
const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;

/// Builds with this server and looks for the words in the error.
#[track_caller]
fn check(server: &[u8], problem: Option<ServerProblem>, words: &[&str]) {
    let fixture = Fixture::new();
    fs::write(fixture.path("server"), server).unwrap();
    let result = fixture.layout.build(&fixture.spec("model"));
    let Some(problem) = problem else {
        result.unwrap();
        return;
    };
    let error = result.unwrap_err();
    let text = chain(&error);
    assert!(matches!(&error, Error::Server { source, .. } if *source == problem), "{text}");
    for words in words.iter().chain(&["server` cannot run in an image"]) {
        assert!(text.contains(words), "{text}");
    }
    // Nothing of a refused server is kept.
    assert!(fixture.blobs().is_empty());
}

#[test]
fn static_servers() {
    check(&elf(EXEC, AMD64), None, &[]);
    check(&elf(DYN, AMD64), None, &[]);
    check(&elf_with(EXEC, AMD64, &[PT_LOAD, PT_LOAD]), None, &[]);
}

#[test]
fn a_dynamic_server() {
    let dynamic = ServerProblem::Dynamic { interpreter: "/lib/ld.so".to_owned(), architecture: Architecture::Amd64 };
    let fix = "`--target x86_64-unknown-linux-gnu` and `-C target-feature=+crt-static`";
    check(&elf_with(DYN, AMD64, &[PT_LOAD, PT_INTERP]), Some(dynamic), &["dynamically linked", fix]);
}

#[test]
fn a_server_for_another_processor() {
    let problem = ServerProblem::Architecture { server: Architecture::Arm64, image: Architecture::Amd64 };
    check(&elf(EXEC, ARM64), Some(problem), &["built for arm64 and the image is for amd64"]);
    check(&elf(EXEC, 243), Some(ServerProblem::Machine { machine: 243 }), &["machine 243"]);
}

#[test]
fn files_that_are_no_programs() {
    let not_elf = || Some(ServerProblem::NotElf);
    check(b"", not_elf(), &[]);
    check(b"#!/bin/sh\n", not_elf(), &["no such ELF header"]);
    check(&elf(EXEC, AMD64)[..63], not_elf(), &[]);
    let mut narrow = elf(EXEC, AMD64);
    narrow[4] = 1;
    check(&narrow, not_elf(), &[]);
    check(&elf(REL, AMD64), Some(ServerProblem::NotExecutable { kind: REL }), &["not an executable"]);
}

#[test]
fn headers_that_point_outside() {
    let whole = elf_with(EXEC, AMD64, &[PT_LOAD, PT_LOAD]);
    check(&whole[..64 + 56 + 55], Some(ServerProblem::Truncated), &["cut short"]);
    let mut loader = elf_with(EXEC, AMD64, &[PT_INTERP]);
    loader[72..80].copy_from_slice(&u64::MAX.to_le_bytes());
    let nameless = ServerProblem::Dynamic { interpreter: String::new(), architecture: Architecture::Amd64 };
    check(&loader, Some(nameless), &[]);
    for place in [u64::MAX, i64::MAX as u64, u64::MAX - 56] {
        let mut far = whole.clone();
        far[32..40].copy_from_slice(&place.to_le_bytes());
        check(&far, Some(ServerProblem::Truncated), &[]);
    }
}

#[test]
fn the_architecture_of_a_server() {
    let fixture = Fixture::new();
    let server = fixture.path("server");
    assert_eq!(Architecture::of_static(&server).unwrap(), Architecture::Amd64);
    fs::write(&server, elf(EXEC, ARM64)).unwrap();
    let mut spec = fixture.spec("model");
    spec.settings.architecture = Architecture::of_static(&server).unwrap();
    let image = fixture.layout.build(&spec).unwrap();
    assert_eq!(image.architecture, Architecture::Arm64);
    assert_eq!(fixture.document(&image.config)["architecture"], "arm64");
    assert_eq!(fixture.index()["manifests"][0]["platform"]["architecture"], "arm64");
}

#[test]
fn files_that_cannot_be_read() {
    let fixture = Fixture::new();
    let good = fixture.spec("model");
    for skip in [false, true] {
        let mut spec = good.clone();
        spec.settings.check = if skip { ServerCheck::Skip } else { ServerCheck::Static };

        let mut missing = spec.clone();
        missing.server = fixture.path("none");
        let error = fixture.layout.build(&missing).unwrap_err();
        assert!(matches!(error, Error::Input { what: "server", .. }), "{error}");

        let mut folder = spec.clone();
        folder.server = fixture.folder.path().to_owned();
        let error = fixture.layout.build(&folder).unwrap_err();
        assert!(matches!(error, Error::NotAFile { what: "server", .. }), "{error}");
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }
    let mut missing = good.clone();
    missing.model = fixture.path("none");
    let error = fixture.layout.build(&missing).unwrap_err();
    assert!(matches!(error, Error::Input { what: "model", .. }), "{error}");
    assert!(chain(&error).contains("none"), "{error}");
    assert!(fixture.blobs().is_empty());
}

#[test]
fn port_zero() {
    let fixture = Fixture::new();
    let mut spec = fixture.spec("model");
    spec.settings.port = 0;
    assert!(matches!(fixture.layout.build(&spec), Err(Error::Port)));
}

/// A sparse file: nothing of it is read.
#[test]
fn a_model_that_is_too_long() {
    let fixture = Fixture::new();
    let spec = fixture.spec("model");
    fs::File::create(&spec.model).unwrap().set_len(1 << 33).unwrap();
    let error = fixture.layout.build(&spec).unwrap_err();
    assert!(matches!(error, Error::TooLarge { what: "model", bytes: 8_589_934_592, .. }), "{error}");
}
