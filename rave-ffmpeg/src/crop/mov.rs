//! The clean aperture of QuickTime and MP4 (ISO/IEC 14496-12, 12.1.4.2).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use super::{Crop, MOST_HEADER_BYTES};

/// Bytes of a visual sample entry before the boxes in it.
const SAMPLE_ENTRY_BYTES: usize = 78;

/// The crop of the video track of this number among the video tracks.
pub(super) fn crop(mut file: File, number: usize) -> Option<Crop> {
    let movie = movie(&mut file)?;
    let is_video = |track: &&[u8]| {
        let handler = inside(track, &[b"mdia", b"hdlr"]);
        handler.and_then(|handler| handler.get(8..12)) == Some(b"vide".as_slice())
    };
    let tracks = boxes(&movie).filter(|(name, _)| *name == b"trak").map(|(_, track)| track);
    let track = tracks.filter(is_video).nth(number)?;
    let descriptions = inside(track, &[b"mdia", b"minf", b"stbl", b"stsd"])?;
    let (_, entry) = boxes(descriptions.get(8..)?).next()?;
    let width = u32::from(u16::from_be_bytes(entry.get(24..26)?.try_into().ok()?));
    let height = u32::from(u16::from_be_bytes(entry.get(26..28)?.try_into().ok()?));
    let aperture = inside(entry.get(SAMPLE_ENTRY_BYTES..)?, &[b"clap"])?;
    from_aperture(aperture, width, height)
}

/// From width, height and the offset of the centre, each as a fraction.
fn from_aperture(aperture: &[u8], width: u32, height: u32) -> Option<Crop> {
    let value = |index: usize| {
        let bytes = aperture.get(4 * index..4 * index + 4)?;
        Some(f64::from(i32::from_be_bytes(bytes.try_into().ok()?)))
    };
    let fraction = |index: usize| Some(value(index)? / value(index + 1).filter(|&divisor| divisor > 0.0)?);
    let sides = |whole: u32, left: f64, offset: f64| {
        let first = (f64::from(whole) - left) / 2.0 + offset;
        let last = f64::from(whole) - left - first;
        // Pixels that are cut through stay.
        let is_sensible = left >= 1.0 && first >= 0.0 && last >= 0.0;
        is_sensible.then(|| (first.floor() as u32, last.floor() as u32))
    };
    let (left, right) = sides(width, fraction(0)?, fraction(4)?)?;
    let (top, bottom) = sides(height, fraction(2)?, fraction(6)?)?;
    Some(Crop { left, right, top, bottom })
}

/// The contents of the movie box.
fn movie(file: &mut File) -> Option<Vec<u8>> {
    loop {
        let mut header = [0; 8];
        file.read_exact(&mut header).ok()?;
        let (size, name) = header.split_at(4);
        let length = match u32::from_be_bytes(size.try_into().ok()?) {
            1 => {
                let mut large = [0; 8];
                file.read_exact(&mut large).ok()?;
                u64::from_be_bytes(large).checked_sub(16)?
            }
            size => u64::from(size).checked_sub(8)?,
        };
        if name == b"moov" && length <= MOST_HEADER_BYTES {
            let mut contents = vec![0; usize::try_from(length).ok()?];
            file.read_exact(&mut contents).ok()?;
            return Some(contents);
        }
        file.seek(SeekFrom::Current(i64::try_from(length).ok()?)).ok()?;
    }
}

/// The boxes of some contents, as far as they are whole.
fn boxes(contents: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = contents;
    std::iter::from_fn(move || {
        let size = usize::try_from(u32::from_be_bytes(rest.get(..4)?.try_into().ok()?)).ok()?;
        let (name, contents) = (rest.get(4..8)?, rest.get(8..size)?);
        rest = &rest[size..];
        Some((name, contents))
    })
}

/// The contents of the first box of each name in the one before.
fn inside<'a>(contents: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(contents, |contents, wanted| {
        boxes(contents).find(|(name, _)| name == wanted).map(|(_, contents)| contents)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aperture_is_a_size_around_a_centre() {
        let aperture =
            |values: [i32; 8]| -> Vec<u8> { values.into_iter().flat_map(i32::to_be_bytes).collect() };
        let of = |values| from_aperture(&aperture(values), 720, 480);
        let crop = |left, right, top, bottom| Some(Crop { left, right, top, bottom });
        assert_eq!(of([704, 1, 480, 1, 0, 1, 0, 1]), crop(8, 8, 0, 0));
        assert_eq!(of([700, 1, 476, 1, 4, 1, -2, 1]), crop(14, 6, 0, 4));
        assert_eq!(of([1411, 2, 480, 1, 0, 1, 0, 1]), crop(7, 7, 0, 0), "705.5 of 720 columns");
        assert_eq!(of([800, 1, 480, 1, 0, 1, 0, 1]), None);
        assert_eq!(of([704, 0, 480, 1, 0, 1, 0, 1]), None);
        assert_eq!(from_aperture(&[0; 12], 720, 480), None);
    }
}
