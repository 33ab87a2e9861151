use rave_core::{Digest, Layout};

use crate::buffer::CudaFrame;
use crate::error::Error;
use crate::kernels::{Entry, Geometry, Launch, Topic};
use crate::layout::param_planes;
use crate::params::{self, Params};
use crate::pool::Pool;
use crate::staging::{Pending, Shelf};
use crate::stream::Stream;

/// Threads that share a column of a plane: enough to keep the largest GPU's memory busy.
const ROW_THREADS: u32 = 64;
/// Sums that the host adds up.
const SUMS: u32 = 256;
const SUM_BYTES: usize = size_of::<u64>();
const BLOCK: (u32, u32) = (128, 1);

/// Takes the [`Digest`] of frames in GPU memory; only 2 KiB for each frame cross the bus.
#[derive(Debug)]
pub struct DigestTaker {
    pool: Pool,
    shelf: Shelf,
}

impl DigestTaker {
    /// For frames on the pool's device, which lends it memory for sums.
    ///
    /// # Errors
    /// [`Error::KernelLoad`] if the driver refuses the kernels.
    pub fn new(pool: &Pool) -> Result<Self, Error> {
        pool.device().load(Topic::Digest)?;
        pool.expect(SUMS as usize * SUM_BYTES, 1);
        Ok(Self { pool: pool.clone(), shelf: Shelf::new(pool, SUMS as usize * SUM_BYTES) })
    }

    /// Enqueues the digest of a frame on `stream` and its way to the host.
    ///
    /// # Errors
    /// As for [`Pool::take`].
    pub fn start(&self, stream: &Stream, frame: &CudaFrame) -> Result<PendingDigest, Error> {
        let mut sums = self.pool.take(SUMS as usize * SUM_BYTES)?;
        let (source, sums) = (frame.buffer().read(stream)?, sums.write(stream)?);
        for launch in launches([source.address(), sums.address()], frame.layout()) {
            // SAFETY: `Frame::new` has found the layout in the buffer, the sums have the size above; the accesses live
            // until after the copy is enqueued.
            unsafe { self.pool.device().launch(stream, &launch) }?;
        }
        let sums = self.shelf.fetch(stream, &sums, SUMS as usize * SUM_BYTES)?;
        Ok(PendingDigest { sums })
    }
}

/// A digest that is on its way.
#[derive(Debug)]
pub struct PendingDigest {
    sums: Pending,
}

impl PendingDigest {
    /// Waits for it.
    ///
    /// # Errors
    /// [`Error::Cuda`] if the work failed.
    pub fn wait(self) -> Result<Digest, Error> {
        self.sums.wait(add_up)
    }
}

fn add_up(bytes: &[u8]) -> Digest {
    let (sums, _) = bytes.as_chunks::<SUM_BYTES>();
    Digest::from_sum(sums.iter().map(|sum| u64::from_ne_bytes(*sum)).fold(0, u64::wrapping_add))
}

/// The addresses are those of the frame and the sums.
fn launches([source, sums]: [u64; 2], layout: &Layout) -> [Launch; 2] {
    let mut params = params::Digest {
        source,
        sums,
        from: param_planes(layout),
        is_aligned: u32::from(source.is_multiple_of(8)),
        row_threads: ROW_THREADS,
        sum_count: SUMS,
        ..params::Digest::default()
    };
    for (index, plane) in layout.planes().iter().enumerate() {
        params.row_bytes[index] = plane.row_bytes as u32;
        params.rows[index] = plane.rows as u32;
        let is_aligned = plane.offset_bytes.is_multiple_of(8) && plane.stride_bytes.is_multiple_of(8);
        params.is_aligned &= u32::from(is_aligned);
    }
    let words = params.row_bytes.iter().max().map_or(0, |bytes| bytes.div_ceil(8));
    let launch = |name, columns_and_rows, depth| Launch {
        entry: Entry::find(Topic::Digest, name),
        geometry: Geometry::covering(columns_and_rows, depth, BLOCK),
        params: Params::Digest(params),
    };
    let planes = layout.planes().len() as u32;
    [launch("digest_clear", (SUMS, 1), 1), launch("digest_sum", (words, ROW_THREADS), planes)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::Emulator;
    use rave_core::PixelFormat;

    #[test]
    fn the_kernels_give_the_digest_of_the_host() {
        let Some(emulator) = Emulator::get() else { return };
        for (format, alignment) in [
            (PixelFormat::NV12, 1),
            (PixelFormat::NV12, 256),
            (PixelFormat::RGB_F16, 1),
            (PixelFormat::RGB_F32, 64),
        ] {
            let layout = Layout::aligned(format, 67, 31, alignment).unwrap();
            let bytes: Vec<u8> = (0..layout.size_bytes()).map(|index| (index * 31 % 251) as u8).collect();
            let mut sums = vec![1_u64; SUMS as usize];
            for launch in launches([bytes.as_ptr() as u64, sums.as_mut_ptr() as u64], &layout) {
                // SAFETY: the memory is as large as the layout and the numbers of threads say.
                unsafe { emulator.run(&launch) };
            }
            let sums: Vec<u8> = sums.iter().flat_map(|sum| sum.to_ne_bytes()).collect();
            assert_eq!(add_up(&sums), Digest::of(&layout, &bytes), "{format} {alignment}");
        }
    }
}
