//! What a decoded surface is, and how a decoder is made for it.

use rave_core::{Chroma, ColorSpec, Layout, Matrix, PixelFormat, Plane, Primaries, Range, Sample, Transfer};

use crate::decoder::Deinterlace;
use crate::sys::cuvid;
use crate::{Codec, CodedChroma, CodedFormat};

/// How samples lie in a mapped surface: planes of the surface's height, one after the other, in rows of one pitch. Samples
/// of more than 8 bits are in the high bits of 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SurfaceFormat {
    Nv12,
    P016,
    Yuv444,
    Yuv444Sixteen,
}

impl SurfaceFormat {
    pub(crate) const fn of(format: CodedFormat) -> Option<Self> {
        match (format.chroma, format.bits) {
            (CodedChroma::C420 | CodedChroma::Monochrome, 8) => Some(Self::Nv12),
            (CodedChroma::C420, 9..=16) => Some(Self::P016),
            (CodedChroma::C444, 8) => Some(Self::Yuv444),
            (CodedChroma::C444, 9..=16) => Some(Self::Yuv444Sixteen),
            _ => None,
        }
    }

    pub(crate) const fn cuvid(self) -> cuvid::SurfaceFormat {
        match self {
            Self::Nv12 => cuvid::SurfaceFormat::NV12,
            Self::P016 => cuvid::SurfaceFormat::P016,
            Self::Yuv444 => cuvid::SurfaceFormat::YUV444,
            Self::Yuv444Sixteen => cuvid::SurfaceFormat::YUV444_16BIT,
        }
    }
}

/// A sequence of the stream: what its header says and what follows for a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) format: CodedFormat,
    /// Width and height as coded, in pixels.
    pub(crate) coded: (u32, u32),
    /// The first column and row that are displayed.
    pub(crate) origin: (u32, u32),
    /// Width and height as displayed, in pixels.
    pub(crate) display: (u32, u32),
    /// Surfaces that the decoder has.
    pub(crate) surfaces: u32,
    pub(crate) is_progressive: bool,
    /// What the header says of colour; what it does not say is unspecified.
    pub(crate) color: ColorSpec,
}

/// Surfaces beyond those that decoding needs: for pictures that are held back and those that are copied.
pub(crate) const EXTRA_SURFACES: u32 = DISPLAY_DELAY + OUTPUT_SURFACES as u32;
/// How many pictures the parser holds back, so that the hardware has work while one is waited for.
pub(crate) const DISPLAY_DELAY: u32 = 4;

impl Sequence {
    /// `None` for a chroma format that this crate does not know or an empty display area.
    pub(crate) fn new(codec: Codec, header: &cuvid::VideoFormat) -> Option<Self> {
        let chroma = CodedChroma::from_cuvid(header.chroma_format)?;
        let deepest = header.bit_depth_luma_minus8.max(header.bit_depth_chroma_minus8);
        let coded = (header.coded_width, header.coded_height);
        let side = |from: i32, to: i32, coded: u32| {
            let from = u32::try_from(from).ok()?;
            let to = u32::try_from(to).ok()?.min(coded);
            Some((from, to.checked_sub(from).filter(|&length| length > 0)?))
        };
        let area = &header.display_area;
        let (left, width) = side(area.left, area.right, coded.0)?;
        let (top, height) = side(area.top, area.bottom, coded.1)?;
        Some(Self {
            format: CodedFormat { codec, chroma, bits: deepest.checked_add(8)? },
            coded,
            origin: (left, top),
            display: (width, height),
            surfaces: surfaces(header),
            is_progressive: header.progressive_sequence != 0,
            color: color(header.video_signal_description),
        })
    }

    /// Width and height of the surfaces: even, so that chroma has whole samples. They hold the whole coded picture, and the copy
    /// takes the display area out of it: the hardware scales nothing.
    pub(crate) const fn surface_size(&self) -> (u32, u32) {
        (self.coded.0.next_multiple_of(2), self.coded.1.next_multiple_of(2))
    }

    /// Whether a decoder for `other` decodes this one without a change.
    pub(crate) fn is_decoded_alike(&self, other: &Self) -> bool {
        let needs = |sequence: &Self| (sequence.format, sequence.coded, sequence.is_progressive);
        needs(self) == needs(other) && self.surfaces <= other.surfaces
    }

