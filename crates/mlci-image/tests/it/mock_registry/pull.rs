use std::{path::Path, sync::Arc};

use axum::body::{Body, Bytes};
use axum::http::Response;
use futures::stream::{self, StreamExt as _};
use mlci_image::{Layout, RegistryError};
use tokio::sync::Notify;

use super::{Mock, answer, client, html};
use crate::fixture::{Fixture, names};

/// The names of all blobs, and of what is half written.
fn blobs(layout: &Layout) -> (Vec<String>, Vec<String>) {
    let temporary = layout.folder().join(".mlci/tmp");
    let half = if Path::new(&temporary).exists() { names(&temporary) } else { Vec::new() };
    (names(&layout.folder().join("blobs/sha256")), half)
}

/// The names of all blobs, once nothing is half written any more: the writer of a blob may be a moment behind.
async fn settled(layout: &Layout) -> Vec<String> {
    loop {
        let (blobs, half) = blobs(layout);
        if half.is_empty() {
            return blobs;
        }
        tokio::task::yield_now().await;
    }
}

/// A body that announces `size` bytes, sends these and breaks off.
fn cut(size: usize, bytes: &'static [u8]) -> Response<Body> {
    let chunks = [Ok(Bytes::from_static(bytes)), Err(std::io::Error::other("cut"))];
    let body = Body::from_stream(stream::iter(chunks));
    Response::builder().header("content-length", size).body(body).unwrap()
}

#[tokio::test]
async fn mock_a_lie_about_a_blob_is_an_error_and_nothing_stays() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let layer = &image.layers[1];
    let real = std::fs::read(fixture.layout.blob(&layer.digest)).unwrap();
    let mut other = real.clone();
    other[30] ^= 1;
    let short = real[..real.len() - 1].to_vec();
    let long = [real.as_slice(), b"more"].concat();
    for (lie, words) in [
        (other, "what it sent has the digest sha256:".to_owned()),
        (short, format!("it sent {} bytes and the manifest says {}", real.len() - 1, real.len())),
        (long, format!("bytes and the manifest says {}", real.len())),
        (Vec::new(), format!("it sent 0 bytes and the manifest says {}", real.len())),
    ] {
        let path = format!("blobs/{}", layer.digest);
        let mock =
            Mock::with(move |seen, _| seen.is("GET", &path).then(|| Response::new(Body::from(lie.clone())))).await;
        mock.hold(&fixture, &image, "v1");
        let layout = Layout::open(&fixture.path(&words.replace([' ', ':'], "-"))).unwrap();
        let error = client().pull(&mock.reference("team/x:v1"), &layout).await.unwrap_err();
        assert!(matches!(error, RegistryError::Mismatch { .. }), "{error:?}");
        assert!(error.to_string().contains(&words), "{error}");
        // A lie is not asked for again.
        assert_eq!(mock.count("GET", &format!("blobs/{}", layer.digest)), 1);
        assert!(layout.images().unwrap().is_empty());
        assert!(!settled(&layout).await.contains(&layer.digest.hex()));
    }
}

/// A stream without an end is left as soon as it is too long.
#[tokio::test]
async fn mock_an_endless_blob_is_not_read_to_its_end() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let path = format!("blobs/{}", image.layers[0].digest);
    let mock = Mock::with(move |seen, _| {
        let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 4096])));
        seen.is("GET", &path).then(|| Response::new(Body::from_stream(endless)))
    })
    .await;
    mock.hold(&fixture, &image, "v1");
    let layout = Layout::open(&fixture.path("other")).unwrap();
    let error = client().pull(&mock.reference("team/x:v1"), &layout).await.unwrap_err();
    assert!(matches!(error, RegistryError::Mismatch { .. }), "{error:?}");
    settled(&layout).await;
}

#[tokio::test]
async fn mock_a_lie_about_the_manifest_is_an_error() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let media_type = ("content-type", "application/vnd.oci.image.manifest.v1+json");
    let stated = image.digest.to_string();
    let mock = Mock::with(move |seen, _| {
        seen.is("GET", "manifests").then(|| answer(200, &[media_type, ("docker-content-digest", &stated)], "{}"))
    })
    .await;
    for reference in [mock.reference("team/x:v1"), mock.reference("team/x").with_digest(image.digest)] {
        let layout = Layout::open(&fixture.path("other")).unwrap();
        let error = client().pull(&reference, &layout).await.unwrap_err();
        assert!(matches!(error, RegistryError::Mismatch { .. }), "{reference}: {error:?}");
        assert!(settled(&layout).await.is_empty());
    }
}

