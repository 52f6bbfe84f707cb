//! Settlement against real servers, with an owner of the seats and a provider that the test
//! controls.

mod audit;
mod behind;
mod cancel;
mod chargeback;
mod crash;
mod entrance;
mod interleave;
mod kill;
mod late;
mod ledger;
mod look;
mod outage;
mod owner;
mod part;
mod partner;
mod reconcile;
mod review;
mod rig;
mod seats;
mod stripe;
mod tables;
mod tokens;
mod trace;
mod webhooks;
