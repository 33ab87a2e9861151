use rave_core::{Error as FrameError, Layout, Packing, PixelFormat};

use crate::buffer::CudaFrame;
use crate::error::Error;
use crate::kernels::{Entry, Geometry, Launch, Topic};
use crate::layout::{kind, param_planes};
use crate::params::{Params, Partial, Plane, Reduce};
use crate::pool::Pool;
use crate::staging::{Pending, Shelf};
use crate::stream::Stream;

/// Threads that go over a plane, enough to keep the largest GPU's memory busy.
const THREADS: u32 = 1 << 15;
/// Partial results of a plane that the host adds up.
const GATHERED: u32 = 256;
const BLOCK: (u32, u32) = (128, 1);
const PARTIAL_BYTES: usize = size_of::<Partial>();
/// What the partial results of a frame take, of up to three planes.
const PARTIALS_BYTES: usize = 3 * THREADS as usize * PARTIAL_BYTES;
const GATHERED_BYTES: usize = 3 * GATHERED as usize * PARTIAL_BYTES;

/// What the samples of a plane are like, without those that are not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlaneStatistics {
    /// The mean; NaN if no sample is finite.
    pub mean: f64,
    /// The smallest sample; infinity if none is finite.
    pub least: f32,
    /// The largest sample; negative infinity if none is finite.
    pub greatest: f32,
    /// How many samples are NaN or infinite.
    pub not_finite: u64,
}

/// Looks for NaN and infinity in frames in GPU memory, and takes mean and extremes of each plane.
///
/// Integer samples are taken as their codes; a plane of Cb, Cr pairs is refused.
#[derive(Debug)]
pub struct Statistics {
    pool: Pool,
    shelf: Shelf,
}

impl Statistics {
    /// For frames on the pool's device, which lends it memory for partial results.
    ///
    /// # Errors
    /// [`Error::KernelLoad`] if the driver refuses the kernels.
    pub fn new(pool: &Pool) -> Result<Self, Error> {
        pool.device().load(Topic::Reduce)?;
        pool.expect(PARTIALS_BYTES, 1);
        pool.expect(GATHERED_BYTES, 1);
        Ok(Self { pool: pool.clone(), shelf: Shelf::new(pool, GATHERED_BYTES) })
    }

    /// Enqueues the reduction of a frame on `stream` and the way of its result to the host.
    ///
    /// # Errors
    /// [`Error::Frame`] for semi-planar frames; as for [`Pool::take`].
    pub fn start(&self, stream: &Stream, frame: &CudaFrame) -> Result<PendingStatistics, Error> {
        check(frame.layout().format())?;
        let planes = frame.layout().format().plane_count();
        let mut partials = self.pool.take(PARTIALS_BYTES)?;
        let mut gathered = self.pool.take(GATHERED_BYTES)?;
        let source = frame.buffer().read(stream)?;
        let (partials, gathered) = (partials.write(stream)?, gathered.write(stream)?);
        let addresses = [source.address(), partials.address(), gathered.address()];
        each_launch(addresses, frame.layout(), |launch| {
            // SAFETY: `Frame::new` has found the layout in the buffer, partial results have the sizes above; the accesses
            // live until after the copy is enqueued.
            unsafe { self.pool.device().launch(stream, launch) }
        })?;
        let partials = self.shelf.fetch(stream, &gathered, planes * GATHERED as usize * PARTIAL_BYTES)?;
        Ok(PendingStatistics { partials, layout: *frame.layout() })
    }
}

/// Statistics that are on their way.
#[derive(Debug)]
pub struct PendingStatistics {
    partials: Pending,
    layout: Layout,
}

impl PendingStatistics {
    /// Waits for them: one for each plane.
    ///
    /// # Errors
    /// [`Error::Cuda`] if the work failed.
    pub fn wait(self) -> Result<Vec<PlaneStatistics>, Error> {
        self.partials.wait(|bytes| of_planes(&self.layout, bytes).collect())
    }

