//! How near one video is to another.

mod bands;
mod common;
mod csv;
mod frames;
mod html;
mod pairing;
mod pictures;
mod plot;
mod psnr;
mod resize;
mod scores;
mod ssim;
mod vmaf;

pub use html::ReportText;
pub use pictures::{PictureChoice, PicturePair};
pub use scores::{FrameScore, Pooled, Totals};
pub use vmaf::VmafChoice;

use std::num::NonZeroUsize;

use rave_core::{HostFrame, Kernel, Timestamp, VideoInfo};
use rave_ffmpeg::Input;

use crate::Error;
use bands::Bands;
use common::Common;
use frames::Frames;
use pairing::{FramePair, Pairing};
use pictures::Album;
use psnr::{PlaneError, decibels, plane_errors};
use vmaf::Vmaf;

/// What to do about videos of two sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherSize {
    /// Resample the first one to the second one's size.
    Resample(Kernel),
    /// Refuse to compare them.
    Refuse,
}

/// How two videos are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareOptions {
    /// Index of the video stream in the first file; the best one if `None`.
    pub reference_stream: Option<usize>,
    /// Index of the video stream in the second file; the best one if `None`.
    pub distorted_stream: Option<usize>,
    /// What to do about other sizes.
    pub other_size: OtherSize,
    /// Whether VMAF is computed.
    pub vmaf: VmafChoice,
    /// One of the models that are built into libvmaf.
    pub vmaf_model: String,
    /// The frames to keep for a report.
    pub pictures: PictureChoice,
    /// Threads for PSNR and SSIM; as many as there are cores if `None`. libvmaf has one.
    pub threads: Option<NonZeroUsize>,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self {
            reference_stream: None,
            distorted_stream: None,
            other_size: OtherSize::Resample(Kernel::CatmullRom),
            vmaf: VmafChoice::Auto,
            vmaf_model: "vmaf_v0.6.1".to_owned(),
            pictures: PictureChoice::None,
            threads: None,
        }
    }
}

/// The metrics of two videos.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The first video, its colour as assumed where it does not say.
    pub reference: VideoInfo,
    /// The second one.
    pub distorted: VideoInfo,
    /// What the metrics were computed on.
    pub compared: VideoInfo,
    /// What had to be converted or assumed, a sentence each.
    pub notices: Vec<String>,
    /// By how much the second video is later, in nanoseconds.
    pub shift_nanoseconds: i64,
    /// Frames of the first video that have no partner.
    pub only_in_reference: u64,
    /// Frames of the second video that have no partner.
    pub only_in_distorted: u64,
    /// The metrics of each pair of frames.
    pub frames: Vec<FrameScore>,
    /// The metrics over all of them.
    pub totals: Totals,
    /// Which library computed VMAF, and with which model; or why there is none.
    pub vmaf: Result<String, String>,
    /// The frames that were kept.
    pub pictures: Vec<PicturePair>,
}

/// How far a comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompareProgress {
    /// Pairs that are done.
    pub frames: u64,
    /// Frames of the first video, as its header says.
    pub total: Option<u64>,
}

/// Compares two videos frame by frame: PSNR of each plane, SSIM of luma, VMAF.
///
/// - **Pairs.** After the constant shift that brings the first frames together, two frames are a pair if they are at most
///   half a frame apart in time. Others are counted and left out.
/// - **Size.** The first video is resampled to the size of the second.
/// - **Colour.** Metrics are computed on Y'CbCr in the greater of the two depths; where matrix, siting or subsampling
///   differ, both are converted to 4:4:4 in the first one's matrix and range. Primaries and transfer are not converted.
/// - **PSNR** is `10 log10(peak^2 / mean squared error)` with a peak of `2^bits - 1`; **SSIM** is that of Wang and others,
///   2004, with a Gaussian window of 11x11 (standard deviation 1.5) on luma; **VMAF** is libvmaf's.
///
/// Memory holds two decoders and a pair of frames. `progress` is called after each pair.
///
/// # Errors
/// [`Error::Leaf`] if a file cannot be decoded or its colours cannot be converted; [`Error::NotComparable`] if sizes
/// differ and may not, or no frames belong together; [`Error::Vmaf`] if a library that was asked for cannot be used.
pub fn compare(
    reference: &Input,
    distorted: &Input,
    options: &CompareOptions,
    mut progress: impl FnMut(CompareProgress),
) -> Result<Comparison, Error> {
    if reference == distorted && reference.is_pipe() {
        let reason = format!("both are {reference}, which can be read only once");
        return Err(Error::NotComparable { reason });
    }
    let mut comparing = Comparing::open(reference, distorted, options)?;
    while let Some(pair) = comparing.pairing.next_pair().map_err(Error::Leaf)? {
        comparing.add(pair)?;
        progress(CompareProgress { frames: comparing.frames.len() as u64, total: comparing.total });
    }
    comparing.finish(options)
}

