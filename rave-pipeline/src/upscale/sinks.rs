//! Ends of a line that write no container.

use std::collections::VecDeque;
use std::marker::PhantomData;

use rave_core::{BoxError, Buffer, Digest, Frame, HostFrame, Sink};
use rave_cuda::{CudaFrame, DigestTaker, PendingDigest, Pool, Stream};

/// What became of frames that were not encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameSummary {
    /// Frames that arrived.
    pub frames: u64,
    /// Bytes written; 0 where nothing is.
    pub bytes: u64,
    /// The digest of every frame, in order, where they were taken.
    pub digests: Vec<Digest>,
}

impl FrameSummary {
    /// One digest of all frames in their order, where digests were taken.
    pub fn digest(&self) -> Option<Digest> {
        self.digests.iter().copied().reduce(Digest::followed_by)
    }
}

/// Counts frames in memory of type `B` and drops them.
pub(super) struct NullSink<B>(u64, PhantomData<B>);

impl<B> NullSink<B> {
    pub(super) const fn new() -> Self {
        Self(0, PhantomData)
    }
}

impl<B: Buffer> Sink for NullSink<B> {
    type Input = Frame<B>;
    type Summary = FrameSummary;

    fn write(&mut self, _: Frame<B>) -> Result<(), BoxError> {
        self.0 += 1;
        Ok(())
    }

    fn finish(self) -> Result<FrameSummary, BoxError> {
        Ok(FrameSummary { frames: self.0, ..FrameSummary::default() })
    }
}

/// Counts frames on a device and drops them once they are made: the GPU is never more than two frames behind the host,
/// so that what the stages are seen to take is what they take.
pub(super) struct CudaNullSink {
    frames: u64,
    stream: Stream,
}

impl CudaNullSink {
    pub(super) fn new(pool: &Pool) -> Result<Self, rave_cuda::Error> {
        Ok(Self { frames: 0, stream: pool.device().new_stream()? })
    }
}

impl Sink for CudaNullSink {
    type Input = CudaFrame;
    type Summary = FrameSummary;

    fn write(&mut self, frame: CudaFrame) -> Result<(), BoxError> {
        // The frame before this one.
        self.stream.synchronize()?;
        drop(frame.buffer().read(&self.stream)?);
        self.frames += 1;
        Ok(())
    }

    fn finish(self) -> Result<FrameSummary, BoxError> {
        self.stream.synchronize()?;
        Ok(FrameSummary { frames: self.frames, ..FrameSummary::default() })
    }
}

/// Takes the digest of every frame in host memory.
#[derive(Default)]
pub(super) struct DigestSink(Vec<Digest>);

impl Sink for DigestSink {
    type Input = HostFrame;
    type Summary = FrameSummary;

    fn write(&mut self, frame: HostFrame) -> Result<(), BoxError> {
        self.0.push(frame.digest());
        Ok(())
    }

    fn finish(self) -> Result<FrameSummary, BoxError> {
        Ok(summary_of(self.0))
    }
}

/// Takes the digest of every frame on a device; what crosses the bus is a few sums.
pub(super) struct CudaDigestSink {
    taker: DigestTaker,
    stream: Stream,
    pending: VecDeque<PendingDigest>,
    digests: Vec<Digest>,
}

impl CudaDigestSink {
    /// Digests on their way: one is waited for while the next one's frame is made.
    const DEPTH: usize = 2;

    pub(super) fn new(pool: &Pool) -> Result<Self, rave_cuda::Error> {
        let (taker, stream) = (DigestTaker::new(pool)?, pool.device().new_stream()?);
        Ok(Self { taker, stream, pending: VecDeque::new(), digests: Vec::new() })
    }

    fn wait_down_to(&mut self, depth: usize) -> Result<(), rave_cuda::Error> {
        while self.pending.len() > depth {
            let Some(oldest) = self.pending.pop_front() else { break };
            self.digests.push(oldest.wait()?);
        }
        Ok(())
    }
}

impl Sink for CudaDigestSink {
    type Input = CudaFrame;
    type Summary = FrameSummary;

    fn write(&mut self, frame: CudaFrame) -> Result<(), BoxError> {
        self.wait_down_to(Self::DEPTH - 1)?;
        self.pending.push_back(self.taker.start(&self.stream, &frame)?);
        Ok(())
    }

    fn finish(mut self) -> Result<FrameSummary, BoxError> {
        self.wait_down_to(0)?;
        Ok(summary_of(self.digests))
    }
}

fn summary_of(digests: Vec<Digest>) -> FrameSummary {
    FrameSummary { frames: digests.len() as u64, bytes: 0, digests }
}
