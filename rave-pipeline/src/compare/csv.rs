use std::fmt::Write;

use super::Comparison;

impl Comparison {
    /// One line a pair of frames, with a heading: `frame,reference_time,distorted_time,psnr_y,..`. Times are in seconds;
    /// what is not known is empty, the PSNR of equal planes is `inf`.
    pub fn to_csv(&self) -> String {
        let planes = &["y", "cb", "cr"][..self.totals.psnr.len()];
        let mut text = String::from("frame,reference_time,distorted_time");
        for plane in planes {
            let _ = write!(text, ",psnr_{plane}");
        }
        text.push_str(",psnr_all,ssim,vmaf\n");
        for (index, frame) in self.frames.iter().enumerate() {
            let (first, second) = (frame.reference_time.seconds(), frame.distorted_time.seconds());
            let _ = write!(text, "{index},{first:.6},{second:.6}");
            for value in frame.psnr.iter().chain([&frame.psnr_all]) {
                let _ = write!(text, ",{value:.6}");
            }
            for value in [frame.ssim, frame.vmaf] {
                let _ = write!(text, ",{}", value.map_or_else(String::new, |value| format!("{value:.6}")));
            }
            text.push('\n');
        }
        text
    }
}
