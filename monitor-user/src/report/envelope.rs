//! A [`super::wire::Batch`] with its reports as bytes: the spool sends what it has without decoding it, and the server can refuse
//! one report and take the next, and keep each as it came, what a newer agent added included.
//!
//! In: a body as it arrives, decompressed. Out: an [`Envelope`], or why nothing of it can be taken.

use bytes::Bytes;
use prost::Message;

use super::{
    limits, scan,
    wire::{Lost, Sender, VERSION},
};

/// The same bytes as a [`super::wire::Batch`].
#[derive(Clone, PartialEq, Message)]
pub struct Envelope {
    /// [`VERSION`] of the sender.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// Whose reports these are.
    #[prost(message, optional, tag = "2")]
    pub sender: Option<Sender>,
    /// Each a [`super::wire::Report`], in the order of their sequence.
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub reports: Vec<Bytes>,
    /// What the node had to drop.
    #[prost(message, optional, tag = "4")]
    pub lost: Option<Lost>,
    /// When it was sent by the node's wall clock, in nanoseconds since 1970.
    #[prost(uint64, tag = "5")]
    pub sent_ns: u64,
    /// Reports that wait on the node beside these.
    #[prost(uint64, tag = "6")]
    pub waiting: u64,
}

/// Why nothing of a body is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// For status 413.
    #[error("the body has {bytes} bytes, and at most {} are taken: send fewer reports at once", limits::BODY_BYTES)]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// For status 413.
    #[error("the batch has {reports} reports, and at most {} are taken: send fewer at once", limits::REPORTS)]
    TooMany {
        /// How many.
        reports: usize,
    },
    /// For status 426.
    #[error(
        "the batch is of version {found}, and this server knows version {VERSION}: bring the server up to date first"
    )]
    TooNew {
        /// The sender's.
        found: u32,
    },
    /// For status 400.
    #[error("the body is no batch of reports: {0}")]
    Undecodable(String),
    /// For status 400.
    #[error("the sender's {0}")]
    Sender(&'static str),
}

impl Envelope {
    /// Opens a body, and looks at everything in it but the reports. The reports share the body's memory.
    ///
    /// # Errors
    /// If it is too large, no batch, of a version that is not known, or of nobody.
    pub fn open(body: Bytes) -> Result<Self, Malformed> {
        if body.len() > limits::BODY_BYTES {
            return Err(Malformed::TooLarge { bytes: body.len() });
        }
        let reports = scan::count(&body, 3).ok_or_else(|| Malformed::Undecodable("it is no protobuf".into()))?;
        if reports > limits::REPORTS {
            return Err(Malformed::TooMany { reports });
        }
        let envelope = Self::decode(body).map_err(|error| Malformed::Undecodable(error.to_string()))?;
        if envelope.version > VERSION {
            return Err(Malformed::TooNew { found: envelope.version });
        }
        if envelope.version == 0 {
            return Err(Malformed::Undecodable("it has no version".into()));
        }
        sender(envelope.sender.as_ref()).map_err(Malformed::Sender)?;
        Ok(envelope)
    }
}

fn sender(sender: Option<&Sender>) -> Result<(), &'static str> {
    let sender = sender.ok_or("name is missing: a batch says whose reports it has")?;
    let texts = [&sender.node, &sender.boot_id, &sender.agent_version];
    if texts.iter().any(|text| text.len() > limits::NAME_BYTES) || sender.machine.len() > limits::NAME_BYTES {
        return Err("name, machine, boot or version is too long");
    }
    if texts.iter().any(|text| text.chars().any(char::is_control)) {
        return Err("name, boot or version has control characters");
    }
    if sender.node.trim().is_empty() {
        return Err("name is empty");
    }
    if sender.boot_id.is_empty() || sender.instance == 0 {
        return Err("boot or instance is missing");
    }
    Ok(())
}
