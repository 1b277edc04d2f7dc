use super::{
    auth::{Challenge, challenge},
    *,
};

fn bearer(realm: &str, service: Option<&str>, scopes: &[&str]) -> Challenge {
    let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
    Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned), scopes }
}

#[test]
fn challenges_are_read() {
    let hub =
        r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
    for (headers, expected) in [
        (
            &[hub][..],
            Some(bearer("https://auth.docker.io/token", Some("registry.docker.io"), &["repository:a/b:pull,push"])),
        ),
        (&["Basic realm=\"x\""], Some(Challenge::Basic)),
        (&["BASIC realm=x"], Some(Challenge::Basic)),
        // A token before a password, wherever they stand.
        (&["Basic realm=\"x\", Bearer realm=\"https://t\""], Some(bearer("https://t", None, &[]))),
        (
            &["Basic realm=\"x\"", "bearer realm=\"https://t\",scope=\"a b\""],
            Some(bearer("https://t", None, &["a", "b"])),
        ),
        (&["Bearer service=\"no realm\""], None),
        (&["Negotiate"], None),
        (&["\u{1}nonsense\""], None),
        (&[], None),
    ] {
        assert_eq!(challenge(headers.iter().copied()), expected, "{headers:?}");
    }
}

/// The scheme and host that a registry is spoken to with.
#[test]
fn plain_http_is_for_loopback_or_on_demand() {
    let registry = Registry::builder()
        .plain_http("reg.local:5000")
        .https("127.0.0.1:5443")
        .build()
        .unwrap_or_else(|error| panic!("{error}"));
    for (name, base) in [
        ("docker.io/a/b", "https://registry-1.docker.io"),
        ("a/b", "https://registry-1.docker.io"),
        ("reg.local/a", "https://reg.local"),
        ("reg.local:5000/a", "http://reg.local:5000"),
        ("localhost:5000/a", "http://localhost:5000"),
        ("x.localhost/a", "http://x.localhost"),
        ("127.0.0.1/a", "http://127.0.0.1"),
        ("127.9.9.9:80/a", "http://127.9.9.9:80"),
        ("127.0.0.1:5443/a", "https://127.0.0.1:5443"),
        ("[::1]:5000/a", "http://[::1]:5000"),
        ("[fe80::1]:5000/a", "https://[fe80::1]:5000"),
        ("127.0.0.1.evil.example/a", "https://127.0.0.1.evil.example"),
        ("10.0.0.1:5000/a", "https://10.0.0.1:5000"),
    ] {
        let target = registry.target(&name.parse().unwrap_or_else(|error| panic!("{error}")), false);
        assert_eq!(target.base, base, "{name}");
    }
}