    /// Whether a decoder that was made for `other` can be reconfigured for this one.
    pub(crate) fn can_follow(&self, other: &Self, max_size: (u32, u32)) -> bool {
        let size = self.surface_size();
        let is_deinterlaced = |sequence: &Self| !sequence.is_progressive;
        self.format == other.format
            && is_deinterlaced(self) == is_deinterlaced(other)
            && self.surfaces <= other.surfaces
            && size.0 <= max_size.0
            && size.1 <= max_size.1
    }

    #[allow(clippy::useless_conversion, reason = "an unsigned long has 32 bits on Windows")]
    pub(crate) fn create_info(
        &self,
        surface: SurfaceFormat,
        deinterlace: Deinterlace,
    ) -> cuvid::DecodeCreateInfo {
        let (width, height) = self.surface_size();
        cuvid::DecodeCreateInfo {
            width: width.into(),
            height: height.into(),
            max_width: width.into(),
            max_height: height.into(),
            target_width: width.into(),
            target_height: height.into(),
            num_decode_surfaces: self.surfaces.into(),
            num_output_surfaces: OUTPUT_SURFACES as _,
            codec_type: self.format.codec.cuvid(),
            chroma_format: self.format.chroma.cuvid(),
            bit_depth_minus8: u32::from(self.format.bits - 8).into(),
            creation_flags: cuvid::CreateFlags::PREFER_CUVID.0.into(),
            output_format: surface.cuvid(),
            deinterlace_mode: self.deinterlace_mode(deinterlace),
            display_area: whole(width, height),
            target_rect: whole(width, height),
            ..Default::default()
        }
    }

    pub(crate) fn reconfigure_info(&self) -> cuvid::ReconfigureDecoderInfo {
        let (width, height) = self.surface_size();
        cuvid::ReconfigureDecoderInfo {
            width,
            height,
            target_width: width,
            target_height: height,
            num_decode_surfaces: self.surfaces,
            display_area: whole(width, height),
            target_rect: whole(width, height),
            ..Default::default()
        }
    }

    const fn deinterlace_mode(&self, wanted: Deinterlace) -> cuvid::DeinterlaceMode {
        match wanted {
            Deinterlace::Bob if !self.is_progressive => cuvid::DeinterlaceMode::BOB,
            Deinterlace::Adaptive if !self.is_progressive => cuvid::DeinterlaceMode::ADAPTIVE,
            _ => cuvid::DeinterlaceMode::WEAVE,
        }
    }
}

/// Surfaces that may be mapped at the same time: one is copied while the next is prepared.
pub(crate) const OUTPUT_SURFACES: usize = 3;

/// The number of surfaces that the parser is told and the decoder gets.
pub(crate) fn surfaces(header: &cuvid::VideoFormat) -> u32 {
    u32::from(header.min_num_decode_surfaces).max(1) + EXTRA_SURFACES
}

/// Sizes beyond 16 bits are refused before, by the capabilities.
fn whole(width: u32, height: u32) -> cuvid::Rect16 {
    let side = |length: u32| i16::try_from(length).unwrap_or(i16::MAX);
    cuvid::Rect16 { left: 0, top: 0, right: side(width), bottom: side(height) }
}

fn color(signal: cuvid::SignalDescription) -> ColorSpec {
    ColorSpec {
        // 0 is R'G'B', which no surface holds, and what the parser says where the header is silent.
        matrix: match signal.matrix_coefficients {
            0 => Matrix::Unspecified,
            code => Matrix::from_code(code),
        },
        primaries: Primaries::from_code(signal.color_primaries),
        transfer: Transfer::from_code(signal.transfer_characteristics),
        // A flag of 0 may have been said or not.
        range: if signal.video_full_range_flag() == 1 { Range::Full } else { Range::Unspecified },
        ..ColorSpec::default()
    }
}

