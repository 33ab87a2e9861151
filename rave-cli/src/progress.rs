use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rave_pipeline::Progress;

use crate::args::{ProgressMode, ReportingArgs};
use crate::json;

/// Shows progress on standard error, in the form that was asked for.
pub enum Display {
    Bar(ProgressBar),
    Plain { next: Duration },
    Json,
    None,
}

/// Time between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

impl Display {
    pub fn new(reporting: &ReportingArgs) -> Self {
        match reporting.progress {
            _ if reporting.quiet => Self::None,
            ProgressMode::Auto if stderr().is_terminal() => Self::bar(),
            ProgressMode::Auto | ProgressMode::Plain => Self::Plain { next: PLAIN_INTERVAL },
            ProgressMode::Bar => Self::bar(),
            ProgressMode::Json => Self::Json,
            ProgressMode::None => Self::None,
        }
    }

    fn bar() -> Self {
        Self::Bar(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5)))
    }

    pub fn update(&mut self, progress: &Progress) {
        match self {
            Self::Bar(bar) => draw(bar, progress),
            Self::Plain { next } if progress.elapsed >= *next => {
                *next = progress.elapsed + PLAIN_INTERVAL;
                say!("rave: {}", line(progress));
            }
            Self::Json => {
                let _ = writeln!(stderr(), "{}", json::progress(progress));
            }
            Self::Plain { .. } | Self::None => {}
        }
    }

    pub fn end(self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn draw(bar: &ProgressBar, progress: &Progress) {
    let template = match progress.total {
        Some(total) => {
            bar.set_length(total);
            "{bar:30} {percent:>3}% {msg}"
        }
        None => "{spinner} {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(line(progress));
    bar.set_position(progress.frames);
}

/// `120/300 frames, 12.3 fps, 0:15 left, limited by upscale`
fn line(progress: &Progress) -> String {
    let Progress { frames, total, frames_per_second, remaining, bottleneck, .. } = progress;
    let of = total.map(|total| format!("/{total}")).unwrap_or_default();
    let mut text = format!("{frames}{of} frames, {frames_per_second:.1} fps");
    if let Some(remaining) = remaining {
        text += &format!(", {} left", clock(*remaining));
    }
    if let Some(stage) = bottleneck {
        text += &format!(", limited by {stage}");
    }
    text
}

/// `1:02:03`, or `2:03` below an hour.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known() {
        let mut progress = Progress {
            frames: 120,
            total: Some(300),
            elapsed: Duration::from_secs(10),
            frames_per_second: 12.0,
            remaining: Some(Duration::from_secs(15)),
            bottleneck: Some("upscale".into()),
        };
        assert_eq!(line(&progress), "120/300 frames, 12.0 fps, 0:15 left, limited by upscale");
        progress.total = None;
        progress.remaining = None;
        progress.bottleneck = None;
        assert_eq!(line(&progress), "120 frames, 12.0 fps");
    }

    #[test]
    fn clocks_read_as_on_a_player() {
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
        assert_eq!(clock(Duration::from_secs(59)), "0:59");
    }
}
