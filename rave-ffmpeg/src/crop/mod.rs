//! What a container wants left out at the sides of its pictures. FFmpeg tells it from release 7.1 on, and leaves the cropping
//! to the program; so the containers are read here.

mod matroska;
mod mov;

use std::fs::File;

use rave_core::{FieldOrder, HostFrame, HostPool, Layout, Rational, VideoInfo};

use crate::{Cropping, Error, Input, MediaInfo, StreamKind};

/// Columns and rows at each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Crop {
    pub(crate) left: u32,
    pub(crate) right: u32,
    pub(crate) top: u32,
    pub(crate) bottom: u32,
}

impl Crop {
    /// What the container says of a video stream; nothing where it cannot be read twice, or says nonsense. And the size that
    /// the cropped picture is shown with, where the container has that: FFmpeg takes it for the whole picture's before 7.1.
    pub(crate) fn of_container(input: &Input, media: &MediaInfo, index: usize) -> (Self, Option<(u32, u32)>) {
        let (Input::File(path), true) = (input, input.is_seekable()) else { return Default::default() };
        let is_video = |stream: &&crate::StreamInfo| {
            stream.kind == StreamKind::Video && !stream.is_attached_picture && stream.index < index
        };
        let number = media.streams.iter().filter(is_video).count();
        let found = File::open(path).ok().and_then(|file| match media.format.as_str() {
            format if format.starts_with("matroska") => matroska::crop(file, number),
            format if format.split(',').any(|name| name == "mov") => Some((mov::crop(file, number)?, None)),
            _ => None,
        });
        found.unwrap_or_default()
    }

    pub(crate) fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// The crop of pictures of `info`, with whole chroma samples, and where there are fields with as many rows of each: less
    /// may be left out than was wanted.
    pub(crate) fn fitted(self, info: &VideoInfo, fields: FieldOrder) -> Self {
        let (x, y) = info.format.chroma().map_or((0, 0), |chroma| chroma.shifts());
        let y = y + u32::from(fields != FieldOrder::Progressive);
        let is_possible = self.left.saturating_add(self.right) < info.width
            && self.top.saturating_add(self.bottom) < info.height;
        if !is_possible {
            return Self::default();
        }
        let (left, right) = fitted_sides(info.width, self.left, self.right, x);
        let (top, bottom) = fitted_sides(info.height, self.top, self.bottom, y);
        Self { left, right, top, bottom }
    }

    /// The pictures that are left.
    pub(crate) fn applied(self, info: &VideoInfo) -> VideoInfo {
        let (width, height) = (info.width - self.left - self.right, info.height - self.top - self.bottom);
        VideoInfo { width, height, ..*info }
    }

    /// The pictures that it is taken from.
    pub(crate) fn undone(self, info: &VideoInfo) -> VideoInfo {
        let (width, height) = (info.width + self.left + self.right, info.height + self.top + self.bottom);
        VideoInfo { width, height, ..*info }
    }

    /// The pixels' shape, if the pictures that are left are shown with this size.
    pub(crate) fn sample_aspect_ratio(
        self,
        whole: &VideoInfo,
        (width, height): (u32, u32),
    ) -> Option<Rational> {
        let left = self.applied(whole);
        let [numerator, denominator] =
            [(width, left.height), (height, left.width)].map(|(a, b)| i64::from(a) * i64::from(b));
        Rational::new(numerator, denominator).ok()
    }

    /// What is said of it.
    pub(crate) fn notice(self, whole: &VideoInfo, cropping: Cropping) -> String {
        let left = self.applied(whole);
        let sizes = format!("{}x{} of {}x{}", left.width, left.height, whole.width, whole.height);
        match cropping {
            Cropping::Applied => format!("the container crops the pictures to {sizes}"),
            Cropping::Ignored => {
                format!("the container asks for {sizes} of its pictures: nothing is cropped")
            }
        }
    }
}

/// What is left out at both ends, so that what stays begins and, if it can, ends at a multiple of two to the power of
/// `shift`.
const fn fitted_sides(length: u32, first: u32, last: u32, shift: u32) -> (u32, u32) {
    let first = first >> shift << shift;
    let stays = (length - first - last).next_multiple_of(1 << shift);
    (first, (length - first).saturating_sub(stays))
}

/// Leaves out the sides of frames.
pub(crate) struct Cropper {
    crop: Crop,
    layout: Layout,
    pool: HostPool,
}

impl Cropper {
    /// For frames that have the size of `left` afterwards.
    pub(crate) fn new(crop: Crop, left: &VideoInfo) -> Result<Self, Error> {
        let layout = Layout::packed(left.format, left.width, left.height)?;
        Ok(Self { crop, layout, pool: HostPool::new() })
    }

