use rave_core::{ChromaFilter, ColorSpec, Kernel, Range, VideoInfo};
use rave_cuda::{CudaConverter, CudaFrame, CudaResize, Pool, Stream};

use crate::DecodeError;
use crate::decoder::surface::copied_format;

/// Makes of pictures as they are copied out of surfaces those that the decoder promised.
pub(crate) struct Fit {
    size: (u32, u32),
    unpack: Option<CudaConverter>,
    resize: Option<CudaResize>,
}

impl Fit {
    /// For pictures of `size`, width and height in pixels, to those that `info` describes.
    pub(crate) fn new(pool: &Pool, info: &VideoInfo, size: (u32, u32)) -> Result<Self, DecodeError> {
        let copied = copied_format(info.format);
        // Of limited range, 16 bits and fewer differ by a shift, which is what is wanted whatever the range.
        let color = ColorSpec { range: Range::Limited, ..ColorSpec::BT709 };
        let unpack = || {
            let (from, to) = ((copied, color), (info.format, color));
            CudaConverter::new(pool.device(), from, to, size, ChromaFilter::Bilinear)
        };
        let input = VideoInfo { width: size.0, height: size.1, ..*info };
        let wanted = (info.width, info.height);
        Ok(Self {
            size,
            unpack: (copied != info.format).then(unpack).transpose()?,
            resize: (size != wanted)
                .then(|| CudaResize::new(pool, &input, wanted, Kernel::CatmullRom))
                .transpose()?,
        })
    }

    pub(crate) const fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Whether the samples come in the high bits.
    pub(crate) const fn unpacks(&self) -> bool {
        self.unpack.is_some()
    }

    /// `unpacked` is there if there is something to unpack.
    pub(crate) fn apply(
        &mut self,
        stream: &Stream,
        copied: CudaFrame,
        unpacked: Option<CudaFrame>,
    ) -> Result<CudaFrame, DecodeError> {
        let frame = match (&self.unpack, unpacked) {
            (Some(unpack), Some(mut unpacked)) => {
                unpack.convert(stream, &copied, &mut unpacked)?;
                unpacked
            }
            _ => copied,
        };
        match &mut self.resize {
            Some(resize) => Ok(resize.resize(&frame)?),
            None => Ok(frame),
        }
    }
}
