//! Reading an operation's recorded files. Names are ours, never the caller's; links are not followed.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Opens a recorded file for reading.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

/// At most `max` bytes from `offset`, and the file's size; nothing for a file that is not there yet.
pub(super) async fn read_at(path: PathBuf, offset: u64, max: usize) -> io::Result<(Vec<u8>, u64)> {
    let read = move || -> io::Result<(Vec<u8>, u64)> {
        let mut file = match open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            Err(error) => return Err(error),
        };
        let size = file.metadata()?.len();
        let mut bytes = Vec::new();
        if offset < size {
            file.seek(SeekFrom::Start(offset))?;
            file.take(max as u64).read_to_end(&mut bytes)?;
        }
        Ok((bytes, size))
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

/// Length of the longest part of `bytes` that ends at a character's end; broken bytes count as characters.
pub(super) fn whole_characters(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let first = bytes[bytes.len() - back];
        let needed = match first {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return bytes.len(),
        };
        return if needed > back { bytes.len() - back } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_stay_whole() {
        let text = "aé😀".as_bytes();
        let expected = [0, 1, 1, 3, 3, 3, 3, 7];
        for (cut, whole) in expected.into_iter().enumerate() {
            assert_eq!(whole_characters(&text[..cut]), whole, "cut at {cut}");
        }
        assert_eq!(whole_characters(b"\xff\x80\x80"), 3);
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (file, link) = (dir.path().join("f"), dir.path().join("l"));
        std::fs::write(&file, "x").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        assert!(open(&file).is_ok());
        assert!(open(&link).is_err());
        assert!(open(dir.path()).is_err());
    }
}
