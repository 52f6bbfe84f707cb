//! Every NATS name: subjects, streams, buckets, services. Nowhere else are they spelled.

use crate::id::{EventId, PlanId, ShardId};

/// The memory stream of commands, and the subjects it takes.
pub const COMMANDS: &str = "COMMANDS";
pub const COMMANDS_ALL: &str = "cmd.alloc.*";
/// The catalogue: the last listing of each event, and every plan.
pub const CATALOG: &str = "CATALOG";
pub const CATALOG_ALL: &str = "cat.>";
pub const CATALOG_EVENTS: &str = "cat.event.*";
pub const CATALOG_PLANS: &str = "cat.plan.*";
/// How the subject of a plan begins; all others of the catalogue are listings.
pub const CATALOG_PLAN_PREFIX: &str = "cat.plan.";

/// Search, answered by any indexer.
pub const SEARCH: &str = "search.query";
pub const SUGGEST: &str = "search.suggest";
/// The queue group of those who answer searches.
pub const SEARCH_GROUP: &str = "indexer";

/// Cancellations of bookings, answered by any settlement.
pub const SETTLE_CANCEL: &str = "settle.cancel";
/// Cancellations of single tickets, likewise.
pub const SETTLE_CANCEL_TICKET: &str = "settle.cancel_ticket";
/// Scans at gates, and transfers of tickets, likewise.
pub const SETTLE_CHECKIN: &str = "settle.checkin";
pub const SETTLE_TRANSFER: &str = "settle.transfer";
/// What payment providers say has happened, likewise.
pub const SETTLE_EVENT: &str = "settle.event";
/// The queue group of those who answer them.
pub const SETTLE_GROUP: &str = "settlement";

/// What settlements say of their load, and what they and the owners of shards say.
pub const LOAD_SETTLEMENT: &str = "load.settle";
pub const LOAD_ALL: &str = "load.>";

/// Key-value bucket of the beats of owners.
pub const LEASES: &str = "leases";
/// Key-value bucket of settings that every process reads.
pub const SETTINGS: &str = "settings";

/// Service names in the NATS Services API.
pub const SERVICE_WAITING_ROOM: &str = "waiting-room";
pub const SERVICE_ALLOCATOR: &str = "allocator";
pub const SERVICE_SETTLEMENT: &str = "settlement";
pub const SERVICE_INDEXER: &str = "indexer";
pub const SERVICE_INGRESS: &str = "ingress";

pub fn commands(shard: ShardId) -> String {
    format!("cmd.alloc.{shard}")
}

pub fn journal_stream(shard: ShardId) -> String {
    format!("JOURNAL_{shard}")
}

/// All subjects of a shard's journal stream.
pub fn journal_all(shard: ShardId) -> String {
    format!("jrn.{shard}.*")
}

pub fn journal(shard: ShardId) -> String {
    format!("jrn.{shard}.j")
}

pub fn journal_epoch(shard: ShardId) -> String {
    format!("jrn.{shard}.epoch")
}

/// Settlement's durable consumer of a shard's journal.
pub fn settlement_consumer(shard: ShardId) -> String {
    format!("settlement_{shard}")
}

/// Where the audit asks a shard's owner what it thinks of an event.
pub fn inspect(shard: ShardId) -> String {
    format!("inspect.alloc.{shard}")
}

/// Where any replica of a shard tells its state, to who finds the beginning of the journal gone; to
/// who sends an event's id that of the event alone, without the holds that have ended.
pub fn state(shard: ShardId) -> String {
    format!("state.alloc.{shard}")
}

/// The queue group of those who tell it.
pub const STATE_GROUP: &str = "allocator";

/// What the owner of a shard says of its load.
pub fn load_allocator(shard: ShardId) -> String {
    format!("load.alloc.{shard}")
}

/// Where an ingress hears the answers to its commands.
pub fn replies(instance: &str) -> String {
    format!("rep.{instance}")
}

pub fn catalog_event(event: &EventId) -> String {
    format!("cat.event.{event}")
}

pub fn catalog_plan(plan: &PlanId) -> String {
    format!("cat.plan.{plan}")
}

/// The release records of a room.
pub fn admission_stream(event: &EventId) -> String {
    format!("ADMISSION_{event}")
}

pub fn admission_all(event: &EventId) -> String {
    format!("adm.{event}.*")
}

pub fn admission(event: &EventId) -> String {
    format!("adm.{event}.r")
}

pub fn admission_epoch(event: &EventId) -> String {
    format!("adm.{event}.epoch")
}

/// Places of a pre-queue with the hashes of their tokens, from every instance that gives them out.
pub fn admission_cohort(event: &EventId) -> String {
    format!("adm.{event}.cohort")
}

/// Passes that were given back, from every instance that was asked to take one.
pub fn admission_given_back(event: &EventId) -> String {
    format!("adm.{event}.back")
}

/// The leader's tick: cursor and status of a room, for every instance that answers polls.
pub fn room_status(event: &EventId) -> String {
    format!("room.{event}.status")
}

/// The status of every room.
pub const ROOM_STATUS_ALL: &str = "room.*.status";

/// Check-ins and departures, on their way to the room's leader.
pub fn room_presence(event: &EventId) -> String {
    format!("room.{event}.presence")
}

/// Lease keys.
pub fn shard_lease(shard: ShardId) -> String {
    format!("alloc.{shard}")
}

/// The key by which one contender sees that the bus carries its own writes.
pub fn shard_probe(shard: ShardId, instance: &str) -> String {
    format!("probe.alloc.{shard}.{instance}")
}

/// The key by which an allocator says that it is here; with `*` the keys of all of them.
pub fn allocator_presence(instance: &str) -> String {
    format!("here.alloc.{instance}")
}

pub fn room_lease(event: &EventId) -> String {
    format!("room.{event}")
}

/// Settings key of how many shards the system has, a decimal number.
pub const SHARDS: &str = "shards";

/// Settings key of a room.
pub fn room_settings(event: &EventId) -> String {
    format!("room.{event}")
}

/// Settings key of what the draws of a room take from outside.
pub fn draw_settings(event: &EventId) -> String {
    format!("draw.{event}")
}

/// Settings key of who commits to secrets for the draws of a room.
pub fn witness_settings(event: &EventId) -> String {
    format!("witnesses.{event}")
}
