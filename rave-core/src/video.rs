use crate::{ColorSpec, ContentLight, Error, MasteringDisplay, PixelFormat, Rational, TimeBase, Timestamp};

/// What is true of every frame of a video stream; a stage is built from the one that it will receive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VideoInfo {
    /// Pixel format of the frames.
    pub format: PixelFormat,
    /// Width as displayed (after cropping), in pixels.
    pub width: u32,
    /// Height as displayed (after cropping), in pixels.
    pub height: u32,
    /// Colour description.
    pub color: ColorSpec,
    /// Width over height of one pixel; `None` where the stream does not say.
    pub sample_aspect_ratio: Option<Rational>,
    /// Frames per second where the rate is constant, otherwise the container's average; `None` where unknown.
    pub frame_rate: Option<Rational>,
    /// Time base of the frames' timestamps.
    pub time_base: TimeBase,
    /// The 3x3 display matrix of rotation and flip, in the form of ISO/IEC 14496-12, 8.3.2; `None` for upright.
    pub display_matrix: Option<[i32; 9]>,
    /// HDR10 mastering display metadata.
    pub mastering_display: Option<MasteringDisplay>,
    /// HDR10 content light level.
    pub content_light: Option<ContentLight>,
}

impl VideoInfo {
    /// A video of which no more is known, width and height in pixels. Anything else is said by struct update.
    ///
    /// ```
    /// use rave_core::{ColorSpec, PixelFormat, Rational, TimeBase, VideoInfo};
    ///
    /// let frame_rate = Some(Rational::new(25, 1)?);
    /// let time_base = TimeBase::new(1, 25)?;
    /// let video = VideoInfo::new(PixelFormat::NV12, (1920, 1080), ColorSpec::BT709, time_base);
    /// let video = VideoInfo { frame_rate, ..video };
    /// assert_eq!(video.display_aspect_ratio()?, Rational::new(16, 9)?);
    /// # Ok::<(), rave_core::Error>(())
    /// ```
    pub const fn new(
        format: PixelFormat,
        (width, height): (u32, u32),
        color: ColorSpec,
        time_base: TimeBase,
    ) -> Self {
        Self {
            format,
            width,
            height,
            color,
            sample_aspect_ratio: None,
            frame_rate: None,
            time_base,
            display_matrix: None,
            mastering_display: None,
            content_light: None,
        }
    }

    /// Width over height of the displayed picture, before rotation.
    ///
    /// # Errors
    /// [`Error::Rational`] if the ratio does not fit 32-bit parts.
    pub fn display_aspect_ratio(&self) -> Result<Rational, Error> {
        let sar = self.sample_aspect_ratio.unwrap_or(Rational::ONE);
        Rational::new(
            i64::from(self.width) * i64::from(sar.numerator()),
            i64::from(self.height) * i64::from(sar.denominator()),
        )
    }

    /// The same video at another size, in pixels of such a shape that the displayed one stays. Where that would change the
    /// pixels by less than one part in 10000, they keep their shape.
    ///
    /// # Errors
    /// [`Error::Rational`] if the pixels' aspect ratio does not fit 32-bit parts, or a side is zero.
    pub fn resized(&self, width: u32, height: u32) -> Result<Self, Error> {
        const UNSEEN: f64 = 1e-4;
        let shape = Rational::new(
            i64::from(self.width) * i64::from(height),
            i64::from(self.height) * i64::from(width),
        )?;
        let sample_aspect_ratio = if (shape.to_f64() - 1.0).abs() < UNSEEN {
            self.sample_aspect_ratio
        } else {
            let before = self.sample_aspect_ratio.unwrap_or(Rational::ONE);
            Some(Rational::new(
                i64::from(before.numerator()) * i64::from(shape.numerator()),
                i64::from(before.denominator()) * i64::from(shape.denominator()),
            )?)
        };
        Ok(Self { width, height, sample_aspect_ratio, ..*self })
    }
}

/// Data that belongs to a packet, of a kind that the container layer knows (FFmpeg's `AVPacketSideDataType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketSideData {
    /// The kind's number.
    pub kind: i32,
    /// The bytes.
    pub data: Vec<u8>,
}

/// One coded frame (or, in a raw stream, a piece of one).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// The coded bytes.
    pub data: Vec<u8>,
    /// Presentation time of the frame inside.
    pub pts: Option<Timestamp>,
    /// Decoding time: strictly increasing in a stream, never after `pts`.
    pub dts: Option<Timestamp>,
    /// How long the frame is shown, in ticks of `pts`'s time base.
    pub duration_ticks: Option<i64>,
    /// Whether decoding can start here.
    pub is_key: bool,
    /// Whether the frame is to be decoded but not shown: an edit list trims it.
    pub is_discarded: bool,
    /// Whether the container says that the data is damaged.
    pub is_corrupt: bool,
    /// Further data for the decoder or the muxer.
    pub side_data: Vec<PacketSideData>,
}

/// What a decoder does about damaged packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Corruption {
    /// Conceal and count the damage.
    #[default]
    Conceal,
    /// Stop with an error.
    Strict,
}
