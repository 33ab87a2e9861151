/// The mastering display's colour volume, in the units of SMPTE ST 2086 as coded in HEVC (H.265, D.3.28).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MasteringDisplay {
    /// Chromaticities x, y of red, green and blue, in 0.00002.
    pub primaries: [[u16; 2]; 3],
    /// Chromaticity x, y of white, in 0.00002.
    pub white_point: [u16; 2],
    /// Highest luminance, in 0.0001 cd/m2.
    pub max_luminance: u32,
    /// Lowest luminance, in 0.0001 cd/m2.
    pub min_luminance: u32,
}

/// The content light level, in cd/m2 (CTA-861.3; H.265, D.3.35).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentLight {
    /// MaxCLL: the brightest pixel.
    pub max_content: u16,
    /// MaxFALL: the brightest frame average.
    pub max_frame_average: u16,
}
