//! PixelCrop of Matroska (RFC 9559, 5.1.4.1.28.8 and after it), in EBML (RFC 8794).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use super::{Crop, MOST_HEADER_BYTES};

const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1f43_b675;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const TRACK_TYPE: u32 = 0x83;
const VIDEO: u32 = 0xe0;
const CROP_BOTTOM: u32 = 0x54aa;
const CROP_TOP: u32 = 0x54bb;
const CROP_LEFT: u32 = 0x54cc;
const CROP_RIGHT: u32 = 0x54dd;

const DISPLAY_WIDTH: u32 = 0x54b0;
const DISPLAY_HEIGHT: u32 = 0x54ba;

/// The crop of the video track of this number among the video tracks, and the size that it is shown with.
pub(super) fn crop(mut file: File, number: usize) -> Option<(Crop, Option<(u32, u32)>)> {
    let tracks = tracks(&mut file)?;
    let is_video = |entry: &&[u8]| child(entry, TRACK_TYPE).map(number_of) == Some(1);
    let entries = elements(&tracks).filter(|(id, _)| *id == TRACK_ENTRY).map(|(_, entry)| entry);
    let video = child(entries.filter(is_video).nth(number)?, VIDEO)?;
    let side = |id| child(video, id).map_or(0, number_of);
    let crop = Crop {
        left: side(CROP_LEFT),
        right: side(CROP_RIGHT),
        top: side(CROP_TOP),
        bottom: side(CROP_BOTTOM),
    };
    let display = (side(DISPLAY_WIDTH), side(DISPLAY_HEIGHT));
    Some((crop, Some(display).filter(|&(width, height)| width > 0 && height > 0)))
}

/// The contents of the first list of tracks, which stands before the first cluster.
fn tracks(file: &mut File) -> Option<Vec<u8>> {
    loop {
        let (id, length) = header(file)?;
        match (id, length) {
            (SEGMENT, _) => {}
            (TRACKS, Some(length)) if length <= MOST_HEADER_BYTES => {
                let mut contents = vec![0; usize::try_from(length).ok()?];
                file.read_exact(&mut contents).ok()?;
                return Some(contents);
            }
            (CLUSTER, _) | (_, None) => return None,
            (_, Some(length)) => {
                file.seek(SeekFrom::Current(i64::try_from(length).ok()?)).ok()?;
            }
        }
    }
}

/// An element's number and the length of its contents, if that is known.
fn header(file: &mut File) -> Option<(u32, Option<u64>)> {
    const MOST: u64 = 12;
    let start = file.stream_position().ok()?;
    let mut bytes = Vec::new();
    file.by_ref().take(MOST).read_to_end(&mut bytes).ok()?;
    let (id, length, contents) = parsed(&bytes)?;
    file.seek(SeekFrom::Start(start + contents as u64)).ok()?;
    Some((id, length))
}

/// Number, length and where the contents begin.
fn parsed(bytes: &[u8]) -> Option<(u32, Option<u64>, usize)> {
    let id_bytes = bytes.first()?.leading_zeros() as usize + 1;
    let id = bytes.get(..id_bytes).filter(|_| id_bytes <= 4)?;
    let id = id.iter().fold(0, |id, &byte| id << 8 | u32::from(byte));
    let rest = &bytes[id_bytes..];
    let length_bytes = rest.first()?.leading_zeros() as usize + 1;
    let length = rest.get(..length_bytes).filter(|_| length_bytes <= 8)?;
    let value = length.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
    let mask = (1 << (7 * length_bytes)) - 1;
    // All ones mean that it is not known.
    let known = Some(value & mask).filter(|&value| value != mask);
    Some((id, known, id_bytes + length_bytes))
}

/// The elements of some contents, as far as they are whole.
fn elements(contents: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = contents;
    std::iter::from_fn(move || {
        let (id, length, start) = parsed(rest)?;
        let end = start.checked_add(usize::try_from(length?).ok()?)?;
        let contents = rest.get(start..end)?;
        rest = &rest[end..];
        Some((id, contents))
    })
}

fn child(contents: &[u8], wanted: u32) -> Option<&[u8]> {
    elements(contents).find(|(id, _)| *id == wanted).map(|(_, contents)| contents)
}

fn number_of(contents: &[u8]) -> u32 {
    contents.iter().fold(0_u32, |number, &byte| number << 8 | u32::from(byte))
}
