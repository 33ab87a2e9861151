//! `rave compare` gives the figures that ffmpeg and libvmaf give, and a report that a browser shows.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::schema::matches_schema;
use crate::support::{Answer, Folder, rave};

fn compare(first: &Path, second: &Path, further: &[&str]) -> Answer {
    let arguments =
        [Path::new("compare").as_os_str(), "--json".as_ref(), first.as_os_str(), second.as_os_str()];
    rave(arguments.into_iter().chain(further.iter().map(AsRef::as_ref)))
}

/// A lossless clip and a coded one.
fn clips(folder: &Folder, format: &str) -> (PathBuf, PathBuf) {
    let first = folder.clip(
        "first.mkv",
        &format!("-f lavfi -i testsrc2=s=196x150:r=25:d=1,noise=alls=8:allf=t -pix_fmt {format} -c:v ffv1"),
    );
    let source = first.display();
    let second = folder
        .clip("second.mkv", &format!("-i {source} -c:v libx264 -preset ultrafast -crf 28 -pix_fmt {format}"));
    (first, second)
}

/// The figures on the last line of one of ffmpeg's filters: `y:36.22 u:35.09 average:35.8`.
fn by_ffmpeg(filter: &str, first: &Path, second: &Path, wanted: &str) -> Option<f64> {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-i"]).arg(second).arg("-i").arg(first);
    let output = command.args(["-lavfi", filter, "-f", "null", "-"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().rfind(|line| line.contains(&filter.to_uppercase()))?;
    let words = line.split_whitespace().find_map(|word| word.strip_prefix(wanted)?.strip_prefix(':'));
    words.and_then(|figure| figure.parse().ok())
}

#[test]
fn psnr_is_that_of_ffmpeg() {
    let folder = Folder::new();
    for format in ["yuv420p", "yuv422p10le", "yuv444p"] {
        let (first, second) = clips(&folder, format);
        let value = compare(&first, &second, &["--vmaf", "off"]).succeeded().json();
        for (ours, theirs) in [
            (&value["psnr_of_mean_error"]["y"], "y"),
            (&value["psnr_of_mean_error"]["cb"], "u"),
            (&value["psnr_of_mean_error"]["cr"], "v"),
            (&value["psnr_all_of_mean_error"], "average"),
        ] {
            let expected = by_ffmpeg("psnr", &first, &second, theirs).unwrap();
            // ffmpeg prints six digits.
            assert!(
                (ours.as_f64().unwrap() - expected).abs() < 1e-5,
                "{format} {theirs}: {ours}, {expected}"
            );
        }
        assert_eq!(value["pairs"], 25);
        matches_schema(&value, "comparison");
    }
}

#[test]
fn ssim_is_near_that_of_ffmpeg() {
    let folder = Folder::new();
    let (first, second) = clips(&folder, "yuv420p");
    let value = compare(&first, &second, &["--vmaf", "off"]).succeeded().json();
    let ours = value["ssim"]["mean"].as_f64().unwrap();
    let expected = by_ffmpeg("ssim", &first, &second, "Y").unwrap();
    // ffmpeg's window is a block of 8x8 in place of a Gaussian of 11x11: the same quantity, averaged otherwise.
    assert!((ours - expected).abs() < 0.02, "{ours}, {expected}");
    assert!(ours < 0.999, "{ours}");
}

#[test]
fn equal_videos_are_equal_in_every_metric() {
    let folder = Folder::new();
    let (first, _) = clips(&folder, "yuv420p");
    let value = compare(&first, &first, &["--vmaf", "off"]).succeeded().json();
    assert_eq!(value["psnr"]["y"]["mean"], 60.0, "6 dB a bit and 12 more");
    assert_eq!(value["frames"][0]["psnr"]["y"], Value::Null);
    assert!((value["ssim"]["mean"].as_f64().unwrap() - 1.0).abs() < 1e-6);
    assert_eq!(value["vmaf_absent"], "not asked for");
}

#[test]
fn vmaf_is_computed_where_the_library_is_and_its_absence_is_said() {
    let folder = Folder::new();
    let (first, second) = clips(&folder, "yuv420p");
    let library = std::env::var("RAVE_LIBVMAF").unwrap_or_else(|_| "auto".to_owned());
    let value = compare(&first, &second, &["--vmaf", &library]).succeeded().json();
    let Some(score) = value["vmaf"]["mean"].as_f64() else {
        let reason = value["vmaf_absent"].as_str().unwrap();
        assert!(reason.contains("libvmaf"), "{reason}");
        println!("skipped: {reason}; RAVE_LIBVMAF names a library to test");
        return;
    };
    let same = compare(&first, &first, &["--vmaf", &library]).succeeded().json();
    let best = same["vmaf"]["mean"].as_f64().unwrap();
    assert!(best > 95.0 && score < best && score > 20.0, "{score} and {best}");
    assert_eq!(
        value["frames"].as_array().unwrap().iter().filter(|frame| frame["vmaf"].is_number()).count(),
        25
    );
}

#[test]
fn a_library_that_was_asked_for_must_work() {
    let folder = Folder::new();
    let (first, second) = clips(&folder, "yuv420p");
    let answer = compare(&first, &second, &["--vmaf", "/no/such/libvmaf.so"]);
    assert_eq!((answer.status, answer.error_name()), (5, "vmaf-missing"), "{}", answer.stderr);
}

#[test]
fn another_size_is_resampled_or_refused() {
    let folder = Folder::new();
    let small =
        folder.clip("small.mkv", "-f lavfi -i smptebars=s=160x90:r=25:d=0.4 -c:v ffv1 -pix_fmt yuv420p");
    let source = small.display();
    let large = folder.clip("large.mkv", &format!("-i {source} -vf scale=320x180:flags=bicubic -c:v ffv1"));
    let value = compare(&small, &large, &["--vmaf", "off"]).succeeded().json();
    assert_eq!((&value["width"], &value["height"]), (&Value::from(320), &Value::from(180)));
    let psnr = value["psnr"]["y"]["mean"].as_f64().unwrap();
    assert!(psnr > 35.0, "{psnr}: both are bicubic, but for the cubic's parameter");
    assert!(
        value["notices"].to_string().contains("resampled from 160x90 to 320x180"),
        "{}",
        value["notices"]
    );
    let refused = compare(&small, &large, &["--size", "refuse"]);
    assert_eq!((refused.status, refused.error_name()), (3, "not-comparable"));
}

#[test]
fn range_and_depth_are_no_difference() {
    let folder = Folder::new();
    let first = folder.clip(
        "first.mkv",
        "-f lavfi -i testsrc2=s=160x120:r=25:d=0.4 -c:v ffv1 -pix_fmt yuv420p -color_range tv -colorspace bt709",
    );
    let source = first.display();
    for (name, arguments) in [
        ("full.mkv", "-vf scale=in_range=tv:out_range=pc -pix_fmt yuv420p -color_range pc -colorspace bt709"),
        ("deep.mkv", "-pix_fmt yuv420p10le -color_range tv -colorspace bt709"),
    ] {
        let second = folder.clip(name, &format!("-i {source} {arguments} -c:v ffv1"));
        let value = compare(&first, &second, &["--vmaf", "off"]).succeeded().json();
        let psnr = value["psnr"]["y"]["min"].as_f64().unwrap();
        // One rounding to 8 bits at most: an error of half a code value is 54 dB.
        assert!(psnr > 50.0, "{name}: {psnr}");
        assert_ne!(value["notices"].as_array().unwrap().len(), 0, "{name}");
    }
}

#[test]
fn a_lost_frame_is_left_out_and_said() {
    let folder = Folder::new();
    let (first, _) = clips(&folder, "yuv420p");
    let source = first.display();
    let second = folder
        .clip("lost.mkv", &format!("-i {source} -vf select=not(eq(n\\,7)) -fps_mode passthrough -c:v ffv1"));
    let value = compare(&first, &second, &["--vmaf", "off"]).succeeded().json();
    assert_eq!((&value["pairs"], &value["only_in_reference"]), (&Value::from(24), &Value::from(1)));
    assert_eq!(value["psnr"]["y"]["min"], 60.0, "the other frames are equal");
}

#[test]
fn pictures_that_are_turned_differently_are_said_to_be() {
    let folder = Folder::new();
    let (_, second) = clips(&folder, "yuv420p");
    let source = second.display();
    let plain = folder.clip("plain.mp4", &format!("-i {source} -c copy"));
    let turned = folder.clip("turned.mp4", &format!("-i {source} -c copy -metadata:s:v rotate=90"));
    let told = |first: &Path, second: &Path| {
        let value = compare(first, second, &["--vmaf", "off"]).succeeded().json();
        value["notices"].as_array().unwrap().iter().any(|notice| notice.as_str().unwrap().contains("turned"))
    };
    assert_eq!((told(&turned, &plain), told(&turned, &turned), told(&plain, &plain)), (true, false, false));
}

#[test]
fn alpha_is_said_not_to_be_compared() {
    let folder = Folder::new();
    let source = "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -c:v ffv1 -pix_fmt";
    let plain = folder.clip("plain.mkv", &format!("{source} yuv420p"));
    let alpha = folder.clip("alpha.mkv", &format!("{source} yuva420p"));
    for (first, second, word) in [(&alpha, &plain, "only the first"), (&alpha, &alpha, "both videos")] {
        let notices = compare(first, second, &["--vmaf", "off"]).succeeded().json()["notices"].to_string();
        assert!(notices.contains(word) && notices.contains("alpha"), "{notices}");
    }
}

#[test]
fn pictures_beyond_the_end_are_said_to_be_missing() {
    let folder = Folder::new();
    let (first, second) = clips(&folder, "yuv420p");
    let report = folder.file("report.html");
    let arguments = ["--vmaf", "off", "--html", report.to_str().unwrap(), "--frames", "3,25,99"];
    let value = compare(&first, &second, &arguments).succeeded().json();
    let told = "the report does not show 25, 99: there are 25 pairs of frames, counted from 0";
    assert!(value["notices"].as_array().unwrap().contains(&told.into()), "{}", value["notices"]);
}

#[test]
fn each_pair_has_a_line() {
    let folder = Folder::new();
    let (first, second) = clips(&folder, "yuv420p");
    let lines = folder.file("frames.csv");
    let arguments = ["--vmaf", "off", "--csv", lines.to_str().unwrap()];
    compare(&first, &second, &arguments).succeeded();
    let text = std::fs::read_to_string(&lines).unwrap();
    assert!(
        text.starts_with("frame,reference_time,distorted_time,psnr_y,psnr_cb,psnr_cr,psnr_all,ssim,vmaf\n")
    );
    assert_eq!(text.lines().count(), 26);
    let again = compare(&first, &second, &arguments);
    assert_eq!((again.status, again.error_name()), (6, "output-exists"));
}

#[test]
fn a_report_takes_no_other_file_s_place() {
    let folder = Folder::new();
    let (first, second) = clips(&folder, "yuv420p");
    let before = [&first, &second].map(|path| std::fs::read(path).unwrap());
    let (same, lost) = (folder.file("same"), folder.file("no/such/folder"));
    let [a, b, same, lost] = [&first, &second, &same, &lost].map(|path| path.to_str().unwrap());
    for (flags, name, status) in [
        (&["--html", a][..], "output-is-input", 6),
        (&["--csv", b], "output-is-input", 6),
        (&["--html", same, "--csv", same], "option-invalid", 2),
        (&["--csv", lost], "output-unwritable", 6),
    ] {
        let answer = compare(&first, &second, &[&["--vmaf", "off", "-y"], flags].concat());
        assert_eq!((answer.error_name(), answer.status), (name, status), "{flags:?}: {}", answer.stderr);
    }
    assert_eq!([&first, &second].map(|path| std::fs::read(path).unwrap()), before);
    assert_eq!(folder.names(), ["first.mkv", "second.mkv"]);
}

/// A browser's program, if there is one.
fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
}

/// What the page's elements are after the slider was moved, a tab chosen and the pointer brought over a plot.
const PROBE: &str = r#"<script>
{
const slider = document.getElementById("slider");
const over = document.querySelector(".pair .over");
const before = getComputedStyle(over).clipPath;
slider.value = 20;
slider.dispatchEvent(new Event("input"));
const after = getComputedStyle(over).clipPath;
const tabs = document.querySelectorAll("[role=tab]");
tabs[tabs.length - 1].click();
const svg = document.querySelector("svg[data-metric=psnr_y]");
const box = svg.getBoundingClientRect();
svg.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + box.width / 2, clientY: box.top + 5, bubbles: true }));
const line = svg.querySelector(".values");
const result = {
  before, after,
  shown: [...document.querySelectorAll(".pair")].filter((pair) => getComputedStyle(pair).display !== "none").length,
  pictures: [...document.images].filter((image) => image.naturalWidth === 196).length,
  points: line.points.numberOfItems, length: Math.round(line.getTotalLength()), height: Math.round(box.height),
  value: document.querySelector("output[data-metric=psnr_y]").textContent,
  rows: document.querySelectorAll("tbody tr").length,
};
document.title = "PROBE" + JSON.stringify(result) + "END";
}
</script>"#;

