//! The open end of the line of stages: where its frames are, and how they get elsewhere.

use rave_core::{Buffer, Dither, Frame, HostBuffer, HostPool, Stage, VideoInfo};
use rave_cuda::{CudaBuffer, Download, PeerCopy, Pool, Upload, device_layout};

use super::convert::{Conversions, CudaConversions, Wanted};
use super::lanes::Lanes;
use super::sinks::{CudaNullSink, FrameSummary, NullSink};
use super::stock;
use crate::{Assembly, Chain, Deal, Error};

/// A chain whose open end gives frames in memory of type `B`, and what is true of them.
pub(super) struct LineIn<B> {
    pub(super) chain: Chain<Frame<B>>,
    pub(super) info: VideoInfo,
    /// Frames that the last stage has made and not handed on, at most.
    made: usize,
    /// The pool in host memory that they come from, if that can be stocked, and what each takes in bytes.
    memory: Option<(HostPool, usize)>,
}

/// A chain whose open end gives frames, in one kind of memory or the other, or in several lanes.
pub(super) enum Line {
    Host(LineIn<HostBuffer>),
    /// And the pool that they come from.
    Device(LineIn<CudaBuffer>, Pool),
    Dealt(Lanes),
}

/// A [`Line`] in one lane.
pub(super) enum Whole {
    Host(LineIn<HostBuffer>),
    /// And the pool that they come from.
    Device(LineIn<CudaBuffer>, Pool),
}

impl<B: Buffer> LineIn<B> {
    /// Of a chain whose last stage makes one frame at a time, which `info` describes.
    pub(super) const fn new(chain: Chain<Frame<B>>, info: VideoInfo) -> Self {
        Self { chain, info, made: 1, memory: None }
    }

    /// The same, of a last stage that has up to `made` frames which it does not hand on yet.
    pub(super) fn making(self, made: usize) -> Self {
        Self { made, ..self }
    }

    /// Appends a stage whose frames `info` describes.
    pub(super) fn then<S>(self, name: &str, stage: S, info: VideoInfo) -> Self
    where
        S: Stage<Input = Frame<B>, Output = Frame<B>> + 'static,
    {
        Self::new(self.chain.then(name, stage), info)
    }

    /// Sets the length of the queue at the open end.
    pub(super) fn queue(self, capacity: usize) -> Self {
        Self { chain: self.chain.queue(capacity), ..self }
    }
}

impl LineIn<CudaBuffer> {
    /// Has room for the frames between the last stage and one that holds up to `held` of them: see [`stock`](super::stock).
    pub(super) fn taken_by(self, held: usize, pool: &Pool) -> Result<Self, Error> {
        let VideoInfo { format, width, height, .. } = self.info;
        let layout = device_layout(format, width, height).map_err(Error::leaf)?;
        pool.expect(layout.size_bytes(), stock::frames_between(self.made, self.chain.capacity(), held));
        Ok(self)
    }
}

impl LineIn<HostBuffer> {
    pub(super) fn convert(self, name: &str, wanted: Wanted) -> Result<Self, Error> {
        let stage = Conversions::new(&self.info, wanted)?;
        let (info, memory) = (*stage.output_info(), stage.memory());
        Ok(self.taken_by(1).then(name, stage, info).with_memory(memory))
    }

    /// The same, of a last stage whose frames come from this pool and take so many bytes.
    pub(super) fn with_memory(self, memory: Option<(HostPool, usize)>) -> Self {
        Self { memory, ..self }
    }

    /// Has room for the frames between the last stage and one that holds up to `held` of them: see [`stock`](super::stock).
    pub(super) fn taken_by(self, held: usize) -> Self {
        if let Some((pool, len_bytes)) = &self.memory {
            pool.stock(*len_bytes, stock::frames_between(self.made, self.chain.capacity(), held));
        }
        self
    }
}

impl Line {
    pub(super) const fn info(&self) -> &VideoInfo {
        match self {
            Self::Host(line) => &line.info,
            Self::Device(line, _) => &line.info,
            Self::Dealt(lanes) => &lanes.info,
        }
    }

    /// The pool of frames on a device, of several the first.
    pub(super) const fn pool(&self) -> Option<&Pool> {
        match self {
            Self::Host(_) => None,
            Self::Device(_, pool) => Some(pool),
            Self::Dealt(lanes) => lanes.pool.as_ref(),
        }
    }

    /// The frames in one lane: where they are, or on the first lane's device.
    pub(super) fn whole(self) -> Result<Whole, Error> {
        match (self.pool().cloned(), self) {
            (None, line) => Ok(Whole::Host(line.into_host()?)),
            (Some(pool), line) => Ok(Whole::Device(line.into_device(&pool)?, pool)),
        }
    }

