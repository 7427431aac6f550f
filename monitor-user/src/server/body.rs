//! A body, with bounds on its length, its time and what it unpacks to.

use std::{io::Read as _, time::Duration};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use flate2::read::GzDecoder;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::report::limits::BODY_BYTES;

/// How long a body may take from its first byte to its last.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// For status 413.
    #[error("the body has more than {BODY_BYTES} bytes: send fewer reports at once")]
    TooLarge,
    /// For status 413.
    #[error("the body unpacks to more than {BODY_BYTES} bytes: send fewer reports at once")]
    Bomb,
    /// For status 408.
    #[error("the body did not come within {} s", PATIENCE.as_secs())]
    Slow,
    /// For status 400.
    #[error("the body broke off")]
    Broken,
    /// For status 400.
    #[error("the body is not packed by gzip, as its head says")]
    NotGzip,
}

/// Reads all of it. `announced` is the length that the head names.
///
/// # Errors
///
/// If it is too long, too slow or not whole.
pub async fn read(mut body: Body, announced: Option<u64>) -> Result<Bytes, Trouble> {
    if announced.is_some_and(|length| length > BODY_BYTES as u64) {
        return Err(Trouble::TooLarge);
    }
    let all = async {
        let mut first = None::<Bytes>;
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Trouble::Broken)?.into_data() else { continue };
            if whole.len() + first.as_ref().map_or(0, Bytes::len) + data.len() > BODY_BYTES {
                return Err(Trouble::TooLarge);
            }
            // Nearly every body comes in one piece.
            match (first.take(), whole.is_empty()) {
                (None, true) => first = Some(data),
                (Some(earlier), _) => {
                    whole.extend_from_slice(&earlier);
                    whole.extend_from_slice(&data);
                }
                (None, false) => whole.extend_from_slice(&data),
            }
        }
        Ok(first.unwrap_or_else(|| whole.freeze()))
    };
    timeout(PATIENCE, all).await.unwrap_or(Err(Trouble::Slow))
}

/// Unpacks what gzip packed.
///
/// # Errors
///
/// If it is no gzip, or unpacks to too much.
pub fn unpack(packed: &[u8]) -> Result<Bytes, Trouble> {
    let mut out = Vec::with_capacity((packed.len() * 4).min(BODY_BYTES));
    GzDecoder::new(packed).take(BODY_BYTES as u64 + 1).read_to_end(&mut out).map_err(|_| Trouble::NotGzip)?;
    if out.len() > BODY_BYTES { Err(Trouble::Bomb) } else { Ok(out.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_is_defused_at_the_limit() {
        let bomb = pack(&vec![0; 64 << 20]);
        assert!(bomb.len() < 128 << 10);
        assert_eq!(unpack(&bomb), Err(Trouble::Bomb));
        assert_eq!(unpack(&pack(&[7; 1000])).unwrap(), vec![7; 1000]);
        assert_eq!(unpack(&pack(&vec![7; BODY_BYTES])).map(|bytes| bytes.len()), Ok(BODY_BYTES));
        let packed = pack(&[7; 1000]);
        for wrong in [&packed[..packed.len() - 1], b"plain", b""] {
            assert_eq!(unpack(wrong), Err(Trouble::NotGzip));
        }
    }

    #[tokio::test]
    async fn a_body_is_read_whole_or_not() {
        assert_eq!(read(Body::from("abc"), Some(3)).await.unwrap(), "abc");
        assert_eq!(read(Body::from("abc"), Some(u64::MAX)).await, Err(Trouble::TooLarge));
        assert_eq!(read(Body::from(vec![0; BODY_BYTES + 1]), None).await, Err(Trouble::TooLarge));
    }
}
