use super::*;
use crate::emulator::Emulator;

/// The pixel of a plane of `width` x `height` that a reflected position means, by walking there.
fn walk(position: i64, length: i64) -> i64 {
    let (mut at, mut step) = (0, if position < 0 { -1 } else { 1 });
    for _ in 0..position.abs() {
        if length > 1 && !(0..length).contains(&(at + step)) {
            step = -step;
        }
        at += if length > 1 { step } else { 0 };
    }
    at
}

fn plane_value(channel: i64, x: i64, y: i64) -> f32 {
    (channel * 10_000 + y * 100 + x) as f32
}

#[test]
fn windows_are_reflected_at_all_edges() {
    let Some(emulator) = Emulator::get() else { return };
    for (width, height) in [(1_i64, 1_i64), (5, 3), (40, 7)] {
        for axes in [TensorAxes::Nchw, TensorAxes::Nhwc] {
            let layout = Layout::packed(PixelFormat::RGB_F32, width as u32, height as u32).unwrap();
            let value =
                |index: i64| plane_value(index / (width * height), index % width, index / width % height);
            let frame: Vec<f32> = (0..3 * width * height).map(value).collect();
            let shape = TensorShape { channels: 3, width: 61, height: 9, sample: Sample::F32, axes };
            let mut tensor = vec![0_f32; shape.size_bytes() / 4];
            let at = (-7_i64, -4_i64);
            let addresses = (frame.as_ptr() as u64, tensor.as_mut_ptr() as u64);
            let window = Window { x: 0, y: 0, width: shape.width, height: shape.height };
            let launch = launch("gather_", addresses, &layout, &shape, window, at, Feather::default());
            // SAFETY: frame and tensor are as large as their layouts.
            unsafe { emulator.run(&launch) };
            let (channel_stride, row_stride, column_stride) = shape.strides();
            for channel in 0..3 {
                for row in 0..9 {
                    for column in 0..61 {
                        let index = channel * channel_stride + row * row_stride + column * column_stride;
                        let (x, y) = (walk(at.0 + column as i64, width), walk(at.1 + row as i64, height));
                        let expected = plane_value(channel as i64, x, y);
                        assert_eq!(
                            tensor[index as usize], expected,
                            "{width}x{height} {axes:?} {column} {row}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_kept_of_a_tile_lands_in_the_frame_and_nothing_else() {
    let Some(emulator) = Emulator::get() else { return };
    let layout = Layout::packed(PixelFormat::Gray { sample: Sample::F32 }, 10, 6).unwrap();
    let mut frame = vec![-1_f32; 60];
    let shape = TensorShape { channels: 1, width: 8, height: 5, sample: Sample::F32, axes: TensorAxes::Nchw };
    let tensor: Vec<f32> = (0..40).map(|index| index as f32).collect();
    let keep = Window { x: 2, y: 1, width: 5, height: 4 };
    let addresses = (frame.as_mut_ptr() as u64, tensor.as_ptr() as u64);
    let launch = launch("scatter_", addresses, &layout, &shape, keep, (7, 4), Feather::default());
    // SAFETY: frame and tensor are as large as their layouts.
    unsafe { emulator.run(&launch) };
    for (index, &found) in frame.iter().enumerate() {
        let (x, y) = (index % 10, index / 10);
        let expected = if x >= 7 && y >= 4 { ((y - 4 + 1) * 8 + (x - 7 + 2)) as f32 } else { -1.0 };
        assert_eq!(found, expected, "{x} {y}");
    }
}

#[test]
fn feathered_windows_that_overlap_add_to_what_they_are_cut_from() {
    let Some(emulator) = Emulator::get() else { return };
    let layout = Layout::packed(PixelFormat::Gray { sample: Sample::F32 }, 20, 20).unwrap();
    let mut frame = vec![0_f32; 400];
    let shape =
        TensorShape { channels: 1, width: 12, height: 12, sample: Sample::F32, axes: TensorAxes::Nchw };
    let keep = Window { x: 0, y: 0, width: 12, height: 12 };
    for (x, y) in [(0, 0), (8, 0), (0, 8), (8, 8)] {
        let value = |index: i64| ((y + index / 12) * 20 + x + index % 12) as f32;
        let tensor: Vec<f32> = (0..144).map(value).collect();
        let fade = |is_inner: bool| if is_inner { 4 } else { 0 };
        let feather =
            Feather { left: fade(x > 0), right: fade(x == 0), top: fade(y > 0), bottom: fade(y == 0) };
        let addresses = (frame.as_mut_ptr() as u64, tensor.as_ptr() as u64);
        let launch = launch("feather_", addresses, &layout, &shape, keep, (x, y), feather);
        // SAFETY: frame and tensor are as large as their layouts.
        unsafe { emulator.run(&launch) };
    }
    // Weights are multiples of 1/64: the sums are exact but for the last bit of values up to 400.
    for (index, &found) in frame.iter().enumerate() {
        assert!((found - index as f32).abs() < 1e-4, "{index} {found}");
    }
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let layout = Layout::packed(PixelFormat::RGB_F16, 64, 64).unwrap();
    let shape = TensorShape { channels: 3, width: 8, height: 8, sample: Sample::F16, axes: TensorAxes::Nchw };
    assert!(check(&layout, &shape, 384, 0).is_ok());
    assert!(check(&layout, &shape, 384, 2).is_err(), "beyond the end");
    assert!(check(&layout, &shape, 386, 1).is_err(), "not aligned");
    assert!(check(&layout, &TensorShape { sample: Sample::F32, ..shape }, 768, 0).is_err());
    assert!(check(&layout, &TensorShape { channels: 4, ..shape }, 768, 0).is_err());
    assert!(check_keep(&shape, Window { x: 1, y: 0, width: 8, height: 8 }).is_err());
}
