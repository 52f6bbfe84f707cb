//! What goes on beside a payment: the books are compared, and a person ends a review.

use super::{healthy, killed, look_is_due};
use crate::tests::kill::{Doomed, Work};
use crate::tests::review;
use crate::tests::rig::{Rig, eventually};
use crate::{Reviewed, end_review};
use chassis::Death;
use schema::OrderId;

pub(super) const COMPARED: [&str; 5] = [
    "read where a journal ends",
    "begin an audit",
    "audit",
    "read what is sold",
    "rest after a look",
];
pub(super) const REVIEWED: [&str; 1] = ["end a review"];

#[tokio::test]
async fn the_books_are_compared_whatever_is_killed_over_it() {
    let (rig, _) = Rig::paid(&[1]).await;
    for death in Death::all(&COMPARED) {
        look_is_due(&rig).await;
        killed(&rig, death).await;
    }
    look_is_due(&rig).await;
    let _stage = healthy(&rig).await;
    // One that has only begun keeps others from looking for ten minutes.
    let rests = "SELECT count(*) FROM reconciled WHERE provider = 'books'
        AND rest_until BETWEEN 1 AND extract(epoch FROM clock_timestamp()) * 1000 + 120000";
    eventually("a look that ends", || async { rig.count(rests).await == 1 }).await;
    rig.assert_clean().await;
}

#[tokio::test]
async fn a_review_ends_once_whatever_is_killed_over_it() {
    let mut rig = Rig::start().await;
    let order = OrderId::from(review::refused(&mut rig).await);
    for death in Death::all(&REVIEWED) {
        Doomed::start(&rig, death, &Work::Reviews { order }).dies().await;
    }
    let again = end_review(&rig.pool, order, crate::Ending::Keep, "seen").await.unwrap();
    assert_eq!(again, Reviewed::NotUnderReview);
    let _stage = healthy(&rig).await;
    rig.rest().await;
    assert_eq!(rig.count("SELECT count(*) FROM orders WHERE state = 'paid'").await, 1);
    assert_eq!(rig.count("SELECT count(*) FROM review_end").await, 1);
    rig.assert_clean().await;
}