struct Comparing {
    videos: (VideoInfo, VideoInfo),
    common: Common,
    pairing: Pairing<Frames, Frames>,
    total: Option<u64>,
    bands: Bands,
    vmaf: Result<Vmaf, String>,
    album: Option<Album>,
    frames: Vec<FrameScore>,
    errors: Vec<PlaneError>,
}

impl Comparing {
    fn open(reference: &Input, distorted: &Input, options: &CompareOptions) -> Result<Self, Error> {
        let first = Frames::open(reference, options.reference_stream).map_err(Error::Leaf)?;
        let second = Frames::open(distorted, options.distorted_stream).map_err(Error::Leaf)?;
        let videos = (first.info(), second.info());
        let kernel = check_size(&videos.0, &videos.1, options.other_size)?;
        let mut common = Common::new(videos.0, videos.1, kernel).map_err(Error::Leaf)?;
        common.notices.extend(alpha_notice(first.has_alpha(), second.has_alpha()).map(str::to_owned));
        let bands = Bands::new(options.threads);
        let vmaf = Vmaf::open(&options.vmaf, &options.vmaf_model, &common.info)?;
        let total = first.estimated_frames();
        let album = Album::new(&options.pictures, &common.info, total).map_err(Error::Leaf)?;
        let pairing = Pairing::new(first, second, frame_nanoseconds(&videos.0, &videos.1));
        Ok(Self {
            videos,
            common,
            pairing,
            total,
            bands,
            vmaf,
            album,
            frames: Vec::new(),
            errors: Vec::new(),
        })
    }

    fn add(&mut self, pair: FramePair) -> Result<(), Error> {
        let times = (pair.reference.info().pts, pair.distorted.info().pts);
        let reference = self.common.reference.apply(pair.reference).map_err(Error::Leaf)?;
        let distorted = self.common.distorted.apply(pair.distorted).map_err(Error::Leaf)?;
        let score = self.score(&reference, &distorted, times);
        if let Ok(vmaf) = &mut self.vmaf {
            vmaf.add(&reference, &distorted)?;
        }
        if let Some(album) = &mut self.album {
            let (index, luma) = (self.frames.len() as u64, score.psnr[0]);
            album.add(index, reference, distorted, luma).map_err(Error::Leaf)?;
        }
        self.frames.push(score);
        Ok(())
    }

    fn score(
        &mut self,
        reference: &HostFrame,
        distorted: &HostFrame,
        (reference_time, distorted_time): (Timestamp, Timestamp),
    ) -> FrameScore {
        let errors = plane_errors(reference, distorted, self.bands);
        self.errors.resize(errors.len(), PlaneError::default());
        for (total, &error) in self.errors.iter_mut().zip(&errors) {
            *total = total.plus(error);
        }
        let bits = self.bits();
        FrameScore {
            reference_time,
            distorted_time,
            psnr: errors.iter().map(|error| decibels(error.mean(), bits)).collect(),
            psnr_all: decibels(sum(&errors).mean(), bits),
            ssim: ssim::ssim(reference, distorted, self.bands),
            vmaf: None,
        }
    }

    fn bits(&self) -> u8 {
        self.common.info.format.bits().unwrap_or(16)
    }

