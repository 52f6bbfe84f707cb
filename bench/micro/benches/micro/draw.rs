//! The draw of a pre-queue: the Feistel permutation, and a whole draw.

use chassis::keys::HmacKey;
use criterion::{BenchmarkId, Criterion, Throughput};
use std::hint::black_box;
use waiting_room_core::{Bits, Permutation, draw_live};

/// Live places of the whole draw.
const PLACES: u64 = 10_000;

pub fn benches(criterion: &mut Criterion) {
    let key = HmacKey::from_bytes([7; 32]);
    // As the waiting room keys its draw.
    let keyed = |round: u8, half: u64| {
        let mac = key.mac(&[&[round], &half.to_be_bytes()]);
        u64::from_be_bytes(*mac.first_chunk().expect("a MAC has 32 bytes"))
    };
    let mut group = criterion.benchmark_group("draw");
    // 65,537 is the worst case of cycle walking: nearly three of four results are outside.
    for count in [10_000, 65_537, 1_000_000] {
        let permutation = Permutation::new(count, &keyed);
        let mut index = 0;
        group.bench_function(BenchmarkId::new("place of one", count), |bench| {
            bench.iter(|| {
                index = (index + 1) % count;
                permutation.apply(black_box(index))
            });
        });
    }
    let word_count = usize::try_from(Bits::word_of(PLACES) + 1).expect("a small number");
    let mut live = Bits::zeroed(0, word_count);
    live.fill(0, PLACES);
    group.throughput(Throughput::Elements(PLACES));
    group.bench_function(BenchmarkId::new("all", PLACES), |bench| {
        bench.iter(|| draw_live(black_box(&live), 0, PLACES, &keyed));
    });
    group.finish();
}
