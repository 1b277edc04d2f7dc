use std::{fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use secrecy::ExposeSecret as _;

use super::*;

const SECRET: &str = "s3cret";

/// `user:secret`, or the token.
fn shown(credential: Option<&Credential>) -> String {
    match credential {
        Some(Credential::Password { user, password }) => format!("{user}:{}", password.expose_secret()),
        Some(Credential::IdentityToken(token)) => format!("token {}", token.expose_secret()),
        None => "none".to_owned(),
    }
}

fn auth(user: &str) -> String {
    BASE64_STANDARD.encode(format!("{user}:{SECRET}"))
}

/// The credential for `registry` by this configuration. No helper of such a name is installed.
async fn find(config: &str, registry: &str) -> Result<String, CredentialsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    fs::write(&path, config).unwrap();
    let found = Credentials::file(path).find(registry).await?;
    assert!(!format!("{found:?}").contains(SECRET), "{found:?}");
    Ok(shown(found.as_ref()))
}

#[tokio::test]
async fn auths_are_found_by_every_name_of_a_registry() {
    let file = format!(
        r#"{{"auths": {{"https://index.docker.io/v1/": {{"auth": "{}"}}, "reg.local:5000": {{"auth": "{}"}},
            "https://ghcr.example/v2/": {{"username": "u", "password": "{SECRET}"}},
            "token.example": {{"auth": "{}", "identitytoken": "{SECRET}"}}, "empty.example": {{}}, "null.example": null,
            "marked.example": {{"auth": "{}"}}}}, "HttpHeaders": {{"x": "y"}}, "credHelpers": null}}"#,
        auth("hub"),
        auth("reg"),
        auth("ignored"),
        auth("<token>"),
    );
    for (registry, expected) in [
        ("docker.io", "hub:s3cret"),
        ("index.docker.io", "hub:s3cret"),
        ("registry-1.docker.io", "hub:s3cret"),
        ("reg.local:5000", "reg:s3cret"),
        ("reg.local", "none"),
        ("ghcr.example", "u:s3cret"),
        ("token.example", "token s3cret"),
        ("marked.example", "token s3cret"),
        ("empty.example", "none"),
        ("null.example", "none"),
        ("other.example", "none"),
    ] {
        assert_eq!(find(&file, registry).await.unwrap(), expected, "{registry}");
    }
}