    fn finish(mut self, options: &CompareOptions) -> Result<Comparison, Error> {
        if self.frames.is_empty() {
            let reason = "they have no frame in common".to_owned();
            return Err(Error::NotComparable { reason });
        }
        let bits = self.bits();
        let vmaf = match self.vmaf {
            Ok(vmaf) => {
                let library = format!("libvmaf {}, model {}", vmaf.version(), options.vmaf_model);
                for (frame, score) in self.frames.iter_mut().zip(vmaf.finish()?) {
                    frame.vmaf = Some(score);
                }
                Ok(library)
            }
            Err(reason) => Err(reason),
        };
        let totals = totals(&self.frames, &self.errors, bits);
        let missing = self.album.as_ref().map(Album::missing).unwrap_or_default();
        self.common.notices.extend(not_there(&missing, self.frames.len()));
        let pictures = self.album.map_or_else(|| Ok(Vec::new()), Album::finish).map_err(Error::Leaf)?;
        Ok(Comparison {
            reference: self.videos.0,
            distorted: self.videos.1,
            compared: self.common.info,
            notices: self.common.notices,
            shift_nanoseconds: self.pairing.shift_nanoseconds(),
            only_in_reference: self.pairing.only_in_reference,
            only_in_distorted: self.pairing.only_in_distorted,
            frames: self.frames,
            totals,
            vmaf,
            pictures,
        })
    }
}

/// What is said of channels that metrics leave out.
const fn alpha_notice(first: bool, second: bool) -> Option<&'static str> {
    match (first, second) {
        (true, true) => Some("both videos have alpha, which is not compared"),
        (true, false) => Some("only the first video has alpha, which is not compared"),
        (false, true) => Some("only the second video has alpha, which is not compared"),
        (false, false) => None,
    }
}

/// What is said of pairs that a report was to show.
fn not_there(missing: &[u64], pairs: usize) -> Option<String> {
    let numbers: Vec<String> = missing.iter().map(u64::to_string).collect();
    let numbers = (!numbers.is_empty()).then(|| numbers.join(", "))?;
    Some(format!("the report does not show {numbers}: there are {pairs} pairs of frames, counted from 0"))
}

fn check_size(first: &VideoInfo, second: &VideoInfo, other_size: OtherSize) -> Result<Kernel, Error> {
    match other_size {
        OtherSize::Resample(kernel) => Ok(kernel),
        OtherSize::Refuse if (first.width, first.height) == (second.width, second.height) => {
            Ok(Kernel::CatmullRom)
        }
        OtherSize::Refuse => {
            let size = |info: &VideoInfo| format!("{}x{}", info.width, info.height);
            Err(Error::NotComparable { reason: format!("they are {} and {}", size(first), size(second)) })
        }
    }
}

/// The shorter of the two mean frame distances; 25 frames a second where nothing is known.
fn frame_nanoseconds(first: &VideoInfo, second: &VideoInfo) -> i64 {
    const DEFAULT_RATE: f64 = 25.0;
    let rates = [first.frame_rate, second.frame_rate].into_iter().flatten().map(|rate| rate.to_f64());
    let rate = rates.fold(0.0, f64::max);
    (1e9 / if rate > 0.0 { rate } else { DEFAULT_RATE }) as i64
}

fn sum(errors: &[PlaneError]) -> PlaneError {
    errors.iter().fold(PlaneError::default(), |sum, &error| sum.plus(error))
}

fn totals(frames: &[FrameScore], errors: &[PlaneError], bits: u8) -> Totals {
    // What libvmaf gives equal pictures.
    let ceiling = 6.0 * f64::from(bits) + 12.0;
    let psnr = |value: &dyn Fn(&FrameScore) -> f64| {
        Pooled::of(frames.iter().map(value), ceiling).expect("there is a pair of frames")
    };
    Totals {
        psnr: (0..errors.len()).map(|plane| psnr(&|frame| frame.psnr[plane])).collect(),
        psnr_all: psnr(&|frame| frame.psnr_all),
        psnr_of_mean: errors.iter().map(|error| decibels(error.mean(), bits)).collect(),
        psnr_all_of_mean: decibels(sum(errors).mean(), bits),
        ssim: Pooled::of(frames.iter().filter_map(|frame| frame.ssim), f64::INFINITY),
        vmaf: Pooled::of(frames.iter().filter_map(|frame| frame.vmaf), f64::INFINITY),
    }
}
