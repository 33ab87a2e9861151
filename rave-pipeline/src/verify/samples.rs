/// What a pixel format's samples can hold, by FFmpeg's name of it or by RAVE's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SampleKind {
    bits: u8,
    /// Binary logarithms of the chroma's reduction; `None` for grey.
    chroma: Option<(u8, u8)>,
    has_alpha: bool,
}

impl SampleKind {
    /// `None` for a format that is not among the usual ones.
    pub(super) fn of(name: &str) -> Option<Self> {
        let (stem, bits) = split_depth(name);
        let chroma = match stem {
            "gray" | "ya" | "y" | "monob" | "monow" => None,
            "yuv420p" | "yuvj420p" | "yuva420p" | "nv12" | "nv21" | "p0" => Some((1, 1)),
            "yuv422p" | "yuvj422p" | "yuva422p" | "nv16" | "p2" | "yuyv422" | "uyvy422" | "y2" => {
                Some((1, 0))
            }
            "yuv440p" | "yuvj440p" => Some((0, 1)),
            "yuv411p" | "yuvj411p" | "uyyvyy411" => Some((2, 0)),
            "yuv410p" => Some((2, 2)),
            "yuv444p" | "yuvj444p" | "yuva444p" | "nv24" | "p4" | "gbrp" | "gbrap" | "rgbp" | "rgb"
            | "bgr" | "rgba" | "bgra" | "argb" | "abgr" | "pal" => Some((0, 0)),
            _ => return None,
        };
        let has_alpha = ["yuva", "gbra", "rgba", "bgra", "argb", "abgr", "ya"]
            .iter()
            .any(|start| stem.starts_with(start))
            || stem == "pal";
        Some(Self { bits, chroma, has_alpha })
    }

    pub(super) fn with_alpha(self) -> Self {
        Self { has_alpha: true, ..self }
    }

    /// What `other` cannot hold of this, in words.
    pub(super) fn loss(&self, other: &Self) -> Option<String> {
        let mut losses = Vec::new();
        if other.bits < self.bits {
            losses.push(format!("{} bits become {}", self.bits, other.bits));
        }
        let is_coarser = match (self.chroma, other.chroma) {
            (Some(_), None) => true,
            (Some(mine), Some(theirs)) => theirs.0 > mine.0 || theirs.1 > mine.1,
            (None, _) => false,
        };
        if is_coarser {
            losses.push("chroma is coarser".to_owned());
        }
        if self.has_alpha && !other.has_alpha {
            losses.push("alpha is left out".to_owned());
        }
        (!losses.is_empty()).then(|| losses.join(", "))
    }
}

/// `yuv420p10le` is `yuv420p` with 10 bits, `rgb48be` is `rgb` with 16, `gray12le` is `gray` with 12.
fn split_depth(name: &str) -> (&str, u8) {
    let name = name.strip_suffix("le").or_else(|| name.strip_suffix("be")).unwrap_or(name);
    let digits = name.len() - name.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
    let (stem, number) = name.split_at(name.len() - digits);
    match (stem, number.parse::<u8>()) {
        (_, Err(_)) => (name, 8),
        ("rgb" | "bgr", Ok(bits)) => (stem, bits / 3),
        ("rgba" | "bgra" | "argb" | "abgr", Ok(bits)) => (stem, bits / 4),
        ("p", Ok(bits)) if number.len() == 3 => (&name[..2], bits % 100),
        ("yuv420p" | "yuv422p" | "yuv444p" | "yuv440p" | "yuva420p" | "yuva422p" | "yuva444p", Ok(bits)) => {
            (stem, bits)
        }
        ("gray" | "gbrp" | "gbrap" | "rgbp" | "ya" | "pal", Ok(bits)) => (stem, bits),
        _ => (name, 8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_subsampling_and_alpha_are_read_from_the_name() {
        for (name, bits, chroma, has_alpha) in [
            ("yuv420p", 8, Some((1, 1)), false),
            ("yuv422p10le", 10, Some((1, 0)), false),
            ("p010le", 10, Some((1, 1)), false),
            ("p016le", 16, Some((1, 1)), false),
            ("nv12", 8, Some((1, 1)), false),
            ("gray12le", 12, None, false),
            ("rgb24", 8, Some((0, 0)), false),
            ("rgb48be", 16, Some((0, 0)), false),
            ("rgba64le", 16, Some((0, 0)), true),
            ("bgra", 8, Some((0, 0)), true),
            ("gbrp10le", 10, Some((0, 0)), false),
            ("rgbp", 8, Some((0, 0)), false),
            ("yuva444p10le", 10, Some((0, 0)), true),
            ("pal8", 8, Some((0, 0)), true),
            ("yuvj422p", 8, Some((1, 0)), false),
            ("yuv411p", 8, Some((2, 0)), false),
        ] {
            assert_eq!(SampleKind::of(name), Some(SampleKind { bits, chroma, has_alpha }), "{name}");
        }
        assert_eq!(SampleKind::of("vaapi"), None);
    }

    #[test]
    fn what_is_lost_is_named() {
        let loss = |from: &str, to: &str| SampleKind::of(from).unwrap().loss(&SampleKind::of(to).unwrap());
        assert_eq!(loss("yuv420p", "yuv444p10le"), None);
        assert_eq!(loss("yuv420p10le", "nv12").unwrap(), "10 bits become 8");
        assert_eq!(loss("rgba", "yuv420p").unwrap(), "chroma is coarser, alpha is left out");
        let plain = SampleKind::of("yuv420p").unwrap();
        assert_eq!(plain.with_alpha().loss(&plain).unwrap(), "alpha is left out");
        assert_eq!(loss("gray", "yuv420p"), None);
        assert_eq!(loss("yuv420p", "gray").unwrap(), "chroma is coarser");
    }
}