#[tokio::test]
async fn unpadded_base64_and_colons_in_passwords_are_fine() {
    let encoded = BASE64_STANDARD.encode("u:a:b");
    let file = format!(r#"{{"auths": {{"reg.local": {{"auth": "{}"}}}}}}"#, encoded.trim_end_matches('='));
    assert_eq!(find(&file, "reg.local").await.unwrap(), "u:a:b");
}

/// Each with a secret in it that must not be shown.
#[tokio::test]
async fn a_broken_file_is_placed_and_not_quoted() {
    for (file, words) in [
        (format!(r#"{{"auths": "{SECRET}"}}"#), "line 1, column"),
        (format!("{{\n\"auths\": {{\"reg.local\": {{\"auth\": \"{SECRET}\", }}"), "line 2, column"),
        (
            format!(r#"{{"auths": {{"reg.local": {{"auth": "{SECRET}!"}}}}}}"#),
            "no `user:password` in base64 for `reg.local`",
        ),
        (
            format!(r#"{{"auths": {{"reg.local": {{"auth": "{}"}}}}}}"#, BASE64_STANDARD.encode(SECRET)),
            "no `user:password` in base64",
        ),
    ] {
        let error = find(&file, "reg.local").await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(words) && text.contains("config.json"), "{text}");
        assert!(!text.contains(SECRET) && !text.contains(&BASE64_STANDARD.encode(SECRET)), "{text}");
    }
}

/// Case A11: the helper is asked for, by its name, and not passed over for `auths`.
#[tokio::test]
async fn a_missing_helper_is_named() {
    const HELPER: &str = "mlci-test-missing";
    for (file, registry) in [
        (format!(r#"{{"credsStore": "{HELPER}"}}"#), "reg.local:5000"),
        (format!(r#"{{"auths": {{"reg.local:5000": {{}}}}, "credsStore": "{HELPER}"}}"#), "reg.local:5000"),
        (
            format!(r#"{{"auths": {{"reg.local:5000": {{"auth": "{}"}}}}, "credsStore": "{HELPER}"}}"#, auth("u")),
            "reg.local:5000",
        ),
        (format!(r#"{{"credHelpers": {{"https://index.docker.io/v1/": "{HELPER}"}}}}"#), "docker.io"),
        (format!(r#"{{"credHelpers": {{"docker.io": "{HELPER}"}}, "credsStore": "other"}}"#), "index.docker.io"),
    ] {
        let error = find(&file, registry).await.unwrap_err();
        assert!(
            matches!(&error, CredentialsError::HelperMissing { helper, .. } if helper == HELPER),
            "{file}: {error:?}"
        );
        assert!(error.to_string().contains(&format!("`docker-credential-{HELPER}`")), "{error}");
    }
    // One for another registry is none of its business, and an empty name means `auths`.
    let file = format!(
        r#"{{"credHelpers": {{"a.local": "{HELPER}", "b.local": ""}}, "auths": {{"b.local": {{"auth": "{}"}}}}}}"#,
        auth("b")
    );
    assert_eq!(find(&file, "reg.local").await.unwrap(), "none");
    assert_eq!(find(&file, "b.local").await.unwrap(), "b:s3cret");
    let error = find(r#"{"credsStore": "../evil"}"#, "reg.local").await.unwrap_err();
    assert!(matches!(error, CredentialsError::HelperName { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_given_goes_first_and_a_missing_file_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Credentials::file(folder.path().join("none/config.json"));
    assert!(missing.find("reg.local").await.unwrap().is_none());
    let given = missing.with("index.docker.io", Credential::password("me", SECRET));
    assert_eq!(shown(given.find("docker.io").await.unwrap().as_ref()), "me:s3cret");
    assert!(!format!("{given:?}").contains(SECRET));
}

/// Written by another process: a file that this one has open for writing, and a child of another test inherits, cannot be
/// run.
fn script(folder: &Path, body: &str) -> std::path::PathBuf {
    let path = folder.join("docker-credential-fake");
    let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod 755 "$2""#;
    let status = std::process::Command::new("sh").args(["-c", write, "sh", body]).arg(&path).status().unwrap();
    assert!(status.success());
    path
}

/// What a helper is told, and what is made of what it says. Run by its path, since PATH belongs to all tests.
#[tokio::test]
async fn a_helper_is_asked_as_docker_asks() {
    let asked = r#"test "$1" = get || exit 9; read -r address; "#;
    let file = Path::new("config.json");
    for (body, expected) in [
        (
            r#"printf '{"ServerURL":"%s","Username":"%s","Secret":"s3cret"}' "$address" "$address""#,
            Ok("https://index.docker.io/v1/:s3cret"),
        ),
        (r#"echo '{"Username":"<token>","Secret":"s3cret"}'"#, Ok("token s3cret")),
        (r#"echo '{"Username":"","Secret":""}'"#, Ok("none")),
        ("echo 'credentials not found in native keychain'; exit 1", Ok("none")),
        ("echo s3cret", Err("did not print JSON")),
        ("echo s3cret; echo 'the key ring is locked' >&2; exit 3", Err("and said `the key ring is locked`")),
        ("echo s3cret; exit 3", Err("exit status: 3: run it by hand")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let program = script(folder.path(), &format!("{asked}{body}"));
        let found = helper::run(program.as_os_str(), file, "fake", HUB_KEY).await;
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(shown(found.as_ref()), expected, "{body}"),
            (Err(error), Err(words)) => {
                let text = format!("{error} {error:?}");
                assert!(
                    text.contains(words) && text.contains("docker-credential-fake") && text.contains(HUB_KEY),
                    "{text}"
                );
                assert!(!text.contains(SECRET), "{text}");
            }
            (found, _) => panic!("{body}: {found:?}"),
        }
    }
}