    /// Waits for them, and says whether every sample is a finite number.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait).
    pub fn wait_for_finite(self) -> Result<bool, Error> {
        self.partials.wait(|bytes| of_planes(&self.layout, bytes).all(|plane| plane.not_finite == 0))
    }
}

fn of_planes(layout: &Layout, bytes: &[u8]) -> impl Iterator<Item = PlaneStatistics> {
    let per_plane = bytes.chunks(GATHERED as usize * PARTIAL_BYTES);
    layout.planes().iter().zip(per_plane).map(|(plane, bytes)| add_up(count(layout, plane), bytes))
}

fn count(layout: &Layout, plane: &rave_core::Plane) -> u64 {
    (plane.row_bytes / layout.format().sample().bytes()) as u64 * plane.rows as u64
}

fn add_up(samples: u64, bytes: &[u8]) -> PlaneStatistics {
    let (words, _) = bytes.as_chunks::<PARTIAL_BYTES>();
    let partials = words.iter().map(|word| {
        let [sum, extremes, not_finite] = [0, 8, 16].map(|at| &word[at..at + 8]);
        let eight = |bytes: &[u8]| <[u8; 8]>::try_from(bytes).unwrap_or_default();
        let extremes = u64::from_ne_bytes(eight(extremes)).to_le_bytes();
        let four = |bytes: &[u8]| f32::from_le_bytes(<[u8; 4]>::try_from(bytes).unwrap_or_default());
        Partial {
            sum: f64::from_ne_bytes(eight(sum)),
            least: four(&extremes[..4]),
            greatest: four(&extremes[4..]),
            not_finite: u64::from_ne_bytes(eight(not_finite)),
        }
    });
    let none = Partial { sum: 0.0, least: f32::INFINITY, greatest: f32::NEG_INFINITY, not_finite: 0 };
    let all = partials.fold(none, |all, part| Partial {
        sum: all.sum + part.sum,
        least: all.least.min(part.least),
        greatest: all.greatest.max(part.greatest),
        not_finite: all.not_finite + part.not_finite,
    });
    let finite = samples - all.not_finite;
    PlaneStatistics {
        mean: all.sum / finite as f64,
        least: all.least,
        greatest: all.greatest,
        not_finite: all.not_finite,
    }
}

fn check(format: PixelFormat) -> Result<(), FrameError> {
    match format {
        PixelFormat::Yuv { packing: Packing::SemiPlanar, .. } => {
            Err(FrameError::Format { format: format.to_string(), action: "measured" })
        }
        _ => Ok(()),
    }
}

