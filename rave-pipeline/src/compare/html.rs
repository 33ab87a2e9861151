//! The report: one file that needs nothing else.

use std::fmt::Write;

use rave_core::VideoInfo;

use super::plot::Series;
use super::{Comparison, PicturePair};
use crate::Verification;

const TEMPLATE: &str = include_str!("report.html");

/// What a report says besides the metrics.
#[derive(Clone, Copy, Debug)]
pub struct ReportText<'a> {
    /// Name of the first file.
    pub reference: &'a str,
    /// Name of the second file.
    pub distorted: &'a str,
    /// The comparison of the two files' streams, where there is one.
    pub verification: Option<&'a Verification>,
}

impl Comparison {
    /// A page with the pooled metrics, a slider between the kept frames of both videos, each metric over time, and the
    /// table of streams. It refers to nothing outside itself and works from a file.
    pub fn to_html(&self, text: &ReportText<'_>) -> String {
        let series = self.series();
        let parts = [
            ("TITLE", escape(&format!("{} and {}", text.reference, text.distorted))),
            ("REFERENCE", escape(text.reference)),
            ("DISTORTED", escape(text.distorted)),
            ("REFERENCE_VIDEO", escape(&video(&self.reference))),
            ("DISTORTED_VIDEO", escape(&video(&self.distorted))),
            ("CARDS", cards(&series)),
            ("NOTES", list(&self.remarks())),
            ("SLIDER", slider(&self.pictures)),
            ("PLOTS", series.iter().map(|series| plot(series, self)).collect()),
            ("STREAMS", text.verification.map_or_else(String::new, streams)),
            ("DATA", data(&series)),
        ];
        let mut page = String::with_capacity(TEMPLATE.len() + 1024);
        let mut rest = TEMPLATE;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").unwrap_or((after, ""));
            page.push_str(before);
            page.extend(parts.iter().filter(|(part, _)| *part == name).map(|(_, text)| text.as_str()));
            rest = after;
        }
        page + rest
    }

    fn series(&self) -> Vec<Series> {
        let (frames, totals) = (&self.frames, &self.totals);
        let psnr = |plane: usize| totals.psnr.get(plane).copied();
        let plane = |plane: usize| move |frame: &super::FrameScore| frame.psnr.get(plane).copied();
        let series = [
            Series::of(("psnr_y", "PSNR, luma", " dB", 2), frames, psnr(0), plane(0)),
            Series::of(("psnr_cb", "PSNR, Cb", " dB", 2), frames, psnr(1), plane(1)),
            Series::of(("psnr_cr", "PSNR, Cr", " dB", 2), frames, psnr(2), plane(2)),
            Series::of(("ssim", "SSIM, luma", "", 4), frames, totals.ssim, |frame| frame.ssim),
            Series::of(("vmaf", "VMAF", "", 2), frames, totals.vmaf, |frame| frame.vmaf),
        ];
        series.into_iter().flatten().collect()
    }

    /// What a reader has to know to read the figures.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = vec![format!(
            "{} pairs of frames, compared as {} of {}x{}",
            self.frames.len(),
            self.compared.format,
            self.compared.width,
            self.compared.height
        )];
        let counts = [(self.only_in_reference, "first"), (self.only_in_distorted, "second")];
        for (count, which) in counts.into_iter().filter(|(count, _)| *count > 0) {
            remarks.push(format!("{count} frames of the {which} video have no partner and are left out"));
        }
        if self.shift_nanoseconds != 0 {
            remarks.push(format!("the second video is {:+.6} s later", self.shift_nanoseconds as f64 / 1e9));
        }
        remarks.push(match &self.vmaf {
            Ok(library) => format!("VMAF by {library}"),
            Err(reason) => format!("no VMAF: {reason}"),
        });
        remarks.extend(self.notices.iter().cloned());
        remarks
    }
}

fn video(info: &VideoInfo) -> String {
    let rate = info.frame_rate.map_or_else(String::new, |rate| format!(", {:.3} fps", rate.to_f64()));
    let color = info.color;
    format!(
        "{}x{} {}{rate}, {}/{}/{}/{}",
        info.width, info.height, info.format, color.matrix, color.primaries, color.transfer, color.range
    )
}

