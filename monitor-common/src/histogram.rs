//! One histogram everywhere: the buckets of a Prometheus native histogram of schema 3, for times in nanoseconds.
//!
//! Schema 3 has 8 buckets per power of two. With `j` an integer, a bucket holds the times `t` in seconds with
//! `2^((j-1)/8) < t <= 2^(j/8)`: upper bounds are inclusive, as in the classic `le`. A power of two in seconds is not
//! a whole number of nanoseconds, so the index comes from the bounds rounded down to whole nanoseconds, which
//! decide every whole number of nanoseconds exactly as the real bound does.
//!
//! | index | times |
//! |---|---|
//! | 0 | up to 2^[`MIN_EXPONENT`] s (14 ns): the native histogram's zero bucket |
//! | `i` in `1..BUCKETS-1` | up to 2^([`MIN_EXPONENT`] + `i`/8) s |
//! | [`OVERFLOW`] | beyond 2^[`MAX_EXPONENT`] s (34 min): only `+Inf` is above |
//!
//! Source: the Prometheus documentation on native histograms (exposition, "standard exponential schemas").

/// Buckets per power of two.
pub const PER_POWER: usize = 8;
/// The first bucket ends at two to this many seconds.
pub const MIN_EXPONENT: i32 = -26;
/// The last bucket with an upper bound ends at two to this many seconds.
pub const MAX_EXPONENT: i32 = 11;
/// How many buckets there are, the zero bucket and the overflow bucket among them.
pub const BUCKETS: usize = (MAX_EXPONENT - MIN_EXPONENT) as usize * PER_POWER + 2;
/// The index of the bucket without an upper bound.
pub const OVERFLOW: usize = BUCKETS - 1;

/// Upper bounds in nanoseconds, inclusive, rounded down; [`u64::MAX`] for [`OVERFLOW`].
pub static BOUNDS: [u64; BUCKETS] = bounds();

/// 2^(k/8) for k in 0..8, as fixed-point numbers with [`FRACTION_BITS`] bits behind the point, rounded down.
const ROOTS: [u128; PER_POWER] = roots();
const FRACTION_BITS: u32 = 90;

/// The integer square root of `2^shift * x`, bit by bit, for results below 2^[`FRACTION_BITS`] + 1.
const fn sqrt_fixed(x: u128) -> u128 {
    // Finds the largest r with r * r <= x << FRACTION_BITS; r and x are fixed-point numbers in [1, 2].
    let mut r = 1u128 << FRACTION_BITS;
    let mut bit = r >> 1;
    while bit > 0 {
        let candidate = r | bit;
        if le_product(candidate, candidate, x) {
            r = candidate;
        }
        bit >>= 1;
    }
    r
}

/// Whether `a * b <= x << FRACTION_BITS`, in 256 bits.
const fn le_product(a: u128, b: u128, x: u128) -> bool {
    let mask = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & mask, b >> 64, b & mask);
    let low = a0 * b0;
    let mid = a1 * b0 + (low >> 64);
    let mid2 = a0 * b1 + (mid & mask);
    let high = a1 * b1 + (mid >> 64) + (mid2 >> 64);
    let low = (mid2 << 64) | (low & mask);
    let (x_high, x_low) = (x >> (128 - FRACTION_BITS), x << FRACTION_BITS);
    high < x_high || (high == x_high && low <= x_low)
}

const fn roots() -> [u128; PER_POWER] {
    let one = 1u128 << FRACTION_BITS;
    let half = sqrt_fixed(2 * one);
    let quarter = sqrt_fixed(half);
    let eighth = sqrt_fixed(quarter);
    let mut out = [one; PER_POWER];
    let mut k = 1;
    while k < PER_POWER {
        let mut product = one;
        if k & 4 != 0 {
            product = mul_fixed(product, half);
        }
        if k & 2 != 0 {
            product = mul_fixed(product, quarter);
        }
        if k & 1 != 0 {
            product = mul_fixed(product, eighth);
        }
        out[k] = product;
        k += 1;
    }
    out
}