/// Calls `enqueue` with each launch. `addresses` are those of the frame, the partial results and the gathered ones. Planes of one size that follow each other
/// are launched together.
fn each_launch<E>(
    [source, partials, gathered]: [u64; 3],
    layout: &Layout,
    mut enqueue: impl FnMut(&Launch) -> Result<(), E>,
) -> Result<(), E> {
    let format = layout.format();
    let reduce = Entry::find_for(Topic::Reduce, "reduce_", kind(format));
    let gather = Entry::find(Topic::Reduce, "reduce_gather");
    let all = param_planes(layout);
    let mut first = 0;
    for planes in layout.planes().chunk_by(|a, b| (a.row_bytes, a.rows) == (b.row_bytes, b.rows)) {
        let mut from = [Plane::default(); 3];
        from[..planes.len()].copy_from_slice(&all[first..first + planes.len()]);
        let part = |count: u32| (first * count as usize * PARTIAL_BYTES) as u64;
        let is_aligned =
            |plane: &Plane| (source + plane.offset).is_multiple_of(16) && plane.stride.is_multiple_of(16);
        let params = Reduce {
            source,
            partials: partials + part(THREADS),
            gathered: gathered + part(GATHERED),
            from,
            count: (planes[0].row_bytes / format.sample().bytes()) as i32,
            rows: planes[0].rows as i32,
            shift: format.sample_shift(),
            is_aligned: u32::from(from[..planes.len()].iter().all(is_aligned)),
            threads: THREADS,
            gathered_count: GATHERED,
        };
        let launch = |entry, threads| Launch {
            entry,
            geometry: Geometry::covering((threads, 1), planes.len() as u32, BLOCK),
            params: Params::Reduce(params),
        };
        enqueue(&launch(reduce, THREADS))?;
        enqueue(&launch(gather, GATHERED))?;
        first += planes.len();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::emulator::Emulator;

    /// What the kernels find in planes of 67 x 31.
    fn measure(values: &[f32]) -> Option<Vec<PlaneStatistics>> {
        measure_in(Layout::packed(PixelFormat::RGB_F32, 67, 31).unwrap(), values)
    }

    fn measure_in(layout: Layout, values: &[f32]) -> Option<Vec<PlaneStatistics>> {
        let emulator = Emulator::get()?;
        let mut partials = vec![0_u64; 3 * THREADS as usize * 3];
        let mut gathered = vec![0_u8; 3 * GATHERED as usize * PARTIAL_BYTES];
        let addresses = [values.as_ptr() as u64, partials.as_mut_ptr() as u64, gathered.as_mut_ptr() as u64];
        let run = |launch: &Launch| {
            // SAFETY: the memory is as large as the layout and the numbers of threads say.
            unsafe { emulator.run(launch) };
            Ok::<_, Infallible>(())
        };
        each_launch(addresses, &layout, run).unwrap();
        Some(of_planes(&layout, &gathered).collect())
    }

    #[test]
    fn mean_and_extremes_are_those_of_each_plane() {
        let values: Vec<f32> = (0..3 * 67 * 31).map(|index| (index % 101) as f32 / 100.0 - 0.2).collect();
        let Some(found) = measure(&values) else { return };
        for (found, plane) in found.iter().zip(values.chunks(67 * 31)) {
            let mean = plane.iter().map(|&value| f64::from(value)).sum::<f64>() / plane.len() as f64;
            // Sums of eight are rounded to single precision.
            assert!((found.mean - mean).abs() < 1e-6, "{} {mean}", found.mean);
            assert_eq!((found.least, found.greatest), (-0.2, 0.8));
            assert_eq!(found.not_finite, 0);
        }
    }

    #[test]
    fn values_that_are_not_finite_are_counted_and_left_out() {
        let mut values = vec![0.5_f32; 3 * 67 * 31];
        values[0] = f32::NAN;
        values[66] = f32::INFINITY;
        values[67 * 31 - 1] = f32::NEG_INFINITY;
        values[2 * 67 * 31..].fill(f32::NAN);
        let Some(found) = measure(&values) else { return };
        let expected = PlaneStatistics { mean: 0.5, least: 0.5, greatest: 0.5, not_finite: 3 };
        assert_eq!(found[0], expected);
        assert_eq!(found[1], PlaneStatistics { not_finite: 0, ..expected });
        assert_eq!((found[2].not_finite, found[2].least), (67 * 31, f32::INFINITY));
        assert!(found[2].mean.is_nan());
    }

    #[test]
    fn planes_of_different_size_are_told_apart() {
        let sample = rave_core::Sample::F32;
        let format = PixelFormat::Yuv { chroma: rave_core::Chroma::C420, sample, packing: Packing::Planar };
        let mut values = vec![0.25_f32; 67 * 31 + 2 * 34 * 16];
        values[67 * 31 - 1] = f32::NAN;
        values[67 * 31 + 34 * 16..].fill(0.75);
        let Some(found) = measure_in(Layout::packed(format, 67, 31).unwrap(), &values) else { return };
        let means: Vec<_> = found.iter().map(|plane| (plane.mean, plane.not_finite)).collect();
        assert_eq!(means, [(0.25, 1), (0.25, 0), (0.75, 0)]);
    }

    #[test]
    fn values_whose_sum_overflows_are_finite() {
        let Some(found) = measure(&vec![f32::MAX; 3 * 67 * 31]) else { return };
        assert_eq!((found[0].not_finite, found[0].greatest), (0, f32::MAX));
        assert_eq!(found[0].mean, f64::from(f32::MAX));
    }
}
