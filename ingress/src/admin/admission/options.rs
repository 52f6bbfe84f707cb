//! What may be set of a room besides its pace, and the names that the field knows settings by.

use chassis::Problem;
use chassis::base64url;
use schema::{
    ENQUEUE_SECRET_BYTES, EnqueueKey, QueueingMethod, RoomOptions, RoomSettings, Standby,
    UnixMillis,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::problems;

/// Bounds of a room's standby. A window of five minutes sees a crowd when it is over; a day of
/// being armed is a mode of its own.
const JOINS_PER_SECOND: std::ops::RangeInclusive<u32> = 1..=100_000;
const STANDBY_WINDOW_S: std::ops::RangeInclusive<u32> = 1..=300;
const STANDBY_SPAN_S_MAX: u32 = 86_400;

const MINUTE_S: u32 = 60;

/// The options of a room, and its settings by the names that Cloudflare gave them.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "the field has named them so")]
pub struct OptionsBody {
    /// `fifo`, `random` (a pre-queue is drawn, who comes later is behind it), `passthrough` or
    /// `reject`.
    #[schema(value_type = String)]
    queueing_method: QueueingMethod,
    /// Everybody waits and nobody is called.
    queue_all: bool,
    /// The same as `activeMax`.
    total_active_users: u32,
    /// The same as `admissionRatePerMinute`.
    new_users_per_minute: u32,
    /// `passTtlSeconds` in minutes, rounded up.
    session_duration: u32,
    /// The same as `opensAt`.
    event_start_time: Option<String>,
    /// From when on people may join a pre-queue; null for at once.
    prequeue_start_time: Option<String>,
    /// Whether `queueing_method` is `random`.
    shuffle_at_event_start: bool,
    standby: StandbyBody,
    /// Joining needs a login, and an account has one live place.
    #[serde(rename = "loginRequired")]
    login_required: bool,
    /// Joining needs a token that the promoter signed.
    #[serde(rename = "enqueueTokenRequired")]
    enqueue_token_required: bool,
    /// Which key checks those tokens; what it is, is never shown.
    #[serde(rename = "enqueueKey")]
    enqueue_key: Option<EnqueueKeyBody>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct EnqueueKeyBody {
    /// `EdDSA` or `HS256`.
    alg: &'static str,
    /// Tells one key from another.
    kid: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StandbyBody {
    joins_per_second: u32,
    window_seconds: u32,
    min_activation_seconds: u32,
    empty_seconds: u32,
}

/// What to change of it; the rest stays.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct OptionsChange {
    #[schema(value_type = Option<String>)]
    queueing_method: Option<QueueingMethod>,
    queue_all: Option<bool>,
    /// The same as `activeMax`: named twice, both must be equal.
    pub(super) total_active_users: Option<u32>,
    /// The same as `admissionRatePerMinute`.
    pub(super) new_users_per_minute: Option<u32>,
    /// `passTtlSeconds` in minutes, 1 to 60.
    session_duration: Option<u32>,
    /// The same as `opensAt`.
    pub(super) event_start_time: Option<String>,
    /// RFC 3339, before `opensAt`, or null to take it away.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    prequeue_start_time: Change<String>,
    /// True is `queueing_method` `random`; false is `fifo`, where it was `random`.
    shuffle_at_event_start: Option<bool>,
    standby: Option<StandbyChange>,
    #[serde(rename = "loginRequired")]
    login_required: Option<bool>,
    /// Needs `enqueueKey`.
    #[serde(rename = "enqueueTokenRequired")]
    enqueue_token_required: Option<bool>,
    /// A key, or null to take it away.
    #[serde(rename = "enqueueKey", default)]
    #[schema(value_type = Option<EnqueueKeyChange>)]
    enqueue_key: Change<EnqueueKeyChange>,
}

/// The key that a promoter signs with, or signs by.
#[derive(Debug, PartialEq, Eq, Deserialize, ToSchema)]
pub struct EnqueueKeyChange {
    /// `EdDSA` or `HS256`.
    alg: String,
    /// In base64url: the 32 bytes of an Ed25519 public key, or a secret of 32 to 64 bytes.
    key: String,
}

/// What becomes of a setting that may be absent: a member that is null is not one that is not
/// there.
#[derive(Debug, Default, PartialEq, Eq)]
enum Change<T> {
    #[default]
    Keep,
    Remove,
    Set(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = Option::<T>::deserialize(deserializer)?;
        Ok(named.map_or(Self::Remove, Self::Set))
    }
}

impl<T> Change<T> {
    fn apply<U>(
        self,
        before: Option<U>,
        read: impl FnOnce(T) -> Result<U, Problem>,
    ) -> Result<Option<U>, Problem> {
        match self {
            Self::Keep => Ok(before),
            Self::Remove => Ok(None),
            Self::Set(value) => read(value).map(Some),
        }
    }
}

/// When a room in the mode `standby` becomes a line, and when it ceases to be one.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StandbyChange {
    /// More joins a second than this over the window arm the room; 1 to 100,000.
    joins_per_second: Option<u32>,
    /// 1 to 300.
    window_seconds: Option<u32>,
    /// How long it stays armed at least; up to 86,400.
    min_activation_seconds: Option<u32>,
    /// How long nobody must have waited before it is disarmed; up to 86,400.
    empty_seconds: Option<u32>,
}

impl OptionsBody {
    pub(super) fn of(settings: &RoomSettings) -> Self {
        let options = &settings.options;
        let standby = options.standby;
        Self {
            queueing_method: options.queueing_method,
            queue_all: options.queue_all,
            total_active_users: settings.active_max,
            new_users_per_minute: settings.admission_rate_per_minute,
            session_duration: settings.pass_ttl_seconds.div_ceil(MINUTE_S),
            event_start_time: settings.opens_at.map(UnixMillis::to_rfc3339),
            prequeue_start_time: options.prequeue_from.map(UnixMillis::to_rfc3339),
            shuffle_at_event_start: options.queueing_method == QueueingMethod::Random,
            standby: StandbyBody {
                joins_per_second: standby.joins_per_second,
                window_seconds: standby.window_seconds,
                min_activation_seconds: standby.min_activation_seconds,
                empty_seconds: standby.empty_seconds,
            },
            login_required: options.login_required,
            enqueue_token_required: options.enqueue_token_required,
            enqueue_key: options.enqueue_key.as_ref().map(EnqueueKeyBody::of),
        }
    }
}

impl EnqueueKeyBody {
    fn of(key: &EnqueueKey) -> Self {
        let (alg, bytes) = match key {
            EnqueueKey::EdDsa { public } => ("EdDSA", public.as_slice()),
            EnqueueKey::Hs256 { secret } => ("HS256", secret.as_slice()),
        };
        let hash = chassis::keys::sha256(&[b"usher enqueue key\0", bytes]);
        Self { alg, kid: base64url::encode(&hash[..8]) }
    }
}

impl EnqueueKeyChange {
    fn read(&self) -> Result<EnqueueKey, Problem> {
        let bytes = base64url::decode(&self.key).unwrap_or_default();
        match self.alg.as_str() {
            "EdDSA" => {
                let public = bytes.try_into();
                let public = public.map_err(|_| {
                    problems::invalid("enqueueKey.key is an Ed25519 public key in base64url")
                })?;
                Ok(EnqueueKey::EdDsa { public })
            }
            "HS256" if ENQUEUE_SECRET_BYTES.contains(&bytes.len()) => {
                Ok(EnqueueKey::Hs256 { secret: bytes })
            }
            "HS256" => Err(problems::invalid("enqueueKey.key is 32 to 64 bytes in base64url")),
            _ => Err(problems::invalid("enqueueKey.alg is EdDSA or HS256")),
        }
    }
}

/// What the audit log keeps of a change that was sent.
pub(super) fn without_key(sent: &Value) -> Value {
    let mut told = sent.clone();
    if let Some(key) = told.get_mut("enqueueKey").and_then(Value::as_object_mut) {
        key.remove("key");
    }
    told
}

impl OptionsChange {
    /// The life of a pass in seconds, if it is named.
    pub(super) fn pass_ttl_seconds(&self) -> Option<u32> {
        self.session_duration.map(|minutes| minutes.saturating_mul(MINUTE_S))
    }

    /// The method, `before` being the one of now.
    fn method(&self, before: QueueingMethod) -> Result<QueueingMethod, Problem> {
        let method = self.queueing_method.unwrap_or(before);
        let is_random = method == QueueingMethod::Random;
        match self.shuffle_at_event_start {
            Some(shuffles) if shuffles != is_random && self.queueing_method.is_some() => {
                let detail = "queueing_method and shuffle_at_event_start contradict each other";
                Err(problems::invalid(detail))
            }
            Some(true) => Ok(QueueingMethod::Random),
            Some(false) if is_random => Ok(QueueingMethod::Fifo),
            Some(false) | None => Ok(method),
        }
    }

    pub(super) fn apply(self, options: &mut RoomOptions) -> Result<(), Problem> {
        options.queueing_method = self.method(options.queueing_method)?;
        options.prequeue_from = self
            .prequeue_start_time
            .apply(options.prequeue_from, |text| time_of(&text, "prequeue_start_time"))?;
        options.queue_all = self.queue_all.unwrap_or(options.queue_all);
        if let Some(change) = self.standby {
            options.standby = change.apply(options.standby)?;
        }
        options.login_required = self.login_required.unwrap_or(options.login_required);
        let is_required = self.enqueue_token_required;
        options.enqueue_token_required = is_required.unwrap_or(options.enqueue_token_required);
        let key = options.enqueue_key.take();
        options.enqueue_key = self.enqueue_key.apply(key, |key| key.read())?;
        if options.enqueue_token_required && options.enqueue_key.is_none() {
            return Err(problems::invalid("enqueueTokenRequired needs an enqueueKey"));
        }
        Ok(())
    }
}

impl StandbyChange {
    fn apply(self, before: Standby) -> Result<Standby, Problem> {
        let standby = Standby {
            joins_per_second: self.joins_per_second.unwrap_or(before.joins_per_second),
            window_seconds: self.window_seconds.unwrap_or(before.window_seconds),
            min_activation_seconds: self
                .min_activation_seconds
                .unwrap_or(before.min_activation_seconds),
            empty_seconds: self.empty_seconds.unwrap_or(before.empty_seconds),
        };
        if !JOINS_PER_SECOND.contains(&standby.joins_per_second) {
            return Err(problems::invalid("standby.joinsPerSecond is 1 to 100,000"));
        }
        if !STANDBY_WINDOW_S.contains(&standby.window_seconds) {
            return Err(problems::invalid("standby.windowSeconds is 1 to 300"));
        }
        if STANDBY_SPAN_S_MAX < standby.min_activation_seconds.max(standby.empty_seconds) {
            let detail = "standby.minActivationSeconds and standby.emptySeconds are 0 to 86,400";
            return Err(problems::invalid(detail));
        }
        Ok(standby)
    }
}

/// A time that was named.
pub(super) fn time_of(text: &str, name: &str) -> Result<UnixMillis, Problem> {
    let time = UnixMillis::parse_rfc3339(text);
    time.ok_or_else(|| problems::invalid(format!("{name} is an RFC 3339 time")))
}

/// A setting that has two names.
///
/// # Errors
/// When both are named and differ.
pub(super) fn either<T: PartialEq>(
    ours: Option<T>,
    theirs: Option<T>,
    names: &str,
) -> Result<Option<T>, Problem> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) if ours != theirs => {
            Err(problems::invalid(format!("{names} are two names of one setting")))
        }
        (ours, theirs) => Ok(ours.or(theirs)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::AdmissionChange;
    use super::{OptionsBody, without_key};
    use chassis::base64url;
    use schema::{EnqueueKey, QueueingMethod, RoomMode, RoomSettings, Standby, UnixMillis};
    use serde_json::{Value, json};

    fn apply(change: Value) -> Result<RoomSettings, u16> {
        let change: AdmissionChange = serde_json::from_value(change).unwrap();
        change.apply(RoomSettings::default()).map_err(|problem| problem.status)
    }

    #[test]
    fn settings_are_taken_and_told_by_the_names_of_the_field_too() {
        let changed = apply(json!({
            "queueing_method": "passthrough", "queue_all": true, "total_active_users": 300,
            "new_users_per_minute": 200, "session_duration": 10,
        }));
        let changed = changed.unwrap();
        assert_eq!((changed.active_max, changed.admission_rate_per_minute), (300, 200));
        assert_eq!(changed.pass_ttl_seconds, 600);
        assert_eq!(changed.options.queueing_method, QueueingMethod::Passthrough);
        let told = serde_json::to_value(OptionsBody::of(&changed)).unwrap();
        let names = [
            ("queueing_method", json!("passthrough")),
            ("queue_all", json!(true)),
            ("total_active_users", json!(300)),
            ("new_users_per_minute", json!(200)),
            ("session_duration", json!(10)),
        ];
        for (name, value) in names {
            assert_eq!(told[name], value, "{name}");
        }
        assert!(apply(json!({"activeMax": 7, "total_active_users": 7})).is_ok());
        for twice in [
            json!({"activeMax": 7, "total_active_users": 8}),
            json!({"admissionRatePerMinute": 7, "new_users_per_minute": 8}),
            json!({"passTtlSeconds": 90, "session_duration": 2}),
            json!({"session_duration": 61}),
            json!({"session_duration": 0}),
            json!({"total_active_users": 0}),
        ] {
            assert_eq!(apply(twice.clone()), Err(422), "{twice}");
        }
    }

    #[test]
    fn a_pre_queue_has_its_times_by_the_names_of_the_field() {
        let (begins, opens) = ("2027-03-01T09:30:00Z", "2027-03-01T10:00:00Z");
        let changed = apply(json!({
            "mode": "pre-queue", "event_start_time": opens, "prequeue_start_time": begins,
            "shuffle_at_event_start": true,
        }));
        let changed = changed.unwrap();
        assert_eq!(changed.options.prequeue_from, UnixMillis::parse_rfc3339(begins));
        assert_eq!(changed.opens_at, UnixMillis::parse_rfc3339(opens));
        assert_eq!(changed.options.queueing_method, QueueingMethod::Random);
        let told = serde_json::to_value(OptionsBody::of(&changed)).unwrap();
        let times = [("event_start_time", opens), ("prequeue_start_time", begins)];
        for (name, time) in times {
            let told = UnixMillis::parse_rfc3339(told[name].as_str().unwrap());
            assert_eq!(told, UnixMillis::parse_rfc3339(time), "{name}");
        }
        assert_eq!(told["shuffle_at_event_start"], json!(true));
        let change = |change: Value| {
            let change: AdmissionChange = serde_json::from_value(change).unwrap();
            change.apply(changed.clone()).map_err(|problem| problem.status)
        };
        let kept = change(json!({"shuffle_at_event_start": false})).unwrap();
        assert_eq!(kept.options.prequeue_from, changed.options.prequeue_from);
        assert_eq!(kept.options.queueing_method, QueueingMethod::Fifo);
        let rejects = apply(json!({"queueing_method": "reject", "shuffle_at_event_start": false}));
        assert_eq!(rejects.unwrap().options.queueing_method, QueueingMethod::Reject);
        let same = json!({"event_start_time": opens, "opensAt": "2027-03-01T10:00:00.000Z"});
        assert_eq!(change(same).unwrap().opens_at, changed.opens_at);
        let removed = change(json!({"prequeue_start_time": null})).unwrap();
        assert_eq!(removed.options.prequeue_from, None);
        for wrong in [
            json!({"prequeue_start_time": "soon"}),
            json!({"prequeue_start_time": opens}),
            json!({"event_start_time": begins}),
            json!({"event_start_time": opens, "opensAt": begins}),
            json!({"queueing_method": "fifo", "shuffle_at_event_start": true}),
        ] {
            assert_eq!(change(wrong.clone()), Err(422), "{wrong}");
        }
    }

    #[test]
    fn the_key_of_a_promoter_is_taken_whole_and_shown_and_logged_nowhere() {
        let text = base64url::encode(&[7; 32]);
        let key = |alg: &str, text: &str| json!({"enqueueKey": {"alg": alg, "key": text}});
        let changed = apply(key("HS256", &text)).unwrap();
        let secret = vec![7; 32];
        assert_eq!(changed.options.enqueue_key, Some(EnqueueKey::Hs256 { secret }));
        let told = serde_json::to_string(&OptionsBody::of(&changed)).unwrap();
        assert!(told.contains("\"alg\":\"HS256\""), "{told}");
        let debug = format!("{changed:?}");
        for shown in [told, debug, without_key(&key("HS256", &text)).to_string()] {
            assert!(!shown.contains(&text) && !shown.contains("7, 7"), "{shown}");
        }
        assert!(apply(key("EdDSA", &text)).is_ok());
        let long = base64url::encode(&[7; 65]);
        for (alg, text) in [("HS256", "AAAA"), ("HS256", &long), ("EdDSA", "AAAA"), ("none", &text)]
        {
            assert_eq!(apply(key(alg, text)), Err(422), "{alg}");
        }
        assert_eq!(apply(json!({"enqueueTokenRequired": true})), Err(422), "there is no key");
        let mut both = key("EdDSA", &text);
        both["enqueueTokenRequired"] = json!(true);
        let with_key = apply(both).unwrap();
        let change = |change: Value| {
            let change: AdmissionChange = serde_json::from_value(change).unwrap();
            change.apply(with_key.clone()).map_err(|problem| problem.status)
        };
        assert_eq!(change(json!({"enqueueKey": null})), Err(422), "it is required still");
        let without = change(json!({"enqueueKey": null, "enqueueTokenRequired": false})).unwrap();
        assert_eq!(without.options.enqueue_key, None);
        assert_eq!(change(json!({"mode": "hold"})).unwrap().options, with_key.options);
    }

    #[test]
    fn a_standby_is_changed_member_by_member_within_its_bounds() {
        let changed = apply(json!({
            "mode": "standby", "standby": {"joinsPerSecond": 50, "emptySeconds": 0},
        }));
        let changed = changed.unwrap();
        assert_eq!(changed.mode, RoomMode::Standby);
        let wanted = Standby { joins_per_second: 50, empty_seconds: 0, ..Standby::default() };
        assert_eq!(changed.options.standby, wanted);
        for beyond in [
            json!({"joinsPerSecond": 0}),
            json!({"joinsPerSecond": 100_001}),
            json!({"windowSeconds": 0}),
            json!({"windowSeconds": 301}),
            json!({"minActivationSeconds": 86_401}),
            json!({"emptySeconds": 86_401}),
        ] {
            assert_eq!(apply(json!({"standby": beyond.clone()})), Err(422), "{beyond}");
        }
    }
}
