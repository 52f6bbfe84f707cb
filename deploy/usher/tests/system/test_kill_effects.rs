//! Gateways that die by SIGKILL where a deed and its answer are one commit: who asks again under
//! the same key hears of it, and it is done once.

use crate::client::{Answer, Call};
use crate::doomed::{are_cut_off, count, repeated};
use crate::fan::{Fan, text};
use crate::split::Split;
use crate::system::System;
use chassis::Death;
use serde_json::json;
use std::collections::BTreeSet;

pub const ADDED: [&str; 3] =
    ["begin an effect", "add an endpoint", "commit an answer with its effect"];
pub const SECRET_GIVEN: &str = "give an endpoint a secret";
pub const API_KEY_ADDED: &str = "add an API key";

const ENDPOINTS: &str = "/api/partners/webhooks";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deed_is_done_once_and_has_its_answer_whatever_a_gateway_dies_over() {
    let mut split = Split::start().await;
    let reach = split.reach();
    let partner = Fan::demo(&reach.client, "partner").await;
    let add = Call::post(ENDPOINTS, &json!({"url": "https://example.org/hooks"}));
    let oldest = text(&partner.ask(add.clone()).await.expect(201)["webhookId"]);
    let rotate = Call::post(&format!("{ENDPOINTS}/{oldest}/rotate"), &json!({}));
    let make = Call::post("/api/partners/keys", &json!({"name": "killed"}));
    let endpoints = are_cut_off(&mut split, Death::all(&ADDED), &partner, &add).await;
    let secrets = are_cut_off(&mut split, Death::all(&[SECRET_GIVEN]), &partner, &rotate).await;
    let api_keys = are_cut_off(&mut split, Death::all(&[API_KEY_ADDED]), &partner, &make).await;
    let (endpoints, secrets, api_keys) = tokio::join!(
        repeated(&partner, &endpoints),
        repeated(&partner, &secrets),
        repeated(&partner, &api_keys)
    );

    let shown = partner.get(ENDPOINTS).await;
    let shown = shown["webhooks"].as_array().unwrap();
    let ids: BTreeSet<String> = shown.iter().map(|one| text(&one["webhookId"])).collect();
    let mut endpoints = told(endpoints, 201, "webhookId");
    assert!(endpoints.insert(oldest.clone()));
    assert_eq!(ids, endpoints, "an endpoint for each key");
    let secrets = told(secrets, 200, "secret");
    let rotated = shown.iter().find(|one| one["webhookId"] == oldest.as_str()).unwrap();
    assert_eq!(rotated["secretNumber"], 1 + secrets.len(), "one more for each key");
    let api_keys = told(api_keys, 201, "apiKey");
    let stored = count(&reach, "SELECT count(*) FROM api_key WHERE name = 'killed'").await;
    assert_eq!(usize::try_from(stored).unwrap(), api_keys.len(), "an API key for each key");
    for api_key in api_keys {
        let call = Call::get(ENDPOINTS).header("authorization", &format!("ApiKey {api_key}"));
        reach.client.ask_patiently(call).await.expect(200);
    }
}

/// What the answers have under this name: no two have the same.
fn told(answers: Vec<Answer>, status: u16, name: &str) -> BTreeSet<String> {
    let count = answers.len();
    let told = answers.into_iter().map(|answer| text(&answer.expect(status)[name]));
    let told: BTreeSet<String> = told.collect();
    assert_eq!(told.len(), count, "{name}: {told:?}");
    told
}
