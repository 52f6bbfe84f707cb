//! Deliberate breakages. Each is a mistake that somebody could make, and each has a promise that
//! must be found broken by it: so the simulator itself is tested.
//!
//! All are made at the seams. What is inside of a core is broken by forging what it would let pass;
//! that the core itself compares generations, ranks and owners is held by its own tests
//! (`a_word_of_an_earlier_time_changes_nothing`, `a_verdict_only_raises_the_rank_of_a_hold`,
//! `no_timer_ends_a_payment`, `a_hold_is_known_to_its_owner_only`).

use clap::ValueEnum;
use schema::InvariantId;

/// A part of the system made wrong on purpose, at the seams of the cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mutation {
    /// A late release of a hold frees the seats of whoever has them now, as if a seat's generation
    /// was not compared.
    SkipGenerations,
    /// A successor starts from what its replica has, without reading up to its epoch record.
    OpenBeforeEpoch,
    /// Checkpoints are made of the owner's live state, which may not be durable.
    CheckpointOfOwner,
    /// A release tells one free place too many.
    MiscountFree,
    /// The timer of a hold ends its payment too.
    ReleasePaying,
    /// No hold ends by its deadline.
    NeverExpire,
    /// A hold's deadline goes on while nobody can be served.
    CountOutages,
    /// A quiet journal is not told the time, so quiet counts as an outage.
    NeverPulse,
    /// An owner that hands over takes no more commands and keeps the lease.
    KeepLease,
    /// Journal time is what the wall clock shows, steps and all.
    TrustWall,
    /// Seats are refused by the look of a replica, which may be behind.
    RefuseByView,
    /// A party that fits into no row is refused and not split.
    NeverSplit,
    /// A channel's seats go to whoever asks, code or not.
    SkipChannels,
    /// What is taken of one area does not count in the pool that it shares with others.
    PoolForgetsArea,
    /// A swap asks for room beside the standing places that the hold has.
    SwapKeepsPlaces,
    /// An operation on many seats is done in whatever status it finds them.
    SkipGuards,
    /// A guard is checked against what a replica shows, which may be behind.
    GuardByView,
    /// A view that finds the beginning of the journal gone begins with what is left.
    ReadOverGap,
    /// A view is told the owner's live state, which may not be durable.
    StateOfOwner,
    /// Answers leave before the journal has the batch.
    AnswerBeforeAck,
    /// Refusals alone leave before the journal has the batch.
    RefuseBeforeAck,
    /// A successor starts without the memory of commands.
    ForgetAnswers,
    /// A known id is answered whatever else is asked under it.
    AnswerOtherFingerprint,
    /// A front hands an answer to whoever waits under the id, without comparing what was asked.
    TakeAnyReply,
    /// An owner that hands over answers what waits without waiting for the append.
    HandOverUnappended,
    /// An answer that has left the memory is not asked for: the command is decided again.
    SkipArchive,
    /// Followers archive by the clock alone, although journal time leaps over an outage.
    ArchiveLate,
    /// A start does not read which commands have archived answers.
    ForgetArchived,
    /// The archive's answer of another number is given.
    RecallAnother,
    /// An archived answer is given whatever else is asked under its id.
    RecallOtherFingerprint,
    /// The journal is trimmed ahead of its readers.
    TrimUnread,
    /// The journal is trimmed up to the newest checkpoint, which may be damaged.
    TrimToNewest,
    /// The journal loses the end of an epoch that is over.
    LoseTail,
    /// What decides nothing new is answered without an append.
    AnswerWithoutAppend,
    /// An archived answer is given without waiting for an append.
    RecallWithoutAppend,
    /// Appends do not name the epoch that they expect.
    IgnoreFence,
    /// An owner that learns that it is deposed answers those who still wait.
    AnswerDeposed,
    /// The trim takes the epoch records too.
    TrimEpochs,
    /// A contender that finds an epoch record takes it for its own, whoever wrote it.
    TakeAnyEpoch,
    /// CONFIRMED is answered when the money is set aside, before the sale is committed.
    ConfirmEarly,
    /// An order is moved without comparing the state that the move was decided for.
    MoveBlindly,
    /// A payment is authorised before its id is stored, under a new key each time.
    ChargeUnbound,
    /// A refund is finished in the books while the provider keeps the money.
    RefundOnPaper,
    /// A ticket is paid back in the books while the provider keeps the money.
    PartOnPaper,
    /// The money of a ticket is given back each time that somebody asks for it.
    GiveBackAgain,
    /// The owner is not told of a ticket that was paid back.
    PartUntold,
    /// Tickets are issued in a commit of their own after the sale.
    TicketsLater,
    /// A verdict is sent once, and not until it is read back from the journal.
    SendVerdictOnce,
    /// A verdict that comes again after one of a higher rank wins.
    LateVerdictWins,
    /// A swap gives up the places that the hold has before others are sure.
    SwapReleasesFirst,
    /// Another attempt is paid for the places that the hold had at the first.
    SellFirstLines,
    /// The gateway sends a reserve on although it brings no pass.
    AdmitWithoutPass,
    /// The gateway takes a pass of any room.
    AdmitOtherEvents,
    /// A pass is good for whoever brings it first.
    LendPasses,
    /// A pass that has bought buys again.
    SpentPassBuys,
    /// A pass may have more than one live hold.
    PassForTwo,
    /// A pass is good for ever.
    PassForEver,
    /// The end of a pass is taken for a journal time, though its room knows only the wall clock.
    PassByJournalTime,
    /// Checkpoints have only the passes of live holds.
    ForgetSpent,
    /// A hold that ends unsold spends its pass too.
    EndSpendsPass,
    /// Taken money is booked again by who books it for the second time.
    BookAgain,
    /// A sale is booked without one of its entries.
    BookOneSide,
    /// A sale is booked when its money is taken, in a commit of its own.
    BookLater,
    /// A refund leaves the sale in the ledger.
    RefundUnbooked,
    /// A refund books money as paid out that was never taken.
    PayOutVoided,
    /// What an event of the provider says is believed.
    BelieveEvents,
    /// Money that came for an order that was given up is left where it is.
    IgnoreLate,
    /// Late money goes back while the owner of its places is asked, and buys these too.
    SpendSpent,
    /// The order that late money buys is paid once more, with a payment of its own.
    PayLateAgain,
    /// The owner is asked for late money's places once, and not until it is heard.
    ClaimOnce,
    /// The owner has no places for late money.
    RefuseLate,
    /// Late money has other seats although its own are free.
    ReseatElsewhere,
    /// Where the list is not answered, found money is taken for gone.
    ConcludeFromSilence,
    /// A payment without an order is taken for nobody's, although one has stored it since.
    TakeForOrphan,
    /// An order stores a payment that was found and is nobody's.
    BindFound,
    /// Found money is given back each time that it is looked at.
    RefundFoundAgain,
    /// Found money that went back is not booked.
    FoundUnbooked,
    /// Found money is booked by everybody who gives it back.
    BookFoundAgain,
}

