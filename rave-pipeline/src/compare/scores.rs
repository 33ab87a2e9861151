use rave_core::Timestamp;

/// The metrics of one pair of frames.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameScore {
    /// Time of the first video's frame.
    pub reference_time: Timestamp,
    /// Time of the second video's frame.
    pub distorted_time: Timestamp,
    /// PSNR of each plane (Y, Cb, Cr; or luma alone) in decibels; infinite for equal planes.
    pub psnr: Vec<f64>,
    /// PSNR over the samples of all planes together.
    pub psnr_all: f64,
    /// SSIM of luma; `None` for pictures that are smaller than its window.
    pub ssim: Option<f64>,
    /// VMAF, where it was computed.
    pub vmaf: Option<f64>,
}

/// A metric over all pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pooled {
    /// The arithmetic mean.
    pub mean: f64,
    /// The lowest value.
    pub min: f64,
    /// Number of the pair that has it, from 0.
    pub min_index: usize,
    /// The harmonic mean of the values plus one, less one, as libvmaf has it: bad frames count more.
    pub harmonic_mean: f64,
}

impl Pooled {
    /// `None` if there are no values. Values above `ceiling` count as it: one pair of equal frames would make the mean of
    /// decibels infinite.
    pub(super) fn of(values: impl Iterator<Item = f64>, ceiling: f64) -> Option<Self> {
        let values: Vec<f64> = values.map(|value| value.min(ceiling)).collect();
        let (min_index, &min) = values.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1))?;
        let count = values.len() as f64;
        let inverse: f64 = values.iter().map(|value| 1.0 / (value + 1.0)).sum();
        Some(Self {
            mean: values.iter().sum::<f64>() / count,
            min,
            min_index,
            harmonic_mean: count / inverse - 1.0,
        })
    }
}

/// The metrics over all pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Totals {
    /// PSNR of each plane, pooled over frames; equal frames count as 6 dB a bit and 12 more, as in libvmaf.
    pub psnr: Vec<Pooled>,
    /// PSNR of all planes together, pooled over frames.
    pub psnr_all: Pooled,
    /// PSNR of the mean squared error over all frames, of each plane: what ffmpeg's `psnr` calls y, u and v.
    pub psnr_of_mean: Vec<f64>,
    /// The same over all planes: what ffmpeg calls average.
    pub psnr_all_of_mean: f64,
    /// SSIM of luma.
    pub ssim: Option<Pooled>,
    /// VMAF.
    pub vmaf: Option<Pooled>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_is_that_of_libvmaf() {
        let pooled = Pooled::of([100.0, 50.0, 80.0].into_iter(), f64::INFINITY).unwrap();
        assert!((pooled.mean - 76.666_666).abs() < 1e-5);
        assert_eq!((pooled.min, pooled.min_index), (50.0, 1));
        let expected = 3.0 / (1.0 / 101.0 + 1.0 / 51.0 + 1.0 / 81.0) - 1.0;
        assert!((pooled.harmonic_mean - expected).abs() < 1e-9);
        assert_eq!(Pooled::of(std::iter::empty(), 60.0), None);
    }

    #[test]
    fn equal_frames_count_as_the_ceiling() {
        let pooled = Pooled::of([f64::INFINITY, 40.0].into_iter(), 60.0).unwrap();
        assert_eq!((pooled.mean, pooled.min), (50.0, 40.0));
    }
}
