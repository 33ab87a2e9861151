//! Hands on which version of FFmpeg `ffmpeg-sys-next` found, as `cfg(ffmpeg_6_0)` and so on.

const VERSIONS: [&str; 2] = ["ffmpeg_6_0", "ffmpeg_8_0"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for version in VERSIONS {
        println!("cargo::rustc-check-cfg=cfg({version})");
        if std::env::var(format!("DEP_FFMPEG_{}", version.to_uppercase())).is_ok_and(|value| value == "true")
        {
            println!("cargo::rustc-cfg={version}");
        }
    }
}
