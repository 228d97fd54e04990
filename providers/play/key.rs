//! The key that signs fixtures. It is public, so its signatures prove nothing.

use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

/// The certificate of that key, in PEM. No vendor serves it, so a real gateway refuses its signatures.
pub const CERTIFICATE: &[u8] = include_bytes!("keys/signer.pem");

/// The key set with that key, for tokens. No vendor serves it.
pub const KEYS: &[u8] = include_bytes!("keys/keys.json");

/// The id of that key.
pub(super) const ID: &str = "campanile-fixture";

const SIGNER: &[u8] = include_bytes!("keys/signer.pk8");

/// Signs like the fixtures, with RSA and SHA-256.
pub(super) fn sign(message: &str) -> Option<Vec<u8>> {
    let signer = RsaKeyPair::from_pkcs8(SIGNER).ok()?;
    let mut signature = vec![0; signer.public().modulus_len()];
    let random = SystemRandom::new();
    signer
        .sign(
            &RSA_PKCS1_SHA256,
            &random,
            message.as_bytes(),
            &mut signature,
        )
        .ok()?;
    Some(signature)
}