    /// Deals the frames among lanes of these labels.
    pub(super) fn deal(self, labels: &[String]) -> Result<(Deal, Vec<Self>), Error> {
        match self.whole()? {
            Whole::Host(LineIn { chain, info, .. }) => {
                let (deal, lanes) = chain.deal("deal", labels);
                let line = |chain| Self::Host(LineIn::new(chain, info));
                Ok((deal, lanes.into_iter().map(line).collect()))
            }
            Whole::Device(line, pool) => {
                let LineIn { chain, info, .. } = line.taken_by(1, &pool)?;
                let (deal, lanes) = chain.deal("deal", labels);
                let line = |chain| Self::Device(LineIn::new(chain, info), pool.clone());
                Ok((deal, lanes.into_iter().map(line).collect()))
            }
        }
    }

    /// Sets the length of the queue at the open end.
    pub(super) fn queue(self, capacity: usize) -> Self {
        match self {
            Self::Host(line) => Self::Host(line.queue(capacity)),
            Self::Device(line, pool) => Self::Device(line.queue(capacity), pool),
            Self::Dealt(lanes) => Self::Dealt(lanes.queue(capacity)),
        }
    }

    /// The frames in host memory: through a download if they are elsewhere.
    pub(super) fn into_host(self) -> Result<LineIn<HostBuffer>, Error> {
        match self {
            Self::Host(line) => Ok(line),
            Self::Device(line, pool) => {
                let LineIn { chain, info, .. } = line.taken_by(1, &pool)?;
                let stage = Download::new(&pool, &info).map_err(Error::leaf)?;
                let memory = Some(stage.memory());
                Ok(LineIn::new(chain.then("download", stage), info).with_memory(memory))
            }
            Self::Dealt(lanes) => lanes.merged(Self::into_host),
        }
    }

    /// The frames on the pool's device: through an upload if they are in host memory, a copy if on another device.
    pub(super) fn into_device(self, pool: &Pool) -> Result<LineIn<CudaBuffer>, Error> {
        self.brought(pool, "copy")
    }

    fn brought(self, pool: &Pool, name: &str) -> Result<LineIn<CudaBuffer>, Error> {
        match self {
            Self::Device(line, own) if own.device().ordinal() == pool.device().ordinal() => Ok(line),
            Self::Device(line, own) => {
                let LineIn { chain, info, .. } = line.taken_by(1, &own)?;
                let stage = PeerCopy::new(&own, pool, &info).map_err(Error::leaf)?;
                Ok(LineIn::new(chain.then(name, stage), info))
            }
            Self::Dealt(lanes) => lanes.merged(|line| line.brought(pool, "copy back")?.taken_by(1, pool)),
            Self::Host(line) => {
                let LineIn { chain, info, .. } = line.taken_by(1);
                let stage = Upload::new(pool, &info).map_err(Error::leaf)?;
                Ok(LineIn::new(chain.then("upload", stage), info))
            }
        }
    }

    /// Converts the frames where they are. Those that their device has no kernel for are downloaded before, which is
    /// noted.
    pub(super) fn convert(
        self,
        name: &str,
        wanted: Wanted,
        notices: &mut Vec<String>,
    ) -> Result<Self, Error> {
        match self {
            Self::Host(line) => Ok(Self::Host(line.convert(name, wanted)?)),
            Self::Dealt(lanes) => Ok(Self::Dealt(lanes.convert(name, wanted, notices)?)),
            Self::Device(..) if wanted.dither != Dither::None => {
                notices.push("samples are dithered on the host: there is no GPU kernel for it".to_owned());
                Ok(Self::Host(self.into_host()?.convert(name, wanted)?))
            }
            Self::Device(line, pool) => match CudaConversions::new(&pool, &line.info, wanted)? {
                Some(stage) => {
                    let info = *stage.output_info();
                    Ok(Self::Device(line.taken_by(1, &pool)?.then(name, stage, info), pool))
                }
                None => {
                    notices.push(detour(&line.info, wanted));
                    Ok(Self::Host(Self::Device(line, pool).into_host()?.convert(name, wanted)?))
                }
            },
        }
    }

    /// The frames are dropped.
    pub(super) fn into_null(self) -> Result<Assembly<FrameSummary>, Error> {
        Ok(match self.whole()? {
            Whole::Host(line) => line.taken_by(1).chain.sink("null", NullSink::new()),
            Whole::Device(line, pool) => {
                let sink = CudaNullSink::new(&pool).map_err(Error::leaf)?;
                line.taken_by(1, &pool)?.chain.sink("null", sink)
            }
        })
    }

    /// Converts the frames and brings them to the pool's device, in this order if it has no kernel, which is noted.
    pub(super) fn convert_on(
        self,
        pool: &Pool,
        name: &str,
        wanted: Wanted,
        notices: &mut Vec<String>,
    ) -> Result<LineIn<CudaBuffer>, Error> {
        match CudaConversions::new(pool, self.info(), wanted)? {
            Some(stage) => {
                let info = *stage.output_info();
                Ok(self.into_device(pool)?.taken_by(1, pool)?.then(name, stage, info))
            }
            None => {
                notices.push(detour(self.info(), wanted));
                Self::Host(self.into_host()?.convert(name, wanted)?).into_device(pool)
            }
        }
    }
}

fn detour(from: &VideoInfo, to: Wanted) -> String {
    format!("{} is converted to {} on the host: there is no GPU kernel for it", from.format, to.format)
}
