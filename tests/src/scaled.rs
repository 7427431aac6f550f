//! How often something is done: as often as is promised takes too long for every day.

/// The promised number where `KPULSE_FAULTS` is `full`, or else a smaller one for every day.
pub fn scaled(full: usize, small: usize) -> usize {
    match std::env::var("KPULSE_FAULTS") {
        Ok(text) if text == "full" => full,
        _ => small,
    }
}
