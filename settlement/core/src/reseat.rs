//! What the owner of the seats is asked for money that came late.

use crate::line::{Line, Place};
use crate::verdict::{command, hash128};
use schema::{
    AccountId, Command, CommandBody, CommandId, Currency, EventId, Held, HeldArea, HeldSeat,
    HoldId, LATE_MONEY_ACCOUNT, OrderId, OwnerKind, Reseat, UnixMillis,
};

/// Late money's claim to places, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReseatRecord {
    /// The order that was given up.
    pub order: OrderId,
    pub event: EventId,
    pub account: AccountId,
    pub currency: Currency,
    /// What was paid for.
    pub lines: Vec<Line>,
    /// The hold that is to have the places.
    pub hold: HoldId,
    pub command: CommandId,
}

/// Names the hold that a payment is to have places in, and the command that asks for it. The
/// command's id is the payment's for ever; the hold's also says when it was asked for first.
pub fn reseat_ids(
    provider: &str,
    payment: &str,
    order: OrderId,
    now: UnixMillis,
) -> (HoldId, CommandId) {
    let command = CommandId(hash128(&[b"usher reseat", provider.as_bytes(), payment.as_bytes()]));
    (HoldId::compose(HoldId::from(order).shard(), now, command), command)
}

/// The command that asks; the same bytes for the same record but for the deadline.
pub fn reseat(record: &ReseatRecord, deadline: UnixMillis) -> Command {
    let paid = Held {
        hold: record.hold,
        account: record.account,
        owner: OwnerKind::Fan,
        seats: seats_of(&record.lines),
        areas: areas_of(&record.lines),
        currency: record.currency,
        deadline: None,
        pass: None,
    };
    let body = CommandBody::Reseat(Reseat { paid, before: HoldId::from(record.order) });
    command(record.command, &record.event, LATE_MONEY_ACCOUNT, deadline, body)
}

fn seats_of(lines: &[Line]) -> Vec<HeldSeat> {
    let seat = |line: &Line| match line.place {
        Place::Seat(seat) => {
            Some(HeldSeat { seat, generation: 0, price_level: line.price_level, price: line.price })
        }
        Place::Area(_) => None,
    };
    lines.iter().filter_map(seat).collect()
}

fn areas_of(lines: &[Line]) -> Vec<HeldArea> {
    let mut areas: Vec<HeldArea> = Vec::new();
    for line in lines {
        let Place::Area(area) = line.place else { continue };
        match areas.last_mut() {
            Some(last) if last.area == area => last.quantity += 1,
            _ => areas.push(HeldArea {
                area,
                quantity: 1,
                price_level: line.price_level,
                price: line.price,
            }),
        }
    }
    areas
}

#[cfg(test)]
mod tests {
    use super::{ReseatRecord, reseat, reseat_ids};
    use crate::line::lines_of;
    use schema::{
        AccountId, AreaIdx, CommandBody, Currency, Held, HeldArea, HeldSeat, HoldId, OrderId,
        OwnerKind, SeatIdx, UnixMillis,
    };

    #[test]
    fn what_is_asked_for_is_what_was_paid_for() {
        let seat = |seat, price_level, price| HeldSeat { seat, generation: 0, price_level, price };
        let area = |area, quantity| HeldArea { area, quantity, price_level: 2, price: 30 };
        let order = OrderId(7 << 72);
        let (hold, command) = reseat_ids("sandbox", "pay_1", order, UnixMillis(5));
        assert_eq!((hold.shard().0, hold.made_at()), (7, UnixMillis(5)));
        assert_ne!(command, reseat_ids("sandbox", "pay_2", order, UnixMillis(5)).1);
        let paid = Held {
            hold,
            account: AccountId(9),
            owner: OwnerKind::Fan,
            seats: vec![seat(SeatIdx(4), 0, 50), seat(SeatIdx(5), 1, 40)],
            areas: vec![area(AreaIdx(0), 2), area(AreaIdx(1), 1)],
            currency: Currency::EUR,
            deadline: None,
            pass: None,
        };
        let record = ReseatRecord {
            order,
            event: "EVT001".parse().unwrap(),
            account: paid.account,
            currency: paid.currency,
            lines: lines_of(&paid),
            hold,
            command,
        };
        let asked = reseat(&record, UnixMillis(1));
        let CommandBody::Reseat(ask) = asked.body else { panic!("{asked:?}") };
        assert_eq!((ask.paid, ask.before), (paid, HoldId::from(order)));
        let again = reseat(&record, UnixMillis(2));
        assert_eq!((asked.id, asked.fingerprint), (again.id, again.fingerprint));
    }
}
