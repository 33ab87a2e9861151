//! GPU memory for all frames that a job has at the same time, allocated before the first one comes.
//!
//! Where that is known: each part of a line tells the pool what it takes ([`rave_cuda::Pool::expect`]).
//! - For the frames between two stages [`LineIn::taken_by`](super::line::LineIn::taken_by) does, with
//!   [`frames_between`].
//! - What a stage has for itself while it works on a frame, it tells when it is made: sums of a digest, results of a look at
//!   values, rows between two passes of resampling, a batch of tiles, R'G'B' between two conversions, surfaces that wait for
//!   those of another session of NVDEC. There is one of each, as a stage works on one frame, or batch, at a time and gives
//!   the memory back before the next.
//! - What is made once and kept, such as tables of filters and NVENC's inputs, is taken when it is made.
//!
//! Only what is not of the usual course comes on top, and is allocated when it comes: a frame that is run again in single
//! precision, a smaller batch or tile, software in place of NVDEC, a picture of another size.

use super::end::Assembling;
use crate::Error;

/// Frames that are between two stages at the same time, at most: those that the one before has `made` and cannot hand on yet
/// (one that it makes, or that does not fit into the full queue; of a stage with several under way all of them), those in the
/// queue, and those that the one behind has taken and still holds.
pub(super) const fn frames_between(made: usize, queue: usize, held: usize) -> usize {
    made + queue + held
}

impl Assembling<'_> {
    /// Allocates what all parts of the job have told the pools, as far as there is room.
    pub(super) fn stock(&mut self) -> Result<(), Error> {
        if self.pools.is_empty() {
            return Ok(());
        }
        for pool in &self.pools {
            let without_room = pool.stock().map_err(Error::leaf)?;
            if without_room > 0 {
                let gpu = pool.device().ordinal();
                tracing::debug!(gpu, without_room, "not all buffers have room beforehand");
            }
        }
        self.startup.done("memory for frames");
        Ok(())
    }
}
