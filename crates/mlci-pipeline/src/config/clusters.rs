//! Where environments stand in clusters: in namespaces that there can be, and apart.

use super::Config;

/// An environment's key that cannot be: its table, its key, what is wrong, and what to do.
pub(super) type Fault = (String, &'static str, String, &'static str);

/// The first of them.
pub(super) fn fault(config: &Config) -> Option<Fault> {
    let mut seen: Vec<(String, Option<&str>, &str)> = Vec::new();
    let clusters = config.environment.iter().filter(|(_, environment)| environment.target.is_cluster());
    for (name, environment) in clusters {
        let table = format!("environment.{name}");
        let namespace = environment.namespace_of(&config.project.name, name);
        if !is_namespace(&namespace) {
            let message = format!("`{table}` would be in the namespace `{namespace}`, which no cluster can have");
            let help = "set namespace = \"…\": 1 to 63 of a-z, 0-9 and, inside, `-`";
            return Some((table, "namespace", message, help));
        }
        if let Some((inner, key, message, help)) = environment.cluster_fault() {
            return Some((format!("{table}{inner}"), key, format!("{table}: {message}"), help));
        }
        let context = environment.context.as_deref();
        if let Some((_, _, other)) = seen.iter().find(|(known, at, _)| *known == namespace && *at == context) {
            let message = format!("`{table}` and `environment.{other}` have the same namespace, `{namespace}`");
            return Some((table, "namespace", message, "give each its own, or leave the key out"));
        }
        seen.push((namespace, context, name.as_str()));
    }
    None
}

/// A DNS label: RFC 1123, section 2.1.
fn is_namespace(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| plain(*byte));
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|byte| plain(*byte) || *byte == b'-')
}
