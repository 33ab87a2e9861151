use rave_core::{
    Chroma, ColorSpec, Frame, FrameInfo, HostBuffer, HostFrame, Kernel, Layout, PixelFormat, Rational,
    ResampleAxis, Resampler, Sample, Siting, TimeBase, Timestamp, VideoInfo,
};

use super::*;
use crate::emulator::Emulator;

fn video(format: PixelFormat, (width, height): (u32, u32), siting: Siting) -> VideoInfo {
    VideoInfo {
        format,
        width,
        height,
        color: ColorSpec { siting, ..ColorSpec::BT709 },
        sample_aspect_ratio: None,
        frame_rate: None,
        time_base: TimeBase::new(1, 25).unwrap(),
        display_matrix: None,
        mastering_display: None,
        content_light: None,
    }
}

fn frame(format: PixelFormat, (width, height): (u32, u32)) -> HostFrame {
    let layout = Layout::aligned(format, width, height, 64).unwrap();
    let pts = Timestamp::new(0, TimeBase::new(1, 25).unwrap());
    let info = FrameInfo::new(pts);
    Frame::new(HostBuffer::zeroed(layout.size_bytes()), layout, ColorSpec::BT709, info).unwrap()
}

/// Runs the plan's launches on the host.
fn resize(plan: &Plan, source: &HostFrame, target: &mut HostFrame) -> bool {
    let Some(emulator) = Emulator::get() else { return false };
    let mut middle = vec![0_f32; plan.middle_bytes / 4];
    let tables: Vec<_> = plan.filters.iter().map(Filter::to_bytes).collect();
    let starts: Vec<Vec<u32>> = tables
        .iter()
        .map(|(bytes, _)| bytes.as_chunks::<4>().0.iter().map(|word| u32::from_ne_bytes(*word)).collect())
        .collect();
    let addresses = Addresses {
        source: source.buffer().as_bytes().as_ptr() as u64,
        middle: middle.as_mut_ptr() as u64,
        target: target.buffer_mut().as_bytes_mut().as_mut_ptr() as u64,
        starts: std::array::from_fn(|index| starts.get(index).map_or(0, |table| table.as_ptr() as u64)),
        weights: std::array::from_fn(|index| match (starts.get(index), tables.get(index)) {
            (Some(table), Some((_, offset))) => table.as_ptr() as u64 + offset,
            _ => 0,
        }),
    };
    let run = |launch: &Launch| {
        // SAFETY: frames, tables and the memory between the passes have the plan's sizes and no other user.
        unsafe { emulator.run(launch) };
        Ok::<_, std::convert::Infallible>(())
    };
    plan.each_launch(&addresses, source.layout(), target.layout(), run).unwrap();
    true
}

#[test]
fn planes_are_resampled_bit_for_bit_as_on_the_host() {
    for kernel in [Kernel::Triangle, Kernel::CatmullRom, Kernel::Lanczos3] {
        for (from, to) in
            [((33, 17), (66, 34)), ((64, 48), (21, 31)), ((5, 3), (5, 3)), ((1, 1), (4, 3)), ((7, 9), (1, 1))]
        {
            let input = video(PixelFormat::RGB_F32, from, Siting::Left);
            let (mut source, mut target) = (frame(input.format, from), frame(input.format, to));
            for plane in 0..3 {
                let values = source.rows_mut::<f32>(plane).flatten().enumerate();
                values.for_each(|(index, value)| *value = ((index * 7 + plane) % 23) as f32 / 22.0);
            }
            let plan = Plan::new(&input, to, kernel).unwrap();
            if !resize(&plan, &source, &mut target) {
                return;
            }
            let axes = [ResampleAxis::fit(from.0, to.0).unwrap(), ResampleAxis::fit(from.1, to.1).unwrap()];
            let mut resampler = Resampler::new(kernel, axes[0], axes[1]).unwrap();
            for plane in 0..3 {
                let mut expected = vec![0.0; (to.0 * to.1) as usize];
                let (samples, stride) = source.plane::<f32>(plane);
                resampler.resample(samples, stride, &mut expected, to.0 as usize);
                let found: Vec<f32> = target.rows::<f32>(plane).flatten().copied().collect();
                assert_eq!(found, expected, "{kernel:?} {from:?} to {to:?}");
            }
        }
    }
}

#[test]
fn chroma_moves_as_the_host_moves_it() {
    for siting in [Siting::Left, Siting::Center, Siting::TopLeft] {
        for (chroma, size) in [(Chroma::C420, (33, 17)), (Chroma::C422, (16, 9))] {
            let input = video(PixelFormat::yuv_planar(chroma, 8), size, siting);
            let out = (size.0 * 2, size.1 * 2);
            let luma = [ResampleAxis::fit(size.0, out.0).unwrap(), ResampleAxis::fit(size.1, out.1).unwrap()];
            let found = chroma_axes(chroma, &input, out, luma);
            assert_eq!(found, ResampleAxis::for_chroma(chroma, siting, size, 2).unwrap());
        }
    }
}

#[test]
fn a_flat_picture_stays_flat_in_every_format() {
    let gray = PixelFormat::Gray { sample: Sample::Uint { bits: 12 } };
    for format in [PixelFormat::NV12, PixelFormat::P010, PixelFormat::YUV422P, PixelFormat::RGB_F16, gray] {
        let (from, to) = ((30, 18), (41, 7));
        let (mut source, mut target) = (frame(format, from), frame(format, to));
        for plane in 0..format.plane_count() {
            match format.sample().bytes() {
                1 => source.rows_mut::<u8>(plane).for_each(|row| row.fill(100)),
                _ if format == PixelFormat::RGB_F16 => {
                    source.rows_mut::<half::f16>(plane).for_each(|row| row.fill(half::f16::from_f32(0.5)));
                }
                _ => source.rows_mut::<u16>(plane).for_each(|row| row.fill(100 << format.sample_shift())),
            }
        }
        let plan = Plan::new(&video(format, from, Siting::Left), to, Kernel::Lanczos3).unwrap();
        if !resize(&plan, &source, &mut target) {
            return;
        }
        for plane in 0..format.plane_count() {
            match format.sample().bytes() {
                1 => assert!(target.rows::<u8>(plane).flatten().all(|&code| code == 100), "{format}"),
                _ if format == PixelFormat::RGB_F16 => {
                    assert!(target.rows::<half::f16>(plane).flatten().all(|value| value.to_f32() == 0.5));
                }
                _ => {
                    let code = 100 << format.sample_shift();
                    assert!(target.rows::<u16>(plane).flatten().all(|&found| found == code), "{format}");
                }
            }
        }
    }
}

#[test]
fn the_displayed_shape_stays() {
    let input = video(PixelFormat::NV12, (720, 576), Siting::Left);
    let output = resized(&input, (1440, 576)).unwrap();
    assert_eq!(output.sample_aspect_ratio, Some(Rational::new(1, 2).unwrap()));
}
