//! Decodes the video of a file, or of standard input for `-`, and writes it as YUV4MPEG2:
//! `decode_to_y4m clip.mp4 | ffplay -`.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use rave_core::{BoxError, Chroma, CustomError, HostFrame, PixelFormat, Rational, Stage, VideoInfo};
use rave_ffmpeg::{DecoderOptions, Demuxer, DemuxerOptions, Input, SoftwareDecoder};

fn main() -> Result<(), BoxError> {
    let name = std::env::args_os().nth(1).ok_or_else(|| CustomError::new("usage: decode_to_y4m FILE"))?;
    let input = if name == "-" { Input::Stdin } else { Input::from(Path::new(&name)) };
    let demuxer = Demuxer::open(&input, &DemuxerOptions::default())?;
    let mut decoder = SoftwareDecoder::new(demuxer.video(), &DecoderOptions::default())?;
    let mut output = BufWriter::new(io::stdout().lock());
    write!(output, "{}", header(decoder.info())?).map_err(CustomError::new)?;
    let mut frames = Vec::new();
    for packet in demuxer {
        decoder.process(packet?, &mut |frame| frames.push(frame))?;
        frames.drain(..).try_for_each(|frame| write_frame(&mut output, &frame)).map_err(CustomError::new)?;
    }
    decoder.finish(&mut |frame| frames.push(frame))?;
    frames.drain(..).try_for_each(|frame| write_frame(&mut output, &frame)).map_err(CustomError::new)?;
    eprintln!("{:?}", decoder.report());
    output.flush().map_err(|error| CustomError::new(error).into())
}

fn header(info: &VideoInfo) -> Result<String, BoxError> {
    let chroma = match (info.format, info.format.chroma()) {
        (PixelFormat::Yuv { .. }, Some(Chroma::C420)) if info.format == PixelFormat::YUV420P => "420",
        (PixelFormat::Yuv { .. }, Some(Chroma::C422)) if info.format == PixelFormat::YUV422P => "422",
        (PixelFormat::Yuv { .. }, Some(Chroma::C444)) if info.format == PixelFormat::YUV444P => "444",
        (format, _) => return Err(CustomError::new(format!("{format} has no name in YUV4MPEG2")).into()),
    };
    let rate = info.frame_rate.unwrap_or(Rational::ONE);
    let (numerator, denominator) = (rate.numerator(), rate.denominator());
    Ok(format!("YUV4MPEG2 W{} H{} F{numerator}:{denominator} C{chroma}\n", info.width, info.height))
}

fn write_frame(output: &mut impl Write, frame: &HostFrame) -> io::Result<()> {
    output.write_all(b"FRAME\n")?;
    (0..frame.layout().planes().len())
        .try_for_each(|plane| frame.rows::<u8>(plane).try_for_each(|row| output.write_all(row)))
}
