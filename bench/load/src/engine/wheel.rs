//! Everybody's next time, in milliseconds since the start.
//!
//! A wheel of slots, one a millisecond; each person is a link in the list of a slot. Putting one in
//! costs no allocation and no search, and somebody whose time is more than one turn away is passed
//! over once a turn.

/// A turn is about a minute: longer than any poll is away.
const SLOTS: u32 = 65_536;

/// The end of a list.
const NOBODY: u32 = u32::MAX;

#[derive(Debug)]
pub struct Wheel {
    /// The first person of each slot.
    slots: Box<[u32]>,
    /// The next person in the same slot, and when each is due.
    next: Vec<u32>,
    due_ms: Vec<u32>,
    /// Everything up to here has been taken out.
    now_ms: u32,
}

impl Wheel {
    pub fn new(people: usize) -> Self {
        Self {
            slots: vec![NOBODY; idx(SLOTS)].into(),
            next: vec![NOBODY; people],
            due_ms: vec![0; people],
            now_ms: 0,
        }
    }

    /// Lets `person`, who is not in the wheel, sleep until `due_ms`; what is past is due at once.
    pub fn put(&mut self, person: u32, due_ms: u32) {
        self.due_ms[idx(person)] = due_ms;
        self.link(person, due_ms.max(self.now_ms + 1) % SLOTS);
    }

    /// Takes out everybody who is due at `now_ms`: the person and the time that was asked for.
    pub fn take(&mut self, now_ms: u32, mut due: impl FnMut(u32, u32)) {
        if now_ms <= self.now_ms {
            return;
        }
        let first = self.now_ms + 1;
        let last = now_ms.min(self.now_ms + SLOTS);
        self.now_ms = now_ms;
        for slot in first..=last {
            let slot = slot % SLOTS;
            let mut person = std::mem::replace(&mut self.slots[idx(slot)], NOBODY);
            while person != NOBODY {
                let following = self.next[idx(person)];
                let due_ms = self.due_ms[idx(person)];
                if due_ms <= now_ms {
                    due(person, due_ms);
                } else {
                    self.link(person, slot);
                }
                person = following;
            }
        }
    }

    fn link(&mut self, person: u32, slot: u32) {
        self.next[idx(person)] = std::mem::replace(&mut self.slots[idx(slot)], person);
    }
}

fn idx(number: u32) -> usize {
    usize::try_from(number).expect("usize has 32 bits or more")
}

#[cfg(test)]
mod tests {
    use super::{SLOTS, Wheel};
    use crate::dice::Dice;

    fn taken(wheel: &mut Wheel, now_ms: u32) -> Vec<(u32, u32)> {
        let mut taken = Vec::new();
        wheel.take(now_ms, |person, due_ms| taken.push((person, due_ms)));
        taken.sort_unstable();
        taken
    }

    #[test]
    fn everybody_is_woken_once_and_never_early() {
        let people = 2_000;
        let mut wheel = Wheel::new(2_000);
        let mut dice = Dice::new(5, 5);
        let due = (0..people).map(|_| dice.below(3 * SLOTS)).collect::<Vec<_>>();
        for person in 0..people {
            wheel.put(person, due[usize::try_from(person).unwrap()]);
        }
        let (mut now_ms, mut woken) = (0, 0);
        while now_ms < 3 * SLOTS {
            let before = now_ms;
            now_ms += 1 + dice.below(500);
            for (person, due_ms) in taken(&mut wheel, now_ms) {
                assert_eq!(due_ms, due[usize::try_from(person).unwrap()]);
                assert!(due_ms <= now_ms && (before < due_ms || due_ms == 0 && before == 0));
                woken += 1;
            }
        }
        assert_eq!(woken, people);
        assert!(taken(&mut wheel, 9 * SLOTS).is_empty());
    }

    #[test]
    fn who_is_late_is_due_at_the_next_look_with_the_time_that_was_meant() {
        let mut wheel = Wheel::new(2);
        assert!(taken(&mut wheel, 1_000).is_empty());
        wheel.put(0, 400);
        wheel.put(1, 1_002);
        assert_eq!(taken(&mut wheel, 1_001), [(0, 400)]);
        assert_eq!(taken(&mut wheel, 1_000 + 4 * SLOTS), [(1, 1_002)]);
    }
}
