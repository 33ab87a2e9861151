mod chroma;
mod coefficients;
mod dither;
mod from_rgb;
mod orient;
mod planes;
mod resize;
mod rows;
mod samples;
mod stage;
mod to_rgb;
mod view;

pub use chroma::ChromaFilter;
pub use coefficients::{MatrixCoefficients, Quantization};
pub use dither::Dither;
pub use orient::Orient;
pub use resize::Resize;
pub use stage::Convert;

use chroma::Subsampling;
use coefficients::{Rescale, RgbFromYuv, YuvFromRgb};
use from_rgb::FromRgb;
use planes::{ChromaPlanes, Planes};
use samples::Storage;
use to_rgb::ToRgb;
use view::{Source, Target};

use crate::{Chroma, ColorSpec, Error, HostFrame, Layout, Matrix, PixelFormat, Range};

impl ColorSpec {
    /// The same colours as R'G'B' samples: matrix [`Identity`](Matrix::Identity), full range. Primaries, transfer and
    /// siting stay.
    #[must_use]
    pub const fn to_rgb(self) -> Self {
        Self { matrix: Matrix::Identity, range: Range::Full, ..self }
    }
}

/// Converts frames of one format, colour and size to another format and colour of the same size, in host memory.
///
/// - Y'CbCr to R'G'B' and back, with the matrix of the Y'CbCr side ([`MatrixCoefficients`]) and chroma at its siting
///   ([`ChromaFilter`]).
/// - R'G'B' to grey with the matrix of the grey side; grey to R'G'B' or to Y'CbCr with neutral chroma.
/// - Y'CbCr to Y'CbCr with the same matrix, subsampling and siting, R'G'B' to R'G'B', grey to grey, Y'CbCr to grey:
///   range ([`Quantization`]), sample type and packing only.
///
/// Samples may be integers of 8 to 16 bits, single or half precision on either side. Values beyond black and white are
/// kept as far as the storage goes: integers are rounded half up (0.5 is added, then the fraction cut) and clamped to
/// 0..2^bits - 1, not to the nominal range; NaN becomes 0. Primaries and transfer are never converted.
///
/// Every table and scratch row is made in [`new`](Self::new).
///
/// ```
/// use rave_core::{ChromaFilter, ColorSpec, Converter, FrameInfo, HostBuffer, HostFrame};
/// use rave_core::{Layout, PixelFormat, TimeBase, Timestamp};
///
/// let (hd, rgb) = (ColorSpec::BT709, ColorSpec::BT709.to_rgb());
/// let formats = ((PixelFormat::NV12, hd), (PixelFormat::RGB_F32, rgb));
/// let mut converter = Converter::new(formats.0, formats.1, (64, 36), ChromaFilter::Bilinear)?;
///
/// let pts = Timestamp::new(0, TimeBase::new(1, 25)?);
/// let info = FrameInfo::new(pts);
/// let frame = |(format, color)| {
///     let layout = Layout::packed(format, 64, 36)?;
///     HostFrame::new(HostBuffer::zeroed(layout.size_bytes()), layout, color, info)
/// };
/// let (mut nv12, mut rgb) = (frame(formats.0)?, frame(formats.1)?);
/// nv12.rows_mut::<u8>(0).for_each(|row| row.fill(16));
/// nv12.rows_mut::<u8>(1).for_each(|row| row.fill(128));
/// converter.convert(&nv12, &mut rgb)?;
/// assert!(rgb.rows::<f32>(1).all(|row| row.iter().all(|&green| green == 0.0)));
/// # Ok::<(), rave_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Converter {
    input: PixelFormat,
    output: PixelFormat,
    size: (u32, u32),
    path: Path,
}

#[derive(Debug)]
enum Path {
    ToRgb(ToRgb),
    FromRgb(FromRgb),
    Planes(Planes),
}

impl Converter {
    /// A converter from `input` to `output` for pictures of `size`, width and height in pixels.
    ///
    /// Nothing is assumed: a range that is read must be said, and so must a matrix
    /// ([`ColorSpec::resolve`] fills them in). The range of floating-point samples is not read; the matrix of R'G'B'
    /// must be [`Identity`](Matrix::Identity) ([`ColorSpec::to_rgb`]). An unspecified siting is left.
    ///
    /// # Errors
    /// [`Error::Size`] for a size that no [`Layout`] can have; [`Error::Format`] if there is no conversion between the
    /// formats; [`Error::Color`] if there is none between the colours, or one is not said.
    pub fn new(
        input: (PixelFormat, ColorSpec),
        output: (PixelFormat, ColorSpec),
        size: (u32, u32),
        filter: ChromaFilter,
    ) -> Result<Self, Error> {
        Self::with_dither(input, output, size, filter, Dither::None)
    }

