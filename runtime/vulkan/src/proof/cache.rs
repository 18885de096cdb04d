use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::{Speed, Verdict};
use crate::device::{Description, DeviceError};
use crate::whole_file;

/// Raised whenever the proof or its kernels change, so that devices are proven again.
pub const VERSION: u32 = 16;
/// Bytes of a file that is read: no verdict comes near.
const FILE_LIMIT: u64 = 1 << 20;

/// A verdict on disk.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    device: Description,
    verdict: Verdict,
    speed: Option<Speed>,
}

/// Why a device could not be proven, or its verdict not kept.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The folder.
    #[error("the verdict cannot be kept: {0}")]
    Folder(#[from] io::Error),
}

/// The verdict on a device, from `folder` if this version of the proof gave one there to the same device with the same
/// driver; by `prove` and kept there otherwise. A record that is damaged or of other versions is made again.
///
/// # Errors
/// Those of `prove`; a folder that cannot be written.
pub fn cached(
    folder: &Path,
    device: &Description,
    prove: impl FnOnce() -> Result<(Verdict, Option<Speed>), DeviceError>,
) -> Result<(Verdict, Option<Speed>), CacheError> {
    let path = folder.join(format!("{}-{:08x}.json", device.uuid, device.driver.version));
    if let Some(record) = read(&path)
        && record.version == VERSION
        && record.device == *device
    {
        return Ok((record.verdict, record.speed));
    }
    let (verdict, speed) = prove()?;
    let record = Record { version: VERSION, device: device.clone(), verdict, speed };
    whole_file::write(&path, &serde_json::to_vec_pretty(&record).expect("a record is plain data"))?;
    Ok((record.verdict, record.speed))
}

fn read(path: &Path) -> Option<Record> {
    if fs::metadata(path).ok()?.len() > FILE_LIMIT {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
