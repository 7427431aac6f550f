//! The filter of system calls, made of the list in [`super::calls`]. What is not on it fails with `EPERM`.
//!
//! It cannot be taken off again. It holds for all threads, and forbids programs of another architecture's numbers.
//! Source: seccomp(2).

use std::{collections::BTreeMap, env::consts::ARCH};

use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use super::calls::{Call, Limit};

/// Holds all threads of this process to these calls.
///
/// # Errors
///
/// If the kernel has no such filters, or this architecture has no list.
pub fn apply(calls: &[Call]) -> Result<(), Error> {
    for program in programs(calls)? {
        seccompiler::apply_filter_all_threads(&program)?;
    }
    Ok(())
}

/// A filter for the one call that has another answer, and the list: of two, the kernel obeys the one that refuses. The list is the
/// last, because it forbids what applying takes.
///
/// # Errors
///
/// If this architecture has no list.
pub fn programs(calls: &[Call]) -> Result<[BpfProgram; 2], Error> {
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    let calls = calls.iter().map(|call| Ok((call.number, rules(call)?))).collect::<Result<_, Error>>()?;
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    Ok([program(clone3, SeccompAction::Allow, absent)?, program(calls, refused, SeccompAction::Allow)?])
}

fn program(
    calls: BTreeMap<i64, Vec<SeccompRule>>,
    others: SeccompAction,
    these: SeccompAction,
) -> Result<BpfProgram, Error> {
    let architecture = TargetArch::try_from(ARCH)?;
    Ok(SeccompFilter::new(calls, others, these, architecture)?.try_into()?)
}

/// Any of these rules lets a call pass; none at all, any call.
fn rules(call: &Call) -> Result<Vec<SeccompRule>, Error> {
    use SeccompCmpArgLen::{Dword, Qword};
    use SeccompCmpOp::{Eq, MaskedEq};
    let rule = |at, length, how, value| SeccompRule::new(vec![SeccompCondition::new(at, length, how, value)?]);
    let rules = match call.limit {
        Limit::Any => vec![],
        Limit::OneOf(at, values) => {
            values.iter().map(|value| rule(at, Dword, Eq, *value)).collect::<Result<Vec<_>, _>>()?
        }
        Limit::Own(at) => vec![rule(at, Dword, Eq, u64::from(std::process::id()))?],
        Limit::Null(at) => vec![rule(at, Qword, Eq, 0)?],
        Limit::With(at, bits) => vec![rule(at, Qword, MaskedEq(bits), bits)?],
        Limit::Without(at, bits) => vec![rule(at, Qword, MaskedEq(bits), 0)?],
        Limit::NotBoth(at, one, other) => {
            vec![rule(at, Qword, MaskedEq(one), 0)?, rule(at, Qword, MaskedEq(other), 0)?]
        }
    };
    Ok(rules)
}