/// What the sequence header says of colour and, where it is silent, what the container says.
pub(crate) fn merged_color(header: ColorSpec, container: ColorSpec) -> ColorSpec {
    ColorSpec {
        matrix: if header.matrix.is_unspecified() { container.matrix } else { header.matrix },
        primaries: if header.primaries.is_unspecified() { container.primaries } else { header.primaries },
        transfer: if header.transfer.is_unspecified() { container.transfer } else { header.transfer },
        range: if header.range == Range::Unspecified { container.range } else { header.range },
        siting: container.siting,
    }
}

/// The part of a mapped surface that becomes a plane of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlaneCopy {
    /// From the surface's address.
    pub(crate) source_offset_bytes: u64,
    /// From the frame's address.
    pub(crate) target_offset_bytes: u64,
    pub(crate) target_stride_bytes: usize,
    pub(crate) row_bytes: usize,
    pub(crate) rows: usize,
}

/// What is to be copied out of a surface whose rows are `pitch_bytes` apart, for frames that lie as `layout` says.
pub(crate) fn plane_copies(
    sequence: &Sequence,
    layout: &Layout,
    pitch_bytes: usize,
) -> impl Iterator<Item = PlaneCopy> {
    let format = layout.format();
    let surface_height = sequence.surface_size().1 as usize;
    let mut first_row = 0;
    let origin = sequence.origin;
    let copy = move |(index, plane): (usize, &Plane)| {
        let (left, top) = plane_origin(format, index, origin);
        let offset = (first_row + top) * pitch_bytes + left * format.sample().bytes();
        first_row += plane_rows(format, index, surface_height);
        PlaneCopy {
            source_offset_bytes: offset as u64,
            target_offset_bytes: plane.offset_bytes as u64,
            target_stride_bytes: plane.stride_bytes,
            row_bytes: plane.row_bytes,
            rows: plane.rows,
        }
    };
    layout.planes().iter().enumerate().map(copy)
}

/// The first sample and row of a plane that are displayed.
fn plane_origin(format: PixelFormat, plane: usize, (left, top): (u32, u32)) -> (usize, usize) {
    match format.chroma() {
        // Pairs of samples, one for two columns.
        Some(Chroma::C420) if plane > 0 => ((left / 2 * 2) as usize, (top / 2) as usize),
        _ => (left as usize, top as usize),
    }
}

fn plane_rows(format: PixelFormat, plane: usize, surface_height: usize) -> usize {
    match format.chroma() {
        Some(Chroma::C420) if plane > 0 => surface_height / 2,
        _ => surface_height,
    }
}

