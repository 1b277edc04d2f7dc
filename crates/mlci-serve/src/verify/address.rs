use std::{fmt, net::Ipv6Addr, str::FromStr};

use super::VerifyError;

/// `http://HOST[:PORT][/PREFIX]`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// A name or an IP address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// What stands before every path: empty, or with `/` before and none behind.
    pub(super) prefix: String,
}

impl Address {
    /// Host and port as they stand in a URL and in the header `host`.
    pub(super) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.prefix)
    }
}

impl FromStr for Address {
    type Err = VerifyError;

    fn from_str(text: &str) -> Result<Self, VerifyError> {
        // Wherever the `@` is: a password may have a `/` in it, or what stands before it be forgotten.
        parse(text).map_err(|problem| match text.contains('@') {
            true => VerifyError::Credentials { problem },
            false => VerifyError::Address { address: text.to_owned(), problem },
        })
    }
}

fn parse(text: &str) -> Result<Address, &'static str> {
    let rest = text.strip_prefix("http://").ok_or("it does not begin with http:// (TLS is the proxy's)")?;
    let (authority, prefix) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    if authority.contains('@') {
        return Err("the server asks for no user and no password");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("a bracket is not closed")?;
            if port.is_empty() { (host, None) } else { (host, Some(port.strip_prefix(':').ok_or(PORT)?)) }
        }
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Ok(80), |port| port.parse().map_err(|_| PORT))?;
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let legal = host.parse::<Ipv6Addr>().is_ok() || (!host.is_empty() && host.bytes().all(inside));
    if !legal || port == 0 {
        return Err(if legal { PORT } else { "its host is neither a name nor an IP address" });
    }
    if !prefix.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#')) {
        return Err("what follows the port is no path");
    }
    Ok(Address { host: host.to_owned(), port, prefix: prefix.trim_end_matches('/').to_owned() })
}

const PORT: &str = "its port is not a number from 1 to 65535";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (text, host, port, shown) in [
            ("http://10.96.0.7:80", "10.96.0.7", 80, "http://10.96.0.7:80"),
            ("http://wine.staging.svc", "wine.staging.svc", 80, "http://wine.staging.svc:80"),
            ("http://[fd00::1]:8080/", "fd00::1", 8080, "http://[fd00::1]:8080"),
            ("http://[fd00::1]", "fd00::1", 80, "http://[fd00::1]:80"),
            // As Kubernetes' variables give it.
            ("http://fd00::1:8080", "fd00::1", 8080, "http://[fd00::1]:8080"),
            ("http://proxy:1/team/wine/", "proxy", 1, "http://proxy:1/team/wine"),
            ("http://proxy:1/@team", "proxy", 1, "http://proxy:1/@team"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.host.as_str(), address.port, address.to_string().as_str()), (host, port, shown));
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        for (text, says) in [
            ("http://user:s3cret@wine:80", "no user and no password"),
            ("http://s3cret@wine", "no user and no password"),
            ("http://s3cret@[fd00::1]:80/a", "no user and no password"),
            // Of these, the authority ends before the `@`.
            ("http://user:s3cret/4@wine:80", "port"),
            ("http://wine:80/s3cret@?", "path"),
            ("https://user:s3cret@wine", "TLS"),
            ("user:s3cret@wine:80", "http://"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(says) && !shown.contains("s3cret") && !shown.contains("wine"), "{shown}");
        }
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (text, says) in [
            ("10.96.0.7:80", "http://"),
            ("https://wine", "TLS"),
            ("http://", "host"),
            ("http://:80", "host"),
            ("http://wine :80", "host"),
            ("http://$(WINE_SERVICE_HOST):80", "host"),
            ("http://[fd00::1:80", "bracket"),
            ("http://[wine:1]:80", "host"),
            ("http://[fd00::1]80", "port"),
            // Whether the last part is a port cannot be told.
            ("http://fd00::", "port"),
            ("http://wine:0", "port"),
            ("http://wine:65536", "port"),
            ("http://wine:80/a?b", "path"),
            ("http://wine:80/a b", "path"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(says) && error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
