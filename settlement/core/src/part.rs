//! What the owner of a place is asked when its ticket was paid back alone.

use crate::line::Place;
use crate::verdict::{command, hash128};
use schema::{
    Command, CommandBody, CommandId, EventId, HoldId, OrderId, ReturnedPart, SYSTEM_ACCOUNT,
    UnixMillis,
};

/// A part of an order whose money is back, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRecord {
    pub order: OrderId,
    pub event: EventId,
    /// Counted from 1.
    pub part: u32,
    /// The place of its ticket.
    pub place: Place,
}

/// Derives the id of a part's command. Frozen, because the parts are stored with theirs.
pub fn part_command(order: OrderId, part: u32) -> CommandId {
    CommandId(hash128(&[b"usher part", &order.0.to_be_bytes(), &part.to_be_bytes()]))
}

/// The command that gives the place back; the same bytes for the same record but for the deadline.
pub fn reduce(record: &PartRecord, deadline: UnixMillis) -> Command {
    let hold = HoldId::from(record.order);
    let places = match record.place {
        Place::Seat(seat) => ReturnedPart { hold, seats: vec![seat], areas: vec![] },
        Place::Area(area) => ReturnedPart { hold, seats: vec![], areas: vec![(area, 1)] },
    };
    let id = part_command(record.order, record.part);
    let body = CommandBody::ReduceSale { part: record.part, places };
    command(id, &record.event, SYSTEM_ACCOUNT, deadline, body)
}

#[cfg(test)]
mod tests {
    use super::{PartRecord, part_command, reduce};
    use crate::line::Place;
    use schema::{AreaIdx, CommandBody, OrderId, SeatIdx, UnixMillis};
    use std::collections::HashSet;

    #[test]
    fn a_part_keeps_its_command_id_for_ever_and_shares_it_with_no_other() {
        let mut seen = HashSet::new();
        for order in [OrderId(1), OrderId(2), OrderId(u128::MAX)] {
            assert!((1..5).all(|part| seen.insert(part_command(order, part))));
        }
        assert_eq!(part_command(OrderId(1), 1).to_string(), "c-400BH8YAY8R7WW4G0Q6GPYBZ4N");
    }

    #[test]
    fn a_part_gives_back_the_one_place_of_its_ticket() {
        let event: schema::EventId = "EVT001".parse().unwrap();
        let body = |place| {
            let record = PartRecord { order: OrderId(7), event: event.clone(), part: 2, place };
            let (one, other) = (reduce(&record, UnixMillis(1)), reduce(&record, UnixMillis(2)));
            assert_eq!((one.id, &one.body), (other.id, &other.body), "sent again");
            let CommandBody::ReduceSale { part, places } = one.body else { panic!("{one:?}") };
            assert_eq!((part, places.hold.0), (2, 7));
            (places.seats, places.areas)
        };
        assert_eq!(body(Place::Seat(SeatIdx(4))), (vec![SeatIdx(4)], vec![]));
        assert_eq!(body(Place::Area(AreaIdx(3))), (vec![], vec![(AreaIdx(3), 1)]));
    }
}
