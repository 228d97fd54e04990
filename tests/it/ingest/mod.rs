//! What the public listener accepts, refuses and answers.

mod outcomes;
mod paths;
mod proofs;
mod secrets;
mod wire;

use std::io::Write as _;

use serde_json::{Value, json};

const OUTCOMES: &str = "campanile_callbacks_total{source=\"probe/a\",outcome=";
const REFUSED: &str = "campanile_refused_total{source=\"probe/a\",reason=";

fn probe(id: &str) -> Value {
    json!({"probe": id, "problem": "disk", "status": "firing", "severity": "error", "title": "full"})
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    zip.write_all(body).unwrap();
    zip.finish().unwrap()
}
