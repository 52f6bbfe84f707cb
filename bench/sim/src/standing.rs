//! Standing places by area, with what areas share, in counts that have nothing of the cores.

use crate::hall::{AREAS, POOL_CAPACITY, POOLED};
use schema::AreaIdx;

/// Places of each area.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing([u32; AREAS.len()]);

impl Standing {
    pub fn of(places: impl IntoIterator<Item = (AreaIdx, u32)>) -> Self {
        let mut all = Self::default();
        for (area, quantity) in places {
            all.0[usize::from(area.0)] += quantity;
        }
        all
    }

    pub fn plus(mut self, other: Self) -> Self {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own += more;
        }
        self
    }

    /// Without those of `other`; `None` where it has fewer.
    pub fn minus(mut self, other: Self) -> Option<Self> {
        for (own, less) in self.0.iter_mut().zip(other.0) {
            *own = own.checked_sub(less)?;
        }
        Some(self)
    }

    pub fn count(self) -> u32 {
        self.0.iter().sum()
    }

    /// Whether each area has room for its own, whatever areas share.
    pub fn fits_each(self) -> bool {
        self.0.iter().zip(AREAS).all(|(&taken, capacity)| taken <= capacity)
    }

    /// Whether there is room for all of them.
    pub fn fits(self) -> bool {
        self.fits_each() && self.0[POOLED].iter().sum::<u32>() <= POOL_CAPACITY
    }

    /// What each area has left when these are taken. They fit.
    pub fn left(self) -> [u32; AREAS.len()] {
        assert!(self.fits());
        let shared = POOL_CAPACITY - self.0[POOLED].iter().sum::<u32>();
        let mut left = [0; AREAS.len()];
        for (at, (taken, capacity)) in self.0.into_iter().zip(AREAS).enumerate() {
            let own = capacity - taken;
            left[at] = if POOLED.contains(&at) { own.min(shared) } else { own };
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::Standing;
    use schema::AreaIdx;

    fn standing(places: [u32; 3]) -> Standing {
        Standing::of((0..).map(AreaIdx).zip(places))
    }

    #[test]
    fn an_area_is_full_by_itself_or_by_its_pool() {
        assert!(standing([3, 1, 2]).fits());
        assert!(!standing([0, 0, 3]).fits_each());
        assert!(standing([3, 2, 0]).fits_each());
        assert!(!standing([3, 2, 0]).fits());
        assert_eq!(standing([1, 1, 0]).left(), [2, 2, 2]);
        assert_eq!(standing([3, 0, 2]).left(), [0, 1, 0]);
    }
}