#[test]
fn the_report_works_in_a_browser() {
    let folder = Folder::new();
    let (first, second) = clips(&folder, "yuv420p");
    let report = folder.file("report.html");
    compare(&first, &second, &["--vmaf", "off", "--html", report.to_str().unwrap()]).succeeded();
    let page = std::fs::read_to_string(&report).unwrap();
    for word in ["http://", "https://", "src=\"/", "<link"] {
        assert!(!page.contains(word), "the report refers to {word}");
    }
    let Some(browser) = browser() else {
        println!("skipped: no Chromium is installed, so the report was not opened");
        return;
    };
    let probed = folder.file("probed.html");
    std::fs::write(&probed, page.replace("</body>", &format!("{PROBE}</body>"))).unwrap();
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", folder.file("profile").display()));
    let output = command.arg(format!("file://{}", probed.display())).output().unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    let found = dom.split_once("PROBE").and_then(|(_, rest)| rest.split_once("END"));
    let found: Value = serde_json::from_str(found.expect("the page's script ran").0).unwrap();
    assert_eq!(
        (&found["before"], &found["after"]),
        (&"inset(0px 0px 0px 50%)".into(), &"inset(0px 0px 0px 20%)".into())
    );
    assert_eq!(found["shown"], 1, "one pair at a time: {found}");
    assert_eq!(found["pictures"], 8, "three pairs and the lowest: {found}");
    assert_eq!(found["points"], 25, "{found}");
    assert!(found["length"].as_f64().unwrap() > 500.0 && found["height"].as_f64().unwrap() > 50.0, "{found}");
    assert!(found["value"].as_str().unwrap().starts_with("pair 11: "), "{found}");
    assert!(found["rows"].as_u64().unwrap() > 8, "{found}");
}