const fn mul_fixed(a: u128, b: u128) -> u128 {
    let half = FRACTION_BITS / 2;
    let mask = (1u128 << half) - 1;
    let (a1, a0, b1, b0) = (a >> half, a & mask, b >> half, b & mask);
    a1 * b1 + ((a1 * b0 + a0 * b1 + ((a0 * b0) >> half)) >> half)
}

const fn bounds() -> [u64; BUCKETS] {
    let mut out = [u64::MAX; BUCKETS];
    let mut i = 0;
    while i < OVERFLOW {
        let exponent = MIN_EXPONENT + (i / PER_POWER) as i32;
        let scaled = ROOTS[i % PER_POWER] * 1_000_000_000;
        out[i] = (scaled >> (FRACTION_BITS as i32 - exponent)) as u64;
        i += 1;
    }
    out
}

/// Bits behind the leading one that a guess looks at: cells are narrower than a bucket, so a cell touches two buckets at most.
const MANTISSA_BITS: u32 = 4;
const CELLS: usize = 2 << MANTISSA_BITS;

/// The bucket of each small number, which is the least of its cell. Bounds double every [`PER_POWER`] buckets and cells
/// every power of two, so this holds for all larger numbers too, as many buckets further as they have doubled.
static FIRST_BUCKET: [u8; CELLS] = first_buckets();

/// The upper bounds of these buckets in nanoseconds, with [`BOUND_BITS`] bits behind the point, rounded down: those of larger
/// numbers are these doubled.
static FIRST_BOUND: [u64; CELLS] = first_bounds();
const BOUND_BITS: u32 = 58;

const fn first_buckets() -> [u8; CELLS] {
    let bounds = bounds();
    let mut out = [0; CELLS];
    let mut number = 0;
    while number < CELLS {
        while number as u64 > bounds[out[number] as usize] {
            out[number] += 1;
        }
        number += 1;
    }
    out
}

const fn first_bounds() -> [u64; CELLS] {
    let buckets = first_buckets();
    let mut out = [0; CELLS];
    let mut number = 0;
    while number < CELLS {
        let bucket = buckets[number] as usize;
        let scaled = ROOTS[bucket % PER_POWER] * 1_000_000_000;
        let exponent = MIN_EXPONENT + (bucket / PER_POWER) as i32;
        out[number] = (scaled >> (FRACTION_BITS as i32 - exponent - BOUND_BITS as i32)) as u64;
        number += 1;
    }
    out
}

/// The bucket of a time in nanoseconds, always below [`BUCKETS`].
///
/// Small tables, because a program finds its caches cold, and one branch, which hardly any time takes: a processor guesses
/// wrong where times lie around a bound, and the verifier follows both ways.
#[inline(always)]
pub fn index(ns: u64) -> usize {
    if ns > BOUNDS[OVERFLOW - 1] {
        return OVERFLOW;
    }
    let shift = log2(ns | 1 << MANTISSA_BITS) - MANTISSA_BITS;
    let cell = (ns >> shift) as usize % CELLS;
    let bound = FIRST_BOUND[cell] >> (BOUND_BITS.wrapping_sub(shift) & 63);
    let first = shift as usize * PER_POWER + FIRST_BUCKET[cell] as usize;
    // The sign of the difference: BPF knows a comparison as a branch only.
    first + (bound.wrapping_sub(ns) >> 63) as usize
}

/// The bucket of a time that is in `bucket` or in a later one: often it is the same, and then this is one compare.
#[inline(always)]
pub fn index_from(bucket: usize, ns: u64) -> usize {
    if bucket < BUCKETS && ns <= BOUNDS[bucket] { bucket } else { index(ns) }
}

