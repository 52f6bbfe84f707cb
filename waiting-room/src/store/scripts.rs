//! The scripts, each of which does one atomic step in Redis.

use redis::Script;
use std::sync::OnceLock;

/// Every script; all but `bless` begin with the guard, those of leaders with theirs besides, and
/// those that ask for joins by key with what finds them.
#[derive(Debug)]
pub(crate) struct Scripts {
    pub join: Script,
    pub recall: Script,
    pub forget: Script,
    pub bind: Script,
    pub admit: Script,
    pub close: Script,
    pub look: Script,
    pub index: Script,
    pub bless: Script,
    pub shift: Script,
    pub check_in: Script,
    pub leave: Script,
    pub void: Script,
    pub heard: Script,
    pub claim: Script,
    pub marks: Script,
    pub claims: Script,
    pub close_claims: Script,
    pub come_back: Script,
    pub late_over: Script,
}

macro_rules! guarded {
    ($file:literal) => {
        Script::new(concat!(include_str!("guard.lua"), include_str!($file)))
    };
}

macro_rules! keyed {
    ($file:literal) => {
        Script::new(concat!(
            include_str!("guard.lua"),
            include_str!("keys.lua"),
            include_str!($file)
        ))
    };
}

macro_rules! led {
    ($file:literal) => {
        Script::new(concat!(
            include_str!("guard.lua"),
            include_str!("lead.lua"),
            include_str!($file)
        ))
    };
}

impl Scripts {
    pub(crate) fn get() -> &'static Self {
        static SCRIPTS: OnceLock<Scripts> = OnceLock::new();
        SCRIPTS.get_or_init(|| Self {
            join: keyed!("join.lua"),
            recall: keyed!("recall.lua"),
            forget: keyed!("forget.lua"),
            bind: guarded!("bind.lua"),
            admit: led!("admit.lua"),
            close: led!("close.lua"),
            look: led!("look.lua"),
            index: guarded!("index.lua"),
            bless: Script::new(include_str!("bless.lua")),
            shift: led!("shift.lua"),
            check_in: guarded!("check_in.lua"),
            leave: guarded!("leave.lua"),
            void: led!("void.lua"),
            heard: led!("heard.lua"),
            claim: guarded!("claim.lua"),
            marks: guarded!("marks.lua"),
            claims: guarded!("claims.lua"),
            close_claims: led!("close_claims.lua"),
            come_back: guarded!("come_back.lua"),
            late_over: led!("late_over.lua"),
        })
    }
}