    /// As [`new`](Self::new), with integer samples dithered.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_dither(
        input: (PixelFormat, ColorSpec),
        output: (PixelFormat, ColorSpec),
        size: (u32, u32),
        filter: ChromaFilter,
        dither: Dither,
    ) -> Result<Self, Error> {
        Layout::packed(input.0, size.0, size.1)?;
        let path = Plan { from: Side::new(input)?, to: Side::new(output)?, size, filter, dither }.path()?;
        Ok(Self { input: input.0, output: output.0, size, path })
    }

    /// Converts the samples of `source` into `target`. Colour and time of the frames are not looked at.
    ///
    /// # Errors
    /// [`Error::Layout`] if format or size of a frame are not those that the converter was made for.
    pub fn convert(&mut self, source: &HostFrame, target: &mut HostFrame) -> Result<(), Error> {
        source.layout().check(self.input, self.size)?;
        target.layout().check(self.output, self.size)?;
        let (source, target) = (Source::new(source), Target::new(target));
        match &mut self.path {
            Path::ToRgb(path) => path.run(source, target),
            Path::FromRgb(path) => path.run(source, target),
            Path::Planes(path) => path.run(source, target),
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Side {
    format: PixelFormat,
    color: ColorSpec,
    quantization: Quantization,
}

impl Side {
    fn new((format, color): (PixelFormat, ColorSpec)) -> Result<Self, Error> {
        if matches!(format, PixelFormat::Rgb { .. }) && color.matrix != Matrix::Identity {
            return Err(Error::Color {
                what: format!("matrix {} of {format}", color.matrix),
                reason: "samples that are R'G'B' have the matrix gbr",
            });
        }
        let quantization = Quantization::new(format, color.range)?.of_matrix(color.matrix);
        Ok(Self { format, color, quantization })
    }
}

struct Plan {
    from: Side,
    to: Side,
    size: (u32, u32),
    filter: ChromaFilter,
    dither: Dither,
}

impl Plan {
    fn path(&self) -> Result<Path, Error> {
        use PixelFormat::{Gray, Rgb, Yuv};
        self.check_same_light()?;
        match (self.from.format, self.to.format) {
            (Yuv { chroma, .. }, Rgb { .. }) => self.rgb_from_yuv(chroma),
            (Rgb { .. }, Yuv { chroma, .. }) => self.yuv_from_rgb(Some(chroma)),
            (Rgb { .. }, Gray { .. }) => self.yuv_from_rgb(None),
            (Yuv { chroma: from, .. }, Yuv { chroma: to, .. }) if from == to => {
                self.check_same_matrix(to)?;
                Ok(self.planes(&[0], ChromaPlanes::Kept))
            }
            (Gray { .. }, Yuv { .. }) => Ok(self.planes(&[0], ChromaPlanes::Neutral)),
            (Yuv { .. } | Gray { .. }, Gray { .. }) => Ok(self.planes(&[0], ChromaPlanes::Absent)),
            (Gray { .. }, Rgb { .. }) => Ok(self.planes(&[0, 0, 0], ChromaPlanes::Absent)),
            (Rgb { .. }, Rgb { .. }) => Ok(self.planes(&[0, 1, 2], ChromaPlanes::Absent)),
            (Yuv { .. }, Yuv { .. }) => Err(Error::Format {
                format: format!("{} to {}", self.from.format, self.to.format),
                action: "converted without going through R'G'B'",
            }),
        }
    }

    fn rgb_from_yuv(&self, chroma: Chroma) -> Result<Path, Error> {
        let matrix = MatrixCoefficients::new(self.from.color.matrix)?;
        let matrix = RgbFromYuv::new(&matrix, &self.from.quantization, &self.to.quantization);
        let subsampling = Subsampling::new(chroma, self.from.color.siting, self.filter);
        Ok(Path::ToRgb(ToRgb::new(self.storages(), matrix, subsampling, self.size)))
    }

    fn yuv_from_rgb(&self, chroma: Option<Chroma>) -> Result<Path, Error> {
        let matrix = MatrixCoefficients::new(self.to.color.matrix)?;
        let matrix = YuvFromRgb::new(&matrix, &self.from.quantization, &self.to.quantization);
        let subsampling = |chroma| Subsampling::new(chroma, self.to.color.siting, self.filter);
        Ok(Path::FromRgb(FromRgb::new(self.storages(), matrix, chroma.map(subsampling), self.size)))
    }

    fn planes(&self, luma_like: &'static [usize], chroma_planes: ChromaPlanes) -> Path {
        let (width, height) = self.size;
        let (chroma_width, chroma_height) =
            self.to.format.chroma().map_or((0, 0), |chroma| chroma.size(width, height));
        let (from, to) = self.storages();
        Path::Planes(Planes {
            from,
            to,
            luma_like,
            luma: Rescale::luma(&self.from.quantization, &self.to.quantization),
            chroma_planes,
            chroma: Rescale::chroma(&self.from.quantization, &self.to.quantization),
            size: (width as usize, height as usize),
            chroma_size: (chroma_width as usize, chroma_height as usize),
            scratch: [vec![0.0; width as usize], vec![0.0; width as usize]],
        })
    }

    fn storages(&self) -> (Storage, Storage) {
        (Storage::new(self.from.format), Storage::new(self.to.format).with_dither(self.dither))
    }

    fn check_same_light(&self) -> Result<(), Error> {
        let (from, to) = (self.from.color, self.to.color);
        let differ = |what, from: &str, to: &str| {
            Err(Error::Color {
                what: format!("{what} {from} to {to}"),
                reason: "it is carried, not converted",
            })
        };
        let said = |from: bool, to: bool| !from && !to;
        if from.primaries != to.primaries
            && said(from.primaries.is_unspecified(), to.primaries.is_unspecified())
        {
            return differ("primaries", from.primaries.name(), to.primaries.name());
        }
        if from.transfer != to.transfer && said(from.transfer.is_unspecified(), to.transfer.is_unspecified())
        {
            return differ("transfer", from.transfer.name(), to.transfer.name());
        }
        Ok(())
    }

    fn check_same_matrix(&self, chroma: Chroma) -> Result<(), Error> {
        let (from, to) = (self.from.color, self.to.color);
        let reason = "Y'CbCr is converted to Y'CbCr only where nothing but range, depth and packing differs";
        if from.matrix != to.matrix {
            return Err(Error::Color { what: format!("matrix {} to {}", from.matrix, to.matrix), reason });
        }
        if chroma != Chroma::C444 && from.siting.offset() != to.siting.offset() {
            return Err(Error::Color { what: format!("siting {} to {}", from.siting, to.siting), reason });
        }
        Ok(())
    }
}
