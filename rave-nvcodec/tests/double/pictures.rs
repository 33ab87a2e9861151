//! What was in an input, and what comes out for it.

use cudarc::driver::sys::{self, CUresult, CUstream};
use rave_core::{HostFrame, Layout, PixelFormat};
use rave_nvcodec::sys::nvenc::{self, BufferFormat};

/// An FNV-1a hash of a frame's samples, without its padding.
pub fn digest(frame: &HostFrame) -> u64 {
    digest_bytes(frame.layout(), frame.buffer().as_bytes())
}

fn digest_bytes(layout: &Layout, bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for plane in layout.planes() {
        for row in 0..plane.rows {
            let start = plane.offset_bytes + row * plane.stride_bytes;
            for &byte in &bytes[start..start + plane.row_bytes] {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
    }
    hash
}

/// How a registered input lies: the chroma plane follows the last row of luma.
pub fn layout(resource: &nvenc::RegisterResource) -> Option<Layout> {
    let format = match resource.buffer_format {
        BufferFormat::NV12 => PixelFormat::NV12,
        BufferFormat::YUV420_10BIT => PixelFormat::P010,
        _ => return None,
    };
    let (pitch, rows) = (resource.pitch as usize, resource.height as usize);
    Layout::with_planes(format, resource.width, resource.height, &[(0, pitch), (pitch * rows, pitch)]).ok()
}

/// Reads an input in the order of the stream that the encoder was given, as the encoder would.
pub fn read(resource: &nvenc::RegisterResource, stream: CUstream) -> Option<u64> {
    let layout = layout(resource)?;
    let mut bytes = vec![0; layout.size_bytes()];
    let address = resource.resource_to_register as u64;
    // SAFETY: the caller of the double vouches for the registered memory, which is what is tested; the bytes live until
    // the stream has run dry.
    let results = unsafe {
        [
            sys::cuMemcpyDtoHAsync_v2(bytes.as_mut_ptr().cast(), address, bytes.len(), stream),
            sys::cuStreamSynchronize(stream),
        ]
    };
    (results == [CUresult::CUDA_SUCCESS; 2]).then(|| digest_bytes(&layout, &bytes))
}
