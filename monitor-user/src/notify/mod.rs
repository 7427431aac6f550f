//! Telling somebody: every transition of an alert to every target, at least once and in order.
