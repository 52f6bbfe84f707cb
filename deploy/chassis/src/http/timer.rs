//! A timer that costs nothing until something waits.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

#[derive(Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    running: bool,
}

impl Timer {
    pub(super) fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }

    /// Counts `span` from the first call after [`stop`](Self::stop).
    pub(super) fn poll_after(&mut self, span: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = match &self.sleep {
            Some(sleep) if self.running => sleep.deadline(),
            _ => Instant::now() + span,
        };
        self.running = true;
        self.poll_until(deadline, cx)
    }

    pub(super) fn stop(&mut self) {
        self.running = false;
    }
}
