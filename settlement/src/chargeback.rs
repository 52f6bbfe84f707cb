//! Notes and books what buyers' banks take back.
//!
//! A look at the provider's disputes, like that at its payments: what providers say by themselves
//! only hurries it.

use crate::config::PROVIDER_WAIT;
use crate::error::Error;
use crate::metrics;
use crate::provider::{Cursor, Dispute, Failure, Provider};
use crate::store::FoundMoney;
use schema::UnixMillis;
use settlement_core::{Bearer, Disputed, Moved, moved, on_chargeback, on_chargeback_won};

/// Looks at the disputes that are new since `from`, and at those that are not over.
pub(crate) async fn look(
    money: FoundMoney<'_>,
    provider: &dyn Provider,
    from: UnixMillis,
) -> Result<(), Error> {
    let mut next = Some(Cursor { created_at: from, id: String::new() });
    while let Some(after) = next {
        let (disputes, following) = in_time(provider.disputes(&after)).await?;
        for dispute in disputes {
            note(money, &dispute).await?;
        }
        next = following;
    }
    // One that cannot be told now holds up no other.
    let mut looked = Ok(());
    for id in money.open_disputes().await? {
        looked = looked.and(look_at(money, provider, &id).await);
    }
    looked
}

/// Looks at one dispute.
pub(crate) async fn look_at(
    money: FoundMoney<'_>,
    provider: &dyn Provider,
    id: &str,
) -> Result<(), Error> {
    match in_time(provider.dispute(id)).await? {
        Some(dispute) => note(money, &dispute).await,
        None => Ok(()),
    }
}

/// The disputes that are not noted as they stand, each as a line of text.
pub(crate) async fn not_noted(
    money: FoundMoney<'_>,
    provider: &dyn Provider,
) -> Result<Vec<String>, Error> {
    let (mut lines, mut next) =
        (Vec::new(), Some(Cursor { created_at: UnixMillis(0), id: String::new() }));
    while let Some(after) = next {
        let (disputes, following) = in_time(provider.disputes(&after)).await?;
        for dispute in &disputes {
            let Some(known) = money.disputed(dispute).await? else { continue };
            if moved(known.before, dispute.stands).is_some() {
                let Dispute { id, payment, stands, .. } = dispute;
                let noted = known.before.map_or("nothing", Disputed::as_str);
                let stands = stands.as_str();
                lines.push(format!(
                    "dispute {id} of payment {payment} is {stands}, noted is {noted}"
                ));
            }
        }
        next = following;
    }
    Ok(lines)
}

/// Notes and books how a dispute stands.
async fn note(money: FoundMoney<'_>, dispute: &Dispute) -> Result<(), Error> {
    // Others may use the provider's account too.
    let Some(known) = money.disputed(dispute).await? else { return Ok(()) };
    let Some(Moved { gone, returned }) = moved(known.before, dispute.stands) else { return Ok(()) };
    let bearer = known.promoter.map_or(Bearer::House, Bearer::Partner);
    let chargeback = on_chargeback(dispute.amount, bearer);
    let won = returned.then(|| on_chargeback_won(&chargeback));
    let postings: Vec<_> = gone.then_some(chargeback).into_iter().chain(won).collect();
    if money.note_dispute(dispute, known, &postings).await? {
        metrics::dispute_noted(dispute.stands);
        let (order, stands) = (known.order, dispute.stands.as_str());
        tracing::warn!(%order, dispute = dispute.id, stands, "a buyer's bank disputes a payment");
    }
    Ok(())
}

async fn in_time<T>(answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Error> {
    let late = || Failure::Unknown { what: "disputes", why: "no answer in time".to_owned() };
    let answer = tokio::time::timeout(PROVIDER_WAIT, answer).await;
    answer.unwrap_or_else(|_| Err(late())).map_err(Error::provider)
}
