//! What the lab hands to the tests.

/// A variable that names a server.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: cargo xtask test --lab starts a server and sets it"))
}

/// A word that no other test, and no other run, has.
pub(crate) fn unique() -> String {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    format!("{since:x}-{}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}
