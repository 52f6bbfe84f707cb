//! How many places a person takes, and for how many more people there are any.

/// What is assumed before anybody has bought: 2.5 places a person, as if 40 had.
///
/// Most come in twos, some as a family. Whoever comes in larger parties is known after some dozen
/// holds; with less weight the first two or three holds would decide how many are called.
const ASSUMED: Basket = Basket { people: 40, places: 100 };

/// The mean of the places that people with a pass have taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basket {
    people: u64,
    places: u64,
}

impl Default for Basket {
    fn default() -> Self {
        ASSUMED
    }
}

impl Basket {
    /// A person has taken so many places.
    pub fn took(&mut self, places: u32) {
        self.people += 1;
        self.places += u64::from(places);
    }

    /// How many more people the `open` places are for, the free ones and those in holds that are
    /// not paid, when `inside` are at them already.
    ///
    /// Rounded up: the last single place is somebody's too.
    pub fn people(self, open: u32, inside: u32) -> u32 {
        let people = (u64::from(open) * self.people).div_ceil(self.places.max(1));
        u32::try_from(people).unwrap_or(u32::MAX).saturating_sub(inside)
    }

    /// Places a person, in thousandths.
    pub fn mean_milli(self) -> u64 {
        self.places * 1_000 / self.people
    }
}

#[cfg(test)]
mod tests {
    use super::Basket;

    #[test]
    fn places_are_for_as_many_people_as_are_not_inside_already() {
        let basket = Basket::default();
        assert_eq!(basket.mean_milli(), 2_500);
        assert_eq!(basket.people(1_000, 0), 400);
        assert_eq!(basket.people(1_000, 399), 1);
        assert_eq!(basket.people(1_000, 5_000), 0);
        assert_eq!(basket.people(0, 0), 0);
        assert_eq!(basket.people(1, 0), 1, "the last place is somebody's");
    }

    #[test]
    fn what_people_take_outweighs_what_was_assumed_and_two_of_them_do_not() {
        let mut basket = Basket::default();
        (0..2).for_each(|_| basket.took(10));
        assert_eq!(basket.mean_milli(), 2_857);
        (0..998).for_each(|_| basket.took(4));
        assert_eq!(basket.people(4_000, 0), 1_012);
    }
}
