//! VMAF, by Netflix's libvmaf, which is opened at run time.

mod sys;

use std::path::PathBuf;

use rave_core::{Chroma, HostFrame, PixelFormat, VideoInfo};

use crate::Error;
use sys::{Context, Picture, Subsampling, VmafLibrary};

/// Whether VMAF is computed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VmafChoice {
    /// If the library is installed; that it is not is said in the result.
    #[default]
    Auto,
    /// No.
    Off,
    /// With the library at this path; an error if it cannot be used.
    Library(PathBuf),
}

/// A computation that runs beside the other metrics.
pub(super) struct Vmaf {
    library: VmafLibrary,
    context: Context,
    subsampling: Subsampling,
    bits: u8,
    size: (u32, u32),
    pictures: u32,
}

impl Vmaf {
    /// For pictures that are as `info` says: planar, 8 to 16 bits.
    pub(super) fn open(
        choice: &VmafChoice,
        model: &str,
        info: &VideoInfo,
    ) -> Result<Result<Self, String>, Error> {
        let opened = match choice {
            VmafChoice::Off => return Ok(Err("not asked for".to_owned())),
            VmafChoice::Auto => VmafLibrary::open(None),
            VmafChoice::Library(path) => {
                Ok(VmafLibrary::open(Some(path)).map_err(|reason| Error::Vmaf { reason })?)
            }
        };
        let library = match opened {
            Ok(library) => library,
            Err(reason) => return Ok(Err(reason)),
        };
        let context = Context::new(&library, model).map_err(|reason| Error::Vmaf { reason })?;
        Ok(Ok(Self {
            context,
            library,
            subsampling: subsampling(info.format),
            bits: info.format.bits().unwrap_or(16),
            size: (info.width, info.height),
            pictures: 0,
        }))
    }

    pub(super) fn version(&self) -> &str {
        self.library.version()
    }

    pub(super) fn add(&mut self, reference: &HostFrame, distorted: &HostFrame) -> Result<(), Error> {
        let (reference, distorted) = (self.picture(reference)?, self.picture(distorted)?);
        let index = self.pictures;
        self.context.read(reference, distorted, index).map_err(|reason| Error::Vmaf { reason })?;
        self.pictures += 1;
        Ok(())
    }

    fn picture(&self, frame: &HostFrame) -> Result<Picture, Error> {
        let picture = Picture::new(&self.library, self.subsampling, self.bits, self.size);
        let mut picture = picture.map_err(|reason| Error::Vmaf { reason })?;
        for (index, plane) in frame.layout().planes().iter().enumerate() {
            let bytes = &frame.buffer().as_bytes()[plane.offset_bytes..plane.end_bytes()];
            picture.fill(index, bytes.chunks(plane.stride_bytes).map(|row| &row[..plane.row_bytes]));
        }
        Ok(picture)
    }

    /// The score of every pair.
    pub(super) fn finish(mut self) -> Result<Vec<f64>, Error> {
        let scores = self.context.flush().and_then(|()| {
            (0..self.pictures).map(|index| self.context.score(index)).collect::<Result<Vec<_>, _>>()
        });
        scores.map_err(|reason| Error::Vmaf { reason })
    }
}

fn subsampling(format: PixelFormat) -> Subsampling {
    match format.chroma() {
        None => Subsampling::Gray,
        Some(Chroma::C420) => Subsampling::C420,
        Some(Chroma::C422) => Subsampling::C422,
        Some(Chroma::C444) => Subsampling::C444,
    }
}
