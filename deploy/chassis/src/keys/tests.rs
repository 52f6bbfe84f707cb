//! Keys are made once, shared, and sign what others verify.

use std::os::unix::fs::PermissionsExt;

use super::{HmacKey, KeyFolder, sha256, verify_ed25519};
use crate::telemetry::chain;

#[test]
fn a_key_is_made_once_and_found_again() {
    let dir = tempfile::tempdir().expect("temp");
    let folder = KeyFolder::open(&dir.path().join("keys")).expect("made");
    let first = folder.ed25519("account").expect("made");
    let again = folder.ed25519("account").expect("found");
    assert_eq!(first.pkcs8, again.pkcs8);
    assert_eq!(first.kid, again.kid);
    assert_eq!(first.kid.len(), 11);
    assert_ne!(first.kid, folder.ed25519("pass").expect("another").kid);
    let hmac = folder.hmac("token").expect("made");
    assert_eq!(hmac.kid, folder.hmac("token").expect("found").kid);

    let mut files: Vec<_> = std::fs::read_dir(dir.path().join("keys"))
        .expect("folder")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("utf-8"))
        .collect();
    files.sort();
    assert_eq!(files, ["account.ed25519", "pass.ed25519", "token.hmac"]);
    let file = std::fs::metadata(dir.path().join("keys/token.hmac")).expect("file");
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
}

#[test]
fn all_of_those_who_start_at_once_get_the_same_key() {
    let dir = tempfile::tempdir().expect("temp");
    let start = std::sync::Barrier::new(8);
    let kids: Vec<String> = std::thread::scope(|scope| {
        let open = || {
            let folder = KeyFolder::open(dir.path()).expect("folder");
            start.wait();
            folder.ed25519("shared").expect("key").kid
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(kids.iter().all(|kid| *kid == kids[0]), "{kids:?}");
}

#[test]
fn a_signature_holds_for_its_message_and_key_only() {
    let dir = tempfile::tempdir().expect("temp");
    let folder = KeyFolder::open(dir.path()).expect("folder");
    let key = folder.ed25519("pass").expect("made");
    let other = folder.ed25519("other").expect("made");
    let mut signature = key.sign(b"seat 4");
    assert!(verify_ed25519(&key.public, b"seat 4", &signature));
    assert!(!verify_ed25519(&key.public, b"seat 5", &signature));
    assert!(!verify_ed25519(&other.public, b"seat 4", &signature));
    assert!(!verify_ed25519(&key.public, b"seat 4", &signature[..63]));
    signature[10] ^= 1;
    assert!(!verify_ed25519(&key.public, b"seat 4", &signature));
}

#[test]
fn a_mac_is_that_of_the_standard_and_verified_whole() {
    // RFC 4231 has no 32-byte key: this value is from `openssl dgst -sha256 -mac HMAC`.
    let key = HmacKey::from_bytes([0x0b; 32]);
    let mac = key.mac(&[b"Hi ", b"There"]);
    assert_eq!(mac, key.mac(&[b"Hi There"]));
    assert!(key.verify(&[b"Hi There"], &mac));
    assert!(!key.verify(&[b"Hi there"], &mac));
    assert!(!key.verify(&[b"Hi There"], &mac[..31]));
    assert!(!key.verify(&[b"Hi There"], b""));
    assert!(!HmacKey::from_bytes([0x0c; 32]).verify(&[b"Hi There"], &mac));
}

#[test]
fn a_digest_is_that_of_the_standard() {
    let abc = sha256(&[b"a", b"bc"]);
    assert_eq!(abc[..4], [0xba, 0x78, 0x16, 0xbf]);
    assert_eq!(abc[28..], [0xf2, 0x00, 0x15, 0xad]);
}

#[test]
fn a_broken_key_file_is_named_and_never_replaced() {
    let dir = tempfile::tempdir().expect("temp");
    let folder = KeyFolder::open(dir.path()).expect("folder");
    for (file, ed25519) in [("a.ed25519", true), ("b.hmac", false)] {
        std::fs::write(dir.path().join(file), b"short").expect("write");
        let loaded =
            if ed25519 { folder.ed25519("a").map(drop) } else { folder.hmac("b").map(drop) };
        let error = loaded.expect_err("broken");
        assert!(chain(&error).to_string().contains(file), "{error}");
        assert_eq!(std::fs::read(dir.path().join(file)).expect("still there"), b"short");
    }
}

#[test]
fn a_key_signs_and_verifies_tokens_in_the_json_web_token_library() {
    use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
    let dir = tempfile::tempdir().expect("temp");
    let key = KeyFolder::open(dir.path()).expect("folder").ed25519("account").expect("made");
    let claims = serde_json::json!({ "sub": "fan", "exp": 4_000_000_000u64 });
    let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
    let token = encode(&header, &claims, &EncodingKey::from_ed_der(&key.pkcs8)).expect("signed");
    let x = crate::base64url::encode(&key.public);
    for decoding_key in [
        DecodingKey::from_ed_der(&key.public),
        DecodingKey::from_ed_components(&x).expect("base64url"),
    ] {
        let validation = Validation::new(Algorithm::EdDSA);
        let decoded = decode::<serde_json::Value>(&token, &decoding_key, &validation);
        assert_eq!(decoded.expect("valid").claims, claims);
    }
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let signature = crate::base64url::decode(signature).expect("base64url");
    assert!(verify_ed25519(&key.public, signed.as_bytes(), &signature));
}