impl Mutation {
    /// The promise that it breaks.
    pub const fn breaks(self) -> InvariantId {
        match self {
            Self::SkipGenerations | Self::SwapReleasesFirst => InvariantId::Seat1,
            Self::ReadOverGap
            | Self::StateOfOwner
            | Self::OpenBeforeEpoch
            | Self::MiscountFree
            | Self::PoolForgetsArea => InvariantId::Seat2,
            Self::ReleasePaying
            | Self::NeverExpire
            | Self::CountOutages
            | Self::NeverPulse
            | Self::KeepLease
            | Self::TrustWall => InvariantId::Seat3,
            Self::RefuseByView
            | Self::NeverSplit
            | Self::SkipChannels
            | Self::SwapKeepsPlaces
            | Self::SkipGuards
            | Self::GuardByView
            | Self::EndSpendsPass
            | Self::RefuseLate => InvariantId::Seat4,
            Self::AnswerBeforeAck
            | Self::RefuseBeforeAck
            | Self::CheckpointOfOwner
            | Self::ForgetAnswers
            | Self::AnswerOtherFingerprint
            | Self::TakeAnyReply
            | Self::TakeAnyEpoch
            | Self::HandOverUnappended
            | Self::SkipArchive
            | Self::ArchiveLate
            | Self::ForgetArchived
            | Self::RecallAnother
            | Self::RecallOtherFingerprint
            | Self::TrimUnread
            | Self::TrimToNewest
            | Self::LoseTail => InvariantId::Cmd1,
            Self::AnswerWithoutAppend
            | Self::RecallWithoutAppend
            | Self::IgnoreFence
            | Self::AnswerDeposed
            | Self::TrimEpochs => InvariantId::Fence1,
            Self::AdmitWithoutPass
            | Self::AdmitOtherEvents
            | Self::LendPasses
            | Self::SpentPassBuys
            | Self::PassForTwo
            | Self::PassForEver
            | Self::PassByJournalTime
            | Self::ForgetSpent => InvariantId::Line4,
            _ => self.breaks_of_money(),
        }
    }

    /// The same of mistakes with orders and money.
    const fn breaks_of_money(self) -> InvariantId {
        match self {
            Self::ConfirmEarly | Self::MoveBlindly => InvariantId::Ord1,
            Self::ChargeUnbound
            | Self::IgnoreLate
            | Self::SpendSpent
            | Self::PayLateAgain
            | Self::ClaimOnce
            | Self::ConcludeFromSilence
            | Self::TakeForOrphan
            | Self::BindFound => InvariantId::Ord2,
            Self::ReseatElsewhere
            | Self::TicketsLater
            | Self::SendVerdictOnce
            | Self::PartUntold
            | Self::LateVerdictWins
            | Self::SellFirstLines => InvariantId::Ord3,
            _ => InvariantId::Mon1,
        }
    }
}
