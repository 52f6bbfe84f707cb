//! Seats that come back when all were gone, and for how many in line they are enough.

/// The baskets of a sale: how many places people take at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Baskets {
    pub count: u64,
    pub places: u64,
}

impl Baskets {
    pub fn note(&mut self, places: u32) {
        self.count += 1;
        self.places += u64::from(places);
    }
}

/// What is known of the seats of a room in whose line people wait for returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returns {
    /// People inside who hold seats already.
    pub holding: u32,
    pub baskets: Baskets,
}

impl Returns {
    /// How many more people `free` seats are enough for, with `inside` people inside.
    ///
    /// Each takes a mean basket, one seat at least. Who is inside without seats takes one first;
    /// the last basket may be smaller than the mean.
    pub fn enough_for(self, free: u32, inside: u32) -> u32 {
        let (free, count) = (u64::from(free), self.baskets.count.max(1));
        let places = self.baskets.places.max(count);
        // Rounded up: free / (places / count).
        let people = (free * count).div_ceil(places);
        let before = u64::from(inside.saturating_sub(self.holding));
        u32::try_from(people.saturating_sub(before)).expect("at most the free seats")
    }
}

#[cfg(test)]
mod tests {
    use super::{Baskets, Returns};

    #[test]
    fn seats_that_come_back_are_enough_for_as_many_as_take_a_mean_basket() {
        let returns =
            |holding, count, places| Returns { holding, baskets: Baskets { count, places } };
        assert_eq!(returns(0, 0, 0).enough_for(5, 0), 5, "nothing is known: one seat each");
        assert_eq!(returns(0, 10, 25).enough_for(5, 0), 2);
        assert_eq!(returns(0, 10, 25).enough_for(6, 0), 3, "the last one may find one seat");
        assert_eq!(returns(0, 10, 25).enough_for(1, 0), 1);
        assert_eq!(returns(0, 10, 25).enough_for(0, 0), 0);
        assert_eq!(returns(0, 10, 25).enough_for(6, 2), 1, "two inside come before");
        assert_eq!(returns(2, 10, 25).enough_for(6, 2), 3, "who hold theirs already");
        assert_eq!(returns(9, 10, 25).enough_for(6, 2), 3);
        assert_eq!(returns(0, 1, 2).enough_for(2, 50), 0);
        let most =
            Returns { holding: 0, baskets: Baskets { count: u64::from(u32::MAX), places: 1 } };
        assert_eq!(most.enough_for(u32::MAX, 0), u32::MAX, "never less than a seat each");
    }
}
