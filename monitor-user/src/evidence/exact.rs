//! Shares that add up, in the figures and as they are printed.
//!
//! Sums of floating point numbers depend on their order and are seldom what they should be. So contributions are put on a
//! grid: whole multiples of one power of two, a billionth of a thousandth of what matters. Sums of numbers on a grid are
//! exact, in any order.

/// The grid's step for numbers up to `largest`: a power of two, 2^-40 for numbers up to 1 and 2^-40 of the number beyond.
/// Sums of up to 4,096 numbers on it are exact. So is adding 1, as long as `largest` is below 2^40.
pub fn grid(largest: f64) -> f64 {
    const BITS: i32 = 40;
    let exponent = if largest.is_finite() && largest > 1.0 { largest.log2().ceil() as i32 } else { 0 };
    f64::from(exponent - BITS).exp2()
}

/// The number on the grid that is nearest; 0 for what is no number.
pub fn on_grid(x: f64, grid: f64) -> f64 {
    // Adding 0 makes one zero of two.
    if x.is_finite() { (x / grid).round() * grid + 0.0 } else { 0.0 }
}

/// The numbers in whole steps, each off by less than one, that add up to the sum of the numbers in whole steps: those with
/// the largest rest are rounded up. This is how a printed column adds up to the printed total.
pub fn steps(numbers: &[f64], step: f64) -> Vec<i64> {
    /// Beyond this an `f64` has no whole numbers.
    const MOST: f64 = 1e15;
    let scaled: Vec<f64> = numbers.iter().map(|x| (x / step).clamp(-MOST, MOST)).collect();
    let mut whole: Vec<i64> = scaled.iter().map(|x| x.floor() as i64).collect();
    let total = scaled.iter().sum::<f64>().round() as i64;
    let mut up = total.saturating_sub(whole.iter().fold(0, |sum, &x| sum.saturating_add(x)));
    let mut by_rest: Vec<usize> = (0..scaled.len()).collect();
    let rest = |i: usize| scaled[i] - scaled[i].floor();
    by_rest.sort_by(|&a, &b| rest(b).total_cmp(&rest(a)));
    for i in by_rest {
        if up <= 0 {
            break;
        }
        whole[i] += 1;
        up -= 1;
    }
    whole
}

/// The numbers as shares of their sum, in thousandths that add up to 1,000; zeros if the sum is none.
pub fn per_mille(numbers: &[f64]) -> Vec<i64> {
    let total: f64 = numbers.iter().sum();
    if total == 0.0 || !total.is_finite() {
        return vec![0; numbers.len()];
    }
    steps(&numbers.iter().map(|x| x / total).collect::<Vec<_>>(), 1e-3)
}

/// Thousandths as percent: `97.3%`.
pub fn percent(per_mille: i64) -> String {
    let sign = if per_mille < 0 { "-" } else { "" };
    let size = per_mille.unsigned_abs();
    format!("{sign}{}.{}%", size / 10, size % 10)
}

/// Hundredths with their sign: `+9.51`.
pub fn signed(hundredths: i64) -> String {
    let sign = if hundredths < 0 { '-' } else { '+' };
    let size = hundredths.unsigned_abs();
    format!("{sign}{}.{:02}", size / 100, size % 100)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn sums_on_a_grid_are_exact_in_any_order(numbers in vec(-1e6..1e6f64, 0..200)) {
            let largest = numbers.iter().fold(0f64, |largest, x| largest.max(x.abs()));
            let step = grid(largest);
            let on: Vec<f64> = numbers.iter().map(|&x| on_grid(x, step)).collect();
            let forward: f64 = on.iter().sum();
            let backward: f64 = on.iter().rev().sum();
            prop_assert_eq!(forward, backward);
            prop_assert_eq!((1.0 + forward) - 1.0, forward);
            for (x, on) in numbers.iter().zip(&on) {
                prop_assert!((x - on).abs() <= 1e-12 * largest.max(1.0));
            }
        }

        #[test]
        fn printed_numbers_add_up_and_are_near(numbers in vec(-1e4..1e4f64, 0..40)) {
            let printed = steps(&numbers, 0.01);
            let total = (numbers.iter().map(|x| x / 0.01).sum::<f64>()).round() as i64;
            prop_assert_eq!(printed.iter().sum::<i64>(), total);
            for (x, printed) in numbers.iter().zip(printed) {
                prop_assert!((x / 0.01 - printed as f64).abs() <= 1.0 + 1e-6);
            }
        }

        #[test]
        fn shares_add_up_to_the_whole(numbers in vec(0f64..1e9, 1..40)) {
            let sum: i64 = per_mille(&numbers).iter().sum();
            prop_assert_eq!(sum, if numbers.iter().all(|&x| x == 0.0) { 0 } else { 1000 });
        }
    }

    #[test]
    fn three_thirds_are_a_whole() {
        let shares: Vec<_> = per_mille(&[1.0, 1.0, 1.0]).into_iter().map(percent).collect();
        assert_eq!(shares, ["33.4%", "33.3%", "33.3%"]);
        assert_eq!([950, -7, 100_000].map(signed), ["+9.50", "-0.07", "+1000.00"]);
        assert_eq!(percent(-5), "-0.5%");
    }
}
