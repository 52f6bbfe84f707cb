//! Turns a stream's description into the server's configuration.

use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use schema::stream::{Storage, StreamSpec, SubjectMax};

/// Returns the configuration for a stream with `replicas` copies.
pub fn stream_config(spec: &StreamSpec, replicas: usize) -> Config {
    let keep_last = spec.subject_messages_max == Some(SubjectMax::KeepLast);
    let refused = match spec.subject_messages_max {
        Some(SubjectMax::Refuse(count)) => Some(count),
        _ => None,
    };
    let storage = match spec.storage {
        Storage::Memory => StorageType::Memory,
        Storage::File => StorageType::File,
    };
    Config {
        name: spec.name.clone(),
        subjects: spec.subjects.clone(),
        storage,
        max_age: spec.age_max.unwrap_or_default().into(),
        // With one message a subject, replacing the old one is the point; else full means no.
        discard: if keep_last { DiscardPolicy::Old } else { DiscardPolicy::New },
        discard_new_per_subject: refused.is_some(),
        max_messages_per_subject: if keep_last { 1 } else { refused.unwrap_or(-1) },
        // Unlimited, spelled as the server reports it, so that a comparison finds no difference.
        max_messages: -1,
        max_bytes: -1,
        max_message_size: i32::try_from(spec.message_bytes_max).expect("below 2 GiB"),
        duplicate_window: spec.duplicate_window.into(),
        num_replicas: replicas,
        ..Config::default()
    }
}
