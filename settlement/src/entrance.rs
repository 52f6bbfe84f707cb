//! Tickets at the entrances: who is let in, and whose a ticket is.

use crate::desk::Question;
use crate::error::Error;
use crate::store::{Genuine, Given, Held};
use crate::ticket::{TicketCode, ticket_code};
use crate::work::Work;
use schema::{
    CheckIn, CheckInAnswer, EventId, Found, Scanned, TicketId, TransferAnswer, TransferTicket,
    subject,
};
use std::collections::HashMap;

/// Signatures that are checked in one go: each takes some 40 us, and others share the thread.
const SIGNATURES_AT_ONCE: usize = 16;

impl Question for CheckIn {
    type Answer = CheckInAnswer;
    const SUBJECT: &'static str = subject::SETTLE_CHECKIN;
    const NAME: &'static str = "check-in";
    const BUSY: CheckInAnswer = CheckInAnswer::Busy;

    async fn answer(self, work: &Work) -> Result<CheckInAnswer, Error> {
        check_in(work, &self).await.map(CheckInAnswer::Scanned)
    }
}

impl Question for TransferTicket {
    type Answer = TransferAnswer;
    const SUBJECT: &'static str = subject::SETTLE_TRANSFER;
    const NAME: &'static str = "transfer";
    const BUSY: TransferAnswer = TransferAnswer::Busy;

    async fn answer(self, work: &Work) -> Result<TransferAnswer, Error> {
        transfer(work, &self).await
    }
}

/// Looks up which events the codes name tickets of, checks their signatures, and records who is in.
async fn check_in(work: &Work, wanted: &CheckIn) -> Result<Vec<Scanned>, Error> {
    let codes: Vec<Option<TicketCode>> =
        wanted.scans.iter().map(|scan| TicketCode::parse(&scan.code)).collect();
    let named: Vec<TicketId> = codes.iter().flatten().map(|code| code.ticket).collect();
    let store = &work.context.store;
    let event_of = store.events_of_tickets(&named).await?;
    let mut scanned = Vec::with_capacity(codes.len());
    let mut genuine = Vec::new();
    for (place, code) in codes.iter().enumerate() {
        let found = signature(work, code.as_ref(), &event_of, &wanted.event);
        let ticket = code.as_ref().filter(|_| found != Found::Forged).map(|code| code.ticket);
        if let (Some(code), Found::Admitted) = (code, &found) {
            let (ticket, issue, scan) = (code.ticket, code.issue, &wanted.scans[place]);
            genuine.push(Genuine { place, ticket, issue, scan: scan.id, at: scan.at });
        }
        scanned.push(Scanned { ticket, seat: None, area: None, found });
        if place % SIGNATURES_AT_ONCE == SIGNATURES_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
    }
    for (of, found) in genuine.iter().zip(store.check_in(wanted, &genuine).await?) {
        scanned[of.place] = found;
    }
    Ok(scanned)
}

/// What a code's signature says of it; `Admitted` if that is left to the database.
fn signature(
    work: &Work,
    code: Option<&TicketCode>,
    event_of: &HashMap<TicketId, EventId>,
    here: &EventId,
) -> Found {
    let known = code.and_then(|code| Some((code, event_of.get(&code.ticket)?)));
    let Some((code, event)) = known else { return Found::Forged };
    match code.is_genuine(&work.context.ticket_key.public, event) {
        false => Found::Forged,
        true if event != here => Found::OtherEvent,
        true => Found::Admitted,
    }
}

/// Makes the transfer, or says why not; a ticket that changes meanwhile is looked at again.
async fn transfer(work: &Work, wanted: &TransferTicket) -> Result<TransferAnswer, Error> {
    let store = &work.context.store;
    loop {
        let Some(held) = store.held(wanted.ticket).await? else {
            return Ok(TransferAnswer::Unknown);
        };
        if held.account == wanted.to && held.given_by == Some(wanted.from) {
            let kept = store.keep(wanted.receipt.as_ref()).await?;
            return Ok(if kept { TransferAnswer::Transferred } else { TransferAnswer::Busy });
        }
        if held.account != wanted.from {
            return Ok(TransferAnswer::Unknown);
        }
        let issue = match next_issue(&held) {
            Ok(issue) => issue,
            Err(answer) => return Ok(answer),
        };
        let code = ticket_code(&work.context.ticket_key, &held.event, wanted.ticket, issue);
        match store.transfer(wanted, issue, code).await? {
            Given::Yes => return Ok(TransferAnswer::Transferred),
            // Another attempt has the key: it tells how this ends.
            Given::KeyLost => return Ok(TransferAnswer::Busy),
            Given::Changed => {}
        }
    }
}

/// The issue of the code that a ticket gets by a transfer, if it can be given away.
fn next_issue(held: &Held) -> Result<u8, TransferAnswer> {
    if held.is_in {
        return Err(TransferAnswer::CheckedIn);
    }
    if !held.is_valid {
        return Err(TransferAnswer::Void);
    }
    held.issue.checked_add(1).ok_or(TransferAnswer::TooOften)
}
