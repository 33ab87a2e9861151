use half::f16;
use rave_core::{
    BoxError, Chroma, ColorSpec, HostFrame, HostPool, Matrix, PixelFormat, Range, Sample, Siting, Stage,
    VideoInfo,
};
use rave_cuda::{CudaFrame, DigestTaker, Download, Pool, Statistics, Upload};

use super::{Check, Checked, Not, Run, ensure, needed};
use crate::upscale::convert::{Conversions, CudaConversions, Wanted};
use crate::upscale::synthetic::Synthetic;

/// Odd, so that no row ends with a whole access.
const SIZE: (u32, u32) = (333, 187);

/// The kernels against the conversions on the host.
pub(super) fn check<F: FnMut(&Check)>(gpu: &Result<Pool, String>, run: &mut Run<F>) {
    for format in formats() {
        for rgb in [PixelFormat::RGB_F16, PixelFormat::RGB_F32] {
            run.check(format!("kernel: {format} to {rgb} and back"), || {
                let pool = needed(gpu)?;
                let mut farthest = Distance::default();
                for color in colors() {
                    farthest = farthest.max(there_and_back(pool, format, rgb, color)?);
                }
                Ok(format!("at most {farthest} from the host's"))
            });
        }
    }
    run.check("kernel: repacking of every format", || repacked(needed(gpu)?));
    run.check("kernel: digest", || digest(needed(gpu)?));
    run.check("kernel: values that are not finite", || not_finite(needed(gpu)?));
}

fn formats() -> Vec<PixelFormat> {
    let planar = |chroma, bits| PixelFormat::yuv_planar(chroma, bits);
    vec![
        PixelFormat::NV12,
        PixelFormat::P010,
        PixelFormat::P016,
        planar(Chroma::C420, 8),
        planar(Chroma::C420, 10),
        planar(Chroma::C422, 8),
        planar(Chroma::C422, 12),
        planar(Chroma::C444, 8),
        planar(Chroma::C444, 16),
        PixelFormat::Gray { sample: Sample::U8 },
    ]
}

fn colors() -> [ColorSpec; 3] {
    let hd = ColorSpec { siting: Siting::Left, range: Range::Limited, ..ColorSpec::BT709 };
    [
        hd,
        ColorSpec { matrix: Matrix::Smpte170m, siting: Siting::Center, range: Range::Full, ..hd },
        ColorSpec { matrix: Matrix::Bt2020Ncl, siting: Siting::TopLeft, ..hd },
    ]
}

/// How far samples are apart: integers in codes, floating point as values.
#[derive(Clone, Copy, Debug, Default)]
struct Distance {
    codes: f64,
    values: f64,
}

impl Distance {
    fn max(self, other: Self) -> Self {
        Self { codes: self.codes.max(other.codes), values: self.values.max(other.values) }
    }
}

impl std::fmt::Display for Distance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} codes and {:.6}", self.codes, self.values)
    }
}

/// One code value; what half precision can differ by after one more rounding.
const LIMIT: Distance = Distance { codes: 1.0, values: 1e-3 };

fn there_and_back(
    pool: &Pool,
    format: PixelFormat,
    rgb: PixelFormat,
    color: ColorSpec,
) -> Result<Distance, Not> {
    let pictures = Synthetic::new(format, SIZE)?;
    let info = VideoInfo { color, ..*pictures.info() };
    let frame = pictures.frame(&HostPool::new(), 0);
    let (there, converted, info) = both(pool, &info, frame, Wanted::rounded(rgb, color))?;
    let (back, _, _) = both(pool, &info, converted, Wanted::rounded(format, color))?;
    let distance = there.max(back);
    ensure(
        distance.codes <= LIMIT.codes && distance.values <= LIMIT.values,
        format!("{distance} from the host's, with {color:?}"),
    )?;
    Ok(distance)
}

/// Planar to itself, and what NVDEC gives to planar and back: nothing may change.
fn repacked(pool: &Pool) -> Checked {
    let semi_planar = [
        (PixelFormat::NV12, PixelFormat::YUV420P),
        (PixelFormat::P010, PixelFormat::YUV420P10),
        (PixelFormat::P016, PixelFormat::yuv_planar(Chroma::C420, 16)),
    ];
    let to_themselves = formats().into_iter().map(|format| (format, format));
    let pairs: Vec<_> = to_themselves.chain(semi_planar).chain(semi_planar.map(|(a, b)| (b, a))).collect();
    for &(from, to) in &pairs {
        let pictures = Synthetic::new(from, SIZE)?;
        let frame = pictures.frame(&HostPool::new(), 1);
        let wanted = Wanted::rounded(to, pictures.info().color);
        let (distance, ..) = both(pool, pictures.info(), frame, wanted)?;
        ensure(distance.codes == 0.0, format!("{from} to {to} is {distance} from the host's"))?;
    }
    Ok(format!("{} ways, nothing changes", pairs.len()))
}

