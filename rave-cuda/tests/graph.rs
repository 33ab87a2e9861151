//! Work that is recorded on a GPU and enqueued again.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use common::{blank, gpu, layout, to_device, to_host};
use cudarc::driver::result;
use rave_core::PixelFormat;
use rave_cuda::{Error, Graph};

#[test]
fn recorded_work_runs_when_it_is_launched_and_as_often() {
    let Some((pool, stream)) = gpu() else { return };
    let layout = layout(PixelFormat::NV12, (320, 180), common::Rows::Packed);
    let mut frame = to_device(&pool, &stream, &blank(layout));
    let access = frame.buffer_mut().write(&stream).unwrap();
    let clear = |value: u8, len_bytes: usize| {
        // SAFETY: the buffer is as long as the layout; the access is held.
        let result = unsafe { result::memset_d8_async(access.address(), value, len_bytes, stream.as_raw()) };
        result.map_err(|source| Error::Cuda { action: "fill", source })
    };
    // SAFETY: the work is enqueued on this stream, and the buffer outlives the graph.
    let mut graph = unsafe { Graph::record(&stream, || clear(7, 100)) }.unwrap();
    for before in [1, 2] {
        clear(before, 200).unwrap();
        // SAFETY: the access is held.
        unsafe { graph.launch() }.unwrap();
    }
    drop(access);
    let bytes = to_host(&stream, &frame);
    assert_eq!(bytes.buffer().as_bytes()[..100], [7; 100]);
    assert_eq!(bytes.buffer().as_bytes()[100..200], [2; 100]);
}

#[test]
fn work_that_waits_cannot_be_recorded_and_the_stream_goes_on() {
    let Some((_, stream)) = gpu() else { return };
    // SAFETY: the work touches no memory.
    let refused = unsafe { Graph::record(&stream, || stream.synchronize()) };
    assert!(matches!(refused, Err(Error::Cuda { .. })));
    stream.synchronize().unwrap();
}
