//! The frames that a report shows.

use rave_core::{
    BoxError, ChromaFilter, Convert, CustomError, HostFrame, PixelFormat, Sample, Timestamp, VideoInfo,
};

/// Which pairs of frames a report shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PictureChoice {
    /// None.
    #[default]
    None,
    /// Three that are spread over the video, and the one with the lowest PSNR of luma.
    Automatic,
    /// Those with these numbers, from 0.
    Pairs(Vec<u64>),
}

/// A pair of frames as pictures.
#[derive(Clone, Debug)]
pub struct PicturePair {
    /// Number of the pair, from 0.
    pub index: u64,
    /// Time of the first video's frame.
    pub time: Timestamp,
    /// The first video's frame, at the second one's size, as PNG.
    pub reference_png: Vec<u8>,
    /// The second video's frame, as PNG.
    pub distorted_png: Vec<u8>,
}

/// Keeps the chosen pairs while they go by.
pub(super) struct Album {
    wanted: Vec<u64>,
    keeps_lowest: bool,
    to_rgb: Convert,
    pictures: Vec<PicturePair>,
    lowest: Option<(f64, Snapshot)>,
}

/// A pair that may have to make way for a lower one.
struct Snapshot {
    index: u64,
    reference: HostFrame,
    distorted: HostFrame,
}

const SPREAD: u64 = 3;

impl Album {
    pub(super) fn new(
        choice: &PictureChoice,
        info: &VideoInfo,
        estimated_frames: Option<u64>,
    ) -> Result<Option<Self>, BoxError> {
        let (wanted, keeps_lowest) = match choice {
            PictureChoice::None => return Ok(None),
            PictureChoice::Automatic => (spread(estimated_frames.unwrap_or(1)), true),
            PictureChoice::Pairs(pairs) => (pairs.clone(), false),
        };
        let format = PixelFormat::Rgb { sample: Sample::U8 };
        let to_rgb = Convert::new(info, format, info.color.to_rgb(), ChromaFilter::Bilinear)?;
        Ok(Some(Self { wanted, keeps_lowest, to_rgb, pictures: Vec::new(), lowest: None }))
    }

    /// Takes over a pair whose metrics are known.
    pub(super) fn add(
        &mut self,
        index: u64,
        reference: HostFrame,
        distorted: HostFrame,
        psnr: f64,
    ) -> Result<(), BoxError> {
        let snapshot = Snapshot { index, reference, distorted };
        if self.wanted.contains(&index) {
            return self.develop(&snapshot);
        }
        if self.keeps_lowest && self.lowest.as_ref().is_none_or(|(lowest, _)| psnr < *lowest) {
            self.lowest = Some((psnr, snapshot));
        }
        Ok(())
    }

    fn develop(&mut self, pair: &Snapshot) -> Result<(), BoxError> {
        let mut png = |frame| encode(&self.to_rgb.convert(frame)?);
        let (reference_png, distorted_png) = (png(&pair.reference)?, png(&pair.distorted)?);
        let time = pair.reference.info().pts;
        self.pictures.push(PicturePair { index: pair.index, time, reference_png, distorted_png });
        Ok(())
    }

    /// The numbers that were asked for and did not come.
    pub(super) fn missing(&self) -> Vec<u64> {
        let is_there = |index: &u64| self.pictures.iter().any(|pair| pair.index == *index);
        let asked = if self.keeps_lowest { &[][..] } else { &self.wanted };
        asked.iter().copied().filter(|index| !is_there(index)).collect()
    }

    pub(super) fn finish(mut self) -> Result<Vec<PicturePair>, BoxError> {
        if let Some((_, lowest)) = self.lowest.take() {
            self.develop(&lowest)?;
        }
        self.pictures.sort_by_key(|pair| pair.index);
        Ok(self.pictures)
    }
}

/// The middles of equal parts.
fn spread(frames: u64) -> Vec<u64> {
    let mut spread: Vec<u64> = (0..SPREAD).map(|part| frames * (2 * part + 1) / (2 * SPREAD)).collect();
    spread.dedup();
    spread
}

fn encode(frame: &HostFrame) -> Result<Vec<u8>, BoxError> {
    let (width, height) = (frame.layout().width(), frame.layout().height());
    let mut samples = Vec::with_capacity(3 * width as usize * height as usize);
    let planes = frame.rows::<u8>(0).zip(frame.rows::<u8>(1)).zip(frame.rows::<u8>(2));
    for ((red, green), blue) in planes {
        let pixels = red.iter().zip(green).zip(blue);
        samples.extend(pixels.flat_map(|((&red, &green), &blue)| [red, green, blue]));
    }
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&samples)?;
        writer.finish()
    });
    written.map_err(CustomError::new)?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    #[test]
    fn pictures_are_spread_over_the_video() {
        assert_eq!(super::spread(60), [10, 30, 50]);
        assert_eq!(super::spread(1), [0]);
        assert_eq!(super::spread(0), [0]);
    }
}