fn cards(series: &[Series]) -> String {
    let mut text = String::new();
    for Series { title, unit, decimals, pooled, .. } in series {
        let _ = writeln!(
            text,
            "<div class=\"card\"><h3>{title}</h3><p class=\"figure\">{mean:.decimals$}<small>{unit}</small></p>\
             <p>min {min:.decimals$} (pair {index}), harmonic mean {harmonic:.decimals$}</p></div>",
            mean = pooled.mean,
            min = pooled.min,
            index = pooled.min_index,
            harmonic = pooled.harmonic_mean
        );
    }
    text
}

fn list(items: &[String]) -> String {
    items.iter().map(|item| format!("<li>{}</li>\n", escape(item))).collect()
}

fn slider(pictures: &[PicturePair]) -> String {
    if pictures.is_empty() {
        return "<p>No frames were kept for this report.</p>".to_owned();
    }
    let mut text = String::from("<div class=\"tabs\" role=\"tablist\">");
    for (tab, pair) in pictures.iter().enumerate() {
        let seconds = pair.time.seconds();
        let selected = tab == 0;
        let _ = write!(
            text,
            "<button role=\"tab\" aria-selected=\"{selected}\" data-tab=\"{tab}\">pair {} at {seconds:.3} s</button>",
            pair.index
        );
    }
    text.push_str("</div>\n");
    for (tab, pair) in pictures.iter().enumerate() {
        let hidden = if tab == 0 { "" } else { " hidden" };
        let (reference, distorted) = (base64(&pair.reference_png), base64(&pair.distorted_png));
        let _ = writeln!(
            text,
            "<figure class=\"pair\" data-tab=\"{tab}\"{hidden}>\
             <img alt=\"first video, pair {index}\" src=\"data:image/png;base64,{reference}\">\
             <img class=\"over\" alt=\"second video, pair {index}\" src=\"data:image/png;base64,{distorted}\">\
             <span class=\"tag first\">first</span><span class=\"tag second\">second</span><span class=\"bar\"></span></figure>",
            index = pair.index
        );
    }
    text + "<input id=\"slider\" type=\"range\" min=\"0\" max=\"100\" value=\"50\" step=\"0.1\" \
            aria-label=\"How much of the first video is shown, in percent\">"
}

fn plot(series: &Series, comparison: &Comparison) -> String {
    format!(
        "<section class=\"plot\"><h3>{}<output data-metric=\"{}\"></output></h3>{}</section>\n",
        series.title,
        series.key,
        series.to_svg(&comparison.frames)
    )
}

fn streams(verification: &Verification) -> String {
    let mut text = String::from(
        "<h2>Streams</h2><div class=\"scroll\"><table><thead><tr><th>what<th>first<th>second<th>verdict<th>note</tr></thead><tbody>\n",
    );
    for finding in &verification.findings {
        let cells =
            [finding.what(), finding.source.clone(), finding.output.clone()].map(|cell| escape(&cell));
        let (verdict, note) = (finding.verdict, escape(finding.note.as_deref().unwrap_or_default()));
        let _ = writeln!(
            text,
            "<tr class=\"{verdict}\"><th>{}<td>{}<td>{}<td class=\"verdict\">{verdict}<td>{note}</tr>",
            cells[0], cells[1], cells[2]
        );
    }
    text + "</tbody></table></div>"
}

/// For the page's script: for each metric the points that are drawn.
fn data(series: &[Series]) -> String {
    let mut text = String::from("{");
    for (index, series) in series.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let points: Vec<String> = series
            .points()
            .iter()
            .map(|(frame, value)| format!("[{frame},{value:.decimals$}]", decimals = series.decimals))
            .collect();
        let last = series.values.len().max(2) - 1;
        let _ = write!(
            text,
            "{comma}\"{}\":{{\"last\":{last},\"unit\":\"{}\",\"points\":[{}]}}",
            series.key,
            series.unit,
            points.join(",")
        );
    }
    text + "}"
}

/// Text as HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// RFC 4648, clause 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let is_padding = digit > chunk.len();
            let sextet = (bits >> (18 - 6 * digit) & 63) as usize;
            text.push(if is_padding { '=' } else { char::from(ALPHABET[sextet]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn names_cannot_break_out_of_the_page() {
        assert_eq!(escape("<script>\"a\" & 'b'"), "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;");
    }

    #[test]
    fn the_template_refers_to_nothing_outside() {
        for word in ["http:", "https:", "//cdn", "@import", "url("] {
            assert!(!TEMPLATE.contains(word), "{word}");
        }
    }
}