#[tokio::test]
async fn mock_a_stream_that_is_cut_once_is_fetched_again() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let layer = image.layers[0].clone();
    let path = format!("blobs/{}", layer.digest);
    let size = usize::try_from(layer.compressed_bytes).unwrap();
    for times in [1, usize::MAX] {
        let path = path.clone();
        let mock = {
            let path = path.clone();
            Mock::with(move |seen, before| (seen.is("GET", &path) && before < times).then(|| cut(size, b"half"))).await
        };
        mock.hold(&fixture, &image, "v1");
        let layout = Layout::open(&fixture.path(&format!("cut-{times}"))).unwrap();
        let pulled = client().pull(&mock.reference("team/x:v1"), &layout).await;
        if times == 1 {
            assert_eq!(pulled.unwrap().digest, image.digest);
            layout.verify(&image.digest).unwrap();
        } else {
            let error = pulled.unwrap_err();
            assert!(matches!(error, RegistryError::Unreachable { .. }), "{error:?}");
            assert!(error.to_string().contains("tried 3 times"), "{error}");
            assert_eq!(mock.count("GET", &path), 3);
            assert!(layout.images().unwrap().is_empty());
        }
        settled(&layout).await;
    }
}

/// Whoever stops waiting leaves nothing behind.
#[tokio::test]
async fn mock_a_pull_that_is_dropped_leaves_nothing_half_written() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let path = format!("blobs/{}", image.layers[1].digest);
    let started = Arc::new(Notify::new());
    let signal = Arc::clone(&started);
    let mock = Mock::with(move |seen, _| {
        seen.is("GET", &path).then(|| {
            signal.notify_one();
            let never =
                stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"half")) }).chain(stream::pending());
            Response::new(Body::from_stream(never))
        })
    })
    .await;
    mock.hold(&fixture, &image, "v1");
    let layout = Layout::open(&fixture.path("other")).unwrap();
    let (registry, reference) = (client(), mock.reference("team/x:v1"));
    tokio::select! {
        pulled = registry.pull(&reference, &layout) => panic!("{pulled:?}"),
        () = started.notified() => {}
    }
    assert!(!settled(&layout).await.contains(&image.layers[1].digest.hex()));
    assert!(layout.images().unwrap().is_empty());
}

#[tokio::test]
async fn mock_what_mlci_did_not_make_is_not_pulled() {
    let fixture = Fixture::new();
    for (media_type, body, words) in [
        ("application/vnd.oci.image.index.v1+json", "{}", "is a list of images"),
        ("application/vnd.docker.distribution.manifest.list.v2+json", "{}", "is a list of images"),
        ("application/vnd.docker.distribution.manifest.v2+json", "{}", "is no OCI image"),
        ("application/vnd.oci.image.manifest.v1+json", "{}", "not as mlci writes it"),
    ] {
        let mock = Mock::with(move |seen, _| {
            seen.is("GET", "manifests").then(|| answer(200, &[("content-type", media_type)], body))
        })
        .await;
        let layout = Layout::open(&fixture.path("other")).unwrap();
        let error = client().pull(&mock.reference("team/x:v1"), &layout).await.unwrap_err();
        assert!(matches!(error, RegistryError::Foreign { .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(settled(&layout).await.is_empty());
    }
}

/// The header with the digest may be left out, and then the manifest itself is asked for.
#[tokio::test]
async fn mock_without_the_digest_header_the_manifest_is_read() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let mock = Mock::with(|seen, _| seen.is("HEAD", "manifests").then(|| answer(200, &[], ""))).await;
    mock.hold(&fixture, &image, "v1");
    assert_eq!(client().resolve(&mock.reference("team/x:v1")).await.unwrap(), image.digest);
    // A portal that says 200 to everything has no digest either.
    let portal = Mock::with(|_, _| Some(html(200))).await;
    let error = client().resolve(&portal.reference("team/x:v1")).await.unwrap_err();
    assert!(error.to_string().contains("an HTML page titled `Sign in"), "{error}");
}
