//! Bare samples: YUV4MPEG2 and planes.

use std::io::{self, Write};

use rave_core::{
    BoxError, Chroma, Code, CodedError, HostFrame, Packing, PixelFormat, Range, Sample, Sink, Siting,
    VideoInfo,
};

use super::sinks::FrameSummary;
use super::target::SampleFile;

/// Writes the samples of frames.
pub(super) struct SampleWriter {
    writer: Box<dyn Write + Send>,
    /// What stands before each frame.
    prefix: &'static [u8],
    summary: FrameSummary,
}

/// Samples that could not be written.
#[derive(Debug)]
struct WriteError(io::Error);

impl std::fmt::Display for WriteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "samples cannot be written: {}", self.0)
    }
}

impl std::error::Error for WriteError {}

impl CodedError for WriteError {
    fn code(&self) -> Code {
        if self.0.kind() == io::ErrorKind::StorageFull { Code::DiskFull } else { Code::OutputUnwritable }
    }
}

impl SampleWriter {
    /// Writes the header, if there is one.
    ///
    /// # Errors
    /// [`rave_core::Error::Format`] if YUV4MPEG2 has no name for the format; what the writer says.
    pub(super) fn new(
        kind: SampleFile,
        info: &VideoInfo,
        mut writer: Box<dyn Write + Send>,
    ) -> Result<Self, BoxError> {
        let (header, prefix): (_, &[u8]) = match kind {
            SampleFile::Y4m => (y4m_header(info)?, b"FRAME\n"),
            SampleFile::Raw => (String::new(), b""),
        };
        writer.write_all(header.as_bytes()).map_err(WriteError)?;
        let summary = FrameSummary { bytes: header.len() as u64, ..FrameSummary::default() };
        Ok(Self { writer, prefix, summary })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.writer.write_all(bytes).map_err(WriteError)?;
        self.summary.bytes += bytes.len() as u64;
        Ok(())
    }
}

impl Sink for SampleWriter {
    type Input = HostFrame;
    type Summary = FrameSummary;

    fn write(&mut self, frame: HostFrame) -> Result<(), BoxError> {
        self.put(self.prefix)?;
        let bytes = frame.buffer().as_bytes();
        for plane in frame.layout().planes() {
            for row in 0..plane.rows {
                self.put(&bytes[plane.offset_bytes + row * plane.stride_bytes..][..plane.row_bytes])?;
            }
        }
        self.summary.frames += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<FrameSummary, BoxError> {
        self.writer.flush().map_err(WriteError)?;
        Ok(self.summary)
    }
}

/// The format that samples of `source` are written in: planar, of its depth; YUV4MPEG2 has no R'G'B'.
pub(super) fn sample_format(kind: SampleFile, source: PixelFormat) -> PixelFormat {
    match (kind, source) {
        (SampleFile::Y4m, PixelFormat::Rgb { sample }) => {
            PixelFormat::Yuv { chroma: Chroma::C444, sample, packing: Packing::Planar }
        }
        (_, PixelFormat::Yuv { chroma, sample, .. }) => {
            PixelFormat::Yuv { chroma, sample, packing: Packing::Planar }
        }
        (_, other) => other,
    }
}

/// The stream header of YUV4MPEG2 (mjpegtools, yuv4mpeg(5)), with FFmpeg's names for more than 8 bits and for the range.
fn y4m_header(info: &VideoInfo) -> Result<String, rave_core::Error> {
    let ratio = |ratio: Option<rave_core::Rational>| {
        ratio.map_or_else(
            || "0:0".to_owned(),
            |ratio| format!("{}:{}", ratio.numerator(), ratio.denominator()),
        )
    };
    let range = if info.color.range == Range::Full { "FULL" } else { "LIMITED" };
    Ok(format!(
        "YUV4MPEG2 W{} H{} F{} Ip A{} C{} XCOLORRANGE={range}\n",
        info.width,
        info.height,
        ratio(info.frame_rate),
        ratio(info.sample_aspect_ratio),
        y4m_format(info)?,
    ))
}

fn y4m_format(info: &VideoInfo) -> Result<String, rave_core::Error> {
    let unknown =
        || rave_core::Error::Format { format: info.format.to_string(), action: "written as YUV4MPEG2" };
    let base = match info.format {
        PixelFormat::Gray { .. } => "mono",
        PixelFormat::Yuv { chroma: Chroma::C420, .. } => "420",
        PixelFormat::Yuv { chroma: Chroma::C422, .. } => "422",
        PixelFormat::Yuv { chroma: Chroma::C444, .. } => "444",
        PixelFormat::Rgb { .. } => return Err(unknown()),
    };
    let siting = match info.color.siting {
        Siting::Left => "mpeg2",
        Siting::TopLeft => "paldv",
        _ => "jpeg",
    };
    match (info.format.sample(), base) {
        (Sample::U8, "420") => Ok(format!("420{siting}")),
        (Sample::U8, _) => Ok(base.to_owned()),
        (Sample::Uint { bits: bits @ (9 | 10 | 12 | 14 | 16) }, "mono") => Ok(format!("mono{bits}")),
        (Sample::Uint { bits: bits @ (9 | 10 | 12 | 14 | 16) }, _) => Ok(format!("{base}p{bits}")),
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rave_core::{ColorSpec, Rational, TimeBase};

    fn header(format: PixelFormat, color: ColorSpec) -> Result<String, rave_core::Error> {
        y4m_header(&VideoInfo {
            frame_rate: Some(Rational::new(30000, 1001).unwrap()),
            ..VideoInfo::new(format, (64, 36), color, TimeBase::new(1, 25).unwrap())
        })
    }

    #[test]
    fn headers_say_size_rate_format_and_range() {
        let start = "YUV4MPEG2 W64 H36 F30000:1001 Ip A0:0 ";
        let left = ColorSpec { siting: Siting::Left, range: Range::Limited, ..ColorSpec::BT709 };
        let full = ColorSpec { siting: Siting::Center, range: Range::Full, ..left };
        let top = ColorSpec { siting: Siting::TopLeft, ..left };
        let gray = PixelFormat::Gray { sample: Sample::U8 };
        for (format, color, end) in [
            (PixelFormat::YUV420P, left, "C420mpeg2 XCOLORRANGE=LIMITED\n"),
            (PixelFormat::YUV420P, top, "C420paldv XCOLORRANGE=LIMITED\n"),
            (PixelFormat::YUV420P, full, "C420jpeg XCOLORRANGE=FULL\n"),
            (PixelFormat::YUV420P10, left, "C420p10 XCOLORRANGE=LIMITED\n"),
            (PixelFormat::YUV422P, left, "C422 XCOLORRANGE=LIMITED\n"),
            (PixelFormat::YUV444P, left, "C444 XCOLORRANGE=LIMITED\n"),
            (gray, full, "Cmono XCOLORRANGE=FULL\n"),
        ] {
            assert_eq!(header(format, color).unwrap(), format!("{start}{end}"));
        }
        assert!(header(PixelFormat::RGB_F32, left.to_rgb()).is_err());
    }

    #[test]
    fn rgb_is_written_as_it_is_or_as_444() {
        let rgb = PixelFormat::Rgb { sample: Sample::U8 };
        assert_eq!(sample_format(SampleFile::Raw, rgb), rgb);
        assert_eq!(sample_format(SampleFile::Y4m, rgb), PixelFormat::YUV444P);
        assert_eq!(sample_format(SampleFile::Raw, PixelFormat::NV12), PixelFormat::YUV420P);
    }
}
