//! Addresses in a configuration.

/// What is wrong with an address.
pub(super) struct Fault {
    pub(super) message: &'static str,
    /// Whether there is, or may be, a password in it: it is not to be shown then.
    pub(super) secret: bool,
}

/// What is wrong with the address of a server: it has to be `http://HOST[:PORT][/PATH]` or `https://…`.
pub(super) fn of_server(address: &str) -> Option<Fault> {
    // Who searches for something there may show a token.
    let secret = address.contains(['@', '?']);
    let fault = |message| Some(Fault { message, secret });
    if address.contains('@') {
        return fault("has a password in it");
    }
    if address.contains(['?', '#']) {
        return fault("has a query or a fragment");
    }
    let rest = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
    let host = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if host.is_empty() || address.chars().any(|char| char.is_whitespace() || char.is_control()) {
        return fault("is no address");
    }
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((inner, port)) if inner.parse::<std::net::Ipv6Addr>().is_ok() => (inner, port.strip_prefix(':')),
            _ => return fault("has an IPv6 address that is none"),
        },
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    if name.is_empty() || port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return fault("has no port from 1 to 65535 where one is begun, or no host");
    }
    None
}

/// What is wrong with the address of a page that alerts link to: as of a server, and a query is fine.
pub(super) fn of_page(address: &str) -> Option<Fault> {
    // Prometheus reads the texts of alerts as templates.
    if address.contains("{{") {
        return Some(Fault { message: "has the beginning of a template in it", secret: false });
    }
    let (page, query) = address.split_once('?').unwrap_or((address, ""));
    if query.contains(['#', '@']) || query.chars().any(|char| char.is_whitespace() || char.is_control()) {
        return Some(Fault { message: "has a query that cannot stand in an address", secret: true });
    }
    of_server(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(of: fn(&str) -> Option<Fault>, address: &str, says: Option<&str>, secret: bool) {
        let fault = of(address);
        match (&fault, says) {
            (None, None) => {}
            (Some(fault), Some(says)) => assert!(fault.message.contains(says) && fault.secret == secret, "{address}"),
            _ => panic!("{address}: {:?}", fault.map(|fault| fault.message)),
        }
    }

    #[test]
    fn servers() {
        for good in ["http://h", "https://h:1/a/b/", "http://127.0.0.1:9091", "http://[::1]:65535/x", "http://[::1]"] {
            check(of_server, good, None, false);
        }
        for none in
            ["", "h:9091", "ftp://h", "http://", "http:///a", "http://h h:1", "https://h\nfoo: bar", "http://h\0"]
        {
            check(of_server, none, Some("is no address"), false);
        }
        for port in ["http://h:99999", "http://h:0", "http://h:x", "http://h:", "http://::1:9091", "http://:1"] {
            check(of_server, port, Some("port"), false);
        }
        check(of_server, "http://[::z]:1", Some("IPv6"), false);
        check(of_server, "http://u:p@h", Some("password"), true);
        check(of_server, "http://u:p/q@h", Some("password"), true);
        check(of_server, "http://h/?token=s", Some("query"), true);
        check(of_server, "http://h#f", Some("fragment"), false);
    }

    #[test]
    fn pages() {
        check(of_page, "https://wiki/run?page=7", None, false);
        check(of_page, "docs/run.md", Some("is no address"), false);
        check(of_page, "https://h/{{ bad", Some("template"), false);
        check(of_page, "https://h/run#x", Some("fragment"), false);
        check(of_page, "https://h/run?a b", Some("query"), true);
    }
}
