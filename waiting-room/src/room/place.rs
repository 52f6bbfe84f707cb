//! What a room knows of a place by its token.

use super::Room;
use crate::cohorts::Entered;
use crate::drawn::drawn_number;
use crate::joiner::{Asked, Joined};
use crate::store::KeyedBy;
use schema::UnixMillis;
use schema::admission::Draw;
use waiting_room_core::{PlaceKind, TOKEN_AGE_MAX, Token};

impl Room {
    /// The token of a place, as a repeat of the join gets it too.
    pub(crate) fn token(&self, asked: &Asked, joined: &Joined) -> Token {
        let Joined { epoch, number, kind, kept } = *joined;
        let issued_at = kept.map_or(asked.issued_at, |kept| kept.issued_at);
        let (kid, event) = (self.sealer.kid(), self.event.clone());
        // A person's place has the secret of the join that took it.
        let persons = kept.filter(|_| asked.keyed.is_some_and(|keyed| keyed.by == KeyedBy::Person));
        let pop_hash = match persons {
            Some(kept) => (kept.fingerprint != [0; 32]).then_some(kept.fingerprint),
            None => asked.pop_hash,
        };
        let owner = asked.owner;
        Token { kid, kind, event, epoch, number, issued_at, pop_hash, owner }
    }

    /// Whether the place of a pre-queue is in its cohort. A draw that is made of nothing had none.
    pub(crate) fn entered(&self, number: u64, token_hash: &[u8; 32]) -> Entered {
        if self.ledger().draw_of(number).is_some_and(|draw| draw.made_of.is_none()) {
            return Entered::Yes;
        }
        self.cohorts.entered(number, token_hash)
    }

    /// The draw of the token's pre-queue; `None` before it, and for a place of the line.
    pub(crate) fn draw_of(&self, token: &Token) -> Option<Draw> {
        let number = (token.kind == PlaceKind::PreQueue).then_some(token.number)?;
        self.ledger().draw_of(number).cloned()
    }

    /// Whether the place's token is good no more. That of a pre-queue is good until the draw, and
    /// for as long as others from then on.
    pub(crate) fn has_lapsed(&self, token: &Token, now: UnixMillis) -> bool {
        let since = match token.kind {
            PlaceKind::Line => token.issued_at,
            PlaceKind::PreQueue => match self.ledger().draw_of(token.number) {
                Some(draw) => draw.at.max(token.issued_at),
                None => return false,
            },
        };
        TOKEN_AGE_MAX < now.since(since)
    }

    /// The place's number in line; `None` before the draw of its pre-queue.
    pub(crate) fn line_number(&self, token: &Token) -> Option<u64> {
        if token.kind == PlaceKind::Line {
            return Some(token.number);
        }
        let ledger = self.ledger();
        let draw = ledger.draw_of(token.number)?;
        Some(drawn_number(draw, token.number))
    }
}