/// Converts on host and GPU: how far they are apart, what the host gives, and what that is.
fn both(
    pool: &Pool,
    info: &VideoInfo,
    frame: HostFrame,
    wanted: Wanted,
) -> Result<(Distance, HostFrame, VideoInfo), Not> {
    let Some(mut on_gpu) = CudaConversions::new(pool, info, wanted)? else {
        return Err(Not::Passed(format!("there is no kernel for {} to {}", info.format, wanted.format)));
    };
    let mut on_host = Conversions::new(info, wanted)?;
    let uploaded = Upload::new(pool, info)?.upload(&frame)?;
    let converted = one(|emit| on_gpu.process(uploaded, emit))?;
    let from_gpu = download(pool, on_gpu.output_info(), converted)?;
    let from_host = on_host.convert(frame)?;
    Ok((distance(&from_gpu, &from_host), from_host, *on_host.output_info()))
}

/// The frame that a stage gives for one.
fn one<T>(work: impl FnOnce(&mut dyn FnMut(T)) -> Result<(), BoxError>) -> Result<T, Not> {
    let mut result = None;
    work(&mut |item| result = Some(item))?;
    result.ok_or_else(|| Not::Passed("a stage gave nothing".into()))
}

fn download(pool: &Pool, info: &VideoInfo, frame: CudaFrame) -> Result<HostFrame, Not> {
    let mut download = Download::new(pool, info)?;
    one(|emit| {
        download.process(frame, &mut *emit)?;
        download.finish(emit)
    })
}

fn distance(a: &HostFrame, b: &HostFrame) -> Distance {
    let (format, shift) = (a.layout().format(), a.layout().format().sample_shift());
    let mut farthest = Distance::default();
    for plane in 0..format.plane_count() {
        let distance = match format.sample() {
            Sample::U8 => {
                Distance { codes: apart(a.rows::<u8>(plane), b.rows(plane), |v| (*v).into()), values: 0.0 }
            }
            Sample::Uint { .. } => {
                let code = |value: &u16| f64::from(*value >> shift);
                Distance { codes: apart(a.rows(plane), b.rows(plane), code), values: 0.0 }
            }
            Sample::F16 => {
                Distance { codes: 0.0, values: apart(a.rows(plane), b.rows(plane), |v: &f16| v.to_f64()) }
            }
            Sample::F32 => {
                Distance { codes: 0.0, values: apart(a.rows(plane), b.rows(plane), |v: &f32| (*v).into()) }
            }
        };
        farthest = farthest.max(distance);
    }
    farthest
}

fn apart<'a, T: 'a>(
    a: impl Iterator<Item = &'a [T]>,
    b: impl Iterator<Item = &'a [T]>,
    value: impl Fn(&T) -> f64,
) -> f64 {
    let pairs = a.zip(b).flat_map(|(a, b)| a.iter().zip(b));
    pairs.map(|(a, b)| (value(a) - value(b)).abs()).fold(0.0, f64::max)
}

fn digest(pool: &Pool) -> Checked {
    let pictures = Synthetic::new(PixelFormat::YUV420P10, SIZE)?;
    let frame = pictures.frame(&HostPool::new(), 3);
    let uploaded = Upload::new(pool, pictures.info())?.upload(&frame)?;
    let (taker, stream) = (DigestTaker::new(pool)?, pool.device().new_stream()?);
    let (on_gpu, on_host) = (taker.start(&stream, &uploaded)?.wait()?, frame.digest());
    ensure(on_gpu == on_host, format!("{on_gpu} on the GPU, {on_host} on the host"))?;
    Ok(format!("{on_host} on both"))
}

fn not_finite(pool: &Pool) -> Checked {
    let pictures = Synthetic::new(PixelFormat::NV12, SIZE)?;
    let wanted = Wanted::rounded(PixelFormat::RGB_F16, pictures.info().color);
    let mut to_rgb = Conversions::new(pictures.info(), wanted)?;
    let mut frame = to_rgb.convert(pictures.frame(&HostPool::new(), 0))?;
    for (plane, value) in [f16::NAN, f16::INFINITY, f16::ONE].into_iter().enumerate() {
        if let Some(sample) = frame.rows_mut::<f16>(plane).nth(100).and_then(|row| row.last_mut()) {
            *sample = value;
        }
    }
    let uploaded = Upload::new(pool, to_rgb.output_info())?.upload(&frame)?;
    let (statistics, stream) = (Statistics::new(pool)?, pool.device().new_stream()?);
    let planes = statistics.start(&stream, &uploaded)?.wait()?;
    let found: Vec<_> = planes.iter().map(|plane| plane.not_finite).collect();
    ensure(found == [1, 1, 0], format!("{found:?} in the planes, there are [1, 1, 0]"))?;
    Ok("all were found".into())
}
