//! What the tests of servers share: the certificates of this folder, and the installed Python.

/// A file of this folder: `authority.pem` has signed `server.pem`, the certificate and the key of `localhost`.
pub(crate) fn file(name: &str) -> String {
    format!("{}/tests/it/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The Python with the client libraries. `scripts/test` installs it.
#[cfg(any(feature = "kafka", feature = "rabbitmq"))]
pub(crate) fn python() -> String {
    format!("{}/../target/peers/bin/python", env!("CARGO_MANIFEST_DIR"))
}
