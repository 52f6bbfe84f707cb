//! What payment providers say has happened.
//!
//! Nothing of it is believed: that it came, signed, only makes us ask the provider how the payment
//! or dispute is. So it may come twice, late, in any order or never, and all ends the same.

use crate::chargeback;
use crate::desk::Question;
use crate::error::Error;
use crate::metrics;
use crate::provider::Provider;
use crate::reconcile;
use crate::store::FoundMoney;
use crate::stripe::{self, Event, is_signed, read_event};
use crate::work::Work;
use chassis::clock;
use schema::{ProviderEvent, ProviderEventAnswer, subject};

impl Question for ProviderEvent {
    type Answer = ProviderEventAnswer;
    const SUBJECT: &'static str = subject::SETTLE_EVENT;
    const NAME: &'static str = "provider event";
    const BUSY: ProviderEventAnswer = ProviderEventAnswer::Busy;

    async fn answer(self, work: &Work) -> Result<ProviderEventAnswer, Error> {
        let answer = take(work, &self).await;
        if let Ok(answer) = &answer {
            metrics::event_taken(*answer);
        }
        answer
    }
}

async fn take(work: &Work, told: &ProviderEvent) -> Result<ProviderEventAnswer, Error> {
    let secrets = &work.context.config.stripe.webhook_secrets;
    let provider = work.context.provider_named(&told.provider);
    let Some(provider) = provider.filter(|provider| provider.name() == stripe::NAME) else {
        return Ok(ProviderEventAnswer::ProviderUnknown);
    };
    if !is_signed(&told.signature, told.body.as_bytes(), secrets, clock::now()) {
        return Ok(ProviderEventAnswer::Forged);
    }
    let Some(Event { id, payment, dispute }) = read_event(&told.body) else {
        tracing::warn!(provider = provider.name(), "a signed event that nobody can read");
        return Ok(ProviderEventAnswer::Taken);
    };
    let money = FoundMoney { pool: &work.context.store.pool, provider: provider.name() };
    if money.knows_event(&id).await? {
        return Ok(ProviderEventAnswer::Known);
    }
    if let Some(payment) = payment {
        look(work, money, provider.as_ref(), &payment).await?;
    }
    if let Some(dispute) = dispute {
        chargeback::look_at(money, provider.as_ref(), &dispute).await?;
    }
    // Noted last: a crash before it lets the event come again.
    money.note_event(&id).await?;
    Ok(ProviderEventAnswer::Taken)
}

/// Looks at a payment as the provider has it.
async fn look(
    work: &Work,
    money: FoundMoney<'_>,
    provider: &dyn Provider,
    payment: &str,
) -> Result<(), Error> {
    // One that no order has stored is found in the provider's list, once its driver had the time.
    let Some((listed, has_work)) = money.payment(payment).await? else { return Ok(()) };
    if has_work {
        let orders = work.context.store.load(&[listed.order]).await?;
        return work.take(orders).await;
    }
    reconcile::look_at(money, provider, listed).await
}
