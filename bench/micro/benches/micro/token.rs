//! The waiting room's token, which is sealed at a join and opened at every poll.
//!
//! The room's own sealer is private; its steps are public and are taken here in the same order.

use chassis::base64url;
use chassis::keys::HmacKey;
use criterion::Criterion;
use schema::UnixMillis;
use std::hint::black_box;
use waiting_room_core::{MAC_BYTES, PlaceKind, Token};

pub fn benches(criterion: &mut Criterion) {
    let key = HmacKey::from_bytes([7; 32]);
    let token = Token {
        kid: *b"key-id-0",
        kind: PlaceKind::Line,
        event: "EVT001".parse().expect("it is an event id"),
        epoch: 3,
        number: 70_000,
        issued_at: UnixMillis(1_800_000_000_000),
        pop_hash: Some([5; 32]),
        owner: None,
    };
    let text = seal(&key, &token);
    assert!(open(&key, &text).is_some_and(|opened| opened == token));
    let body = token.body();

    let mut group = criterion.benchmark_group("token");
    group.bench_function("seal", |bench| bench.iter(|| seal(&key, black_box(&token))));
    group.bench_function("open", |bench| bench.iter(|| open(&key, black_box(&text))));
    group.bench_function("mac alone", |bench| {
        bench.iter(|| key.mac(&[Token::DOMAIN, black_box(&body)]));
    });
    group.finish();
}

fn seal(key: &HmacKey, token: &Token) -> String {
    let mut bytes = token.body();
    let mac = key.mac(&[Token::DOMAIN, &bytes]);
    bytes.extend(mac);
    base64url::encode(&bytes)
}

fn open(key: &HmacKey, text: &str) -> Option<Token> {
    let bytes = base64url::decode(text)?;
    let (body, mac): (&[u8], &[u8; MAC_BYTES]) = Token::split(&bytes).ok()?;
    let genuine = key.verify(&[Token::DOMAIN, body], mac);
    if genuine { Token::read(body).ok() } else { None }
}