    pub(crate) fn apply(&self, frame: HostFrame) -> HostFrame {
        if self.crop.is_nothing() {
            return frame;
        }
        let mut target = HostFrame::from_pool(&self.pool, self.layout, frame.color(), frame.info());
        for (index, plane) in self.layout.planes().iter().enumerate() {
            let source = frame.layout().planes()[index];
            let (column, row) = self.corner(index);
            let rows = frame.buffer().as_bytes()[source.offset_bytes..source.end_bytes()]
                .chunks(source.stride_bytes)
                .skip(row);
            let buffer = target.buffer_mut().as_bytes_mut();
            let targets = buffer[plane.offset_bytes..plane.end_bytes()].chunks_mut(plane.stride_bytes);
            for (target, source) in targets.zip(rows) {
                target[..plane.row_bytes].copy_from_slice(&source[column..column + plane.row_bytes]);
            }
        }
        target
    }

    /// Where the first sample of a plane is in the whole one: bytes, and rows.
    fn corner(&self, plane: usize) -> (usize, usize) {
        let format = self.layout.format();
        let (left, top) = (self.crop.left, self.crop.top);
        let (samples, rows) = match format {
            // Of whole chroma samples, so that rounding up does nothing.
            _ if left > 0 || top > 0 => format.plane_size(plane, left, top),
            _ => (0, 0),
        };
        let samples = if left == 0 { 0 } else { samples };
        let rows = if top == 0 { 0 } else { rows };
        (samples as usize * format.sample().bytes(), rows as usize)
    }
}

/// Bytes of a header that are read at most.
const MOST_HEADER_BYTES: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use rave_core::{ColorSpec, FrameInfo, PixelFormat, TimeBase, Timestamp};

    fn info(format: PixelFormat, width: u32, height: u32) -> VideoInfo {
        VideoInfo {
            sample_aspect_ratio: Rational::new(1, 1).ok(),
            ..VideoInfo::new(format, (width, height), ColorSpec::BT709, TimeBase::new(1, 25).unwrap())
        }
    }

    #[test]
    fn sides_are_left_out_in_every_plane() {
        let crop = Crop { left: 2, right: 1, top: 4, bottom: 2 };
        for format in [PixelFormat::YUV420P, PixelFormat::NV12, PixelFormat::YUV444P, PixelFormat::YUV420P10]
        {
            let whole = info(format, 17, 15);
            let crop = crop.fitted(&whole, FieldOrder::Progressive);
            let left = crop.applied(&whole);
            let rows = if format == PixelFormat::YUV444P { 9 } else { 10 };
            assert_eq!((left.width, left.height), (14, rows), "{format}");
            assert_eq!(crop.undone(&left), whole);
            let layout = Layout::aligned(format, 17, 15, 32).unwrap();
            let pts = Timestamp::new(0, whole.time_base);
            let frame_info = FrameInfo::new(pts);
            let mut frame = HostFrame::from_pool(&HostPool::new(), layout, whole.color, frame_info);
            let bytes = format.sample().bytes();
            for plane in layout.planes() {
                let buffer = &mut frame.buffer_mut().as_bytes_mut()[plane.offset_bytes..plane.end_bytes()];
                for (y, row) in buffer.chunks_mut(plane.stride_bytes).enumerate() {
                    row.iter_mut().enumerate().for_each(|(x, byte)| *byte = (x / bytes * 10 + y) as u8);
                }
            }
            let cropped = Cropper::new(crop, &left).unwrap().apply(frame);
            for (index, plane) in cropped.layout().planes().iter().enumerate() {
                let (column, row) = match (index, format) {
                    (0, _) => (2, 4),
                    (_, PixelFormat::YUV444P) => (2, 4),
                    (_, PixelFormat::NV12) => (2, 2),
                    _ => (1, 2),
                };
                let first = cropped.buffer().as_bytes()[plane.offset_bytes];
                assert_eq!(usize::from(first), column * 10 + row, "{format} {index}");
            }
        }
    }

    #[test]
    fn chroma_samples_stay_whole_and_nonsense_is_nothing() {
        let whole = info(PixelFormat::YUV420P, 16, 16);
        let odd = Crop { left: 3, right: 3, top: 7, bottom: 1 };
        let fitted = |crop: Crop, fields| crop.fitted(&whole, fields);
        let expected = Crop { left: 2, right: 2, top: 6, bottom: 0 };
        assert_eq!(fitted(odd, FieldOrder::Progressive), expected);
        assert_eq!(fitted(odd, FieldOrder::TopFirst), Crop { top: 4, ..expected });
        let aperture = Crop { left: 12, right: 12, top: 9, bottom: 9 };
        let broadcast = aperture.fitted(&info(PixelFormat::YUV420P, 1440, 1080), FieldOrder::TopFirst);
        assert_eq!(broadcast, Crop { left: 12, right: 12, top: 8, bottom: 8 });
        let uneven = Crop { right: 1, ..Crop::default() };
        assert_eq!(uneven.fitted(&info(PixelFormat::YUV420P, 17, 15), FieldOrder::Progressive), uneven);
        let all = Crop { left: 8, right: 8, ..Crop::default() };
        assert!(fitted(all, FieldOrder::Progressive).is_nothing());
        let huge = Crop { left: u32::MAX, right: 8, ..Crop::default() };
        assert!(fitted(huge, FieldOrder::Progressive).is_nothing());
    }
}
