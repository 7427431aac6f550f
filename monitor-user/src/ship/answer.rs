//! What an answer of the server means for the reports that it is about. Pure.

use std::{collections::BTreeMap, time::Duration};

use prost::Message as _;

use super::spool::Waiting;
use crate::{notify::client::Answer, report::wire};

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server has looked at some or all.
    Looked {
        /// The numbers of those that it has.
        stored: Vec<u64>,
        /// The numbers of those that it will never take, with the reason's name and words for people.
        refused: Vec<(u64, String, String)>,
    },
    /// It will not take so much at once, or not all of it: fewer may do.
    Fewer(String),
    /// It will not have us, or is no server of ours: somebody has to do something.
    Refused(String),
    /// Not now.
    Later {
        /// Why.
        why: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
}

/// What `answer` says of what was `sent`.
pub fn verdict(answer: &Answer, sent: &[Waiting]) -> Verdict {
    let why = || match answer.said.as_str() {
        "" => format!("status {}", answer.status),
        said => format!("status {}: {said}", answer.status),
    };
    match answer.status {
        200 => looked(&answer.body, sent),
        400 | 413 | 422 => Verdict::Fewer(why()),
        408 | 425 | 429 | 500..=599 => Verdict::Later { why: why(), retry_after: answer.retry_after },
        _ => Verdict::Refused(why()),
    }
}

fn looked(body: &[u8], sent: &[Waiting]) -> Verdict {
    let later = |why: &str| Verdict::Later { why: why.into(), retry_after: None };
    let Ok(answer) = wire::Answer::decode(body) else {
        return later("the answer is none of a kpulse server");
    };
    let numbers: BTreeMap<u64, u64> = sent.iter().map(|report| (report.sequence, report.number)).collect();
    let number = |sequence: &u64| numbers.get(sequence).copied();
    let stored: Vec<u64> = answer.stored.iter().filter_map(number).collect();
    let refused: Vec<_> = answer
        .refused
        .into_iter()
        .filter_map(|refusal| Some((number(&refusal.sequence)?, refusal.reason, refusal.detail)))
        .collect();
    if stored.is_empty() && refused.is_empty() {
        return later("the answer says nothing of the reports that were sent");
    }
    Verdict::Looked { stored, refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: Vec<u8>) -> Answer {
        Answer { status, retry_after: None, ahead_ns: None, body: body.into(), said: "no".into() }
    }

    fn sent() -> Vec<Waiting> {
        let waiting = |number, sequence| Waiting { number, sequence, bytes: bytes::Bytes::new() };
        vec![waiting(10, 1), waiting(11, 2), waiting(12, 3)]
    }

    #[test]
    fn what_is_stored_and_refused_is_told_by_number_and_the_rest_waits() {
        let refusal = |sequence| wire::Refusal { sequence, reason: "future".into(), detail: "d".into() };
        let said = wire::Answer { version: 1, stored: vec![3, 99], refused: vec![refusal(1), refusal(98)] };
        let found = verdict(&answer(200, said.encode_to_vec()), &sent());
        let refused = vec![(10, "future".into(), "d".into())];
        assert_eq!(found, Verdict::Looked { stored: vec![12], refused });
    }

    #[test]
    fn an_answer_that_says_nothing_is_no_acknowledgement() {
        for body in [vec![], b"<html>".to_vec(), wire::Answer { version: 1, ..Default::default() }.encode_to_vec()] {
            assert!(matches!(verdict(&answer(200, body), &sent()), Verdict::Later { .. }));
        }
    }

    #[test]
    fn each_status_has_its_meaning() {
        let of = |status| verdict(&answer(status, vec![]), &sent());
        for status in [400, 413] {
            assert!(matches!(of(status), Verdict::Fewer(_)), "{status}");
        }
        for status in [204, 301, 401, 403, 404, 409, 415, 426] {
            assert!(matches!(of(status), Verdict::Refused(_)), "{status}");
        }
        for status in [429, 500, 502, 503, 507] {
            assert!(matches!(of(status), Verdict::Later { .. }), "{status}");
        }
    }
}
