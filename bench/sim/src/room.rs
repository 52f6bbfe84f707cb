//! Waiting rooms as far as a sale sees them: the passes that they give out, and what the gateway
//! makes of one, by its rules.

use crate::common::Common;
use crate::happening::Happening;
use crate::mutation::Mutation;
use schema::admission::PassClaims;
use schema::{AccountId, DurationMs, EventId, Pass, PassPlace};

/// How long a pass is good: some end within a run, some before their fan has chosen.
const LIFE_MIN: DurationMs = DurationMs(2_000);
const LIFE_MAX: DurationMs = DurationMs(90_000);

/// All passes that were claimed, with the account that claimed each.
#[derive(Debug, Default)]
pub struct Rooms(Vec<(AccountId, PassClaims)>);

/// The gateway sends no command on for want of a pass.
#[derive(Debug)]
pub struct TurnedAway;

/// The pass that a reserve of `account` brings; none where no room is on.
pub fn any_pass(
    event: &EventId,
    account: AccountId,
    common: &mut Common,
) -> Result<Option<Pass>, TurnedAway> {
    if !common.hall.has_room(event) {
        return Ok(None);
    }
    let shown = match common.dice.within(1, 100) {
        1..=35 => Some(claim(event, account, common)),
        // Its own, whatever became of it.
        36..=85 => {
            let is_own =
                |(bearer, claims): &(_, PassClaims)| *bearer == account && claims.event == *event;
            any(is_own, common).or_else(|| Some(claim(event, account, common)))
        }
        // Anybody's, for whatever event.
        86..=97 => any(|_| true, common),
        _ => None,
    };
    read(event, shown.as_ref(), common)
}

/// The fan is called and claims a pass. Numbers of two rooms are the same.
fn claim(event: &EventId, account: AccountId, common: &mut Common) -> PassClaims {
    let of_event = common.rooms.0.iter().filter(|(_, claims)| claims.event == *event);
    let number = u64::try_from(of_event.count() + 1).expect("few passes");
    let until = common.wall() + DurationMs(common.dice.within(LIFE_MIN.0, LIFE_MAX.0));
    // Without an account it is its first user's.
    let sub = common.dice.hits(75).then_some(account);
    let claims = PassClaims::new(event.clone(), PassPlace { epoch: 1, number }, until, sub);
    common.note(Happening::PassClaimed, format_args!("{event} {number} until {until}"));
    common.promises.pass_claimed(&claims);
    common.rooms.0.push((account, claims.clone()));
    claims
}

fn any(
    is_wanted: impl Fn(&(AccountId, PassClaims)) -> bool,
    common: &mut Common,
) -> Option<PassClaims> {
    let passes: Vec<_> = common.rooms.0.iter().filter(|pass| is_wanted(pass)).collect();
    let any = (!passes.is_empty()).then(|| passes[common.dice.index(passes.len())]);
    any.map(|(_, claims)| claims.clone())
}

/// A pass past its end goes on to the owner: a repeated command must hear its first answer.
fn read(
    event: &EventId,
    shown: Option<&PassClaims>,
    common: &mut Common,
) -> Result<Option<Pass>, TurnedAway> {
    let of_event = |claims: &&PassClaims| {
        claims.event == *event || common.is_broken(Mutation::AdmitOtherEvents)
    };
    let pass = shown.filter(of_event).map(PassClaims::pass);
    if pass.is_some() || common.is_broken(Mutation::AdmitWithoutPass) {
        return Ok(pass);
    }
    common.note(Happening::TurnedAway, format_args!("{shown:?} is not good for {event}"));
    Err(TurnedAway)
}
