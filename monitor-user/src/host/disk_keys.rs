//! Disks by number in formats whose keys are text, such as JSON: `"254:0": {...}`.

use std::collections::BTreeMap;

use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

use super::Disk;
use crate::sample::DeviceId;

/// Writes the disks, their numbers as `major:minor`.
pub(super) fn serialize<S: Serializer>(disks: &BTreeMap<DeviceId, Disk>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(disks.iter().map(|(device, disk)| (format!("{}:{}", device.major, device.minor), disk)))
}

/// Reads what [`serialize`] wrote.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<DeviceId, Disk>, D::Error> {
    let disks = BTreeMap::<String, Disk>::deserialize(from)?;
    let disks = disks.into_iter().map(|(key, disk)| {
        let device =
            parse_device(&key).ok_or_else(|| format!("expected a disk's number as major:minor, not `{key}`"))?;
        Ok((device, disk))
    });
    disks.collect::<Result<_, String>>().map_err(D::Error::custom)
}

/// Reads `major:minor`, as /sys and mountinfo write it too.
pub(super) fn parse_device(text: &str) -> Option<DeviceId> {
    let (major, minor) = text.split_once(':')?;
    Some(DeviceId { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;

    #[test]
    fn a_host_survives_json() {
        let disk = Disk { name: "vda".into(), size: 4096, ..Disk::default() };
        let disks = BTreeMap::from([(DeviceId { major: 254, minor: 16 }, disk)]);
        let host = Host { disks, ..Host::default() };
        let json = serde_json::to_string(&host).unwrap();
        assert!(json.contains(r#""254:16":{"name":"vda""#), "{json}");
        assert_eq!(serde_json::from_str::<Host>(&json).unwrap(), host);
    }

    #[test]
    fn a_key_that_is_no_number_is_named() {
        let json = serde_json::to_string(&Host::default()).unwrap();
        let disk = serde_json::to_string(&Disk::default()).unwrap();
        let json = json.replace(r#""disks":{}"#, &format!(r#""disks":{{"vda":{disk}}}"#));
        assert!(serde_json::from_str::<Host>(&json).unwrap_err().to_string().contains("not `vda`"));
    }
}
