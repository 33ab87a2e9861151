//! Decodes the video of a file with NVDEC and writes its frames as raw samples, with this crate and rave-ffmpeg alone:
//! `decode INPUT OUTPUT`.

use std::fs::File;
use std::io::{BufWriter, Write};

use rave_core::{BoxError, CustomError, HostFrame, Stage};
use rave_cuda::{Device, Download, Pool, PoolOptions};
use rave_ffmpeg::{BitstreamFilter, Demuxer, DemuxerOptions, Input};
use rave_nvcodec::{Codec, CodedVideo, DecoderOptions, NvDecoder, NvdecLibrary};

fn main() -> Result<(), BoxError> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(input), Some(output)) = (arguments.next(), arguments.next()) else {
        return Err(CustomError::new("usage: decode INPUT OUTPUT").into());
    };
    let demuxer = Demuxer::open(&Input::File(input.into()), &DemuxerOptions::default())?;
    let stream = demuxer.video().clone();
    let codec =
        Codec::from_name(stream.codec_name()).ok_or_else(|| CustomError::new("no GPU decodes this codec"))?;
    let mut filter = BitstreamFilter::new(&stream)?;
    let video = CodedVideo { codec, extradata: filter.extradata().to_vec(), info: *stream.info() };

    let pool = Pool::new(&Device::open(0)?, PoolOptions::default());
    let mut decoder = NvDecoder::new(&NvdecLibrary::open()?, &pool, &video, &DecoderOptions::default())?;
    let mut download = Download::new(&pool, decoder.info())?;
    let mut file = BufWriter::new(File::create(output).map_err(CustomError::new)?);
    let mut written = Ok(());
    let mut write = |frame: HostFrame| {
        let bytes = &frame.buffer().as_bytes()[..frame.layout().size_bytes()];
        written = std::mem::replace(&mut written, Ok(())).and_then(|()| file.write_all(bytes));
    };

    let (mut packets, mut frames) = (Vec::new(), Vec::new());
    for packet in demuxer {
        filter.process(packet?, &mut |packet| packets.push(packet))?;
        for packet in packets.drain(..) {
            decoder.process(packet, &mut |frame| frames.push(frame))?;
        }
        frames.drain(..).try_for_each(|frame| download.process(frame, &mut write))?;
    }
    decoder.finish(&mut |frame| frames.push(frame))?;
    frames.drain(..).try_for_each(|frame| download.process(frame, &mut write))?;
    download.finish(&mut write)?;
    written.and_then(|()| file.flush()).map_err(CustomError::new)?;
    eprintln!("{} {:?}", decoder.info().format, decoder.report());
    Ok(())
}
