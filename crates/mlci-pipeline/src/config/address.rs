//! Addresses of servers in a configuration.

/// What is wrong with an address that has to be `http://HOST…` or `https://HOST…` without credentials.
pub(super) fn fault(address: &str) -> Option<&'static str> {
    let rest = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
    match rest.map(|rest| rest.split('/').next().unwrap_or_default()) {
        Some(host) if host.contains('@') => Some("has a password in it"),
        Some(host) if !host.is_empty() => None,
        _ => Some("is no address"),
    }
}
