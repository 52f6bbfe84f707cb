//! Signing keys in a folder, shared by every process that can read it.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use aws_lc_rs::{digest, hmac, rand::SystemRandom};

pub use crate::random::random_bytes;
use crate::{Cause, Error, base64url};

/// A folder of keys; each is made at its first use and never replaced.
#[derive(Debug, Clone)]
pub struct KeyFolder {
    dir: PathBuf,
}

/// A key that signs with Ed25519.
pub struct Ed25519Key {
    /// The first 8 bytes of SHA-256 of the public key, base64url: names the key in tokens.
    pub kid: String,
    /// PKCS #8 version 2, DER: what `EncodingKey::from_ed_der` takes.
    pub pkcs8: Vec<u8>,
    /// The raw public key: what `DecodingKey::from_ed_der` takes, and in base64url a JWK's `x`.
    pub public: [u8; 32],
    pair: Ed25519KeyPair,
}

/// A key for HMAC-SHA256.
pub struct HmacKey {
    /// As [`Ed25519Key::kid`], of a MAC under the key, which tells nothing about it.
    pub kid: String,
    key: hmac::Key,
}

impl KeyFolder {
    /// Opens the folder, making it (0700) if it is missing.
    pub fn open(dir: &Path) -> Result<KeyFolder, Error> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|source| Error::io(format!("make key folder {}", dir.display()), source))?;
        Ok(KeyFolder { dir: dir.to_owned() })
    }

    /// Loads or makes `<name>.ed25519`.
    pub fn ed25519(&self, name: &str) -> Result<Ed25519Key, Error> {
        let (path, pkcs8) = self.load_or_make(&format!("{name}.ed25519"), || {
            let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
            document.expect("the generator was seeded at start-up").as_ref().to_vec()
        })?;
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8)
            .map_err(|err| invalid(&path, &format!("no Ed25519 key in PKCS #8: {err}")))?;
        let public = pair.public_key().as_ref().try_into().expect("Ed25519 keys have 32 bytes");
        Ok(Ed25519Key { kid: kid(&public), pkcs8, public, pair })
    }

    /// Loads or makes `<name>.hmac`, 32 raw bytes.
    pub fn hmac(&self, name: &str) -> Result<HmacKey, Error> {
        let make = || random_bytes::<32>().to_vec();
        let (path, bytes) = self.load_or_make(&format!("{name}.hmac"), make)?;
        let bytes: [u8; 32] =
            bytes.try_into().map_err(|_| invalid(&path, "an HMAC key has 32 bytes"))?;
        Ok(HmacKey::from_bytes(bytes))
    }

    fn load_or_make(
        &self,
        file: &str,
        make: impl FnOnce() -> Vec<u8>,
    ) -> Result<(PathBuf, Vec<u8>), Error> {
        let path = self.dir.join(file);
        let failed = |source| Error::io(format!("read or make key {}", path.display()), source);
        match fs::read(&path) {
            Err(err) if err.kind() == ErrorKind::NotFound => {}
            read => return read.map(|bytes| (path.clone(), bytes)).map_err(failed),
        }
        publish(&self.dir, &path, &make()).map_err(failed)?;
        // Read back: of several processes that start at once the first link wins, and all use its
        // key.
        let bytes = fs::read(&path).map_err(failed)?;
        tracing::info!(path = %path.display(), "key made");
        Ok((path, bytes))
    }
}

impl Ed25519Key {
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).as_ref().try_into().expect("Ed25519 signatures have 64 bytes")
    }
}

impl HmacKey {
    pub fn from_bytes(bytes: [u8; 32]) -> HmacKey {
        HmacKey::from_slice(&bytes)
    }

    /// A key of any length, as others have chosen theirs.
    pub fn from_slice(bytes: &[u8]) -> HmacKey {
        let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let mut key = HmacKey { kid: String::new(), key };
        key.kid = kid(&key.mac(&[b"usher key id"]));
        key
    }

    /// Returns the MAC of the parts one after the other. The parts' borders are not in it.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(part);
        }
        context.sign().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// Says whether `mac` is the MAC of the parts, in a time that depends on their lengths only.
    pub fn verify(&self, parts: &[&[u8]], mac: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.mac(parts), mac).is_ok()
    }
}

/// Says whether `signature` is the key's signature of `message`.
pub fn verify_ed25519(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
}

/// Returns SHA-256 of the parts one after the other. The parts' borders are not in it.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn kid(bytes: &[u8; 32]) -> String {
    base64url::encode(&sha256(&[bytes])[..8])
}

/// Writes a file that is either absent or whole, and never replaces one that is there.
fn publish(dir: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let draft = dir.join(format!(".draft-{}", base64url::encode(&random_bytes::<12>())));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(err) if err.kind() != ErrorKind::AlreadyExists => return Err(err),
        _ => {}
    }
    // A key that signed something must not be gone after a power cut.
    File::open(dir)?.sync_all()
}

fn invalid(path: &Path, why: &str) -> Error {
    Error::Rejected { what: format!("use key {}", path.display()), source: Cause::text(why) }
}

impl fmt::Debug for Ed25519Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519Key").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
