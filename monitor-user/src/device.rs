//! The number of a block device.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A block device's number. Written as `major:minor`, so that it can be the key of a JSON object too.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String")]
pub struct DeviceId {
    /// The driver's number.
    pub major: u32,
    /// The disk's or partition's number.
    pub minor: u32,
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// A text that is no device number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no device number: expected major:minor, such as 8:0")]
pub struct NotADevice(String);

impl FromStr for DeviceId {
    type Err = NotADevice;

    fn from_str(text: &str) -> Result<Self, NotADevice> {
        let parse = || {
            let (major, minor) = text.split_once(':')?;
            Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
        };
        parse().ok_or_else(|| NotADevice(text.into()))
    }
}

impl TryFrom<String> for DeviceId {
    type Error = NotADevice;

    fn try_from(text: String) -> Result<Self, NotADevice> {
        text.parse()
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_number_is_text_and_only_a_device_number() {
        let sda = DeviceId { major: 8, minor: 16 };
        assert_eq!((sda.to_string(), "8:16".parse()), ("8:16".to_owned(), Ok(sda)));
        for text in ["", "8", "8:", ":0", "8:0:0", "-8:0", "8:4294967296"] {
            assert!(text.parse::<DeviceId>().is_err(), "{text:?}");
        }
    }
}
