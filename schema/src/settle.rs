//! What ingress asks of settlement by request and reply, each on a subject of its own.

use crate::id::{AccountId, AreaIdx, EventId, OrderId, SeatIdx, TicketId};
use crate::time::UnixMillis;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Asks to cancel a booking of an account. Repeating it is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelBooking {
    pub order: OrderId,
    pub account: AccountId,
}

/// Asks to cancel one ticket of a booking that an account has bought; the last one cancels the
/// booking. Repeating it is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelTicket {
    pub ticket: TicketId,
    pub account: AccountId,
}

/// How the cancellation of a booking, or of a ticket, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancelAnswer {
    /// The money is back and the seats are free since `sequence` of the shard's journal.
    Refunded { sequence: u64 },
    /// It will be refunded, but not within the wait: ask again.
    Underway,
    /// The booking is not paid, so there is nothing to refund: release the reservation instead.
    NotConfirmed,
    /// A person has to look at this booking first.
    UnderReview,
    /// A ticket of it was used.
    CheckedIn,
    /// A ticket of it is somebody else's.
    Transferred,
    /// Its buyer's bank has taken the money already.
    Disputed,
    /// The account has no such booking, or no such ticket.
    Unknown,
    /// Settlement takes no more cancellations now, or its database is away: ask again.
    Busy,
}

/// Asks whom to let in at an entrance of an event. Repeating it is harmless: scans have ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckIn {
    pub event: EventId,
    /// The entrance's name, for the people there.
    pub entrance: CompactString,
    /// Who stands at it.
    pub account: AccountId,
    pub scans: Vec<Scan>,
}

/// A code as it was read at an entrance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// Of this scan and its repetitions alone.
    pub id: [u8; 16],
    pub code: CompactString,
    /// Before now, if the entrance had no network.
    pub at: UnixMillis,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckInAnswer {
    /// In the order of the scans.
    Scanned(Vec<Scanned>),
    /// As [`CancelAnswer::Busy`].
    Busy,
}

/// What a scan has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scanned {
    /// `None` when the code is no ticket's.
    pub ticket: Option<TicketId>,
    pub seat: Option<SeatIdx>,
    pub area: Option<AreaIdx>,
    pub found: Found,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// This scan lets its holder in.
    Admitted,
    /// An earlier scan did.
    Duplicate { at: UnixMillis, entrance: CompactString },
    /// The ticket was paid back, or its code replaced when it went to another account.
    Void,
    /// The ticket is for another event.
    OtherEvent,
    /// Nobody has sold such a ticket.
    Forged,
}

/// Asks to give a ticket to another account. Repeating it is harmless while `to` holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferTicket {
    pub ticket: TicketId,
    pub from: AccountId,
    pub to: AccountId,
    /// Of an asker who may ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// The answer that is kept under the asker's `Idempotency-Key`, in the commit that has the effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The hash of route, caller and key.
    pub key: [u8; 32],
    /// Only who still has the key may keep an answer under it.
    pub attempt: [u8; 16],
    pub status: u16,
    pub body: CompactString,
}

/// How the transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferAnswer {
    /// The ticket is `to`'s, by a code of its own; the codes before it are void. The receipt is
    /// kept.
    Transferred,
    /// It was used.
    CheckedIn,
    /// It was paid back, or will be.
    Void,
    /// It has changed hands as often as codes can be counted.
    TooOften,
    /// `from` holds no such ticket.
    Unknown,
    /// As [`CancelAnswer::Busy`].
    Busy,
}

/// Brings what a payment provider says has happened, as it came. Repeating it is harmless.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderEvent {
    /// Its name in the configuration.
    pub provider: CompactString,
    /// The header that it signs with.
    pub signature: CompactString,
    /// Byte for byte, because the signature is of that.
    pub body: String,
}

impl fmt::Debug for ProviderEvent {
    /// Without the body, which may hold what a payment can be paid with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { provider, signature: _, body } = self;
        let mut shown = f.debug_struct("ProviderEvent");
        shown.field("provider", provider).field("bytes", &body.len()).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProviderEventAnswer {
    /// What it is about has been looked at.
    Taken,
    /// It has been taken before.
    Known,
    /// The provider has not signed it, or not lately.
    Forged,
    /// Nobody takes events of such a provider.
    ProviderUnknown,
    /// As [`CancelAnswer::Busy`].
    Busy,
}
