use mlci_core::Digest;
use mlci_image::{Error, RegistryError};

use super::{Mock, answer, client, error};
use crate::fixture::Fixture;

#[tokio::test]
async fn mock_a_push_sends_what_is_missing_and_the_next_only_asks() {
    let (fixture, mock) = (Fixture::new(), Mock::new().await);
    let image = fixture.build("model");
    let reference = mock.reference("team/x:v1");
    let pushed = client().push(&fixture.layout, &image.digest, &reference).await.unwrap();
    assert_eq!((pushed.digest, pushed.uploaded, pushed.unchanged), (image.digest, 3, false));
    assert_eq!(pushed.reference, reference.with_digest(image.digest));
    let on_disk = |digest: &Digest| std::fs::metadata(fixture.layout.blob(digest)).unwrap().len();
    assert_eq!(pushed.uploaded_bytes, image.compressed_bytes + on_disk(&image.config));
    assert!(mock.has(&image.digest));

    mock.forget();
    let again = client().push(&fixture.layout, &image.digest, &reference).await.unwrap();
    assert_eq!((again.uploaded, again.uploaded_bytes, again.unchanged), (0, 0, true));
    // Manifest and tag, and three blobs.
    assert_eq!((mock.seen().len(), mock.count("HEAD", "")), (5, 5), "{:?}", mock.seen());
}

/// The order that leaves a tag on a whole image at every moment.
#[tokio::test]
async fn mock_the_tag_comes_last() {
    let (fixture, mock) = (Fixture::new(), Mock::new().await);
    let image = fixture.build("model");
    client().push(&fixture.layout, &image.digest, &mock.reference("team/x:v1")).await.unwrap();
    let seen = mock.seen();
    let at = |method: &str, path: &str| seen.iter().rposition(|seen| seen.is(method, path)).unwrap();
    let digest = format!("manifests/{}", image.digest);
    let order = [
        at("PUT", "blobs/uploads"),
        at("PUT", &digest),
        at("GET", &digest),
        at("PUT", "manifests/v1"),
        at("GET", "manifests/v1"),
    ];
    assert!(order.is_sorted(), "{order:?}");
}

/// Every way in which a registry says yes and does not have the image afterwards.
#[tokio::test]
async fn mock_a_push_counts_only_when_it_is_read_back() {
    let other = || answer(200, &[("content-type", "application/vnd.oci.image.manifest.v1+json")], "{}");
    // Where the lie is, and what is found there then.
    for (path, lost, found) in [
        ("manifests/sha256:", true, None),
        ("manifests/sha256:", false, Some(Digest::of(b"{}"))),
        ("manifests/v1", true, None),
        ("manifests/v1", false, Some(Digest::of(b"{}"))),
    ] {
        let fixture = Fixture::new();
        let image = fixture.build("model");
        let mock = Mock::with(move |seen, _| match seen.method.as_str() {
            "PUT" if seen.path.contains(path) => Some(answer(201, &[], "")),
            "GET" if seen.path.contains(path) && !lost => Some(other()),
            _ => None,
        })
        .await;
        let error = client().push(&fixture.layout, &image.digest, &mock.reference("team/x:v1")).await.unwrap_err();
        let text = error.to_string();
        match error {
            RegistryError::Unconfirmed { expected, found: actual, .. } => {
                assert_eq!((expected, actual), (image.digest, found), "{path}");
            }
            other => panic!("{path}: {other:?}"),
        }
        assert!(text.contains("do not count on the image"), "{text}");
    }
}

#[tokio::test]
async fn mock_a_blob_of_another_length_is_a_lie() {
    let mock =
        Mock::with(|seen, _| seen.is("HEAD", "/blobs/").then(|| answer(200, &[("content-length", "7")], ""))).await;
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let error = client().push(&fixture.layout, &image.digest, &mock.reference("team/x:v1")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Mismatch { .. }), "{error:?}");
    assert_eq!(mock.count("PUT", "manifests"), 0);
}

#[tokio::test]
async fn mock_an_upload_that_breaks_is_started_anew() {
    let mock = Mock::with(|seen, before| (seen.is("PUT", "/blobs/") && before == 0).then(|| error(503, "", ""))).await;
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let pushed = client().push(&fixture.layout, &image.digest, &mock.reference("team/x:v1")).await.unwrap();
    assert_eq!(pushed.uploaded, 3);
    assert_eq!((mock.count("POST", "uploads"), mock.count("PUT", "uploads")), (4, 4));
}

/// The registry refuses what is damaged here, and the damage is named rather than the registry.
#[tokio::test]
async fn mock_a_damaged_layer_is_found_out() {
    let (fixture, mock) = (Fixture::new(), Mock::new().await);
    let image = fixture.build("model");
    let path = fixture.layout.blob(&image.layers[1].digest);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = client().push(&fixture.layout, &image.digest, &mock.reference("team/x:v1")).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Layout(Error::Damaged { path: damaged, .. }) if *damaged == path),
        "{error:?}"
    );
    assert!(!mock.has(&image.digest));
}

#[tokio::test]
async fn mock_what_cannot_be_pushed_is_refused_before_anything_is_sent() {
    let (fixture, mock) = (Fixture::new(), Mock::new().await);
    let image = fixture.build("model");
    let other = Digest::of(b"another");
    let reference = mock.reference("team/x:v1");
    let error = client().push(&fixture.layout, &other, &reference).await.unwrap_err();
    assert!(matches!(error, RegistryError::Layout(Error::NoImage { .. })), "{error:?}");
    let error = client().push(&fixture.layout, &image.digest, &reference.with_digest(other)).await.unwrap_err();
    assert!(matches!(error, RegistryError::OtherDigest { .. }), "{error:?}");
    let error = client().tag(&reference, "v2").await.unwrap_err();
    assert!(matches!(error, RegistryError::NoDigest { .. }), "{error:?}");
    assert!(mock.seen().is_empty());
}

/// Uploads may go elsewhere, and the password may not.
#[tokio::test]
async fn mock_a_password_stays_with_its_registry() {
    use mlci_image::{Credential, Credentials};

    let elsewhere = Mock::with(|_, _| Some(answer(201, &[], ""))).await;
    let location = format!("http://{}/upload", elsewhere.host);
    let mock = Mock::with(move |seen, _| {
        if !seen.headers.contains_key("authorization") {
            return Some(answer(401, &[("www-authenticate", "Basic realm=\"lab\"")], ""));
        }
        seen.is("POST", "uploads").then(|| answer(202, &[("location", &location)], ""))
    })
    .await;
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let credentials = Credentials::none().with(&mock.host, Credential::password("lab", "secret"));
    let registry = super::builder().credentials(credentials).build().unwrap();
    registry.push(&fixture.layout, &image.digest, &mock.reference("team/x:v1")).await.unwrap();
    assert_eq!(elsewhere.count("PUT", "/upload"), 3);
    assert!(elsewhere.seen().iter().all(|seen| !seen.headers.contains_key("authorization")));
    assert!(
        mock.seen().iter().any(|seen| seen.is("PUT", "manifests/v1") && seen.headers.contains_key("authorization"))
    );
}