/// The format of frames as they are copied: 4:4:4 of 10 and 12 bits comes in the high bits, which frames of planes do not
/// have.
pub(crate) fn copied_format(format: PixelFormat) -> PixelFormat {
    match (format.chroma(), format.bits()) {
        (Some(Chroma::C444), Some(9..)) => format.with_sample(Sample::Uint { bits: 16 }),
        _ => format,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn header() -> cuvid::VideoFormat {
        cuvid::VideoFormat {
            codec: cuvid::VideoCodec::H264,
            chroma_format: cuvid::ChromaFormat::YUV420,
            coded_width: 1920,
            coded_height: 1088,
            display_area: cuvid::Rect { left: 0, top: 0, right: 1920, bottom: 1080 },
            min_num_decode_surfaces: 5,
            progressive_sequence: 1,
            ..Default::default()
        }
    }

    fn copies(sequence: &Sequence, layout: &Layout, pitch_bytes: usize) -> Vec<PlaneCopy> {
        plane_copies(sequence, layout, pitch_bytes).collect()
    }

    #[test]
    fn the_display_area_is_cut_out_of_the_coded_picture() {
        let sequence = Sequence::new(Codec::H264, &header()).unwrap();
        assert_eq!(
            (sequence.display, sequence.surface_size(), sequence.surfaces),
            ((1920, 1080), (1920, 1088), 12)
        );
        let layout = Layout::aligned(PixelFormat::NV12, 1920, 1080, 256).unwrap();
        let [luma, chroma] = copies(&sequence, &layout, 2048)[..] else { panic!("two planes") };
        assert_eq!((luma.source_offset_bytes, luma.row_bytes, luma.rows), (0, 1920, 1080));
        assert_eq!((chroma.source_offset_bytes, chroma.row_bytes, chroma.rows), (2048 * 1088, 1920, 540));
    }

    #[test]
    fn an_odd_picture_at_an_odd_place_keeps_whole_chroma_samples() {
        let area = cuvid::Rect { left: 2, top: 4, right: 323, bottom: 245 };
        let header =
            cuvid::VideoFormat { coded_width: 325, coded_height: 247, display_area: area, ..header() };
        let sequence = Sequence::new(Codec::Vp9, &header).unwrap();
        assert_eq!((sequence.display, sequence.surface_size()), ((321, 241), (326, 248)));
        let layout = Layout::packed(PixelFormat::NV12, 321, 241).unwrap();
        let [luma, chroma] = copies(&sequence, &layout, 512)[..] else { panic!("two planes") };
        assert_eq!(luma.source_offset_bytes, 4 * 512 + 2);
        assert_eq!(chroma.source_offset_bytes, (248 + 2) * 512 + 2);
        assert_eq!((chroma.row_bytes, chroma.rows), (322, 121));
    }

    #[test]
    fn planes_of_4_4_4_follow_each_other_at_the_surface_height() {
        let header = cuvid::VideoFormat {
            chroma_format: cuvid::ChromaFormat::YUV444,
            bit_depth_luma_minus8: 2,
            bit_depth_chroma_minus8: 2,
            ..header()
        };
        let sequence = Sequence::new(Codec::Hevc, &header).unwrap();
        let format = sequence.format.frame_format().unwrap();
        let layout = Layout::packed(copied_format(format), 1920, 1080).unwrap();
        let offsets: Vec<_> =
            plane_copies(&sequence, &layout, 4096).map(|copy| copy.source_offset_bytes).collect();
        assert_eq!(offsets, [0, 4096 * 1088, 2 * 4096 * 1088]);
        assert_eq!(copied_format(format), PixelFormat::yuv_planar(Chroma::C444, 16));
        assert_eq!(copied_format(PixelFormat::P010), PixelFormat::P010);
    }

    #[test]
    fn a_header_that_makes_no_sense_gives_no_sequence() {
        for area in [(0, 0, 0, 0), (5, 0, 4, 10), (-1, 0, 10, 10), (2000, 0, 2010, 10)] {
            let (left, top, right, bottom) = area;
            let display_area = cuvid::Rect { left, top, right, bottom };
            let header = cuvid::VideoFormat { display_area, ..header() };
            assert_eq!(Sequence::new(Codec::H264, &header), None, "{area:?}");
        }
        let header = cuvid::VideoFormat { chroma_format: cuvid::ChromaFormat(9), ..header() };
        assert_eq!(Sequence::new(Codec::H264, &header), None);
    }

    #[test]
    fn a_smaller_sequence_is_reconfigured_and_another_depth_is_not() {
        let first = Sequence::new(Codec::H264, &header()).unwrap();
        let smaller = Sequence { coded: (640, 480), display: (640, 480), ..first };
        assert!(!smaller.is_decoded_alike(&first) && smaller.can_follow(&first, (1920, 1088)));
        assert!(!Sequence { coded: (1936, 1088), ..first }.can_follow(&first, (1920, 1088)));
        let deeper = CodedFormat { bits: 10, ..first.format };
        assert!(!Sequence { format: deeper, ..first }.can_follow(&first, (1920, 1088)));
        assert!(Sequence { display: (1000, 500), ..first }.is_decoded_alike(&first));
    }

    #[test]
    fn the_sequence_header_is_asked_first_about_colour() {
        let mut signal =
            cuvid::SignalDescription { color_primaries: 9, matrix_coefficients: 9, ..Default::default() };
        signal.transfer_characteristics = 2;
        let container = ColorSpec { range: Range::Full, ..ColorSpec::BT709 };
        let merged = merged_color(color(signal), container);
        let expected = ColorSpec { matrix: Matrix::Bt2020Ncl, primaries: Primaries::Bt2020, ..container };
        assert_eq!(merged, expected);
        signal.set_video_full_range_flag(1);
        assert_eq!(merged_color(color(signal), ColorSpec::BT709).range, Range::Full);
        let silent = color(cuvid::SignalDescription::default());
        assert_eq!(silent, ColorSpec::default());
    }
}
