//! Which rules hold for one window, whatever their `for` says: what `kpulse rules test --window` prints.
//!
//! In: rules and a window. Out: what holds, with its value for people.

use std::collections::BTreeMap;

use super::{Engine, Moment, Rule};
use crate::window::Window;

/// A rule that holds for one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's name.
    pub rule: String,
    /// The signal's value, in its unit.
    pub value: String,
    /// What it is: labels of the signal, as `name=value`.
    pub labels: String,
}

/// What holds in a window. Signals of the index and of the agent itself are absent there.
pub fn holding(rules: Vec<Rule>, window: &Window) -> Vec<Finding> {
    let units: BTreeMap<String, (&[&str], super::signal::Unit)> = rules
        .iter()
        .map(|rule| (rule.name.clone(), (rule.condition.signal.labels(), rule.condition.signal.unit)))
        .collect();
    // Silenced rules hold as well.
    let rules = rules.into_iter().map(|rule| Rule { silenced: false, ..rule }).collect();
    let moment =
        Moment { now_ns: 0, now_realtime_ns: window.end_realtime_ns, window, indices: &[], own: None, fleet: None };
    let alerts = Engine::new(rules, BTreeMap::new()).step(&moment);
    let finding = |alert: crate::alert::Alert| {
        let (names, unit) = units.get(&alert.rule)?;
        let labels: Vec<String> =
            names.iter().filter_map(|name| Some(format!("{name}={}", alert.labels.get(*name)?))).collect();
        Some(Finding { rule: alert.rule, value: unit.format(alert.value), labels: labels.join(" ") })
    };
    alerts.into_iter().filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{builtin, synthetic};

    #[test]
    fn what_holds_is_said_with_its_value_and_thing_however_long_it_would_have_to() {
        let mut window = synthetic::window(2, 1);
        assert_eq!(holding(builtin(), &window), []);
        window.block.as_mut().unwrap().devices[1].oldest = Some(90.0);
        let expected = Finding {
            rule: "BlockRequestStuck".into(),
            value: "90.0s".into(),
            labels: "device=nvme1n1 class=nvme".into(),
        };
        assert_eq!(holding(builtin(), &window), [expected]);
    }
}
