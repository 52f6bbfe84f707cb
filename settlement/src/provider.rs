//! What settlement needs of a payment provider.

use futures_util::future::BoxFuture;
use schema::{Money, OrderId, UnixMillis};
use settlement_core::{Disputed, Seen};
use std::fmt;

/// A payment to be created. The provider knows it by (order, attempt): a repetition creates no
/// second.
#[derive(Clone, PartialEq, Eq)]
pub struct NewPayment {
    pub order: OrderId,
    pub attempt: u32,
    pub total: Money,
    pub token: String,
}

impl fmt::Debug for NewPayment {
    /// Without the token, which may be worth money.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { order, attempt, total, token: _ } = self;
        let mut shown = f.debug_struct("NewPayment");
        shown.field("order", order).field("attempt", attempt).field("total", total);
        shown.finish_non_exhaustive()
    }
}

/// A payment as the provider has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub id: String,
    pub seen: Seen,
}

/// A payment in the provider's own list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub id: String,
    /// The order that it was created for, as we told the provider.
    pub order: OrderId,
    pub amount: Money,
    pub seen: Seen,
    /// How much of what was taken has gone back, where that was asked.
    pub back: Option<i64>,
    pub created_at: UnixMillis,
}

/// A part of the provider's list. Of the order of its payments nothing is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub payments: Vec<Listed>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// A buyer's bank asks for the money of a payment, or has taken it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    pub id: String,
    /// The payment's id.
    pub payment: String,
    /// How much of it the bank wants.
    pub amount: Money,
    pub stands: Disputed,
}

/// Behind which payment, or dispute, a part of a list begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub created_at: UnixMillis,
    pub id: String,
}

/// A part of the list of disputes, and where the next one begins; `None` at the end.
pub type Disputes = (Vec<Dispute>, Option<Cursor>);

/// What can be done to a payment. Each is repeatable, and one that does not fit changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Only says how it is.
    Fetch,
    /// Sets the money aside.
    Authorise,
    /// Takes what was set aside.
    Capture,
    /// Makes sure that nothing is and will be taken.
    Cancel,
    /// Gives back what was taken.
    Refund,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It may or may not have been done: ask how the payment is.
    #[error("learn the outcome of {what}: {why}")]
    Unknown { what: &'static str, why: String },
    /// It was not done and never will be.
    #[error("carry out {what}: {why}")]
    Rejected { what: &'static str, why: String },
}

/// Why a payment is not paid back whose money its buyer's bank has.
pub(crate) const CHARGED_BACK: &str = "the buyer's bank has taken it back";

/// The name of [`Provider::give_back`] in metrics and failures.
pub(crate) const GIVE_BACK: &str = "give back";

/// Someone who takes money for us.
pub trait Provider: Send + Sync + std::fmt::Debug + 'static {
    /// The name that is stored beside its payment ids.
    fn name(&self) -> &'static str;

    /// The id that a payment is going to have, where it is known without asking: what is done to
    /// such an id first creates its payment. `None` where only the provider makes ids.
    fn id_ahead(&self, _new: &NewPayment) -> Option<String> {
        None
    }

    /// Creates a payment, which charges nothing.
    fn create<'a>(&'a self, new: &'a NewPayment) -> BoxFuture<'a, Result<Payment, Failure>>;

    /// Does `verb` to the payment and says how it is then. Whoever says that a payment is declined
    /// has closed it before.
    fn act<'a>(&'a self, id: &'a str, verb: Verb) -> BoxFuture<'a, Result<Seen, Failure>>;

    /// Gives back so much of what was taken that `back` of it has gone back, in minor units,
    /// however often this is asked, and says how much has then: more, if more had before; less, if
    /// the provider will not give it now.
    fn give_back<'a>(&'a self, id: &'a str, back: i64) -> BoxFuture<'a, Result<i64, Failure>>;

    /// Lists the payments that this system has created behind `after`, whatever we know of them, a
    /// part at a time. A cursor without an id begins at its time.
    fn list<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Page, Failure>>;

    /// Lists the disputes that have begun behind `after`, a part at a time, and where the next part
    /// begins. They may be of payments that others have created.
    /// A provider whose payments stay where they are has none.
    fn disputes<'a>(&'a self, _: &'a Cursor) -> BoxFuture<'a, Result<Disputes, Failure>> {
        Box::pin(async { Ok((Vec::new(), None)) })
    }

    /// How a dispute stands; `None` if there is no such one.
    fn dispute<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Dispute>, Failure>> {
        Box::pin(async { Ok(None) })
    }
}

impl Verb {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Authorise => "authorise",
            Self::Capture => "capture",
            Self::Cancel => "cancel",
            Self::Refund => "refund",
        }
    }
}
