//! The whole system from outside: the real binary, real servers, and clients that know the public
//! contract.
//!
//! Each test starts a system of its own in a temporary folder, so tests may kill what they like.
//! Tests that kill nothing share one system inside one test function.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure message")]
#![expect(clippy::print_stderr, reason = "tests report how long recoveries took")]

mod auditor;
mod catalogue;
mod client;
mod cluster;
mod crowd;
mod doomed;
mod fan;
mod journal;
mod market;
mod names;
mod nginx;
mod process;
mod promises;
mod room;
mod rooms_only;
mod sale;
mod seats;
mod site;
mod split;
mod system;
mod up;
mod wait;

mod test_account;
mod test_adaptive;
mod test_audit;
mod test_buyers;
mod test_cluster;
mod test_commands;
mod test_drain;
mod test_explain;
mod test_gate;
mod test_holds;
mod test_kill_effects;
mod test_kill_owner;
mod test_kill_points;
mod test_kill_server;
mod test_kill_usher;
mod test_late;
mod test_leader;
mod test_ledger;
mod test_outage;
mod test_owners;
mod test_partners;
mod test_passes;
mod test_readiness;
mod test_refusals;
mod test_split;
mod test_spread;
mod test_start_and_stop;
mod test_tickets;
mod test_trace;
mod test_trim;
mod test_whole_way;