/// The position of the highest bit set, which BPF has no instruction for: fill all lower bits, and tell the 64 possible
/// results apart by a de Bruijn sequence.
#[inline(always)]
fn log2(mut x: u64) -> u32 {
    x |= x >> 1;
    x |= x >> 2;
    x |= x >> 4;
    x |= x >> 8;
    x |= x >> 16;
    x |= x >> 32;
    LOG2[(x.wrapping_mul(DE_BRUIJN) >> 58) as usize] as u32
}

/// Multiplied by any 2^n - 1, its highest six bits are different for each n.
const DE_BRUIJN: u64 = 0x03f7_9d71_b4cb_0a89;

static LOG2: [u8; 64] = {
    let mut out = [0; 64];
    let mut bit = 0;
    while bit < 64 {
        let filled = u64::MAX >> (63 - bit);
        out[(filled.wrapping_mul(DE_BRUIJN) >> 58) as usize] = bit as u8;
        bit += 1;
    }
    out
};

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigUint;
    use proptest::prelude::*;

    /// Of every so many, one is tried: under Miri, a thousand times slower, fewer.
    const STEP: usize = if cfg!(miri) { 97 } else { 1 };

    /// The definition, in whole numbers: `ns` is at most 2^(j/8) seconds if and only if ns^8 * 2^-j <= 10^72.
    fn at_most(ns: u64, j: i32) -> bool {
        let (mut left, mut right) = (BigUint::from(ns).pow(8), BigUint::from(10u8).pow(72));
        if j < 0 {
            left <<= j.unsigned_abs()
        } else {
            right <<= j.unsigned_abs()
        }
        left <= right
    }

    fn assert_defined(ns: u64) {
        let i = index(ns);
        assert!(i < BUCKETS);
        let bound = |i: usize| MIN_EXPONENT * PER_POWER as i32 + i as i32;
        assert!(i == OVERFLOW || at_most(ns, bound(i)), "{ns} ns is beyond bucket {i}");
        assert!(i == 0 || !at_most(ns, bound(i - 1)), "{ns} ns is in an earlier bucket than {i}");
    }

    #[test]
    fn every_bound_and_its_neighbours() {
        for bound in BOUNDS.into_iter().step_by(STEP) {
            for ns in [bound.saturating_sub(1), bound, bound.saturating_add(1)] {
                assert_defined(ns);
            }
        }
    }

    #[test]
    fn every_cell_and_its_neighbours() {
        for cell in (0..64 * 32u64).step_by(STEP) {
            let (power, mantissa) = (cell / 32, cell % 32);
            let ns = (1u64 << power) | (mantissa << power >> 5);
            for ns in [ns.saturating_sub(1), ns, ns.saturating_add(1)] {
                assert_defined(ns);
            }
        }
    }

    #[test]
    fn the_first_microseconds_one_by_one() {
        (0..20_000).step_by(STEP).for_each(assert_defined);
    }

    #[test]
    fn every_eighth_bound_is_a_power_of_two() {
        let second = (0 - MIN_EXPONENT) as usize * PER_POWER;
        assert_eq!(BOUNDS[second], 1_000_000_000);
        assert_eq!(BOUNDS[second + PER_POWER], 2_000_000_000);
        assert_eq!(BOUNDS[second - PER_POWER], 500_000_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000 / STEP as u32))]

        #[test]
        fn any_time(ns: u64) {
            assert_defined(ns);
        }

        #[test]
        fn a_search_from_a_bucket_before_finds_the_same(a: u64, b: u64, shifts in (0u32..64, 0u32..64)) {
            let (a, b) = (a >> shifts.0, b >> shifts.1);
            prop_assert_eq!(index_from(index(a.min(b)), a.max(b)), index(a.max(b)));
        }

        /// Uniform numbers are nearly all enormous: this draws every magnitude alike.
        #[test]
        fn any_magnitude(ns: u64, shift in 0u32..64) {
            assert_defined(ns >> shift);
        }
    }
}
