use clap::Args;
use rave_core::{ColorSpec, Dither, Rational, Timestamp};
use rave_ffmpeg::{Cropping, TimeRange};
use rave_pipeline::{Deinterlacing, Orientation, OutputSize, PictureOptions};

/// What is done to pictures besides enlarging them, and to which.
#[derive(Debug, Args)]
pub struct PictureArgs {
    /// Width of the output; with --height the exact size, alone the height follows
    #[arg(long, value_name = "PIXELS", value_parser = parse_side, conflicts_with_all = ["scale", "fit"], help_heading = "Picture")]
    pub width: Option<u32>,
    /// Height of the output; alone the width follows
    #[arg(long, value_name = "PIXELS", value_parser = parse_side, conflicts_with_all = ["scale", "fit"], help_heading = "Picture")]
    pub height: Option<u32>,
    /// The largest output that fits into this size
    #[arg(long, value_name = "WxH", value_parser = parse_fit, conflicts_with = "scale", help_heading = "Picture")]
    pub fit: Option<(u32, u32)>,
    /// Make pictures of interlaced frames: auto (where they say so and are combed), off, or bwdif (always)
    #[arg(long, value_name = "HOW", default_value = "auto", value_parser = parse_deinterlacing, help_heading = "Picture")]
    pub deinterlace: Deinterlacing,
    /// Turn the pictures upright instead of handing their rotation on
    #[arg(long, help_heading = "Picture")]
    pub autorotate: bool,
    /// Keep what the container wants left out at the sides of the pictures
    #[arg(long, help_heading = "Picture")]
    pub no_crop: bool,
    /// Constant frame rate of the output, such as 30 or 30000/1001 [default: every frame at its own time]
    #[arg(long, value_name = "R", value_parser = parse_fps, help_heading = "Picture")]
    pub fps: Option<Rational>,
    /// What the source's colours are, against its tags: 601, 709, 2020, pq, hlg, pc, tv, matrix=..., siting=...
    #[arg(long, value_name = "COLOR", help_heading = "Picture")]
    pub color_in: Option<ColorSpec>,
    /// Matrix, range and siting of the output [default: the source's]
    #[arg(long, value_name = "COLOR", help_heading = "Picture")]
    pub color_out: Option<ColorSpec>,
    /// Dither the output's samples instead of rounding them
    #[arg(long, help_heading = "Picture")]
    pub dither: bool,
    /// Begin here: seconds, minutes:seconds or hours:minutes:seconds (also -ss)
    #[arg(long, value_name = "TIME", value_parser = rave_ffmpeg::parse_time, help_heading = "Range")]
    pub start: Option<Timestamp>,
    /// Length of the part (also -t)
    #[arg(long, value_name = "TIME", value_parser = rave_ffmpeg::parse_time, conflicts_with = "to", help_heading = "Range")]
    pub duration: Option<Timestamp>,
    /// End before this time (also -to)
    #[arg(long, value_name = "TIME", value_parser = rave_ffmpeg::parse_time, help_heading = "Range")]
    pub to: Option<Timestamp>,
}

impl PictureArgs {
    pub fn options(&self) -> PictureOptions {
        PictureOptions {
            color_in: self.color_in.unwrap_or_default(),
            color_out: self.color_out.unwrap_or_default(),
            deinterlacing: self.deinterlace,
            orientation: if self.autorotate { Orientation::Upright } else { Orientation::Tagged },
            frame_rate: self.fps,
            size: self.size(),
            dither: if self.dither { Dither::Ordered } else { Dither::None },
        }
    }

    fn size(&self) -> OutputSize {
        match (self.fit, self.width, self.height) {
            (Some((width, height)), ..) => OutputSize::Within(width, height),
            (_, Some(width), Some(height)) => OutputSize::Exact(width, height),
            (_, Some(width), None) => OutputSize::Width(width),
            (_, None, Some(height)) => OutputSize::Height(height),
            (None, None, None) => OutputSize::Model,
        }
    }

    pub fn cropping(&self) -> Cropping {
        if self.no_crop { Cropping::Ignored } else { Cropping::Applied }
    }

    pub fn range(&self) -> TimeRange {
        let end = self.duration.map(|length| match self.start {
            Some(start) => length.plus_ticks(start.rescale(length.time_base()).ticks()),
            None => length,
        });
        TimeRange { start: self.start, end: end.or(self.to) }
    }
}

pub fn parse_scale(text: &str) -> Result<Rational, String> {
    rational(text)
        .filter(|factor| (0.1..=16.0).contains(&factor.to_f64()))
        .ok_or_else(|| "expected a factor from 0.1 to 16, such as 3, 1.5 or 4/3".into())
}

fn parse_deinterlacing(text: &str) -> Result<Deinterlacing, String> {
    match text {
        "auto" => Ok(Deinterlacing::Auto),
        "off" => Ok(Deinterlacing::Off),
        "bwdif" => Ok(Deinterlacing::Bwdif),
        _ => Err("expected auto, off or bwdif".into()),
    }
}

fn parse_fps(text: &str) -> Result<Rational, String> {
    rational(text)
        .filter(|rate| (0.01..=1000.0).contains(&rate.to_f64()))
        .ok_or_else(|| "expected a rate from 0.01 to 1000, such as 25 or 30000/1001".into())
}

/// A whole number, a decimal one, or a fraction.
fn rational(text: &str) -> Option<Rational> {
    if let Some((numerator, denominator)) = text.split_once('/') {
        return Rational::new(numerator.parse().ok()?, denominator.parse().ok()?).ok();
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let denominator = 10_i64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits = format!("{whole}{fraction}");
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Rational::new(digits.parse().ok()?, denominator).ok())?
}

fn parse_side(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(side @ 1..=65536) => Ok(side),
        _ => Err("expected a number of pixels from 1 to 65536".into()),
    }
}

fn parse_fit(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once(['x', 'X']).ok_or("expected a size such as 1920x1080")?;
    Ok((parse_side(sides.0)?, parse_side(sides.1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_and_rates_are_exact() {
        for (text, numerator, denominator) in
            [("2", 2, 1), ("1.5", 3, 2), ("4/3", 4, 3), ("30000/1001", 30000, 1001), ("23.976", 2997, 125)]
        {
            assert_eq!(rational(text), Rational::new(numerator, denominator).ok(), "{text}");
        }
        for text in ["", ".", "-1", "1e3", "1/0", "a", "1.2.3", "2/", "0"] {
            assert_eq!(rational(text), None, "{text}");
        }
        assert!(parse_scale("17").is_err() && parse_fps("2000").is_err());
    }

    #[test]
    fn sizes_are_two_numbers() {
        assert_eq!(parse_fit("1920x1080"), Ok((1920, 1080)));
        for text in ["1920", "0x5", "1920x", "ax5", "1x2x3"] {
            assert!(parse_fit(text).is_err(), "{text}");
        }
    }
}
