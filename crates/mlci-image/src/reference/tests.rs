use super::*;

const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[track_caller]
fn check(text: &str, registry: &str, repository: &str, rest: &str) {
    let reference: Reference = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!((reference.registry(), reference.repository()), (registry, repository), "{text}");
    let full = format!("{registry}/{repository}{rest}");
    assert_eq!(reference.to_string(), full);
    assert_eq!(full.parse::<Reference>().as_ref(), Ok(&reference), "{text}: read back");
}

#[test]
fn defaults_and_aliases_are_those_of_docker() {
    check("debian", "docker.io", "library/debian", ":latest");
    check("user/name", "docker.io", "user/name", ":latest");
    check("user/name:v1.2_3-x", "docker.io", "user/name", ":v1.2_3-x");
    check("docker.io/user/name:tag", "docker.io", "user/name", ":tag");
    check("index.docker.io/debian", "docker.io", "library/debian", ":latest");
    check("registry-1.docker.io/a/b:c", "docker.io", "a/b", ":c");
    check("localhost/x", "localhost", "x", ":latest");
    check(&format!("localhost:5000/x@{DIGEST}"), "localhost:5000", "x", &format!("@{DIGEST}"));
    check(&format!("reg.local/a/b/c:t@{DIGEST}"), "reg.local", "a/b/c", &format!(":t@{DIGEST}"));
    check("127.0.0.1:5000/a", "127.0.0.1:5000", "a", ":latest");
    check("[::1]:5000/a__b/c---d/e.f", "[::1]:5000", "a__b/c---d/e.f", ":latest");
    check("REG.local/a", "reg.local", "a", ":latest");
}

#[test]
fn what_is_no_reference_is_refused() {
    let long_name = format!("reg.local/{}", "a".repeat(246));
    let long_tag = format!("a:{}", "t".repeat(129));
    for (text, words) in [
        ("", "no repository"),
        (":tag", "no repository"),
        ("reg.local/", "no repository"),
        ("https://reg.local/a", "leave out the scheme"),
        ("Team/name", "lower-case"),
        ("user//name", "lower-case"),
        ("user/name/", "lower-case"),
        ("user/-name", "lower-case"),
        ("user/a..b", "lower-case"),
        ("user/a___b", "lower-case"),
        ("user/a b", "lower-case"),
        ("user/../name", "lower-case"),
        ("a?b", "lower-case"),
        ("a:", "a tag has"),
        ("a:-x", "a tag has"),
        ("a:b:c", "a tag has"),
        ("a:b/c", "port"),
        (long_tag.as_str(), "at most 128"),
        ("a@sha256:00", "64 lower-case hexadecimal"),
        ("a@sha512:00", "64 lower-case hexadecimal"),
        ("reg.local:0/a", "port"),
        ("reg.local:99999/a", "port"),
        ("reg.local:+80/a", "port"),
        ("reg..local/a", "host name"),
        ("user:secret@reg.local/a", "64 lower-case hexadecimal"),
        ("[::g]:5000/a", "IPv6"),
        (long_name.as_str(), "at most 255"),
    ] {
        let error = text.parse::<Reference>().expect_err(text).to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn another_tag_or_digest_of_the_repository() {
    let reference: Reference = "reg.local/a:v1".parse().unwrap();
    let digest: Digest = DIGEST.parse().unwrap();
    assert_eq!(reference.with_digest(digest).to_string(), format!("reg.local/a@{DIGEST}"));
    assert_eq!(reference.with_digest(digest).with_tag("v2").unwrap().to_string(), "reg.local/a:v2");
    assert!(reference.with_tag("v/2").is_err());
}
