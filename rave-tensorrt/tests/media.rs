//! Published models. Reads the folder named by `RAVE_MEDIA`.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use std::env;
use std::path::PathBuf;

use rave_core::{HostFrame, PixelFormat, Sample};
use rave_tensorrt::{ModelColor, ModelInfo, TensorAxes, Tile};
use support::{assert_repeated, fill_with, frame, load_file, rows, run, upscaler, video};

fn weights() -> Option<PathBuf> {
    let folder = env::var_os("RAVE_MEDIA");
    if folder.is_none() {
        println!("skipped: RAVE_MEDIA is not set");
    }
    folder.map(|folder| PathBuf::from(folder).join("weights"))
}

/// Soft shapes within 0..1, as a picture has.
fn picture(plane: usize, x: usize, y: usize) -> f32 {
    let (x, y) = (x as f32, y as f32);
    0.5 + 0.3 * (x / 20.0).sin() * (y / 15.0).cos() + 0.02 * plane as f32
}

fn picture_frame(sample: Sample, width: u32, height: u32) -> HostFrame {
    let mut frame = frame(PixelFormat::Rgb { sample }, width, height, 1);
    (0..3).for_each(|plane| fill_with(&mut frame, plane, picture));
    frame
}

#[test]
fn published_models_load_and_upscale() {
    let Some(folder) = weights() else { return };
    for (name, sample, scale) in [
        ("realesr-animevideov3-x2", Sample::F32, 2),
        ("realesr-animevideov3-x2-fp16", Sample::F16, 2),
        ("realesr-animevideov3-x4-fp16", Sample::F16, 4),
        ("2x_AnimeJaNai_HD_V3_Compact", Sample::F16, 2),
        ("2x_AnimeJaNai_HD_V3_SuperUltraCompact", Sample::F16, 2),
        ("resize2x_rgb", Sample::F32, 2),
    ] {
        let model = load_file(&folder.join(format!("{name}.onnx"))).unwrap();
        let expected = ModelInfo {
            name: name.to_owned(),
            sample,
            color: ModelColor::Rgb,
            axes: TensorAxes::Nchw,
            size: None,
            multiple: 1,
            scale,
            // Its batch is fixed to one picture.
            takes_batches: name != "resize2x_rgb",
            unshuffle: 1,
            inner_bytes_per_pixel: model.info().inner_bytes_per_pixel,
        };
        assert_eq!(model.info(), &expected);
        let input = picture_frame(sample, 97, 83);
        let mut upscaler = upscaler(model, &video(input.layout().format(), 97, 83), Tile::Auto);
        let output = run(&mut upscaler, input).unwrap();
        let psnr = psnr_of_means(&output, scale as usize);
        println!("{name}: block means against the input: {psnr:.1} dB");
        // The Real-ESRGAN networks reach 34.6 dB here: they change contrast.
        assert!(psnr > 33.0, "{name}: {psnr}");
    }
}

/// How near the means of `scale` x `scale` blocks are to the input's pixels.
fn psnr_of_means(output: &HostFrame, scale: usize) -> f64 {
    let mut squares = Vec::new();
    for plane in 0..3 {
        let rows = rows(output, plane);
        for (y, block_rows) in rows.chunks(scale).enumerate() {
            for x in 0..block_rows[0].len() / scale {
                let block = block_rows.iter().flat_map(|row| &row[x * scale..(x + 1) * scale]);
                let mean = block.sum::<f32>() / (scale * scale) as f32;
                squares.push(f64::from(mean - picture(plane, x, y)).powi(2));
            }
        }
    }
    -10.0 * (squares.iter().sum::<f64>() / squares.len() as f64).log10()
}

#[test]
fn the_published_resize_repeats_pixels() {
    let Some(folder) = weights() else { return };
    let model = load_file(&folder.join("resize2x_rgb.onnx")).unwrap();
    let format = PixelFormat::RGB_F32;
    let mut upscaler = upscaler(model, &video(format, 40, 36), Tile::Auto);
    let output = run(&mut upscaler, frame(format, 40, 36, 1)).unwrap();
    assert_repeated(&output, 3, 2, "resize2x_rgb");
}
