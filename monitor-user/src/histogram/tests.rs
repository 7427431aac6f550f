use super::*;
use monitor_common::histogram::index;
use proptest::prelude::*;

fn of(times: &[u64]) -> Histogram {
    let mut buckets = [0; BUCKETS];
    times.iter().for_each(|&ns| buckets[index(ns)] += 1);
    Histogram::from_buckets(&buckets, times.iter().sum())
}

fn merged(a: &Histogram, b: &Histogram) -> Histogram {
    let mut sum = a.clone();
    sum.merge(b);
    sum
}

/// Times of every magnitude, from nanoseconds to hours.
fn times() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec((1u64..1 << 44, 0u32..44).prop_map(|(ns, shift)| ns >> shift), 0..40)
}

proptest! {
    #[test]
    fn count_and_sum_are_those_of_the_times(times in times()) {
        let histogram = of(&times);
        prop_assert_eq!(histogram.count(), times.len() as u64);
        prop_assert_eq!(histogram.sum_ns(), times.iter().sum::<u64>());
    }

    #[test]
    fn merging_is_adding_the_times(a in times(), b in times()) {
        prop_assert_eq!(merged(&of(&a), &of(&b)), of(&[a, b].concat()));
    }

    #[test]
    fn merging_takes_any_order(a in times(), b in times(), c in times()) {
        let (a, b, c) = (of(&a), of(&b), of(&c));
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
    }

    #[test]
    fn a_difference_gives_back_what_was_added(a in times(), b in times()) {
        let (a, b) = (of(&a), of(&b));
        prop_assert_eq!(merged(&a, &b).since(&a), Ok(b));
    }

    #[test]
    fn a_difference_to_a_greater_one_is_refused(a in times(), b in times()) {
        prop_assume!(!b.is_empty());
        let a = of(&a);
        prop_assert!(a.since(&merged(&a, &of(&b))).is_err());
    }

    #[test]
    fn a_quantile_is_in_the_bucket_of_the_true_one(mut times in times(), q in 0.0f64..=1.0) {
        prop_assume!(!times.is_empty());
        times.sort_unstable();
        let histogram = of(&times);
        let rank = ((q * times.len() as f64).ceil() as usize).max(1);
        let bucket = index(times[rank - 1]);
        let lower = if bucket == 0 { 0.0 } else { bound(bucket - 1) };
        let upper = bound(bucket.min(OVERFLOW - 1));
        let quantile = histogram.quantile(q).unwrap();
        prop_assert!((lower..=upper).contains(&quantile), "{quantile} is not in bucket {bucket}, {lower}..={upper}");
    }

    #[test]
    fn quantiles_ascend_and_end_at_the_maximum(times in times(), a in 0.0f64..=1.0, b in 0.0f64..=1.0) {
        let histogram = of(&times);
        prop_assert!(histogram.quantile(f64::min(a, b)) <= histogram.quantile(f64::max(a, b)));
        prop_assert_eq!(histogram.quantile(1.0), histogram.max());
    }

    #[test]
    fn classic_buckets_count_the_times_up_to_their_bound(times in times()) {
        for (le, count) in of(&times).cumulative_at_powers_of_two(-26..=11) {
            let truth = times.iter().filter(|&&ns| ns as f64 / 1e9 <= le).count();
            prop_assert_eq!(count, truth as u64, "le {}", le);
        }
    }

    #[test]
    fn serialised_and_read_again_it_is_the_same(times in times()) {
        let histogram = of(&times);
        let json = serde_json::to_string(&histogram).unwrap();
        prop_assert_eq!(serde_json::from_str::<Histogram>(&json).unwrap(), histogram);
    }

    #[test]
    fn whatever_comes_from_outside_is_read_or_refused(
        first in 0u16..400,
        counts in prop::collection::vec(prop_oneof![Just(0), Just(u64::MAX), 0u64..9], 0..400),
        sum_ns: u64,
    ) {
        let json = serde_json::json!({"first": first, "counts": counts, "sum_ns": sum_ns});
        if let Ok(histogram) = serde_json::from_value::<Histogram>(json) {
            let _ = (histogram.quantile(0.5), histogram.max(), merged(&histogram, &histogram).quantile(0.9));
            prop_assert_eq!(histogram.iter().count(), counts.iter().filter(|&&count| count > 0).count());
        }
    }
}

#[test]
fn the_empty_histogram_has_no_quantile() {
    assert_eq!(Histogram::default().quantile(0.5), None);
    assert_eq!(Histogram::default().max(), None);
    assert_eq!(Histogram::default().mean(), None);
}

#[test]
fn a_share_that_is_none_has_no_quantile() {
    for q in [-0.1, 1.1, f64::NAN] {
        assert_eq!(of(&[1000]).quantile(q), None, "{q}");
    }
}

/// The bucket of 1 s reaches from 2^(-1/8) to 2^0; half way on a logarithmic scale is 2^(-1/16).
#[test]
fn inside_a_bucket_the_interpolation_is_logarithmic() {
    assert_eq!(of(&[1_000_000_000, 1_000_000_000]).quantile(0.5), Some((-1.0f64 / 16.0).exp2()));
}

#[test]
fn the_first_bucket_is_interpolated_from_zero() {
    assert_eq!(of(&[3, 3]).quantile(0.5), Some((-27.0f64).exp2()));
}

#[test]
fn beyond_the_last_bound_the_bound_is_all_that_is_known() {
    let histogram = of(&[u64::MAX / 2]);
    assert_eq!(histogram.quantile(0.99), Some(2048.0));
    assert_eq!(histogram.max(), Some(2048.0));
    assert_eq!(histogram.cumulative_at_powers_of_two(11..=11).last(), Some((2048.0, 0)));
}

#[test]
fn classic_buckets_beyond_the_bounds_are_left_out() {
    let exponents = |range| of(&[1000]).cumulative_at_powers_of_two(range).count();
    assert_eq!((exponents(-40..=-27), exponents(12..=40), exponents(-40..=40)), (0, 0, 38));
}

#[test]
fn a_refusal_names_the_bucket() {
    let error = of(&[1000]).since(&of(&[1000, 1000])).unwrap_err();
    assert_eq!(error, Decreased { part: Part::Sum, from: 2000, to: 1000 });
    let error = of(&[3000]).since(&of(&[1000])).unwrap_err();
    assert_eq!(error.part, Part::Bucket(index(1000)));
    assert!(error.to_string().ends_with("went down from 1 to 0"), "{error}");
}

#[test]
fn buckets_that_do_not_exist_are_refused() {
    let read = |json| serde_json::from_str::<Histogram>(json).unwrap_err().to_string();
    assert!(read(r#"{"first":297,"counts":[1,1],"sum_ns":0}"#).contains("2 from number 297"));
    assert!(read(r#"{"first":0,"counts":[18446744073709551615,1],"sum_ns":0}"#).contains("64 bits"));
}
