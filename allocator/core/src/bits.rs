//! Runs of seats in a row's word, bit `i` for seat `i`.

/// The starts from which `count` bits in a row are set. O(log count).
pub(crate) fn runs(free: u64, count: u8) -> u64 {
    assert!(0 < count);
    if 64 < count {
        return 0;
    }
    let (mut starts, mut covered) = (free, 1);
    while covered < count {
        let step = covered.min(count - covered);
        starts &= starts >> step;
        covered += step;
    }
    starts
}

/// The starts from which a run of `count` free seats would leave a single free seat alone beside
/// it.
pub(crate) fn stranding(free: u64, count: u8) -> u64 {
    let (alone_before, alone_behind) = alone_beside(free, count);
    alone_before | alone_behind
}

/// How many free seats the run of `count` free seats from `start` leaves alone beside it.
pub(crate) fn left_alone(free: u64, start: u8, count: u8) -> u8 {
    let (alone_before, alone_behind) = alone_beside(free, count);
    u8::from(alone_before >> start & 1 == 1) + u8::from(alone_behind >> start & 1 == 1)
}

/// The starts from which a run would leave the seat before it alone, and the one behind it.
fn alone_beside(free: u64, count: u8) -> (u64, u64) {
    assert!(0 < count);
    let (first_free, last_free) = (free & !(free << 1), free & !(free >> 1));
    // The seat before the run is the first of its free seats, so it would be the only one.
    let alone_before = first_free << 1;
    // Likewise the seat behind it is the last one.
    let alone_behind = last_free.checked_shr(u32::from(count)).unwrap_or(0);
    (alone_before, alone_behind)
}

/// The starts from which at least one, and those from which at least two of `count` bits are set.
pub(crate) fn covering(bits: u64, count: u8) -> (u64, u64) {
    let (mut once, mut twice) = (0, 0);
    for offset in 0..count.min(64) {
        let shifted = bits >> offset;
        twice |= once & shifted;
        once |= shifted;
    }
    (once, twice)
}

/// The set bits next to `ideal`, at or below it and above it.
pub(crate) fn neighbours(bits: u64, ideal: u8) -> (Option<u8>, Option<u8>) {
    assert!(ideal < 64);
    let up_to = u64::MAX >> (63 - ideal);
    let position = |bit: u32| u8::try_from(bit).expect("a word has 64 bits");
    let below = (bits & up_to).checked_ilog2().map(position);
    let above = bits & !up_to;
    (below, (above != 0).then(|| position(above.trailing_zeros())))
}

#[cfg(test)]
mod tests {
    use super::{covering, left_alone, neighbours, runs, stranding};

    #[test]
    fn a_run_starts_wherever_enough_neighbours_are_free() {
        assert_eq!(runs(0b0111_0110, 1), 0b0111_0110);
        assert_eq!(runs(0b0111_0110, 2), 0b0011_0010);
        assert_eq!(runs(0b0111_0110, 3), 0b0001_0000);
        assert_eq!(runs(0b0111_0110, 4), 0);
        assert_eq!(runs(u64::MAX, 64), 1);
        assert_eq!(runs(u64::MAX, 65), 0);
    }

    #[test]
    fn a_run_that_leaves_one_seat_alone_on_either_side_is_known() {
        // Seats 0 to 4 are free: two seats at 1 strand seat 0, two at 2 strand seat 4.
        assert_eq!(runs(0b1_1111, 2) & stranding(0b1_1111, 2), 0b0110);
        // Taking all or one of two groups strands nobody.
        assert_eq!(runs(0b110_0111, 3) & stranding(0b110_0111, 3), 0);
        assert_eq!(runs(0b110_0111, 2) & stranding(0b110_0111, 2), 0b011);
        assert_eq!(runs(u64::MAX, 64) & stranding(u64::MAX, 64), 0);
        assert_eq!(left_alone(0b1_1111, 1, 2), 1);
        assert_eq!(left_alone(0b1_1111, 1, 3), 2);
        assert_eq!(left_alone(0b110_0111, 0, 3), 0);
        assert_eq!(left_alone(u64::MAX, 0, 64), 0);
    }

    #[test]
    fn bits_below_a_run_are_counted_up_to_two() {
        assert_eq!(covering(0b100, 2), (0b110, 0));
        assert_eq!(covering(0b110, 2), (0b111, 0b010));
    }

    #[test]
    fn the_nearest_bits_on_both_sides_are_found() {
        assert_eq!(neighbours(0b1001_0010, 4), (Some(4), Some(7)));
        assert_eq!(neighbours(0b1001_0010, 3), (Some(1), Some(4)));
        assert_eq!(neighbours(1, 63), (Some(0), None));
        assert_eq!(neighbours(0, 0), (None, None));
    }
}
