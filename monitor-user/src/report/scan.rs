//! What a message holds, counted before it is decoded: two bytes on the wire can be hundreds in memory.
//!
//! In: the bytes of a report. Out: its sequence, or why it is refused. Nothing is copied and nothing allocated; fields that are
//! not known are skipped, as the decoder does. Source of the format: protobuf.dev/programming-guides/encoding.

use prost::encoding::{WireType, decode_key, decode_varint};

use super::{
    check::Reason,
    limits::{ALERTS, CPUS, DEVICES, FEW, FILESYSTEMS, KINDS, NETWORKS, TASKS},
};

/// Messages in a report, all levels together: all CPUs, and all operations with what is in them.
const MESSAGES: usize = 1 << 16;

/// A field that holds messages.
struct Field {
    tag: u32,
    /// In one message that has it.
    most: usize,
    beyond: Reason,
    inside: &'static [Field],
}

const fn field(tag: u32, most: usize, beyond: Reason, inside: &'static [Field]) -> Field {
    Field { tag, most, beyond, inside }
}

const fn once(tag: u32, inside: &'static [Field]) -> Field {
    field(tag, 1, Reason::Malformed, inside)
}

/// Of a [`super::wire::Report`], and in the order of its tags.
static REPORT: &[Field] = &[
    once(4, &[field(1, CPUS, Reason::TooManyCpus, &[])]),
    once(5, &[field(1, DEVICES, Reason::TooManyDevices, DEVICE)]),
    once(
        6,
        &[
            field(2, FEW, Reason::TooManyParts, &[]),
            field(5, FILESYSTEMS, Reason::TooManyParts, &[]),
            field(6, NETWORKS, Reason::TooManyParts, &[]),
        ],
    ),
    once(7, &[field(2, TASKS, Reason::TooManyParts, &[]), field(6, TASKS, Reason::TooManyParts, &[])]),
    field(8, FEW, Reason::TooManyParts, &[]),
    once(9, &[field(6, FEW, Reason::TooManyParts, &[]), field(7, FEW, Reason::TooManyParts, &[])]),
    field(10, ALERTS, Reason::TooManyParts, &[]),
];
static DEVICE: &[Field] = &[field(
    7,
    KINDS,
    Reason::TooManyStrata,
    &[field(2, KINDS, Reason::TooManyStrata, &[]), field(6, KINDS, Reason::TooManyStrata, &[])],
)];

/// The sequence of a report, if it is not to be refused before it is decoded. With a refusal, the sequence as far as it is known.
pub(super) fn report(bytes: &[u8]) -> Result<u64, (u64, Reason)> {
    let (mut sequence, mut messages) = (0, 0);
    walk(bytes, REPORT, &mut messages, &mut |tag, number| {
        if tag == 1 {
            sequence = number;
        }
    })
    .map_err(|reason| (sequence, reason))?;
    Ok(sequence)
}

/// How often a field with this tag is in a message; `None` if it is no message.
pub(super) fn count(bytes: &[u8], tag: u32) -> Option<usize> {
    let mut count = 0;
    each(bytes, &mut |found, _| {
        count += usize::from(found == tag);
        Ok(())
    })
    .ok()?;
    Some(count)
}

/// `number` gets the numbers at the top.
fn walk(
    bytes: &[u8],
    fields: &'static [Field],
    messages: &mut usize,
    number: &mut dyn FnMut(u32, u64),
) -> Result<(), Reason> {
    // No message of ours has as many fields that hold messages.
    let mut counts = [0usize; 16];
    each(bytes, &mut |tag, value| {
        let inside = match value {
            Value::Number(value) => {
                number(tag, value);
                return Ok(());
            }
            Value::Bytes(inside) => inside,
        };
        let Some(place) = fields.iter().position(|field| field.tag == tag) else { return Ok(()) };
        let (field, count) = (&fields[place], &mut counts[place]);
        *count += 1;
        if *count > field.most {
            return Err(field.beyond);
        }
        *messages += 1;
        if *messages > MESSAGES {
            return Err(Reason::TooManyStrata);
        }
        // As deep as the table, which has no circles.
        walk(inside, field.inside, messages, &mut |_, _| ())
    })
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn each<'a>(mut bytes: &'a [u8], visit: &mut dyn FnMut(u32, Value<'a>) -> Result<(), Reason>) -> Result<(), Reason> {
    let bad = |_| Reason::Malformed;
    while !bytes.is_empty() {
        let (tag, kind) = decode_key(&mut bytes).map_err(bad)?;
        match kind {
            WireType::Varint => visit(tag, Value::Number(decode_varint(&mut bytes).map_err(bad)?))?,
            WireType::SixtyFourBit => bytes = bytes.get(8..).ok_or(Reason::Malformed)?,
            WireType::ThirtyTwoBit => bytes = bytes.get(4..).ok_or(Reason::Malformed)?,
            WireType::LengthDelimited => {
                let length = decode_varint(&mut bytes).map_err(bad)?;
                let length = usize::try_from(length).map_err(|_| Reason::Malformed)?;
                let (inside, rest) = bytes.split_at_checked(length).ok_or(Reason::Malformed)?;
                bytes = rest;
                visit(tag, Value::Bytes(inside))?;
            }
            // Groups are older than this protocol.
            WireType::StartGroup | WireType::EndGroup => return Err(Reason::Malformed),
        }
    }
    Ok(())
}
