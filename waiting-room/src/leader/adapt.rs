//! The pace that the stages behind the room bear, for a room that is told to adapt to it; and for
//! every room the floor while nobody can pay.

use super::Leader;
use schema::RoomSettings;
use waiting_room_core::{Adapt, Headroom, MonoMs};

impl Leader {
    /// Looks at what the stages say; returns how many people there are seats for, see
    /// [`Sight::seats_free`](waiting_room_core::Sight::seats_free).
    pub(super) fn adapt(&mut self, settings: &RoomSettings, now: MonoMs) -> Option<u32> {
        let signals = self.room.loads.signals(self.room.shard);
        let cap = settings.admission_rate_per_minute;
        if !settings.adaptive {
            (self.adapt, self.headroom) = (Adapt::default(), Headroom::of_outage(&signals, cap));
            return self.room.seats().to_sell();
        }
        self.headroom = self.adapt.step(now, cap, &signals);
        let inside = self.rules.active(now);
        self.room.seats().people(inside)
    }
}
