//! Asking gateways that die over it, and asking the same again where one lives.

use crate::auditor::postgres;
use crate::client::{Answer, Call};
use crate::fan::{Fan, fresh_key};
use crate::promises::assert_repeats;
use crate::split::Split;
use crate::up::Reach;
use chassis::{Death, Side};
use futures_util::future::join_all;

/// The call, under a key that nobody used before.
pub fn keyed(call: Call) -> Call {
    call.header("idempotency-key", &fresh_key())
}

/// Asks a gateway of one's own, which dies over it.
pub async fn is_cut_off(split: &mut Split, death: Death, who: &Fan, call: &Call) {
    let client = split.open_doomed_gateway(death).await;
    hears_nothing(split, death, &Fan { client, ..who.clone() }, call).await;
}

/// Asks for the same at each of these deaths, under a key for each; returns what was asked.
pub async fn are_cut_off(
    split: &mut Split,
    deaths: Vec<Death>,
    who: &Fan,
    call: &Call,
) -> Vec<Call> {
    let mut asked = Vec::new();
    for death in deaths {
        let call = keyed(call.clone());
        is_cut_off(split, death, who, &call).await;
        asked.push(call);
    }
    asked
}

pub async fn hears_nothing(split: &mut Split, death: Death, who: &Fan, call: &Call) {
    let heard = who.send(call.clone()).await;
    // What a lane has sent may be answered before the lane hears that it was taken.
    let may_be_answered = death.what == "publish on a lane" && death.side == Side::After;
    assert!(heard.is_err() || may_be_answered, "{}: {heard:?}", death.name());
    split.dies(&death.name()).await;
}

/// What is heard by who asks again under the same keys, and again once more.
///
/// All ask at once: a key that a gateway had taken when it died is free in half a minute.
pub async fn repeated(who: &Fan, calls: &[Call]) -> Vec<Answer> {
    let asked = calls.iter().map(|call| async move {
        let answer = who.ask_until_final(call.clone()).await;
        let again = who.ask_until_final(call.clone()).await;
        if matches!(answer.status, 200 | 201) {
            assert_repeats(&again, &answer);
        }
        answer
    });
    join_all(asked).await
}

pub async fn count(reach: &Reach, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&postgres(reach).await).await.unwrap()
}
