//! The cache that stands in front of a public service: one answer a second for everybody.

use crate::fan::Status;
use std::time::Duration;

/// `max-age` of the public status.
const FRESH: Duration = Duration::from_secs(1);

/// How long an older answer is given while a new one is fetched.
const STALE: Duration = Duration::from_secs(6);

/// What the cache has of one room.
#[derive(Debug, Clone, Copy, Default)]
pub struct Edge {
    kept: Option<(Duration, Status)>,
    /// When somebody was last sent to the service.
    fetching: Option<Duration>,
}

impl Edge {
    /// The answer that needs no question, if there is one. Otherwise the asker goes to the service.
    pub fn find(&mut self, now: Duration) -> Option<Status> {
        let (at, status) = self.kept?;
        let age = now.saturating_sub(at);
        if age < FRESH {
            return Some(status);
        }
        let is_fetched = self.fetching.is_some_and(|since| now.saturating_sub(since) < FRESH);
        if is_fetched && age < STALE {
            return Some(status);
        }
        self.fetching = Some(now);
        None
    }

    pub fn keep(&mut self, now: Duration, status: Status) {
        (self.kept, self.fetching) = (Some((now, status)), None);
    }
}

#[cfg(test)]
mod tests {
    use super::Edge;
    use crate::fan::Status;
    use std::time::Duration;

    #[test]
    fn one_asker_a_second_goes_to_the_service() {
        let second = Duration::from_secs(1);
        let status = Status {
            cursor: 7,
            rate_per_minute: 60,
            sold_out: false,
            closed: false,
            floor: second,
            ceiling: second,
            divisor: 4,
        };
        let at = Duration::from_millis;
        let mut edge = Edge::default();
        assert_eq!(edge.find(at(0)), None);
        edge.keep(at(10), status);
        assert_eq!(edge.find(at(1_009)), Some(status));
        assert_eq!(edge.find(at(1_010)), None, "the first after a second fetches");
        assert_eq!(edge.find(at(1_500)), Some(status), "the others have the old one meanwhile");
        assert_eq!(edge.find(at(2_010)), None, "the fetch was lost");
        edge.keep(at(2_100), Status { cursor: 9, ..status });
        assert_eq!(edge.find(at(2_200)).unwrap().cursor, 9);
    }
}
