//! What a token proves, and what it does not.

use super::{Identity, Tokens};
use crate::accounts::roles::{Role, Roles};
use chassis::base64url;
use chassis::keys::KeyFolder;
use schema::{AccountId, UnixMillis};

const TTL_S: u64 = 900;

fn tokens(name: &str) -> Tokens {
    let dir = tempfile::tempdir().unwrap();
    let folder = KeyFolder::open(dir.path()).unwrap();
    Tokens::new(&folder.ed25519(name).unwrap(), TTL_S)
}

fn operator() -> Identity {
    Identity { account: AccountId(7), roles: Roles::of(&[Role::Fan, Role::Operator]) }
}

#[test]
fn a_token_speaks_for_its_account_until_it_expires() {
    let tokens = tokens("account");
    let now = chassis::clock::now();
    let (token, ttl_s) = tokens.issue(operator(), now);
    assert_eq!(ttl_s, TTL_S);
    assert_eq!(tokens.verify(&token, now), Some(operator()));
    assert_eq!(tokens.verify(&token, now), Some(operator()), "remembered");
    let later = UnixMillis(now.0 + (TTL_S + 6) * 1_000);
    assert_eq!(tokens.verify(&token, later), None, "expired, also when remembered");
    let old = UnixMillis(now.0 - (TTL_S + 10) * 1_000);
    let (expired, _) = tokens.issue(operator(), old);
    assert_eq!(tokens.verify(&expired, now), None);
}

#[test]
fn a_token_of_another_key_algorithm_or_audience_is_refused() {
    let tokens = tokens("account");
    let now = chassis::clock::now();
    let (foreign, _) = self::tokens("other").issue(operator(), now);
    assert_eq!(tokens.verify(&foreign, now), None, "another key");
    let (token, _) = tokens.issue(operator(), now);
    let parts: Vec<&str> = token.split('.').collect();
    let header = |alg: &str| {
        base64url::encode(format!(r#"{{"alg":"{alg}","kid":"{}"}}"#, tokens.kid).as_bytes())
    };
    for alg in ["none", "HS256", "RS256"] {
        let forged = format!("{}.{}.{}", header(alg), parts[1], parts[2]);
        assert_eq!(tokens.verify(&forged, now), None, "{alg}");
    }
    let mut claims = base64url::decode(parts[1]).unwrap();
    let at = claims.iter().position(|&byte| byte == b'f').unwrap();
    claims[at] ^= 1;
    let forged = format!("{}.{}.{}", parts[0], base64url::encode(&claims), parts[2]);
    assert_eq!(tokens.verify(&forged, now), None, "changed claims");
    for text in ["", ".", "..", "a.b.c", &token[..token.len() - 1]] {
        assert_eq!(tokens.verify(text, now), None, "{text:?}");
    }
}
